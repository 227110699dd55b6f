//! Data and reports that cannot be right: each has a defined, safe outcome.

use kt_model::{InstrumentStatus, Nanos, OrderStep, State};
use kt_signals::Input;
use kt_trading::report::{Fill, Liquidity, Outcome, Report};

use crate::world::{BEGIN, PERP, SECOND, SPOT, World, config, d};

/// Quotes the dear perpetual and lets time pass, as an entry needs.
fn invite(world: &mut World) {
    for _ in 0..5 {
        world.quote(PERP, "60059.9", "60060");
        world.pass(10);
    }
}

fn stays_out(what: &str, spoil: impl Fn(&mut World)) {
    let mut world = World::new(&config(|text| text));
    world.settle_in();
    spoil(&mut world);
    invite(&mut world);
    assert_eq!(world.count(OrderStep::Decided), 0, "{what}: {:#?}", world.steps());
}

#[test]
fn bad_data_begins_no_position() {
    stays_out("a crossed book", |world| world.quote(SPOT, "60010", "60000"));
    stays_out("a locked book", |world| world.quote(SPOT, "60000", "60000"));
    stays_out("a price of zero", |world| world.quote(SPOT, "0", "60000"));
    stays_out("a negative price", |world| world.quote(SPOT, "-1", "60000"));
    stays_out("an empty side", |world| world.quote_of(SPOT, None, Some(d("60000")), "1"));
    stays_out("a quantity of zero", |world| world.quote_of(SPOT, Some(d("59999.9")), Some(d("60000")), "0"));
    stays_out("a suspect feed", |world| world.status(SPOT, State::Suspect));
    stays_out("a feed that is away", |world| world.status(SPOT, State::Disconnected));
    stays_out("a stale quote", |world| world.pass(6_000));
    stays_out("a halted instrument", |world| world.describe(SPOT, InstrumentStatus::Halted, None));
    stays_out("a listing that ends", |world| {
        let soon = Nanos(world.now + 60 * SECOND);
        world.describe(PERP, InstrumentStatus::Trading, Some(soon));
    });
    stays_out("lost events", |world| {
        world.input(&Input::Dropped { writer: SPOT.0, epoch: 1, from: 5, to: 9 });
    });
}

#[test]
fn funding_that_is_not_known_is_refused() {
    let settles = BEGIN + 28_800 * SECOND;
    stays_out("no interval", |world| world.funding(Some("0.0001"), None, settles));
    let mut world = World::new(&config(|text| text));
    world.calm();
    invite(&mut world);
    assert_eq!(world.count(OrderStep::Decided), 0, "no funding at all: {:#?}", world.steps());
    stays_out("no rate", |world| world.funding(None, Some(28_800), settles));
    stays_out("an old rate", |world| {
        for _ in 0..70 {
            world.pass(1_000);
            world.quote(SPOT, "59999.9", "60000");
        }
    });
}

fn held() -> World {
    let mut world = World::new(&config(|text| text.replace("max_holding_s = 120", "max_holding_s = 90000")));
    world.enter();
    world
}

fn quoted_until_flat(world: &mut World) {
    for _ in 0..15 {
        world.pass(100);
        world.quote(SPOT, "59999.9", "60000");
        world.quote(PERP, "60059.9", "60060");
    }
    assert!(world.is_flat(), "{:#?}", world.steps());
}

#[test]
fn bad_data_unwinds_a_position_as_soon_as_both_books_can_be_believed() {
    type Spoil = fn(&mut World);
    let spoils: [(&str, Spoil); 3] = [
        ("stale", |world| world.pass(6_000)),
        ("crossed", |world| world.quote(SPOT, "60010", "60000")),
        ("suspect", |world| world.status(PERP, State::Disconnected)),
    ];
    for (word, spoil) in spoils {
        let mut world = held();
        let before = world.records.len();
        spoil(&mut world);
        world.pass(100);
        assert_eq!(world.records.len(), before, "{word}: nothing is sent into a book that is not believed");
        quoted_until_flat(&mut world);
        let decided: Vec<_> = world.records[before..].iter().filter(|r| r.step == OrderStep::Decided).collect();
        assert!(decided.iter().all(|record| &*record.word == word && record.intent == "close"), "{decided:#?}");
    }
}

#[test]
fn a_funding_that_is_due_and_not_known_is_written_down_and_ends_the_position() {
    let mut world = held();
    world.now = BEGIN + 28_799 * SECOND;
    world.pass(2_000);
    let refused = world.records.iter().find(|record| record.step == OrderStep::FundingRefused).expect("refused");
    assert_eq!((&*refused.word, refused.cash), ("funding_stale", None), "unknown is not zero");
    quoted_until_flat(&mut world);
}

