//! A market of three assets, spot and perpetual, whose basis swings, so that strategies trade on it.

use kt_model::{
    Book, BookAction, Decimal, Event, Funding, FundingStage, Header, IdentityClass, Instrument, InstrumentStatus,
    InstrumentType, Integers, IntervalSource, Label, Nanos, OptionSide, Origin, Payoff, Quantity, QuantityUnit, Quote,
    Side, Texts, Trade,
};

/// 2026-11-22T12:00:00Z.
pub(super) const FROM: Nanos = Nanos(1_795_348_800_000_000_000);
/// Between two events: 50 thousand a second.
const STEP: i64 = 20_000;
const UNIT: i128 = 1_000_000_000_000_000_000;
const LEVELS: usize = 10;
/// Base asset and its price in cents.
const ASSETS: [(&str, i64); 3] = [("BTC", 6_180_000), ("ETH", 302_000), ("SOL", 15_200)];

/// End of the market of so many events.
pub(super) fn end_of(events: u64) -> i64 {
    FROM.0 + (events as i64 + 100) * STEP
}

fn names() -> Vec<(&'static str, String)> {
    let pairs = ASSETS.iter().flat_map(|(asset, _)| {
        [("binance", format!("{asset}-USDT-SPOT")), ("binance_usdm", format!("{asset}-USDT-USDT-PERP"))]
    });
    pairs.collect()
}

fn header<'a>(market: &'a (&'static str, String), writer: &'a str, counter: u64, at: i64) -> Header<'a> {
    Header {
        publish_ts: Nanos(at + 30_000),
        counter,
        epoch: 1_795_348_000,
        writer: Label(writer),
        venue: Label(market.0),
        instrument: Label(&market.1),
        channel: Label("bench"),
        event_ts: Nanos(at - 2_000_000).truncate(1_000_000),
        exch_ts: Some(Nanos(at - 2_000_000)),
        sent_ts: None,
        recv_ts: Nanos(at),
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 1,
        identity: IdentityClass::Id,
        occurrence: 0,
    }
}

