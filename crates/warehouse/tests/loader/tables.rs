//! The tables against the events' declarations, with the real engine.

use kt_model::schema::Kind;
use kt_model::*;
use kt_warehouse::client::Options;
use kt_warehouse::ddl_check;
use kt_warehouse::loader::identity::{IdentityHasher, hash_expression};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Deserialize;

use crate::harness::Setup;
use crate::world::migrate;
use crate::writer::{NOON, header, quote, trade};

pub async fn tables_fit_the_events() {
    let directory = crate::harness::directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    let missing = ddl_check::check(&client).await.unwrap();
    assert_eq!(missing.len(), Kind::COUNT, "{missing:?}");
    migrate(&client).await;
    assert_eq!(ddl_check::check(&client).await.unwrap(), Vec::<String>::new());
    client.execute("ALTER TABLE landing.candle RENAME COLUMN quote_volume TO value", &Options::new()).await.unwrap();
    client.execute("ALTER TABLE landing.trade ADD COLUMN extra UInt8", &Options::new()).await.unwrap();
    let wrong = ddl_check::check(&client).await.unwrap().join("\n");
    assert!(wrong.contains("landing.candle: column 26 is `value Nullable"), "{wrong}");
    assert!(wrong.contains("landing.trade: column `extra` is none of the events'"), "{wrong}");
}

#[derive(Deserialize)]
struct HashRow {
    counter: u64,
    hash: u64,
}

fn sample<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