#[test]
fn a_funding_that_passed_while_nobody_watched_is_not_forgotten() {
    let text = config(|text| text.replace("max_holding_s = 120", "max_holding_s = 90000"));
    let mut world = held();
    world.funding(Some("0.0001"), Some(28_800), BEGIN + 28_800 * SECOND);
    world.now = BEGIN + 60_000 * SECOND;
    world.start(&text);
    world.funding(Some("0.0001"), Some(28_800), BEGIN + 86_400 * SECOND);
    let words: Vec<_> =
        world.records.iter().filter(|r| r.step == OrderStep::FundingRefused).map(|r| r.word.to_string()).collect();
    assert_eq!(words, ["funding_stale", "funding_missed"], "{:#?}", world.steps());
}

#[test]
fn a_delisting_in_mid_position_leaves_both_legs() {
    // Announced ahead: both legs are closed in the market.
    let mut world = held();
    let soon = Nanos(world.now + 600 * SECOND);
    world.describe(PERP, InstrumentStatus::Trading, Some(soon));
    quoted_until_flat(&mut world);
    assert!(world.records.iter().any(|record| &*record.word == "delisting"));

    // Without a warning: the venue settles the perpetual at its mark, and the spot leg is sold.
    let mut world = held();
    world.describe(PERP, InstrumentStatus::Delisted, None);
    for _ in 0..15 {
        world.pass(100);
        world.quote(SPOT, "59999.9", "60000");
    }
    assert!(world.is_flat(), "{:#?}", world.steps());
    let settled = world.records.iter().find(|record| record.step == OrderStep::Settled).expect("a settlement");
    assert_eq!((settled.fill_quantity, settled.cash), (Some(d("-0.033")), Some(d("-1980"))));
    let to_perpetual = world.records.iter().filter(|r| &*r.instrument == PERP.1 && r.step == OrderStep::Sent).count();
    assert_eq!(to_perpetual, 1, "nothing is sent to a delisted instrument");
}

fn report(world: &mut World, id: &str, outcome: Outcome<'_>) {
    let at = Nanos(world.now);
    let payload = Report::Order { client_order_id: id, happened_at: at, outcome }.to_bytes();
    world.input(&Input::Report { at, payload: &payload });
}

fn fill<'a>(fill_id: &'a str, quantity: &str) -> Outcome<'a> {
    let (price, fee) = (d("60000"), d("0"));
    Outcome::Filled(Fill { fill_id, price, quantity: d(quantity), fee, liquidity: Liquidity::Taker })
}

#[test]
fn a_duplicate_fill_is_counted_once() {
    let mut world = held();
    let (id, fill_id) = {
        let first = world.records.iter().find(|record| record.step == OrderStep::Fill).expect("a fill");
        (first.client_order_id.clone(), first.fill_id.clone())
    };
    report(&mut world, &id, fill(&fill_id, "0.033"));
    assert_eq!(world.position(SPOT), d("0.033"));
    let last = world.records.last().expect("a step");
    assert_eq!((last.step, &*last.word), (OrderStep::Anomaly, "duplicate"));
    assert!(!world.desk.is_halted());
}

#[test]
fn an_unknown_fill_stops_trading_and_moves_no_position() {
    let mut world = held();
    report(&mut world, "not-ours", fill("x", "1"));
    assert_eq!(world.position(SPOT), d("0.033"));
    assert!(world.desk.is_halted());
    let words: Vec<_> = world.steps().into_iter().rev().take(2).map(|(_, word)| word).collect();
    assert_eq!(words, ["unknown_fill", "unknown_fill"], "the anomaly and the halt");
}

#[test]
fn an_overfill_is_booked_and_stops_trading() {
    let mut world = held();
    let id = world.records[0].client_order_id.clone();
    report(&mut world, &id, fill("another", "0.01"));
    assert_eq!(world.position(SPOT), d("0.043"), "the position is what the venue says it is");
    assert!(world.desk.is_halted());
}

#[test]
fn a_late_acknowledgement_changes_nothing_but_the_name() {
    let mut world = World::new(&config(|text| text));
    world.settle_in();
    world.quote(PERP, "60059.9", "60060");
    let id = world.records[0].client_order_id.clone();
    report(&mut world, &id, fill("f1", "0.01"));
    report(&mut world, &id, Outcome::Acknowledged { venue_order_id: "v1" });
    let last = world.records.last().expect("a step");
    assert_eq!((last.step, &*last.word, &*last.venue_order_id), (OrderStep::Acknowledged, "late", "v1"));
    assert_eq!(world.position(SPOT), d("0.01"));
    assert!(!world.desk.is_halted());
    report(&mut world, &id, Outcome::Rejected { reason: "too late" });
    assert!(world.desk.is_halted(), "a rejection of an order that has traded cannot be");
}
