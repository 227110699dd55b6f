//! What the plan takes in and gives out.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use kt_bus::LogPosition;
use kt_model::DayOfEvent;
use kt_model::schema::Kind;

use super::block::{CheckedBlock, StreamKey};
use super::landed::LandedBlocks;

/// When a batch is cut.
#[derive(Clone, Debug)]
pub struct BatchLimits {
    /// Rows of one insert.
    pub rows: usize,
    /// Bytes of one insert: wide rows (books) are cut by this.
    pub bytes: usize,
    /// Age at which a batch of at least `few_rows` is cut.
    pub linger: Duration,
    /// Age at which a smaller batch is cut: many tiny parts cost more than they are worth.
    pub linger_few: Duration,
    /// Below this many rows a batch may wait longer.
    pub few_rows: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            rows: 60_000,
            bytes: 24 << 20,
            linger: Duration::from_millis(500),
            linger_few: Duration::from_millis(900),
            few_rows: 2_000,
        }
    }
}

/// Rows of one table and day, to become one ClickHouse block.
#[derive(Debug)]
pub struct Insert {
    /// Names the insert in `ops.intents`.
    pub id: u64,
    /// The table's kind.
    pub kind: Kind,
    /// The partition.
    pub day: DayOfEvent,
    /// The blocks, in order of arrival.
    pub blocks: Vec<CheckedBlock>,
}

impl Insert {
    /// Rows to insert.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.blocks.iter().map(|block| block.counters.len()).sum()
    }
}

/// What a start found out from the warehouse.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Blocks that have landed.
    pub landed: HashMap<StreamKey, LandedBlocks>,
    /// Counters that have landed of blocks which have not landed whole.
    pub found: HashMap<StreamKey, BTreeSet<u64>>,
    /// Place of the log behind which to read.
    pub position: Option<LogPosition>,
    /// Oldest insert that had landed only in part: its end is not in the books yet.
    pub oldest_open: Option<u64>,
    /// First unused insert id.
    pub next_insert: u64,
}
