//! Properties of the arbiter: whatever the lines lose and however they interleave, as long as each event
//! reaches us on some line, one whole copy comes out.

use std::collections::BTreeSet;

use kt_feed::arbiter::{Arbiter, Verdict};
use kt_model::codec::Label;
use kt_model::{
    Book, BookAction, Event, IdentityClass, Integers, QuantityUnit, Quote, Side, State, Status, Texts, Trade,
};
use proptest::prelude::*;

use crate::events::{START, header};

const SECOND: i64 = 1_000_000_000;

fn trade(id: &str) -> Event<'_> {
    let mut header = header("BTC-USDT-SPOT", START);
    header.identity = IdentityClass::Id;
    Event::Trade(Trade {
        header,
        trade_id: id,
        first_trade_id: None,
        trade_count: 1,
        side: Side::Buy,
        price: kt_model::Decimal(1),
        quantity: kt_model::Decimal(1),
        quantity_unit: QuantityUnit::Base,
        flags: 0,
    })
}

fn quote(sequence: u64) -> Event<'static> {
    let mut header = header("BTC-USDT-SPOT", START);
    header.identity = IdentityClass::Sequence;
    let (bid_price, bid_quantity, ask_price, ask_quantity) = (None, None, None, None);
    let quantity_unit = QuantityUnit::Base;
    Event::Quote(Quote { header, sequence, bid_price, bid_quantity, ask_price, ask_quantity, quantity_unit })
}

/// A row of a book whose numbers follow one another, or one without venue numbers.
fn book(action: BookAction, last: u64, numbered: bool) -> Event<'static> {
    let mut header = header("BTC-USDT-SPOT", START);
    header.identity = IdentityClass::Sequence;
    let is_delta = action == BookAction::Delta;
    Event::Book(Book {
        header,
        action,
        book_epoch: 1,
        first_sequence: (is_delta && numbered).then_some(last),
        last_sequence: last,
        previous_sequence: None,
        depth_limit: None,
        quantity_unit: QuantityUnit::Base,
        price_exponent: 0,
        quantity_exponent: 0,
        bid_prices: Integers::default(),
        bid_quantities: Integers::default(),
        ask_prices: Integers::default(),
        ask_quantities: Integers::default(),
        escaped: Texts::default(),
    })
}

fn status(state: State) -> Event<'static> {
    Event::Status(Status {
        header: header("BTC-USDT-SPOT", START),
        state,
        cause: Label("sequence"),
        affected: Label("book"),
        from_ts: None,
        to_ts: None,
        first_missing: None,
        last_missing: None,
        missing: None,
        clock_offset: None,
        clock_uncertainty: None,
        detail: "",
    })
}

/// What each line delivers of `count` events (at least one line each), and an interleaving.
fn lines(count: usize) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (prop::collection::vec(1u8..8, count), prop::collection::vec(0u8..3, count * 4))
}

/// Order in which the lines' events arrive: `(line, event)`; each line keeps its own order.
fn interleave(delivered: &[u8], turns: &[u8]) -> Vec<(u8, usize)> {
    let mut next = [0usize; 3];
    let mut order = Vec::new();
    let mut turn = turns.iter().copied().chain((0..3).cycle());
    while next.iter().any(|at| *at < delivered.len()) {
        let line = turn.next().unwrap_or(0);
        let at = &mut next[usize::from(line)];
        while *at < delivered.len() && delivered[*at] >> line & 1 == 0 {
            *at += 1;
        }
        if *at < delivered.len() {
            order.push((line, *at));
            *at += 1;
        }
    }
    order
}

fn passes(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Pass { .. })
}

