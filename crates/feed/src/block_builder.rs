//! Gathering rows of one kind into a block.

use kt_model::schema::Kind;
use kt_model::{BlockHeader, DayOfEvent, Nanos, block};

/// When blocks are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutPolicy {
    /// Bytes at which a block is cut.
    pub target_bytes: usize,
    /// Shortest time a block waits for more rows, ns.
    pub shortest_linger: i64,
    /// Longest time a block waits for more rows, ns.
    pub longest_linger: i64,
}

impl Default for CutPolicy {
    /// 8 KB, 10 to 100 ms.
    fn default() -> Self {
        Self { target_bytes: 8 << 10, shortest_linger: 10_000_000, longest_linger: 100_000_000 }
    }
}

/// The rows of the next block of one kind.
pub(crate) struct BlockBuilder {
    kind: Kind,
    policy: CutPolicy,
    /// The rows so far; rows are encoded into it directly.
    pub rows: Vec<u8>,
    count: u32,
    first_counter: u64,
    last_counter: u64,
    min_event_ts: Nanos,
    max_event_ts: Nanos,
    /// Monotonic time of the first row.
    opened: i64,
    linger: i64,
    number: u64,
}

impl BlockBuilder {
    pub fn new(kind: Kind, policy: CutPolicy) -> Self {
        Self {
            kind,
            policy,
            rows: Vec::with_capacity(policy.target_bytes * 2),
            count: 0,
            first_counter: 0,
            last_counter: 0,
            min_event_ts: Nanos(0),
            max_event_ts: Nanos(0),
            opened: 0,
            linger: policy.shortest_linger,
            number: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Counter of the first row that is not yet in a block.
    pub fn first_waiting(&self) -> Option<u64> {
        (self.count > 0).then_some(self.first_counter)
    }

    /// Whether a row of this day must go into another block.
    pub fn is_of_other_day(&self, day: DayOfEvent) -> bool {
        self.count > 0 && self.min_event_ts.day() != day
    }

    /// Takes note of a row just encoded at the end of `rows`.
    #[inline]
    pub fn added(&mut self, counter: u64, event_ts: Nanos, monotonic: i64) {
        if self.count == 0 {
            self.first_counter = counter;
            self.min_event_ts = event_ts;
            self.max_event_ts = event_ts;
            self.opened = monotonic;
        }
        self.count += 1;
        self.last_counter = counter;
        self.min_event_ts = self.min_event_ts.min(event_ts);
        self.max_event_ts = self.max_event_ts.max(event_ts);
    }

    pub fn is_large_enough(&self) -> bool {
        self.rows.len() >= self.policy.target_bytes
    }

    /// Monotonic time at which the block must be cut; `None` while it is empty.
    pub fn deadline(&self) -> Option<i64> {
        (self.count > 0).then(|| self.opened + self.linger)
    }

    /// Describes the block to be written. [`Self::clear`] when it is.
    pub fn header(&self, venue: &str, writer: &str, epoch: u32) -> BlockHeader {
        BlockHeader {
            kind: self.kind,
            schema_version: self.kind.schema().version,
            venue: venue.to_owned(),
            writer: writer.to_owned(),
            epoch,
            number: self.number + 1,
            first_counter: self.first_counter,
            last_counter: self.last_counter,
            rows: self.count,
            hash: block::hash(&self.rows),
            min_event_ts: self.min_event_ts,
            max_event_ts: self.max_event_ts,
        }
    }

    /// The block is written: begin the next. The linger adapts: full blocks need no waiting, small
    /// ones wait longer so that blocks of one row do not become the rule.
    pub fn clear(&mut self) {
        let size = self.rows.len();
        self.linger = if size >= self.policy.target_bytes {
            (self.linger / 2).max(self.policy.shortest_linger)
        } else if size < self.policy.target_bytes / 4 {
            (self.linger * 2).min(self.policy.longest_linger)
        } else {
            self.linger
        };
        self.rows.clear();
        if self.rows.capacity() > 16 * self.policy.target_bytes {
            // One large snapshot must not hold its memory for ever.
            self.rows.shrink_to(2 * self.policy.target_bytes);
        }
        self.count = 0;
        self.number += 1;
    }
}
