//! Decoding allocates nothing per event once it is warm.

mod common;

use kt_model::Event;
use kt_venue::{Mapping, Record, RecordKind, Replay, ReplayConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

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

/// Frames of the second half, events and allocations while they are decoded.
fn second_half(mapping: Arc<Mapping>, list: &[Record], records: &[Record]) -> (u64, u64, u64) {
    let mut replay = Replay::new(mapping, ReplayConfig::default());
    replay.reference(list, &mut |_: &Event<'_>| {}).expect("a list");
    let (warm, measured) = records.split_at(records.len() / 2);
    for record in warm {
        replay.play(record, &mut |_: &Event<'_>| {}).expect("a record");
    }
    let (mut frames, mut events) = (0, 0);
    let before = COUNT.get();
    for record in measured {
        frames += u64::from(record.kind == RecordKind::Frame);
        replay.play(record, &mut |_: &Event<'_>| events += 1).expect("a record");
    }
    (frames, events, COUNT.get() - before)
}

#[test]
fn warm_decoding_does_not_allocate() {
    let Some(folder) = common::recordings() else { return };
    for (venue, stream) in [
        ("binance", "20240808_btcusdt_stream.jsonl.zst"),
        ("binance_usdm", "20240808_btcusdt_stream.jsonl.zst"),
        ("binance_coinm", "20240808_btcusd_perp_stream.jsonl.zst"),
        ("okx", "20210722_stream.jsonl.zst"),
        ("bybit", "20260809_stream.jsonl.zst"),
    ] {
        let frames = folder.join("frames").join(venue);
        let list = common::load(&common::reference(&frames, stream).expect("an instrument list"));
        let records = common::load(&frames.join(stream));
        let (frames, events, allocations) = second_half(common::mapping(venue), &list, &records);
        println!("{venue}/{stream}: {allocations} allocations in {frames} frames, {events} events");
        // What is left is books growing beyond their largest size so far: not per event.
        assert!(allocations * 200 < events, "{venue}: {allocations} allocations in {events} events");
    }
}
