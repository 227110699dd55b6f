//! The decoder's work on a loaded recording, stage by stage. Reads no clock: the caller measures.

use crate::catalogue::Catalogue;
use crate::error::VenueError;
use crate::mapping::Mapping;
use crate::program::Found;
use crate::recording::{Record, RecordKind};
use crate::replay::{Replay, ReplayConfig};
use crate::sink::Sink;
use crate::unpack::unpack;
use kt_model::Event;
use std::sync::Arc;

/// How far each frame is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What channel is it?
    Recognise,
    /// Also find the text of every mapped value.
    Scan,
    /// Also make events and keep the books: all that a session does.
    Decode,
    /// Also write every event as a `RowBinary` row.
    Encode,
}

impl Stage {
    /// Every stage; each holds the work of those before.
    pub const ALL: [Stage; 4] = [Stage::Recognise, Stage::Scan, Stage::Decode, Stage::Encode];

    /// Name for reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Recognise => "recognise",
            Stage::Scan => "scan",
            Stage::Decode => "decode",
            Stage::Encode => "encode",
        }
    }
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Frames taken.
    pub frames: u64,
    /// Their bytes as received.
    pub frame_bytes: u64,
    /// Events made (stages from `Decode` on).
    pub events: u64,
    /// Bytes of their rows (stage `Encode`).
    pub row_bytes: u64,
}

/// A recording ready to be decoded any number of times.
#[derive(Debug)]
pub struct Bench {
    mapping: Arc<Mapping>,
    catalogue: Catalogue,
    records: Vec<Record>,
}

/// Counts events, and writes them where asked to.
struct CountingSink {
    events: u64,
    rows: Option<Vec<u8>>,
    row_bytes: u64,
}

impl Sink for CountingSink {
    fn event(&mut self, event: &Event<'_>) {
        self.events += 1;
        if let Some(rows) = &mut self.rows {
            rows.clear();
            event.encode(rows);
            self.row_bytes += rows.len() as u64;
        }
    }
}

impl Bench {
    /// Reads the instrument lists, outside of what is measured.
    ///
    /// # Errors
    /// Those of [`Catalogue::read`].
    pub fn new(mapping: Arc<Mapping>, lists: &[Record], records: Vec<Record>) -> Result<Self, VenueError> {
        let mut replay = Replay::new(Arc::clone(&mapping), ReplayConfig::default());
        replay.reference(lists, &mut |_: &Event<'_>| {})?;
        Ok(Self { catalogue: replay.into_catalogue(), mapping, records })
    }

    /// Takes every frame once, as far as `stage`.
    ///
    /// # Errors
    /// Those of [`Replay::play`].
    pub fn pass(&self, stage: Stage) -> Result<Work, VenueError> {
        match stage {
            Stage::Recognise | Stage::Scan => Ok(self.scan(stage == Stage::Scan)),
            Stage::Decode | Stage::Encode => self.decode(stage == Stage::Encode),
        }
    }

    fn scan(&self, whole: bool) -> Work {
        let mut work = Work::default();
        let mut found = Found::default();
        let mut buffer = Vec::new();
        for record in self.records.iter().filter(|record| record.kind == RecordKind::Frame) {
            work.frames += 1;
            work.frame_bytes += record.payload.len() as u64;
            let Ok(bytes) = unpack(self.mapping.encoding, &record.payload, &mut buffer) else { continue };
            let Ok(recognised) = self.mapping.recognise(bytes) else { continue };
            let channel = self.mapping.channels.iter().find(|channel| channel.when.holds(&recognised.keys));
            if let Some(channel) = channel.filter(|_| whole) {
                let end = channel.program.scan(bytes, recognised.payload, &mut found);
                std::hint::black_box(end.is_ok());
            }
        }
        work
    }

    fn decode(&self, encode: bool) -> Result<Work, VenueError> {
        let mut replay = Replay::with_catalogue(Arc::clone(&self.mapping), &self.catalogue);
        let mut sink = CountingSink { events: 0, rows: encode.then(Vec::new), row_bytes: 0 };
        let mut work = Work::default();
        for record in &self.records {
            if record.kind == RecordKind::Frame {
                work.frames += 1;
                work.frame_bytes += record.payload.len() as u64;
            }
            replay.play(record, &mut sink)?;
        }
        work.events = sink.events;
        work.row_bytes = sink.row_bytes;
        Ok(work)
    }
}
