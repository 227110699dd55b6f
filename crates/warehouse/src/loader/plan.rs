//! Decides which blocks go into which insert. Pure: no I/O and no clock, so that properties test it.
//!
//! A block is landed, on its way (in an open batch or an insert), or new. New blocks gather in
//! one open batch per table and day; batches that are full or old enough are cut into inserts, each of
//! which becomes one ClickHouse block. What an insert holds is forgotten only when it has landed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use kt_bus::LogPosition;
use kt_model::DayOfEvent;
use kt_model::schema::Kind;

use super::batch::{BatchLimits, Insert, Recovered};
use super::block::{CheckedBlock, StreamKey};
use super::landed::LandedBlocks;
use super::position::Positions;

/// What became of a block that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits in a batch.
    Taken,
    /// It landed before.
    AlreadyLanded,
    /// It waits or flies already.
    OnItsWay,
}

/// What remains to be known of an insert that is being made.
#[derive(Debug)]
struct Flight {
    blocks: Vec<(StreamKey, u64)>,
}

#[derive(Debug)]
struct Batch {
    kind: Kind,
    day: DayOfEvent,
    opened: Duration,
    rows: usize,
    bytes: usize,
    blocks: Vec<CheckedBlock>,
}

#[derive(Debug, Default)]
struct Stream {
    landed: LandedBlocks,
    /// Blocks in batches and inserts, each with every place of the log at which it was delivered.
    on_their_way: HashMap<u64, Vec<LogPosition>>,
    /// Counters found in landing after an insert that had landed only in part.
    found: BTreeSet<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Planner {
    limits: BatchLimits,
    streams: HashMap<StreamKey, Stream>,
    open: BTreeMap<(Kind, DayOfEvent), Batch>,
    full: Vec<Batch>,
    flights: HashMap<u64, Flight>,
    positions: Positions,
    oldest_open: Option<u64>,
    next_insert: u64,
}

impl Planner {
    /// Starts where `recovered` says that the warehouse stands.
    #[must_use]
    pub fn new(limits: BatchLimits, recovered: Recovered) -> Self {
        let mut streams: HashMap<StreamKey, Stream> = HashMap::new();
        for (key, landed) in recovered.landed {
            streams.entry(key).or_default().landed = landed;
        }
        for (key, found) in recovered.found {
            streams.entry(key).or_default().found = found;
        }
        Self {
            limits,
            streams,
            open: BTreeMap::new(),
            full: Vec::new(),
            flights: HashMap::new(),
            positions: Positions::new(recovered.position),
            oldest_open: recovered.oldest_open,
            next_insert: recovered.next_insert,
        }
    }

    /// Whether the block would be taken: known before it is checked, which costs more.
    #[must_use]
    pub fn would_take(&self, key: &StreamKey, number: u64) -> Admission {
        match self.streams.get(key) {
            Some(stream) if stream.landed.contains(number) => Admission::AlreadyLanded,
            Some(stream) if stream.on_their_way.contains_key(&number) => Admission::OnItsWay,
            _ => Admission::Taken,
        }
    }

    /// A block that is not what its header says, and was put aside.
    pub fn refused(&mut self, position: LogPosition) {
        self.positions.delivered(position);
        self.positions.settled(position);
    }

    /// Takes a checked block into a batch, unless it has landed or is on its way.
    pub fn offer(&mut self, mut block: CheckedBlock, now: Duration) -> Admission {
        let (key, number, position) = (block.stream(), block.header.number, block.position);
        let admission = self.would_take(&key, number);
        self.positions.delivered(position);
        if admission == Admission::AlreadyLanded {
            self.positions.settled(position);
            return admission;
        }
        let stream = self.streams.entry(key).or_default();
        stream.on_their_way.entry(number).or_default().push(position);
        if admission == Admission::OnItsWay {
            return admission;
        }
        if !stream.found.is_empty() {
            block.without(&stream.found);
        }
        self.put_into_batch(block, now);
        Admission::Taken
    }

