//! The desk from decision to flat, and that it does the same twice.

use kt_model::{Decimal, InstrumentStatus, OrderStep, Side, State};
use kt_signals::Input;
use kt_trading::report::{Outcome, Report};

use crate::world::{BEGIN, PERP, SECOND, SPOT, World, config, d};

#[test]
fn a_position_is_built_held_and_taken_down() {
    let mut world = World::new(&config(|text| text));
    world.enter();
    let steps: Vec<OrderStep> = world.records.iter().map(|record| record.step).collect();
    use OrderStep::{Acknowledged, Decided, Fill, Passed, Sent};
    assert_eq!(
        steps,
        [Decided, Passed, Sent, Decided, Passed, Sent, Acknowledged, Fill, Acknowledged, Fill],
        "{:#?}",
        world.steps()
    );
    let sequences: Vec<u64> = world.records.iter().map(|record| record.sequence).collect();
    assert_eq!(sequences, (1..=10).collect::<Vec<_>>());
    let (decided, fill) = (&world.records[0], &world.records[7]);
    assert!(decided.reason.z_score > Some(1.5) && decided.reason.edge_bps > Some(0.5), "{decided:?}");
    assert_eq!(decided.top.map(|top| top.ask_price), Some(d("60000")));
    let sent = world.records[2].at;
    assert_eq!(fill.happened_at.map(|at| at.0 - sent.0), Some(5_000_000), "it arrives after the stated latency");
    assert_eq!(fill.at.0 - sent.0, 10_000_000, "and is known after the way back");
    // 0.033 × 60 000 = 1 980 USDT, half a hundredth of a percent of it is the fee.
    assert_eq!((fill.cash, fill.fee), (Some(d("-1980")), Some(d("0.099"))));

    // The basis returns: both legs go.
    world.quote(PERP, "59999.9", "60000");
    for _ in 0..10 {
        world.pass(100);
        world.quote(SPOT, "59999.9", "60000");
        world.quote(PERP, "59999.9", "60000");
    }
    assert!(world.is_flat(), "{:#?}", world.steps());
    let accounts: Vec<_> = world.desk.holdings().map(|holding| *holding.account).collect();
    // Spot bought at 60 000.0 and sold at 59 999.9; the perpetual sold at 60 059.9 and bought at 60 000.0.
    assert_eq!(accounts[0].cash, d("-0.0033"));
    assert_eq!(accounts[1].cash, d("1.9767"));
    assert!(world.records.iter().any(|record| record.word.as_ref() == "exit"));
}

#[test]
fn the_longest_holding_ends_a_position_on_a_silent_market() {
    let mut world = World::new(&config(|text| text.replace("max_quote_age_ms = 5000", "max_quote_age_ms = 900000")));
    world.enter();
    let before = world.records.len();
    world.pass(121_000);
    let decided = &world.records[before];
    assert_eq!((decided.step, &*decided.word), (OrderStep::Decided, "max_holding"));
    // Its orders are refused while the quotes are older than risk allows; they go when the market speaks again.
    assert!(world.records[before..].iter().any(|record| &*record.word == "stale"), "{:#?}", world.steps());
    world.pass(1_000);
    world.quote(SPOT, "59999.9", "60000");
    world.quote(PERP, "60059.9", "60060");
    world.pass(600);
    world.quote(SPOT, "59999.9", "60000");
    world.quote(PERP, "60059.9", "60060");
    world.pass(20);
    assert!(world.is_flat(), "{:#?}", world.steps());
}

