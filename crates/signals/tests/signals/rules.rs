//! What is defined for data that is missing, late, wrong or gone.

use kt_model::{BookAction, InstrumentStatus, IntervalSource, Side, State};
use kt_signals::Input;

use crate::market::{Desk, PERP, SPOT, at, book, definition, funding, quote, status, trade};

const QUOTES: &str = r#"
[[signal]]
name = "spread"
feature = "spread"
every_ms = 0
[[signal]]
name = "micro"
feature = "microprice"
every_ms = 0
[[signal]]
name = "basis"
feature = "basis"
instrument = "*-PERP"
second_instrument = "{base}-{quote}-SPOT"
every_ms = 0
"#;

#[test]
fn quotes_that_are_no_market_give_no_value() {
    let mut desk = Desk::new(QUOTES);
    desk.event(&quote(PERP, at(0.0), 100.0, 101.0));
    assert_eq!(desk.says("spread"), Ok(1.0 / 100.5 * 10_000.0));
    assert_eq!(desk.says("micro"), Ok((100.0 * 1.0 + 101.0 * 2.0) / 3.0));
    assert_eq!(desk.says("basis"), Err("no_second_leg"));
    assert!(!desk.has("basis", SPOT) && !desk.has("spread", SPOT), "nothing of the spot market has come");
    desk.event(&quote(SPOT, at(0.1), 99.0, 100.0));
    assert_eq!(desk.says("basis"), Ok((100.5 - 99.5) / 99.5 * 10_000.0));
    desk.event(&quote(PERP, at(0.2), 102.0, 101.0));
    assert_eq!((desk.says("spread"), desk.says("basis")), (Err("crossed"), Err("crossed")));
    desk.event(&quote(PERP, at(0.3), 0.0, 101.0));
    assert_eq!(desk.says("spread"), Err("zero_price"));
    desk.event(&quote(PERP, at(0.4), 101.0, 101.0));
    assert_eq!(desk.says("spread"), Ok(0.0), "a locked market is one");
    let mut event = quote(PERP, at(0.5), 100.0, 101.0);
    if let kt_model::Event::Quote(row) = &mut event {
        row.ask_price = None;
    }
    desk.event(&event);
    assert_eq!(desk.says("spread"), Err("one_sided"));
}

#[test]
fn a_silent_leg_goes_stale_by_ticks_alone() {
    let mut desk = Desk::new(QUOTES);
    desk.event(&quote(SPOT, at(0.0), 99.0, 100.0));
    desk.event(&quote(PERP, at(0.0), 100.0, 101.0));
    assert!(desk.says("basis").is_ok());
    desk.tick(at(4.9));
    assert!(desk.says("basis").is_ok());
    desk.event(&quote(PERP, at(5.0), 100.0, 101.0));
    desk.tick(at(5.1));
    assert_eq!(desk.says("basis"), Err("stale"), "the spot leg is too old");
    assert!(desk.says("spread").is_ok(), "the perpetual is not");
    desk.event(&quote(SPOT, at(5.2), 99.0, 100.0));
    assert!(desk.says("basis").is_ok(), "it recovers with the next quote");
}

#[test]
fn lost_and_broken_books_are_not_used_until_they_are_mended() {
    let text = "[[signal]]\nname = \"imbalance\"\nfeature = \"book_imbalance\"\nlevels = 2\nevery_ms = 0\n";
    let mut desk = Desk::new(text);
    let delta = |sequence, now, bids, asks| book(PERP, at(now), BookAction::Delta, sequence, bids, asks);
    desk.event(&delta(9, 0.0, (&[100], &[5]), (&[], &[])));
    assert_eq!(desk.says("imbalance"), Err("no_book"), "a delta without its snapshot");
    let levels: (&[i64], &[i64]) = (&[100, 99, 98], &[3, 1, 50]);
    desk.event(&book(PERP, at(0.1), BookAction::Snapshot, 10, levels, (&[101, 102], &[1, 1])));
    assert_eq!(desk.says("imbalance"), Ok((4.0 - 2.0) / 6.0));
    desk.event(&delta(11, 0.2, (&[100], &[0]), (&[], &[])));
    assert_eq!(desk.says("imbalance"), Ok((51.0 - 2.0) / 53.0), "a removed level gives way to the next");

    let dropped = Input::Dropped { writer: "feed-venue", epoch: 7, from: 5, to: 6 };
    desk.input(&dropped);
    assert_eq!(desk.says("imbalance"), Err("dropped"));
    desk.event(&delta(12, 0.3, (&[100], &[3]), (&[], &[])));
    assert_eq!(desk.says("imbalance"), Ok((4.0 - 2.0) / 6.0), "the unbroken sequence proves that nothing is missing");
    desk.input(&dropped);
    desk.event(&delta(14, 0.4, (&[100], &[9]), (&[], &[])));
    assert_eq!(desk.says("imbalance"), Err("dropped"), "13 is missing");
    desk.event(&status(PERP, at(0.5), State::Gap));
    desk.event(&book(PERP, at(0.6), BookAction::Checkpoint, 15, levels, (&[101, 102], &[1, 1])));
    assert_eq!(desk.says("imbalance"), Ok((4.0 - 2.0) / 6.0), "a checkpoint mends all");
    desk.event(&delta(16, 0.7, (&[103], &[1]), (&[], &[])));
    assert_eq!(desk.says("imbalance"), Err("crossed"));
    desk.event(&status("", at(0.8), State::Disconnected));
    assert_eq!(desk.says("imbalance"), Err("disconnected"), "what concerns the venue concerns its books");
}