/// Hands each event to `take`: definitions first, then `events` of the flow with funding now and then.
pub(super) fn each_event(events: u64, mut take: impl FnMut(&Event<'_>)) {
    let markets = names();
    let mut counters = [0_u64; 2];
    let mut next = |market: usize| {
        let counter = &mut counters[market % 2];
        *counter += 1;
        (["feed-binance", "feed-binance_usdm"][market % 2], *counter)
    };
    for (index, market) in markets.iter().enumerate() {
        let (writer, counter) = next(index);
        take(&Event::Instrument(definition(header(market, writer, counter, FROM.0 + index as i64), index)));
    }
    let mut prices = [[0_i64; LEVELS]; 2];
    let quantities: [i64; LEVELS] = std::array::from_fn(|level| 40_000 + level as i64 * 1_000);
    for number in 0..events {
        let at = FROM.0 + (number as i64 + 10) * STEP;
        let index = (number / 10 % 6) as usize;
        let (market, price) = (&markets[index], price(index, number));
        if number % 5_000 == 0 {
            for (perpetual, market) in markets.iter().enumerate().skip(1).step_by(2) {
                let (writer, counter) = next(perpetual);
                take(&Event::Funding(funding(header(market, writer, counter, at - 1))));
            }
        }
        let (writer, counter) = next(index);
        let header = header(market, writer, counter, at);
        let decimal = |cents: i64| Decimal(i128::from(cents) * UNIT / 100);
        match number % 10 {
            0 => {
                for level in 0..LEVELS {
                    prices[0][level] = price - 1 - level as i64;
                    prices[1][level] = price + 1 + level as i64;
                }
                take(&Event::Book(book(header, number, &prices, &quantities)));
            }
            1 | 4 | 7 => take(&Event::Trade(Trade {
                header,
                trade_id: &number.to_string(),
                first_trade_id: None,
                trade_count: 1,
                side: if number % 3 == 0 { Side::Buy } else { Side::Sell },
                price: decimal(price),
                quantity: Decimal(UNIT / 100),
                quantity_unit: QuantityUnit::Base,
                flags: 0,
            })),
            _ => take(&Event::Quote(Quote {
                header: Header { identity: IdentityClass::Sequence, ..header },
                sequence: number + 1,
                bid_price: Some(decimal(price - 1)),
                bid_quantity: Some(Decimal(40 * UNIT)),
                ask_price: Some(decimal(price + 1)),
                ask_quantity: Some(Decimal(40 * UNIT)),
                quantity_unit: QuantityUnit::Base,
            })),
        }
    }
}

/// A walk of the asset, and for perpetuals a basis that swings by 6 hundredths of a percent in 40 seconds.
fn price(index: usize, number: u64) -> i64 {
    let (_, base) = ASSETS[index / 2];
    let seconds = number as f64 / 50_000.0;
    let walk = (seconds / 7.0).sin() * 0.001;
    let basis = if index % 2 == 1 { (seconds / 6.4).sin() * 0.0006 } else { 0.0 };
    (base as f64 * (1.0 + walk + basis)) as i64
}

fn definition(header: Header<'_>, index: usize) -> Instrument<'_> {
    let is_spot = index % 2 == 0;
    Instrument {
        header,
        symbol: "SYMBOL",
        instrument_id: index as u64 + 1,
        content_hash: index as u64 + 1,
        instrument_type: if is_spot { InstrumentType::Spot } else { InstrumentType::Perpetual },
        payoff: if is_spot { Payoff::None } else { Payoff::Linear },
        base: Label(ASSETS[index / 2].0),
        quote: Label("USDT"),
        settle: Label("USDT"),
        underlying: Label(ASSETS[index / 2].0),
        underlying_multiplier: Decimal(UNIT),
        contract_size: None,
        contract_size_unit: Label(""),
        tick_size: Some(Decimal(UNIT / 100)),
        lot_size: Some(Decimal(UNIT / 1_000)),
        minimum_quantity: Some(Decimal(UNIT / 1_000)),
        minimum_notional: Some(Decimal(UNIT)),
        option_side: OptionSide::None,
        strike: None,
        expiry_ts: None,
        listed_ts: None,
        delisted_ts: None,
        status: InstrumentStatus::Trading,
        venue_status: Label("TRADING"),
        funding_interval_seconds: (!is_spot).then_some(28_800),
    }
}

fn funding(header: Header<'_>) -> Funding<'_> {
    let settles = Nanos(FROM.0 + 4 * 3_600_000_000_000);
    Funding {
        header,
        rate: Some(Decimal(100_000_000_000_000_000_000)),
        absolute_rate: None,
        stage: FundingStage::Predicted,
        settles_at: Some(settles),
        interval_seconds: Some(28_800),
        interval_source: IntervalSource::Venue,
        mark_price: None,
    }
}

fn book<'a>(
    header: Header<'a>,
    number: u64,
    prices: &'a [[i64; LEVELS]; 2],
    quantities: &'a [i64; LEVELS],
) -> Book<'a> {
    Book {
        header: Header { identity: IdentityClass::Sequence, ..header },
        action: if number < 60 { BookAction::Snapshot } else { BookAction::Delta },
        book_epoch: 1,
        first_sequence: Some(number + 1),
        last_sequence: number + 1,
        previous_sequence: number.checked_sub(59),
        depth_limit: None,
        quantity_unit: QuantityUnit::Base,
        price_exponent: -2,
        quantity_exponent: -3,
        bid_prices: Integers::Slice(&prices[0]),
        bid_quantities: Integers::Slice(quantities),
        ask_prices: Integers::Slice(&prices[1]),
        ask_quantities: Integers::Slice(quantities),
        escaped: Texts::default(),
    }
}