#[test]
fn an_order_that_waits_stands_behind_its_queue() {
    let mut world = World::new(&config(|text| text.replace("entry = \"taker\"", "entry = \"maker\"")));
    world.settle_in();
    world.quote(PERP, "60059.9", "60060");
    world.pass(20);
    assert_eq!(world.records.last().map(|record| record.step), Some(OrderStep::Acknowledged), "{:#?}", world.steps());
    // Five stand before it at the bid: four leave it waiting, the next one and a hundredth reach it.
    world.trade(SPOT, Side::Sell, "59999.9", "4");
    world.pass(20);
    assert!(world.is_flat());
    world.trade(SPOT, Side::Sell, "59999.9", "1.01");
    world.pass(20);
    assert_eq!(world.position(SPOT), d("0.01"), "{:#?}", world.steps());
    world.quote(PERP, "60059.9", "60060");
    world.pass(20);
    assert_eq!(world.position(PERP), d("-0.01"), "the perpetual follows what the spot leg has traded");
    let fill = world.records.iter().find(|record| record.step == OrderStep::Fill).expect("a fill");
    assert_eq!((fill.liquidity, fill.fee), ("maker", Some(Decimal::ZERO)));
    // A trade through its price fills it whatever stood before it; then nothing is left to cancel.
    world.trade(SPOT, Side::Sell, "59999.8", "9");
    world.pass(20);
    assert_eq!(world.position(SPOT), d("0.033"));
    assert_eq!(world.count(OrderStep::CancelSent), 0);
}

#[test]
fn what_waits_too_long_is_cancelled() {
    let mut world = World::new(&config(|text| text.replace("entry = \"taker\"", "entry = \"maker\"")));
    world.settle_in();
    world.quote(PERP, "60059.9", "60060");
    for _ in 0..32 {
        world.pass(100);
        world.quote(SPOT, "59999.9", "60000");
        world.quote(PERP, "60059.9", "60060");
    }
    let cancelled: Vec<_> = world.steps().into_iter().filter(|(step, _)| *step == OrderStep::Cancelled).collect();
    assert_eq!(cancelled, [(OrderStep::Cancelled, "asked".to_owned())], "{:#?}", world.steps());
    assert_eq!((world.is_flat(), world.desk.open_orders()), (true, 0));
}

#[test]
fn what_is_taken_is_gone_until_the_next_quote() {
    let mut world = World::new(&config(|text| text));
    world.settle_in();
    // Only a hundredth is shown at the spot offer.
    world.quote_of(SPOT, Some(d("59999.9")), Some(d("60000")), "0.01");
    world.quote(PERP, "60059.9", "60060");
    world.pass(20);
    assert_eq!((world.position(SPOT), world.position(PERP)), (d("0.01"), d("-0.033")));
    world.pass(1_000);
    assert_eq!(world.position(SPOT), d("0.01"), "the same quote gives nothing more: {:#?}", world.steps());
    world.quote_of(SPOT, Some(d("59999.9")), Some(d("60000")), "5");
    world.quote(PERP, "60059.9", "60060");
    world.pass(1_000);
    world.pass(20);
    assert_eq!(world.position(SPOT), d("0.033"), "{:#?}", world.steps());
}

#[test]
fn the_kill_switch_stops_orders_and_cancels_what_waits() {
    let mut world = World::new(&config(|text| text.replace("entry = \"taker\"", "entry = \"maker\"")));
    world.settle_in();
    world.quote(PERP, "60059.9", "60060");
    world.pass(20);
    assert_eq!(world.desk.open_orders(), 1);
    let at = kt_model::Nanos(world.now);
    world.input(&Input::KillSwitch { at, on: true });
    world.pass(20);
    assert_eq!((world.desk.open_orders(), world.desk.is_halted()), (0, true));
    let sent = world.count(OrderStep::Sent);
    for _ in 0..30 {
        world.pass(100);
        world.quote(SPOT, "59999.9", "60000");
        world.quote(PERP, "60059.9", "60060");
    }
    assert_eq!(world.count(OrderStep::Sent), sent, "nothing is sent while trading is forbidden");
    assert_eq!(world.count(OrderStep::Refused), 1, "and one refusal says so: {:#?}", world.steps());
    let at = kt_model::Nanos(world.now);
    world.input(&Input::KillSwitch { at, on: false });
    for _ in 0..60 {
        world.pass(100);
        world.quote(SPOT, "59999.9", "60000");
        world.quote(PERP, "59999.9", "60000");
    }
    world.quote(PERP, "60259.9", "60260");
    world.pass(100);
    assert!(world.count(OrderStep::Sent) > sent, "{:#?}", world.steps());
}

