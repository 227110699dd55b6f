//! The same inputs give the same bits, also across a saved state.

use kt_model::{BookAction, Side, State};
use kt_signals::{Engine, Input, Output};
use proptest::prelude::*;

use crate::market::{PERP, SPOT, at, book, quote, status, trade};

const ALL: &str = include_str!("../../../kt/src/config/signals.toml");

#[derive(Clone, Debug)]
enum Step {
    Quote(bool, u8, u8),
    Trade(bool, u8, u8, bool),
    Snapshot(u8, u8),
    Delta(u8, u8),
    Tick,
    Status(u8),
    Dropped,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 0u8..60, 0u8..60).prop_map(|(spot, bid, ask)| Step::Quote(spot, bid, ask)),
        3 => (any::<bool>(), 0u8..60, 0u8..9, any::<bool>()).prop_map(|(s, p, q, b)| Step::Trade(s, p, q, b)),
        1 => (0u8..60, 0u8..60).prop_map(|(bid, ask)| Step::Snapshot(bid, ask)),
        4 => (0u8..60, 0u8..9).prop_map(|(price, quantity)| Step::Delta(price, quantity)),
        6 => Just(Step::Tick),
        1 => (0u8..10).prop_map(Step::Status),
        1 => Just(Step::Dropped),
    ]
}

/// Feeds one step; what is stated goes to `rows` as the bytes of its row.
fn feed(engine: &mut Engine, number: usize, step: &Step, pause: u16, rows: &mut Vec<Vec<u8>>) {
    let now = at(number as f64 * 0.2 + f64::from(pause) / 1_000.0);
    let sink = &mut |output: &Output<'_>| {
        let mut row = Vec::new();
        kt_model::Event::Signal(output.to_row()).encode(&mut row);
        rows.push(row);
    };
    let instrument = |spot: bool| if spot { SPOT } else { PERP };
    let sequence = number as u64 + 1;
    let one = |value: u8| [i64::from(value)];
    match step {
        Step::Quote(spot, bid, ask) => {
            let event = quote(instrument(*spot), now, f64::from(*bid) + 50.0, f64::from(*ask) + 100.0);
            engine.on_input(&Input::event(&event), sink);
        }
        Step::Trade(spot, price, quantity, buy) => {
            let side = if *buy { Side::Buy } else { Side::Sell };
            let event = trade(instrument(*spot), now, f64::from(*price), f64::from(*quantity), side, 0);
            engine.on_input(&Input::event(&event), sink);
        }
        Step::Snapshot(bid, ask) => {
            let (bids, asks) = (one(*bid), [i64::from(*ask) + 40]);
            let event = book(PERP, now, BookAction::Snapshot, sequence, (&bids, &[3]), (&asks, &[4]));
            engine.on_input(&Input::event(&event), sink);
        }
        Step::Delta(price, quantity) => {
            let (bids, quantities) = (one(*price), one(*quantity));
            let event = book(PERP, now, BookAction::Delta, sequence, (&bids, &quantities), (&[], &[]));
            engine.on_input(&Input::event(&event), sink);
        }
        Step::Tick => engine.on_input(&Input::Tick(now), sink),
        Step::Status(state) => {
            let event = status(PERP, now, State::ALL[usize::from(*state)]);
            engine.on_input(&Input::event(&event), sink);
        }
        Step::Dropped => {
            engine.on_input(&Input::Dropped { writer: "feed-venue", epoch: 7, from: 1, to: 2 }, sink);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_state_goes_on_bit_for_bit(
        steps in prop::collection::vec((step(), 0u16..200), 50..700),
        cut in 0.0f64..1.0,
    ) {
        let cut = (steps.len() as f64 * cut) as usize;
        let mut whole = Engine::configured(ALL).expect("declarations");
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        for (number, (step, pause)) in steps.iter().enumerate() {
            feed(&mut whole, number, step, *pause, &mut expected);
        }
        let mut first = Engine::configured(ALL).expect("declarations");
        for (number, (step, pause)) in steps[..cut].iter().enumerate() {
            feed(&mut first, number, step, *pause, &mut found);
        }
        let saved = first.save().expect("a state");
        let mut second = Engine::restore(&saved).expect("a state");
        for (number, (step, pause)) in steps.iter().enumerate().skip(cut) {
            feed(&mut second, number, step, *pause, &mut found);
        }
        prop_assert!(!expected.is_empty());
        prop_assert_eq!(expected, found);
        prop_assert_eq!(whole.save().expect("a state"), second.save().expect("a state"));
    }

    #[test]
    fn broken_states_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Engine::restore(&bytes);
    }
}
