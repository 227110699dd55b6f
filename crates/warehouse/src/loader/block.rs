//! A block of the log, checked against its header and ready to be planned.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use kt_bus::{LogBlock, LogPosition};
use kt_model::block::BlockError;
use kt_model::codec::Reader;
use kt_model::schema::Kind;
use kt_model::{BlockHeader, DayOfEvent, Event, Nanos};

use super::identity::IdentityHasher;

/// Whose blocks, numbered from 1: one sequence per writer, epoch and kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    /// The writer.
    pub writer: String,
    /// Its epoch.
    pub epoch: u32,
    /// Kind of the rows.
    pub kind: Kind,
}

/// A block whose hash and rows agree with its header.
#[derive(Clone, Debug)]
pub struct CheckedBlock {
    /// What it says of itself.
    pub header: BlockHeader,
    /// Rows to insert: all of the block's, or what is left of them after [`CheckedBlock::without`].
    pub payload: Bytes,
    /// Counter of every row to insert, ascending.
    pub counters: Vec<u64>,
    /// Hash of every row's identity, in the same order.
    pub key_hashes: Vec<u64>,
    /// When the last row was stamped by its writer.
    pub newest_publish: Nanos,
    /// Where the log holds it.
    pub position: LogPosition,
    /// What the block costs while it waits, in bytes: rows, counters and hashes as they came.
    pub weight: usize,
}

impl CheckedBlock {
    /// Checks hash, schema, counters, epoch, writer, venue and day of a block.
    ///
    /// # Errors
    /// [`BlockError`] for the first contradiction; the block is then not to be landed.
    pub fn check(block: &LogBlock, hasher: &mut IdentityHasher) -> Result<Self, BlockError> {
        let header = &block.header;
        if header.schema_version != header.kind.schema().version {
            return Err(BlockError::Contradiction("version of the columns is not the one this loader knows"));
        }
        if header.rows == 0 || header.number == 0 {
            return Err(BlockError::Contradiction("a block without rows or number"));
        }
        header.verify_hash(&block.payload)?;
        let mut counters = Vec::with_capacity(header.rows as usize);
        let mut key_hashes = Vec::with_capacity(header.rows as usize);
        let mut newest_publish = Nanos(i64::MIN);
        let mut foreign = false;
        header.verify_rows(&block.payload, |event| {
            let row = event.header();
            foreign |= *row.writer != *header.writer || *row.venue != *header.venue;
            newest_publish = newest_publish.max(row.publish_ts);
            counters.push(row.counter);
            key_hashes.push(hasher.hash(event));
        })?;
        if foreign {
            return Err(BlockError::Contradiction("a row of another writer or venue"));
        }
        let weight = block.payload.len() + 16 * counters.len();
        let (header, payload, position) = (header.clone(), block.payload.clone(), block.position);
        Ok(Self { header, payload, counters, key_hashes, newest_publish, position, weight })
    }

    /// The sequence the block belongs to.
    #[must_use]
    pub fn stream(&self) -> StreamKey {
        StreamKey { writer: self.header.writer.clone(), epoch: self.header.epoch, kind: self.header.kind }
    }

    /// The partition of its rows.
    #[must_use]
    pub fn day(&self) -> DayOfEvent {
        self.header.day()
    }

    /// Takes out the rows whose counters have landed already.
    pub fn without(&mut self, landed: &BTreeSet<u64>) {
        if !self.counters.iter().any(|counter| landed.contains(counter)) {
            return;
        }
        let mut rows = BytesMut::with_capacity(self.payload.len());
        let mut reader = Reader::new(&self.payload);
        for counter in &self.counters {
            let start = reader.position();
            // The block was decoded whole when it was checked.
            if Event::decode(self.header.kind, &mut reader).is_err() {
                break;
            }
            if !landed.contains(counter) {
                rows.extend_from_slice(&self.payload[start..reader.position()]);
            }
        }
        let keep: Vec<bool> = self.counters.iter().map(|counter| !landed.contains(counter)).collect();
        let mut kept = keep.iter();
        self.counters.retain(|_| kept.next().copied().unwrap_or(false));
        let mut kept = keep.iter();
        self.key_hashes.retain(|_| kept.next().copied().unwrap_or(false));
        self.payload = rows.freeze();
    }
}