/// For random rows of every kind, weak and not, with and without optional values.
pub async fn identity_is_the_same_in_rust_and_in_the_warehouse() {
    let directory = crate::harness::directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    migrate(&client).await;
    let mut runner = TestRunner::deterministic();
    let number = (any::<bool>(), -10i128.pow(30)..10i128.pow(30))
        .prop_map(|(round, value)| if round { value / 10i128.pow(16) * 10i128.pow(16) } else { value });
    let optional = proptest::option::of(number.clone());
    let mut hasher = IdentityHasher::default();
    for &kind in Kind::ALL {
        let (mut rows, mut hashes) = (Vec::new(), Vec::new());
        for counter in 1..=400u64 {
            let mut head = header("feed-x", "venue", "A-B-SPOT", Nanos(NOON + sample(&mut runner, &(0i64..3)) * 1_000));
            head.counter = counter;
            head.epoch = 77;
            head.identity = [IdentityClass::Id, IdentityClass::Sequence, IdentityClass::Weak][counter as usize % 3];
            head.occurrence = sample(&mut runner, &(0u32..3));
            let price = Decimal(sample(&mut runner, &number));
            let maybe = |runner: &mut TestRunner| sample(runner, &optional).map(Decimal::<18>);
            let text = sample(&mut runner, &"[a-z0-9'é\\\\-]{0,6}");
            let event = match kind {
                Kind::Trade => Event::Trade(Trade { price, quantity: price, ..trade(head, &text, 1, 1) }),
                Kind::Quote => Event::Quote(Quote {
                    bid_price: maybe(&mut runner),
                    ask_quantity: maybe(&mut runner),
                    ..quote(head, counter % 5, 7)
                }),
                Kind::Book => Event::Book(Book {
                    header: head,
                    action: [BookAction::Delta, BookAction::Checkpoint][counter as usize % 2],
                    book_epoch: counter as u32 % 3,
                    first_sequence: None,
                    last_sequence: counter % 7,
                    previous_sequence: None,
                    depth_limit: None,
                    quantity_unit: QuantityUnit::Base,
                    price_exponent: -2,
                    quantity_exponent: -3,
                    bid_prices: Integers::Slice(&[1, 2]),
                    bid_quantities: Integers::Slice(&[3, 4]),
                    ask_prices: Integers::default(),
                    ask_quantities: Integers::default(),
                    escaped: Texts::default(),
                }),
                Kind::Candle => Event::Candle(Candle {
                    header: head,
                    interval_seconds: 60,
                    open_ts: Nanos(NOON + (counter as i64 % 2)),
                    open: price,
                    high: price,
                    low: price,
                    close: price,
                    volume: price,
                    quantity_unit: QuantityUnit::Base,
                    quote_volume: None,
                    taker_buy_volume: None,
                    trade_count: None,
                    closed: counter % 2 == 0,
                }),
                Kind::Mark => Event::Mark(Mark {
                    header: head,
                    mark_price: maybe(&mut runner),
                    index_price: maybe(&mut runner),
                    estimated_settle_price: None,
                }),
                Kind::Funding => Event::Funding(Funding {
                    header: head,
                    rate: sample(&mut runner, &optional).map(Decimal::<24>),
                    absolute_rate: None,
                    stage: [FundingStage::Predicted, FundingStage::Settled][counter as usize % 2],
                    settles_at: (counter % 3 > 0).then_some(Nanos(NOON + counter as i64 % 2)),
                    interval_seconds: None,
                    interval_source: IntervalSource::Unknown,
                    mark_price: None,
                }),
                Kind::OpenInterest => Event::OpenInterest(OpenInterest {
                    header: head,
                    quantity: maybe(&mut runner),
                    quantity_unit: QuantityUnit::Base,
                    value: maybe(&mut runner),
                    value_currency: codec::Label("USDT"),
                }),
                Kind::Liquidation => Event::Liquidation(Liquidation {
                    header: head,
                    order_id: &text,
                    side: Side::Sell,
                    price,
                    average_price: None,
                    quantity: price,
                    quantity_unit: QuantityUnit::Base,
                    sampled: true,
                }),
                Kind::Instrument => Event::Instrument(instrument(head, &text, counter)),
                Kind::Status => Event::Status(Status {
                    header: head,
                    state: State::Gap,
                    cause: codec::Label("test"),
                    affected: codec::Label(""),
                    from_ts: None,
                    to_ts: None,
                    first_missing: None,
                    last_missing: None,
                    missing: None,
                    clock_offset: None,
                    clock_uncertainty: None,
                    detail: &text,
                }),
                Kind::Quarantine => Event::Quarantine(Quarantine {
                    header: head,
                    reason: codec::Label("test"),
                    detail: &text,
                    frame: "x",
                }),
                Kind::Signal => Event::Signal(Signal {
                    header: head,
                    name: codec::Label("basis"),
                    feature: codec::Label("basis"),
                    other_venue: codec::Label(""),
                    other_instrument: codec::Label(""),
                    value: (counter % 2 == 0).then_some(counter as f64),
                    validity: Validity::Valid,
                    reason: codec::Label(""),
                    age: (counter % 3 == 0).then_some(counter),
                    other_age: None,
                    input: counter,
                    cause_writer: codec::Label("feed-x"),
                    cause_epoch: 7,
                    cause_counter: counter,
                    configuration: 1,
                }),
                Kind::Order => Event::Order(order(head, &text, counter)),
            };
            hashes.push(hasher.hash(&event));
            event.encode(&mut rows);
        }
        let plain = Options::new().setting("optimize_on_insert", 0);
        client.execute(&format!("SYSTEM STOP MERGES {}", kind.table()), &Options::new()).await.unwrap();
        client.insert_row_binary(kind.table(), None, rows.into(), &plain).await.unwrap();
        let sql = format!("SELECT counter, {} AS hash FROM {} ORDER BY counter", hash_expression(kind), kind.table());
        let found = client.query_rows::<HashRow>(&sql, &Options::new()).await.unwrap();
        assert_eq!(found.len(), 400);
        for row in &found {
            assert_eq!(row.hash, hashes[row.counter as usize - 1], "{kind} {}", row.counter);
        }
        // The hash tells apart exactly what the sorting key tells apart.
        let distinct = hashes.iter().collect::<std::collections::BTreeSet<_>>().len() as u64;
        let sql = format!("SELECT count() AS counter, toUInt64(0) AS hash FROM {} FINAL", kind.table());
        let kept = client.query_row::<HashRow>(&sql, &Options::new()).await.unwrap().unwrap().counter;
        assert_eq!(kept, distinct, "{kind}");
    }
}

