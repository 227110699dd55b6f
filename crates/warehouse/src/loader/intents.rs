//! The loader's own books in `ops.intents`: written before an insert and after it.

use bytes::Bytes;
use kt_bus::LogPosition;
use kt_model::codec::write_length;
use kt_model::{DayOfEvent, Field, Nanos};

use super::batch::Insert;
use super::block::StreamKey;

/// The table.
pub const TABLE: &str = "ops.intents";

/// Columns in the order of [`IntentRow::encode`].
pub const COLUMNS: [&str; 21] = [
    "insert_id",
    "stage",
    "fence",
    "kind",
    "day",
    "writer",
    "epoch",
    "blocks",
    "last_block",
    "rows",
    "first_counter",
    "last_counter",
    "min_event_ts",
    "max_event_ts",
    "landed_block",
    "stream_created",
    "log_sequence",
    "settled_below",
    "counters",
    "key_hashes",
    "acknowledged_at",
];

/// How far an insert has come. (`abandoned`, 3, is written by the recovery in SQL.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Stage {
    /// About to be inserted.
    Planned = 1,
    /// In the warehouse for certain.
    Done = 2,
}

/// One writer epoch's part of one insert.
#[derive(Clone, Debug)]
pub struct IntentRow {
    insert_id: u64,
    stage: Stage,
    fence: u64,
    /// Day of the rows.
    day: DayOfEvent,
    stream: StreamKey,
    blocks: Vec<u64>,
    rows: u64,
    first_counter: u64,
    last_counter: u64,
    min_event_ts: Nanos,
    max_event_ts: Nanos,
    landed_block: u64,
    position: Option<LogPosition>,
    settled_below: u64,
    counters: Vec<u64>,
    key_hashes: Vec<u64>,
    acknowledged_at: Option<Nanos>,
}

impl IntentRow {
    /// The rows to write before `insert`: one for each writer epoch in it.
    #[must_use]
    pub fn planned(insert: &Insert, fence: u64) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for block in &insert.blocks {
            let stream = block.stream();
            let header = &block.header;
            let at = rows.iter().position(|row| row.stream == stream).unwrap_or_else(|| {
                rows.push(Self {
                    insert_id: insert.id,
                    stage: Stage::Planned,
                    fence,
                    day: insert.day,
                    stream,
                    blocks: Vec::new(),
                    rows: 0,
                    first_counter: u64::MAX,
                    last_counter: 0,
                    min_event_ts: Nanos(i64::MAX),
                    max_event_ts: Nanos(i64::MIN),
                    landed_block: 0,
                    position: None,
                    settled_below: 0,
                    counters: Vec::new(),
                    key_hashes: Vec::new(),
                    acknowledged_at: None,
                });
                rows.len() - 1
            });
            let row = &mut rows[at];
            row.blocks.push(header.number);
            row.rows += block.counters.len() as u64;
            row.first_counter = row.first_counter.min(header.first_counter);
            row.last_counter = row.last_counter.max(header.last_counter);
            row.min_event_ts = row.min_event_ts.min(header.min_event_ts);
            row.max_event_ts = row.max_event_ts.max(header.max_event_ts);
            row.counters.extend(&block.counters);
            row.key_hashes.extend(&block.key_hashes);
        }
        rows
    }

    /// The row that says the same part is in the warehouse, since `at`. `landed_block` is the stream's watermark,
    /// `position` the log's place up to which everything has landed, and every insert below
    /// `settled_below` is settled.
    #[must_use]
    pub fn done(self, at: Nanos, landed_block: u64, position: Option<LogPosition>, settled_below: u64) -> Self {
        let (counters, key_hashes) = (Vec::new(), Vec::new());
        let acknowledged_at = Some(at);
        Self {
            stage: Stage::Done,
            landed_block,
            position,
            settled_below,
            counters,
            key_hashes,
            acknowledged_at,
            ..self
        }
    }

    /// Without the lists of counters and hashes, to be kept until the insert is done.
    #[must_use]
    pub fn slim(mut self) -> Self {
        self.counters = Vec::new();
        self.key_hashes = Vec::new();
        self
    }

    /// Names the insert.
    #[must_use]
    pub fn insert_id(&self) -> u64 {
        self.insert_id
    }

    /// The part's stream.
    #[must_use]
    pub fn stream(&self) -> &StreamKey {
        &self.stream
    }

    /// Appends the row in `RowBinary`.
    fn encode(&self, out: &mut Vec<u8>) {
        self.insert_id.encode(out);
        (self.stage as i8).encode(out);
        self.fence.encode(out);
        self.stream.kind.as_str().encode(out);
        // A Date counts days from 1970 in 16 bits; blocks of other days are refused before.
        u16::try_from(self.day).unwrap_or(0).encode(out);
        self.stream.writer.as_str().encode(out);
        self.stream.epoch.encode(out);
        numbers(&self.blocks, out);
        self.blocks.iter().max().copied().unwrap_or(0).encode(out);
        self.rows.encode(out);
        self.first_counter.encode(out);
        self.last_counter.encode(out);
        self.min_event_ts.encode(out);
        self.max_event_ts.encode(out);
        self.landed_block.encode(out);
        self.position.map_or(0, |position| position.stream_created).encode(out);
        self.position.map_or(0, |position| position.sequence).encode(out);
        self.settled_below.encode(out);
        numbers(&self.counters, out);
        numbers(&self.key_hashes, out);
        self.acknowledged_at.encode(out);
    }
}

fn numbers(values: &[u64], out: &mut Vec<u8>) {
    write_length(values.len(), out);
    values.iter().for_each(|value| value.encode(out));
}

/// All rows in `RowBinary`, to be written in one insert.
#[must_use]
pub fn encode<'r>(rows: impl IntoIterator<Item = &'r IntentRow>) -> Bytes {
    let mut out = Vec::new();
    rows.into_iter().for_each(|row| row.encode(&mut out));
    out.into()
}