#[test]
fn funding_is_annualised_with_a_known_interval_only() {
    let text = "[[signal]]\nname = \"apr\"\nfeature = \"funding_apr\"\nmax_age_ms = 60000\nevery_ms = 0\n";
    let mut desk = Desk::new(text);
    desk.event(&quote(PERP, at(0.0), 100.0, 101.0));
    desk.event(&funding(at(0.0), "0.0001", None, IntervalSource::Unknown, at(100.0)));
    assert_eq!(desk.says("apr"), Err("interval"));
    desk.event(&funding(at(1.0), "0.0001", Some(28_800), IntervalSource::Unknown, at(100.0)));
    assert_eq!(desk.says("apr"), Err("interval"), "a number of unknown origin is no interval");
    desk.event(&funding(at(2.0), "0.0001", Some(28_800), IntervalSource::Venue, at(100.0)));
    assert_eq!(desk.says("apr"), Ok(0.0001 * 365.0 * 86_400.0 / 28_800.0));
    desk.tick(at(63.0));
    assert_eq!(desk.says("apr"), Err("stale"), "refused, not carried forward");
    desk.event(&funding(at(64.0), "-0.0002", Some(14_400), IntervalSource::Reference, at(100.0)));
    assert_eq!(desk.says("apr"), Ok(-0.0002 * 365.0 * 86_400.0 / 14_400.0));
    desk.tick(at(100.0));
    assert_eq!(desk.says("apr"), Err("settled"));
    desk.event(&funding(at(101.0), "0.0001", Some(28_800), IntervalSource::Venue, at(200.0)));
    desk.event(&definition(PERP, at(102.0), InstrumentStatus::Delisted, None));
    assert_eq!(desk.says("apr"), Err("delisted"));
}

#[test]
fn a_dated_contract_is_annualised_to_its_expiry() {
    let text = "[[signal]]\nname = \"annual\"\nfeature = \"annualised_basis\"\ninstrument = \"*-PERP\"\n\
                second_instrument = \"{base}-{quote}-SPOT\"\nevery_ms = 0\n";
    let mut desk = Desk::new(text);
    desk.event(&quote(SPOT, at(0.0), 99.0, 101.0));
    desk.event(&quote(PERP, at(0.0), 101.0, 103.0));
    assert_eq!(desk.says("annual"), Err("no_expiry"));
    let day = 86_400.0;
    desk.event(&definition(PERP, at(0.0), InstrumentStatus::Trading, Some(at(73.0 * day))));
    let value = desk.says("annual").expect("a value");
    assert!((value - 0.02 * 5.0).abs() < 1e-12, "{value}");
    desk.tick(at(73.0 * day));
    assert_eq!(desk.says("annual"), Err("expired"));
}

#[test]
fn windows_of_trades_begin_anew_after_a_loss() {
    let text = "[[signal]]\nname = \"imbalance\"\nfeature = \"trade_imbalance\"\nwindow_ms = 6000\nevery_ms = 0\n\
                [[signal]]\nname = \"vwap\"\nfeature = \"vwap\"\nwindow_ms = 6000\nevery_ms = 0\n";
    let mut desk = Desk::new(text);
    desk.event(&trade(PERP, at(0.0), 100.0, 3.0, Side::Buy, 0));
    assert_eq!(desk.says("vwap"), Err("window"));
    desk.event(&trade(PERP, at(5.0), 200.0, 1.0, Side::Sell, 0));
    desk.event(&trade(PERP, at(5.5), 1.0, 1_000.0, Side::Sell, 4));
    desk.event(&trade(PERP, at(5.89), 100.0, 1.0, Side::Unknown, 0));
    desk.event(&trade(PERP, at(6.0), 0.0, 5.0, Side::Sell, 0));
    // The bucket of the first trade has left the window of 59 buckets and the one under way.
    assert_eq!(desk.says("vwap"), Ok((200.0 + 100.0) / 2.0), "block trades and zero prices do not count");
    assert_eq!(desk.says("imbalance"), Ok(-1.0), "a trade of unknown side counts in neither sum");
    desk.event(&status(PERP, at(6.5), State::Gap));
    assert_eq!(desk.says("vwap"), Err("window"));
    desk.event(&trade(PERP, at(7.0), 50.0, 1.0, Side::Buy, 0));
    desk.tick(at(11.0));
    desk.event(&quote(PERP, at(12.0), 49.0, 51.0));
    desk.tick(at(12.5));
    assert_eq!(desk.says("vwap"), Ok(50.0), "what came before the loss is not mixed in");
    desk.event(&quote(PERP, at(16.0), 49.0, 51.0));
    desk.tick(at(19.5));
    assert_eq!(desk.says("vwap"), Err("no_trades"), "a silent tape is not zero");
    desk.tick(at(30.0));
    assert_eq!(desk.says("vwap"), Err("stale"));
}

#[test]
fn rows_are_throttled_by_the_time_of_the_inputs_but_validity_is_not() {
    let text = "[[signal]]\nname = \"spread\"\nfeature = \"spread\"\nevery_ms = 1000\n";
    let mut desk = Desk::new(text);
    for step in 0..10 {
        desk.event(&quote(PERP, at(f64::from(step) / 100.0), 100.0, 101.0 + f64::from(step)));
    }
    assert_eq!(desk.rows, 1);
    desk.event(&quote(PERP, at(0.5), 105.0, 101.0));
    assert_eq!((desk.rows, desk.says("spread")), (2, Err("crossed")));
    desk.event(&quote(PERP, at(0.6), 100.0, 101.0));
    desk.event(&quote(PERP, at(0.7), 100.0, 103.0));
    assert_eq!(desk.rows, 3);
    desk.tick(at(1.6));
    assert_eq!(
        (desk.rows, desk.says("spread")),
        (4, Ok(3.0 / 101.5 * 10_000.0)),
        "the pending value comes with a tick"
    );
}
