//! The writer's own log on disk: what is in it is accepted, and nothing may lose it.
//!
//! Blocks are appended whole. A segment goes when the loader's landed watermark covers all of it, and
//! for no other reason. When the spool is full the feed stops reading from its sockets.

mod recover;
mod segment;

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kt_model::BlockHeader;
use kt_model::schema::Kind;

use crate::FeedError;
pub use recover::{Recovered, UnspooledRange};
use segment::{RECORD_PREFIX, SEGMENT_HEADER, Segment};

/// Bounds of a [`Spool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Bytes on disk at which the spool counts as full. What is in hand by then is still written.
    pub bytes: u64,
    /// Bytes at which a segment ends and the next begins.
    pub segment_bytes: u64,
}

impl Default for SpoolLimits {
    /// 4 GiB in segments of 16 MiB.
    fn default() -> Self {
        Self { bytes: 4 << 30, segment_bytes: 16 << 20 }
    }
}

/// A place in the spool, for reading block after block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    segment: u64,
    offset: u64,
}

/// The spool of one writer.
pub struct Spool {
    folder: PathBuf,
    limits: SpoolLimits,
    epoch: u32,
    /// Oldest first; the last one is written to.
    segments: VecDeque<Segment>,
    active: File,
    bytes: u64,
    record: Vec<u8>,
    landed: HashMap<(u32, Kind), u64>,
    /// The segment read last, kept open.
    reading: Option<(u64, File)>,
    unsynced: bool,
    /// Whether somebody synchronises: set by the first [`Self::take_unsynced`].
    synchronised: bool,
    /// Finished segments that still are to be synchronised; at most one handle a segment.
    finished: Vec<File>,
    /// Held for as long as the spool is open.
    _lock: File,
}

impl Spool {
    /// Writes a block behind all others.
    ///
    /// # Errors
    /// [`FeedError::File`] when the disk does not take it. The spool is then as it was before.
    pub fn append(&mut self, header: &BlockHeader, payload: &[u8], high_counter: u64) -> Result<(), FeedError> {
        if self.last().bytes >= self.limits.segment_bytes {
            self.begin_segment(high_counter)?;
        }
        self.record.clear();
        segment::encode(header, payload, &mut self.record);
        let length = self.last().bytes;
        if let Err(source) = self.active.write_all(&self.record) {
            // A part of the record may be on disk: cut it off, so that the next one follows the last whole one.
            let path = self.last().path.clone();
            self.active.set_len(length).map_err(FeedError::file("cutting back", &path))?;
            return Err(FeedError::File { action: "writing to", path, source });
        }
        let written = self.record.len() as u64;
        let segment = self.segments.back_mut().expect("a spool has at least one segment");
        segment.bytes += written;
        segment.note(header);
        self.bytes += written;
        self.unsynced = true;
        Ok(())
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the bound is reached: stop taking in more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= self.limits.bytes
    }

    /// Folder of the spool.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes note that blocks up to `number` have landed and removes what is covered whole.
    ///
    /// # Errors
    /// [`FeedError::File`] when a segment cannot be removed.
    pub fn landed(&mut self, epoch: u32, kind: Kind, number: u64) -> Result<(), FeedError> {
        let known = self.landed.entry((epoch, kind)).or_default();
        *known = number.max(*known);
        // The two newest segments stay: after a crash they show which counters were never spooled.
        while self.segments.len() > 2 && self.is_covered(&self.segments[0]) {
            let path = self.segments[0].path.clone();
            std::fs::remove_file(&path).map_err(FeedError::file("removing", &path))?;
            self.bytes -= self.segments[0].bytes;
            self.segments.pop_front();
        }
        Ok(())
    }

    /// Whether every block in it is known to have landed.
    #[must_use]
    pub fn has_landed(&self) -> bool {
        self.segments.iter().all(|segment| self.is_covered(segment))
    }

    /// Grows whenever a block is known to have landed.
    #[must_use]
    pub fn landed_total(&self) -> u64 {
        self.landed.values().sum()
    }

    /// The last block known to have landed.
    #[must_use]
    pub fn landed_block(&self, epoch: u32, kind: Kind) -> u64 {
        self.landed.get(&(epoch, kind)).copied().unwrap_or(0)
    }