#[test]
fn longs_pay_shorts_when_the_rate_is_positive() {
    for (rate, expected) in [("0.0001", "0.198"), ("-0.0001", "-0.198")] {
        let patient = |text: String| {
            text.replace("max_holding_s = 120", "max_holding_s = 90000")
                .replace("max_quote_age_ms = 5000", "max_quote_age_ms = 90000000")
        };
        let mut world = World::new(&config(patient));
        world.enter();
        // 0.033 short at a mark of 60 000: 1 980 × 0.0001.
        let settles = BEGIN + 28_800 * SECOND;
        world.now = settles - SECOND;
        world.quote(SPOT, "59999.9", "60000");
        world.quote(PERP, "60059.9", "60060");
        world.funding(Some(rate), Some(28_800), settles);
        world.pass(1_000);
        let payment = world.records.iter().find(|record| record.step == OrderStep::Funding).expect("a funding");
        assert_eq!(payment.cash, Some(d(expected)));
        world.pass(1_000);
        assert_eq!(world.count(OrderStep::Funding), 1, "charged once");
    }
}

#[test]
fn the_same_inputs_give_the_same_records() {
    let run = || {
        let mut world = World::new(&config(|text| text));
        world.enter();
        let text = config(|text| text);
        world.start(&text);
        assert_eq!(world.position(SPOT), d("0.033"), "a restart on the same journal keeps the position");
        world.status(SPOT, State::Stale);
        world.pass(100);
        world.quote(SPOT, "59999.9", "60000");
        world.quote(PERP, "60059.9", "60060");
        world.describe(PERP, InstrumentStatus::Trading, None);
        world.pass(100);
        world.records
    };
    assert_eq!(run(), run());
}

#[test]
fn a_new_journal_goes_on_from_what_was_recovered() {
    let text = config(|text| text);
    let mut world = World::new(&text);
    world.enter();
    let recovered = world.desk.recovered();
    let payload = Report::Recovered(recovered.clone()).to_bytes();
    assert_eq!(Report::from_bytes(&payload), Ok(Report::Recovered(recovered)));
    let mut next = World { desk: kt_trading::Desk::paper(), ..World::new(&text) };
    next.records.clear();
    next.now = world.now + SECOND;
    let at = kt_model::Nanos(next.now);
    next.input(&Input::Start(at));
    next.input(&Input::Configuration { at, hash: 0, text: &text });
    next.input(&Input::Report { at, payload: &payload });
    next.input(&Input::CatchUp(at));
    assert_eq!((next.position(SPOT), next.position(PERP)), (d("0.033"), d("-0.033")));
    // It holds what it found until the longest holding, and numbers go on.
    for leg in [SPOT, PERP] {
        next.describe(leg, InstrumentStatus::Trading, None);
    }
    next.funding(Some("0.0001"), Some(28_800), BEGIN + 28_800 * SECOND);
    for _ in 0..1300 {
        next.pass(100);
        next.quote(SPOT, "59999.9", "60000");
        next.quote(PERP, "60059.9", "60060");
    }
    assert!(next.is_flat(), "{:#?}", next.steps());
    assert_eq!(next.records[0].sequence, world.desk.last_sequence() + 1);
}

/// Reports that the ordered input brings are taken like those of the paper venue.
#[test]
fn reports_of_a_venue_enter_through_the_input() {
    let mut world = World::new(&config(|text| text));
    world.settle_in();
    world.quote(PERP, "60059.9", "60060");
    let id = world.records[0].client_order_id.clone();
    let at = kt_model::Nanos(world.now);
    let outcome = Outcome::Rejected { reason: "no_margin" };
    let report = Report::Order { client_order_id: &id, happened_at: at, outcome };
    world.input(&Input::Report { at, payload: &report.to_bytes() });
    let last = world.records.last().expect("a step");
    assert_eq!((last.step, &*last.word), (OrderStep::Rejected, "no_margin"));
    world.input(&Input::Report { at, payload: b"nonsense" });
    assert_eq!(world.desk.unreadable_reports(), 1);
}