fn order<'a>(header: Header<'a>, id: &'a str, number: u64) -> Order<'a> {
    let label = codec::Label;
    Order {
        header,
        step: OrderStep::Sent,
        sequence: number % 3,
        strategy: label("basis"),
        client_order_id: id,
        venue_order_id: "",
        fill_id: "",
        intent: label("open"),
        side: Side::Buy,
        time_in_force: TimeInForce::ImmediateOrCancel,
        limit_price: None,
        quantity: None,
        filled: None,
        fill_price: None,
        fill_quantity: None,
        liquidity: label(""),
        fee: None,
        cash: None,
        funding_rate: None,
        position: None,
        bid_price: None,
        bid_quantity: None,
        ask_price: None,
        ask_quantity: None,
        quote_ts: None,
        signal_ts: None,
        basis_bps: None,
        z_score: number.is_multiple_of(2).then_some(number as f64),
        edge_bps: None,
        reason: label(""),
        detail: "",
    }
}

fn instrument<'a>(header: Header<'a>, symbol: &'a str, number: u64) -> Instrument<'a> {
    let label = codec::Label;
    Instrument {
        header,
        symbol,
        instrument_id: number % 3,
        content_hash: number % 5,
        instrument_type: InstrumentType::Spot,
        payoff: Payoff::None,
        base: label("A"),
        quote: label("B"),
        settle: label(""),
        underlying: label("A"),
        underlying_multiplier: Decimal(10i128.pow(18)),
        contract_size: None,
        contract_size_unit: label(""),
        tick_size: None,
        lot_size: None,
        minimum_quantity: None,
        minimum_notional: None,
        option_side: OptionSide::None,
        strike: None,
        expiry_ts: None,
        listed_ts: None,
        delisted_ts: None,
        status: InstrumentStatus::Trading,
        venue_status: label("TRADING"),
        funding_interval_seconds: None,
    }
}

/// Whichever order equal events come in, the same one is kept.
pub async fn versions_prefer_corrections_then_the_first_received() {
    let directory = crate::harness::directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    migrate(&client).await;
    // Origin, received at; the best first.
    let ranking = [
        (Origin::Correction, 9),
        (Origin::Correction, 2),
        (Origin::Live, 1),
        (Origin::Snapshot, 3),
        (Origin::Checkpoint, 4),
        (Origin::Live, 8),
        (Origin::Backfill, 5),
        (Origin::Backfill, 7),
    ];
    let mut id = 0;
    let mut expected = Vec::new();
    let mut inserts: Vec<Vec<u8>> = vec![Vec::new(); 2];
    for (better, worse) in (0..ranking.len()).flat_map(|a| (a + 1..ranking.len()).map(move |b| (a, b))) {
        for swap in [false, true] {
            id += 1;
            let text = id.to_string();
            for (turn, insert) in inserts.iter_mut().enumerate() {
                let (origin, received) = ranking[if (turn == 0) == swap { worse } else { better }];
                let mut head = header("w", "v", "A-B-SPOT", Nanos(NOON));
                (head.origin, head.recv_ts, head.counter) =
                    (origin, Nanos(NOON + received * 1_000_000), received as u64);
                Event::Trade(trade(head, &text, 1, 1)).encode(insert);
            }
            expected.push(ranking[better].1 as u64);
        }
    }
    for insert in inserts {
        client.insert_row_binary("landing.trade", None, insert.into(), &Options::new()).await.unwrap();
    }
    let sql = "SELECT counter, toUInt64(trade_id) AS hash FROM landing.trade FINAL ORDER BY hash";
    let kept: Vec<u64> =
        client.query_rows::<HashRow>(sql, &Options::new()).await.unwrap().iter().map(|row| row.counter).collect();
    assert_eq!(kept, expected);
}
