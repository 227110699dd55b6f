//! Checksums over the text of a book's best levels.

use crate::levels::{BookSide, Levels};
use crate::spec::ChecksumKind;

/// Whether `claimed` (the frame's text) is the checksum of the book.
///
/// `scratch` is reused between calls.
pub(crate) fn agrees(levels: &Levels, kind: ChecksumKind, depth: usize, claimed: &[u8], scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    match kind {
        ChecksumKind::Crc32Interleaved => interleaved(levels, depth, scratch),
        ChecksumKind::Crc32Digits => digits(levels, depth, scratch),
    }
    let sum = crc32fast::hash(scratch);
    match (kind, crate::numbers::signed(claimed)) {
        (ChecksumKind::Crc32Interleaved, Some(claimed)) => i64::from(sum as i32) == claimed,
        (ChecksumKind::Crc32Digits, Some(claimed)) => i64::from(sum) == claimed,
        (_, None) => false,
    }
}

/// `bid:quantity:ask:quantity:…`, level by level; a side that has run out is left out.
fn interleaved(levels: &Levels, depth: usize, out: &mut Vec<u8>) {
    let mut bids = levels.texts(BookSide::Bid).take(depth);
    let mut asks = levels.texts(BookSide::Ask).take(depth);
    loop {
        let (bid, ask) = (bids.next(), asks.next());
        if bid.is_none() && ask.is_none() {
            return;
        }
        for (price, quantity) in bid.into_iter().chain(ask) {
            if !out.is_empty() {
                out.push(b':');
            }
            out.extend_from_slice(price.as_bytes());
            out.push(b':');
            out.extend_from_slice(quantity.as_bytes());
        }
    }
}

/// Asks then bids, each number without its point and leading zeros.
fn digits(levels: &Levels, depth: usize, out: &mut Vec<u8>) {
    for side in [BookSide::Ask, BookSide::Bid] {
        for (price, quantity) in levels.texts(side).take(depth) {
            for number in [price.as_bytes(), quantity.as_bytes()] {
                let digits = number.iter().filter(|byte| **byte != b'.');
                out.extend(digits.skip_while(|byte| **byte == b'0'));
            }
        }
    }
}