    /// The next block at or behind `cursor` that has not landed, and moves the cursor behind it.
    /// `None` at the end.
    ///
    /// # Errors
    /// [`FeedError::File`] when a segment cannot be read, [`FeedError::SpoolFormat`] when it was damaged
    /// since the spool was opened.
    pub fn read(&mut self, cursor: &mut Cursor) -> Result<Option<(BlockHeader, Bytes)>, FeedError> {
        loop {
            let Some(segment) = self.segments.iter().find(|segment| segment.index >= cursor.segment) else {
                return Ok(None);
            };
            if segment.index != cursor.segment || cursor.offset < SEGMENT_HEADER {
                *cursor = Cursor { segment: segment.index, offset: SEGMENT_HEADER };
            }
            if cursor.offset >= segment.bytes {
                if segment.index == self.last().index {
                    return Ok(None);
                }
                *cursor = Cursor { segment: segment.index + 1, offset: 0 };
                continue;
            }
            let path = segment.path.clone();
            let (block, next) = self.read_record(&path, cursor)?;
            cursor.offset = next;
            if block.is_some() {
                return Ok(block);
            }
        }
    }

    /// The files to be synchronised: those to which something was written since the last call.
    ///
    /// # Errors
    /// [`FeedError::File`] when the handle cannot be duplicated.
    pub fn take_unsynced(&mut self) -> Result<Vec<File>, FeedError> {
        self.synchronised = true;
        let mut files = std::mem::take(&mut self.finished);
        if std::mem::take(&mut self.unsynced) {
            let path = &self.last().path;
            files.push(self.active.try_clone().map_err(FeedError::file("duplicating the handle of", path))?);
        }
        Ok(files)
    }

    fn read_record(&mut self, path: &Path, at: &Cursor) -> Result<(Option<(BlockHeader, Bytes)>, u64), FeedError> {
        if self.reading.as_ref().is_none_or(|(index, _)| *index != at.segment) {
            self.reading = Some((at.segment, File::open(path).map_err(FeedError::file("opening", path))?));
        }
        let (_, file) = self.reading.as_ref().expect("opened above");
        let damaged = || FeedError::SpoolFormat { path: path.to_owned() };
        let mut prefix = [0u8; RECORD_PREFIX];
        file.read_exact_at(&mut prefix, at.offset).map_err(FeedError::file("reading", path))?;
        let (header_bytes, payload_bytes) = segment::lengths(&prefix).ok_or_else(damaged)?;
        let mut bytes = vec![0u8; RECORD_PREFIX + header_bytes + payload_bytes];
        file.read_exact_at(&mut bytes, at.offset).map_err(FeedError::file("reading", path))?;
        let record = segment::decode(&bytes, at.offset).ok_or_else(damaged)?;
        let header = record.header;
        if header.number <= self.landed_block(header.epoch, header.kind) {
            return Ok((None, record.next));
        }
        let payload = Bytes::from(bytes).slice(RECORD_PREFIX + header_bytes..);
        Ok((Some((header, payload)), record.next))
    }

    fn is_covered(&self, segment: &Segment) -> bool {
        Kind::ALL.iter().all(|kind| segment.highest[kind.index()] <= self.landed_block(segment.epoch, *kind))
    }

    fn last(&self) -> &Segment {
        self.segments.back().expect("a spool has at least one segment")
    }

    fn begin_segment(&mut self, high_counter: u64) -> Result<(), FeedError> {
        let index = self.segments.back().map_or(1, |segment| segment.index + 1);
        let (segment, file) = create_segment(&self.folder, index, self.epoch, high_counter)?;
        let finished = std::mem::replace(&mut self.active, file);
        // Not here: synchronising takes tens of milliseconds, and this is the thread of the hot path.
        if self.unsynced && self.synchronised {
            self.finished.push(finished);
        }
        self.bytes += segment.bytes;
        self.segments.push_back(segment);
        Ok(())
    }
}

fn create_segment(folder: &Path, index: u64, epoch: u32, high: u64) -> Result<(Segment, File), FeedError> {
    let path = Segment::path_of(folder, index);
    let mut file =
        OpenOptions::new().append(true).create_new(true).open(&path).map_err(FeedError::file("creating", &path))?;
    let begin = Segment::begin(index, epoch, high);
    if let Err(source) = file.write_all(&begin) {
        // A segment without its beginning would stop the next start.
        let _ = std::fs::remove_file(&path);
        return Err(FeedError::File { action: "writing to", path, source });
    }
    let highest = [0; Kind::COUNT];
    Ok((Segment { index, path, epoch, high_counter: high, bytes: begin.len() as u64, highest }, file))
}
