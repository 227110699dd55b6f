//! Nothing is allocated for an event once its instrument is known and its book has grown.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use kt_model::{BookAction, Side};
use kt_signals::{Engine, Input, Output};

use crate::market::{PERP, SPOT, at, book, quote, trade};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on unchanged to the system allocator; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the pointer came from `alloc` above with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_engine_does_not_allocate() {
    let mut engine = Engine::configured(include_str!("../../../kt/src/config/signals.toml")).expect("declarations");
    let (mut rows, mut allocated) = (0, 0);
    for step in 0..4_000u32 {
        let now = at(f64::from(step) * 0.05);
        let cents = f64::from(step % 17) / 100.0;
        let (bids, asks): ([i64; 1], [i64; 1]) = ([90 + i64::from(step % 9)], [101 + i64::from(step % 9)]);
        let action = if step == 0 { BookAction::Snapshot } else { BookAction::Delta };
        let quantity = [i64::from(step % 3)];
        let events = [
            quote(SPOT, now, 100.0 + cents, 100.5 + cents),
            quote(PERP, now, 101.0 - cents, 101.5),
            trade(PERP, now, 101.0, 1.0 + cents, if step % 2 == 0 { Side::Buy } else { Side::Sell }, 0),
            book(PERP, now, action, u64::from(step) + 1, (&bids, &quantity), (&asks, &[2])),
        ];
        // Building the events allocates (decimals from text); consuming them must not.
        let before = COUNT.get();
        for event in &events {
            engine.on_input(&Input::event(event), &mut |_: &Output<'_>| rows += 1);
        }
        engine.on_input(&Input::Tick(now), &mut |_: &Output<'_>| rows += 1);
        if step > 500 {
            allocated += COUNT.get() - before;
        }
    }
    assert!(rows > 500, "{rows} rows");
    assert_eq!(allocated, 0, "allocations in {rows} rows");
}