proptest! {
    #[test]
    fn each_id_comes_out_exactly_once((delivered, turns) in lines(60)) {
        let mut arbiter = Arbiter::new(3, SECOND);
        let mut out = Vec::new();
        for (line, at) in interleave(&delivered, &turns) {
            if passes(arbiter.judge(line, &trade(&at.to_string()), 0)) {
                out.push(at);
            }
        }
        prop_assert_eq!(out.len(), delivered.len());
        prop_assert_eq!(out.into_iter().collect::<BTreeSet<_>>().len(), delivered.len());
    }

    #[test]
    fn quotes_ascend_and_the_newest_is_never_held_back((delivered, turns) in lines(60)) {
        let mut arbiter = Arbiter::new(3, SECOND);
        let (mut last, mut newest) = (0, 0);
        for (line, at) in interleave(&delivered, &turns) {
            let sequence = at as u64 + 1;
            newest = newest.max(sequence);
            if passes(arbiter.judge(line, &quote(sequence), 0)) {
                prop_assert!(sequence > last);
                last = sequence;
            }
            prop_assert_eq!(last, newest);
        }
    }

    /// Line 0 loses nothing; line 1 loses some frames, announces the gap, gets a snapshot later and goes
    /// on. Nothing of that shows: every update comes out once, in order, in one epoch.
    #[test]
    fn a_gap_on_one_line_does_not_show_while_another_is_whole(
        kept in prop::collection::vec(any::<bool>(), 60),
        turns in prop::collection::vec(0u8..2, 240),
        numbered_from in 1u64..1_000_000,
    ) {
        let row = |at: usize| book(BookAction::Delta, numbered_from + at as u64 + 1, true);
        let mut scripts: [Vec<Event<'_>>; 2] = [vec![book(BookAction::Snapshot, numbered_from, true)], vec![book(BookAction::Snapshot, numbered_from, true)]];
        let mut broken = false;
        for (at, kept) in kept.iter().enumerate() {
            scripts[0].push(row(at));
            match (kept, broken) {
                (true, false) => scripts[1].push(row(at)),
                (false, _) => broken = true,
                (true, true) => {
                    scripts[1].extend([status(State::Gap), book(BookAction::Snapshot, numbered_from + at as u64 + 1, true), status(State::Resynchronised)]);
                    broken = false;
                }
            }
        }
        let mut arbiter = Arbiter::new(2, SECOND);
        // Line 0 delivers its snapshot first and so leads until the numbering shows.
        let mut next = [1usize, 0];
        let mut out = Vec::new();
        prop_assert!(passes(arbiter.judge(0, &scripts[0][0], 0)));
        for line in turns.iter().copied().chain((0..2).cycle()) {
            let script = &scripts[usize::from(line)];
            let Some(event) = script.get(next[usize::from(line)]) else {
                if next[0] >= scripts[0].len() && next[1] >= scripts[1].len() { break }
                continue;
            };
            next[usize::from(line)] += 1;
            match (arbiter.judge(line, event, 0), event) {
                (Verdict::Pass { book_epoch }, Event::Book(book)) => {
                    prop_assert_eq!(book.action, BookAction::Delta);
                    prop_assert_eq!(book_epoch, 1);
                    out.push(book.last_sequence - numbered_from);
                }
                (verdict, _) => prop_assert_eq!(verdict, Verdict::Drop),
            }
        }
        prop_assert_eq!(out, (1..=kept.len() as u64).collect::<Vec<_>>());
    }
}

#[test]
fn when_all_lines_lost_something_the_gap_shows_and_a_new_epoch_begins() {
    let mut arbiter = Arbiter::new(2, SECOND);
    let mut judge = |line, event: Event<'_>| arbiter.judge(line, &event, 0);
    let pass = |book_epoch| Verdict::Pass { book_epoch };
    assert_eq!(judge(0, book(BookAction::Snapshot, 10, true)), pass(1));
    assert_eq!(judge(0, book(BookAction::Delta, 11, true)), pass(1));
    assert_eq!(judge(1, book(BookAction::Snapshot, 11, true)), Verdict::Drop);
    assert_eq!(judge(0, status(State::Gap)), Verdict::Drop, "line 1 is whole");
    assert_eq!(judge(1, book(BookAction::Delta, 12, true)), pass(1), "and takes over");
    assert_eq!(judge(1, status(State::Gap)), pass(0), "now no line is");
    assert_eq!(judge(0, book(BookAction::Snapshot, 20, true)), pass(2));
    assert_eq!(judge(1, book(BookAction::Snapshot, 20, true)), Verdict::Drop);
    assert_eq!(judge(1, book(BookAction::Delta, 21, true)), pass(2));
    assert_eq!(judge(0, book(BookAction::Delta, 21, true)), Verdict::Drop);
    assert_eq!(judge(0, book(BookAction::Checkpoint, 21, true)), pass(2));
    assert_eq!(judge(0, book(BookAction::Checkpoint, 20, true)), Verdict::Drop, "not where the book stands");
    // The venue counts from the beginning again, as after maintenance.
    assert_eq!(judge(0, status(State::Gap)), Verdict::Drop);
    assert_eq!(judge(0, book(BookAction::Snapshot, 1, true)), pass(3));
    assert_eq!(judge(1, book(BookAction::Delta, 22, true)), Verdict::Drop, "of the old count");
    assert_eq!(judge(0, book(BookAction::Delta, 2, true)), pass(3));
}

#[test]
fn a_weak_channel_fails_over_whole_and_a_book_only_from_a_checkpoint() {
    let mut arbiter = Arbiter::new(2, SECOND);
    let pass = |book_epoch| Verdict::Pass { book_epoch };
    let delta = |last| book(BookAction::Delta, last, false);
    assert_eq!(arbiter.judge(0, &book(BookAction::Snapshot, 0, false), 0), pass(1));
    assert_eq!(arbiter.judge(1, &book(BookAction::Snapshot, 0, false), 1), Verdict::Drop);
    assert_eq!(arbiter.judge(0, &delta(1), 2), pass(1));
    // Line 1 is ahead for a moment only.
    assert_eq!(arbiter.judge(1, &delta(7), 3), Verdict::Drop);
    assert_eq!(arbiter.judge(0, &delta(2), 4 + SECOND), pass(1));
    // The leader falls silent.
    assert_eq!(arbiter.judge(1, &delta(8), 2 * SECOND), Verdict::Drop);
    assert_eq!(arbiter.judge(1, &delta(9), 3 * SECOND + 1), Verdict::NeedsCheckpoint { since: 4 + SECOND });
    assert_eq!(arbiter.judge(1, &book(BookAction::Checkpoint, 9, false), 3 * SECOND + 1), pass(2));
    assert_eq!(arbiter.judge(1, &delta(10), 3 * SECOND + 2), pass(2));
    assert_eq!(arbiter.judge(0, &delta(3), 3 * SECOND + 3), Verdict::Drop);
    // A leader whose connection ended loses the lead at once; a row without a base needs none.
    let mark = crate::events::event(1, START);
    assert_eq!(arbiter.judge(1, &mark, 0), pass(0));
    arbiter.line_is_up(1, false);
    assert_eq!(arbiter.judge(0, &mark, 5), Verdict::FailedOver { since: 0, book_epoch: 0 });
}