    fn put_into_batch(&mut self, block: CheckedBlock, now: Duration) {
        let key = (block.header.kind, block.day());
        let batch = self.open.entry(key).or_insert_with(|| Batch {
            kind: key.0,
            day: key.1,
            opened: now,
            rows: 0,
            bytes: 0,
            blocks: Vec::new(),
        });
        batch.rows += block.counters.len();
        batch.bytes += block.payload.len();
        batch.blocks.push(block);
        if batch.rows >= self.limits.rows || batch.bytes >= self.limits.bytes {
            self.full.extend(self.open.remove(&key));
        }
    }

    /// When the next batch is due; `None` when nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        if !self.full.is_empty() {
            return Some(Duration::ZERO);
        }
        self.open.values().map(|batch| batch.opened + self.linger(batch)).min()
    }

    /// Cuts the batches that are due, and those that soon will be: a round shares its intents.
    pub fn cut(&mut self, now: Duration) -> Vec<Insert> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let ripe = |batch: &Batch| now.saturating_sub(batch.opened) * 2 >= self.linger(batch);
        let keys: Vec<_> = self.open.iter().filter(|(_, batch)| ripe(batch)).map(|(key, _)| *key).collect();
        self.take(&keys)
    }

    /// Cuts everything, to stop in order.
    pub fn cut_all(&mut self) -> Vec<Insert> {
        let keys: Vec<_> = self.open.keys().copied().collect();
        self.take(&keys)
    }

    fn take(&mut self, keys: &[(Kind, DayOfEvent)]) -> Vec<Insert> {
        let mut batches = std::mem::take(&mut self.full);
        batches.extend(keys.iter().filter_map(|key| self.open.remove(key)));
        batches.into_iter().map(|batch| self.launch(batch)).collect()
    }

    fn launch(&mut self, batch: Batch) -> Insert {
        let id = self.next_insert;
        self.next_insert += 1;
        let blocks = batch.blocks.iter().map(|block| (block.stream(), block.header.number)).collect();
        self.flights.insert(id, Flight { blocks });
        Insert { id, kind: batch.kind, day: batch.day, blocks: batch.blocks }
    }

    fn linger(&self, batch: &Batch) -> Duration {
        if batch.rows < self.limits.few_rows { self.limits.linger_few } else { self.limits.linger }
    }

    /// An insert is in the warehouse for certain. Returns the streams it touched and their watermarks.
    pub fn landed(&mut self, insert: u64) -> BTreeMap<StreamKey, u64> {
        let mut touched = BTreeMap::new();
        let Some(flight) = self.flights.remove(&insert) else { return touched };
        for (key, number) in flight.blocks {
            let stream = self.streams.entry(key.clone()).or_default();
            stream.landed.insert(number);
            let places = stream.on_their_way.remove(&number).unwrap_or_default();
            touched.insert(key, stream.landed.watermark());
            places.into_iter().for_each(|position| self.positions.settled(position));
        }
        touched
    }

    /// The place of the log up to which everything has landed.
    #[must_use]
    pub fn position(&self) -> Option<LogPosition> {
        self.positions.through()
    }

    /// Every insert with a smaller id is settled.
    #[must_use]
    pub fn settled_below(&self) -> u64 {
        let oldest = self.flights.keys().copied().chain(self.oldest_open).min();
        oldest.unwrap_or(self.next_insert)
    }

    /// Watermark of one stream.
    #[must_use]
    pub fn watermark(&self, key: &StreamKey) -> u64 {
        self.streams.get(key).map_or(0, |stream| stream.landed.watermark())
    }

    /// Inserts that are being made.
    #[must_use]
    pub fn flying(&self) -> usize {
        self.flights.len()
    }

    /// Watermarks of all streams.
    pub fn watermarks(&self) -> impl Iterator<Item = (&StreamKey, u64)> {
        self.streams.iter().map(|(key, stream)| (key, stream.landed.watermark()))
    }

    /// Blocks that are missing before blocks that have landed: their writers must send them again.
    #[must_use]
    pub fn missing_blocks(&self) -> u64 {
        self.streams.values().map(|stream| stream.landed.missing()).sum()
    }

    /// Whether nothing waits and nothing flies.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.full.is_empty() && self.flights.is_empty()
    }
}
