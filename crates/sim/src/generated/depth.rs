//! A book as the venue publishes it: diff streams at several intervals and the REST snapshot.

use super::Side;
use super::batch::Batch;
use super::book::{BookSide, Change, Level};
use super::encode::{Put, put};
use super::listing::Listing;
use super::streams::{Slot, Streams};

/// The venue's diff stream at one interval.
pub(crate) struct DepthStream {
    pub slot: Slot,
    /// Steps of the market between two frames.
    every: u64,
    /// Id of the last frame's last change.
    last: u64,
    changes: Vec<Change>,
}

impl DepthStream {
    pub fn new(slot: Slot, every: u64, last: u64) -> Self {
        Self { slot, every, last, changes: Vec::new() }
    }

    /// Begins anew at the book's present state, when the first client comes.
    pub fn restart(&mut self, update: u64) {
        self.last = update;
        self.changes.clear();
    }
}

impl Listing {
    /// Ends a market step: hands the changes to the diff streams and publishes those that are
    /// due. Answers how many frames of the 100 ms stream fell due.
    pub fn end_step(&mut self, step: u64, now: i64, streams: &Streams, batch: &mut Batch) -> u32 {
        let mut counted = 0;
        let changes = std::mem::take(&mut self.book.changes);
        let mut depths = std::mem::take(&mut self.depths);
        for depth in &mut depths {
            let (number, wanted) = self.stream(depth.slot, streams);
            // The 100 ms stream is kept for the rate even when nobody listens.
            if wanted || depth.slot == Slot::Depth100 {
                depth.changes.extend_from_slice(&changes);
            }
            // Instruments take turns, so that their frames do not all come at once.
            let due =
                (step + self.place.instrument as u64 * 7 + self.place.side as u64 * 3).is_multiple_of(depth.every);
            if !due || depth.changes.is_empty() {
                continue;
            }
            counted += u32::from(depth.slot == Slot::Depth100);
            if wanted {
                self.publish_depth(depth, number, now, streams, batch);
            }
            depth.restart(self.book.update);
        }
        self.depths = depths;
        self.book.changes = changes;
        self.book.changes.clear();
        counted
    }

    fn publish_depth(&self, depth: &mut DepthStream, number: u32, now: i64, streams: &Streams, batch: &mut Batch) {
        let first = depth.changes[0].update;
        depth.changes.sort_unstable_by_key(|change| (change.side, change.price));
        depth.changes.dedup_by_key(|change| (change.side, change.price));
        let asks = depth.changes.partition_point(|change| change.side == BookSide::Bid);
        let (bids, asks) = depth.changes.split_at(asks);
        let level = |change: &Change| Level { price: change.price, lots: self.book.lots(change.side, change.price) };
        batch.push(number, streams.opening(number), |buffer| {
            put!(buffer, "{\"e\":\"depthUpdate\",\"E\":", now);
            if self.place.side == Side::Perpetual {
                put!(buffer, ",\"T\":", now);
            }
            put!(buffer, ",\"s\":\"", self.symbol.as_str(), "\",\"U\":", first, ",\"u\":", self.book.update);
            if self.place.side == Side::Perpetual {
                put!(buffer, ",\"pu\":", depth.last);
            }
            put!(buffer, ",\"b\":[");
            self.scale.levels(buffer, bids.iter().rev().map(level));
            put!(buffer, "],\"a\":[");
            self.scale.levels(buffer, asks.iter().map(level));
            put!(buffer, "]}");
        });
    }

    /// The REST order book, `limit` levels a side.
    pub fn snapshot(&self, limit: usize, now: i64) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(16 << 10);
        let levels = |side| self.book.levels(side).iter().rev().take(limit).copied();
        put!(&mut buffer, "{\"lastUpdateId\":", self.book.update);
        if self.place.side == Side::Perpetual {
            put!(&mut buffer, ",\"E\":", now, ",\"T\":", now);
        }
        put!(&mut buffer, ",\"bids\":[");
        self.scale.levels(&mut buffer, levels(BookSide::Bid));
        put!(&mut buffer, "],\"asks\":[");
        self.scale.levels(&mut buffer, levels(BookSide::Ask));
        put!(&mut buffer, "]}");
        buffer
    }
}
