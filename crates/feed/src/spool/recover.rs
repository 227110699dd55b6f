//! Opening a spool after whatever ended its last writer.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use kt_model::schema::Kind;
use kt_model::{BlockHeader, Event, Nanos, Reader};

use super::segment::{self, SEGMENT_HEADER, Segment};
use super::{Spool, SpoolLimits, create_segment};
use crate::FeedError;

/// Counters that rows had received when the writer was killed and that never reached the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnspooledRange {
    /// First counter.
    pub first: u64,
    /// Last counter.
    pub last: u64,
}

/// What an earlier run left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The newest epoch known on this disk; 0 on a fresh one.
    pub epoch: u32,
    /// Highest counter of that epoch in the spool.
    pub last_counter: u64,
    /// `publish_ts` of that row.
    pub last_publish: Option<Nanos>,
    /// Holes in the counters of that epoch before its last one.
    pub unspooled: Vec<UnspooledRange>,
    /// Whether that epoch ended with its `stopped` row: nothing in hand was lost.
    pub stopped_in_order: bool,
    /// Bytes of an unfinished record that were cut off.
    pub torn_bytes: u64,
    /// Files into which damage in the middle of a segment was moved.
    pub damaged: Vec<PathBuf>,
}

impl Spool {
    /// Opens the folder, creating it where it does not exist. Writing starts with [`Opened::begin`].
    ///
    /// # Errors
    /// [`FeedError::SpoolInUse`] when another process holds it, [`FeedError::SpoolFormat`] for foreign
    /// files, [`FeedError::File`] for what the disk refuses.
    pub fn open(folder: &Path, limits: SpoolLimits) -> Result<Opened, FeedError> {
        std::fs::create_dir_all(folder).map_err(FeedError::file("creating", folder))?;
        let lock = lock(folder)?;
        let mut opened = Opened {
            folder: folder.to_owned(),
            limits,
            segments: VecDeque::new(),
            recovered: Recovered { epoch: read_epoch(folder)?, ..Recovered::default() },
            next_index: 1,
            lock,
        };
        for path in segment_files(folder)? {
            opened.scan(&path)?;
        }
        opened.find_holes()?;
        Ok(opened)
    }
}

/// A spool that is read but not yet written to: its epoch is not yet chosen.
pub struct Opened {
    folder: PathBuf,
    limits: SpoolLimits,
    segments: VecDeque<Segment>,
    recovered: Recovered,
    next_index: u64,
    lock: File,
}

impl Opened {
    /// What an earlier run left behind.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Whether every block in it has landed; `landed` is the last landed block of an epoch and kind.
    #[must_use]
    pub fn has_landed(&self, landed: impl Fn(u32, Kind) -> u64) -> bool {
        let is_covered = |segment: &Segment| {
            Kind::ALL.iter().all(|kind| segment.highest[kind.index()] <= landed(segment.epoch, *kind))
        };
        self.segments.iter().all(is_covered)
    }

    /// Begins to write under `epoch`, which must be larger than any before.
    ///
    /// # Errors
    /// [`FeedError::File`] when the disk refuses.
    pub fn begin(self, epoch: u32) -> Result<Spool, FeedError> {
        assert!(epoch > self.recovered.epoch, "an epoch is never used twice");
        write_epoch(&self.folder, epoch)?;
        let (segment, active) = create_segment(&self.folder, self.next_index, epoch, 0)?;
        let mut segments = self.segments;
        segments.push_back(segment);
        Ok(Spool {
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
            folder: self.folder,
            limits: self.limits,
            epoch,
            segments,
            active,
            record: Vec::with_capacity(64 << 10),
            landed: HashMap::new(),
            reading: None,
            unsynced: false,
            synchronised: false,
            finished: Vec::new(),
            _lock: self.lock,
        })
    }

    /// Checks every record of a segment; cuts off what was not written to its end.
    fn scan(&mut self, path: &Path) -> Result<(), FeedError> {
        let Some(mut segment) = Segment::open(path)? else {
            // Killed while it was created: it holds nothing.
            return std::fs::remove_file(path).map_err(FeedError::file("removing", path));
        };
        let bytes = std::fs::read(path).map_err(FeedError::file("reading", path))?;
        let mut at = SEGMENT_HEADER;
        while let Some((record, payload)) = whole_record(&bytes, at) {
            segment.note(&record.header);
            self.note(&record.header, payload);
            at = record.next;
        }
        if at < segment.bytes {
            self.cut(path, &bytes, at)?;
            segment.bytes = at;
        }
        self.next_index = self.next_index.max(segment.index + 1);
        self.recovered.epoch = self.recovered.epoch.max(segment.epoch);
        self.segments.push_back(segment);
        Ok(())
    }

    fn note(&mut self, header: &BlockHeader, payload: &[u8]) {
        let recovered = &mut self.recovered;
        if header.epoch > recovered.epoch {
            (recovered.epoch, recovered.last_counter, recovered.stopped_in_order) = (header.epoch, 0, false);
        }
        if header.epoch == recovered.epoch && header.last_counter >= recovered.last_counter {
            recovered.last_counter = header.last_counter;
            let mut last = None;
            let _ = header.verify_rows(payload, |event| last = Some(summary(event)));
            recovered.last_publish = last.map(|(at, _)| at);
            recovered.stopped_in_order = last.is_some_and(|(_, stopped)| stopped);
        }
    }

    /// Cuts a segment at `at`. An unfinished last record is normal after a kill; whole records behind
    /// damage are not, so whatever is cut that is longer than a record's beginning is kept aside.
    fn cut(&mut self, path: &Path, bytes: &[u8], at: u64) -> Result<(), FeedError> {
        let rest = &bytes[at as usize..];
        let torn = segment::lengths(rest)
            .is_none_or(|(header, payload)| rest.len() < segment::RECORD_PREFIX + header + payload);
        if torn {
            self.recovered.torn_bytes += rest.len() as u64;
        } else {
            let aside = path.with_extension("damaged");
            std::fs::write(&aside, rest).map_err(FeedError::file("writing", &aside))?;
            self.recovered.damaged.push(aside);
        }
        let file = OpenOptions::new().write(true).open(path).map_err(FeedError::file("opening", path))?;
        file.set_len(at).map_err(FeedError::file("cutting back", path))
    }

    /// Which counters of the last epoch are in no block. Judged from the oldest of its segments that
    /// are still here: what was counted before that segment began lies in older ones.
    fn find_holes(&mut self) -> Result<(), FeedError> {
        let epoch = self.recovered.epoch;
        let mut kept = self.segments.iter().filter(|segment| segment.epoch == epoch).rev().take(2).collect::<Vec<_>>();
        kept.reverse();
        let Some(oldest) = kept.first() else { return Ok(()) };
        let from = oldest.high_counter + 1;
        let mut present = Vec::new();
        for segment in &kept {
            let bytes = std::fs::read(&segment.path).map_err(FeedError::file("reading", &segment.path))?;
            let mut at = SEGMENT_HEADER;
            while let Some((record, payload)) = whole_record(&bytes, at) {
                let _ = record.header.verify_rows(payload, |event| present.push(event.header().counter));
                at = record.next;
            }
        }
        present.sort_unstable();
        let mut expected = from;
        for counter in present.into_iter().filter(|counter| *counter >= from) {
            if counter > expected {
                self.recovered.unspooled.push(UnspooledRange { first: expected, last: counter - 1 });
            }
            expected = counter + 1;
        }
        Ok(())
    }
}

fn summary(event: &Event<'_>) -> (Nanos, bool) {
    let stopped = matches!(event, Event::Status(status) if status.state == kt_model::State::Stopped);
    (event.header().publish_ts, stopped)
}

fn whole_record(bytes: &[u8], at: u64) -> Option<(segment::Record, &[u8])> {
    let record = segment::decode(bytes.get(at as usize..)?, at)?;
    let payload = bytes.get(record.payload_at as usize..record.next as usize)?;
    let mut reader = Reader::new(payload);
    let sound = record.header.verify_hash(payload).is_ok() && reader.take(record.payload_bytes).is_ok();
    sound.then_some((record, payload))
}

fn segment_files(folder: &Path) -> Result<Vec<PathBuf>, FeedError> {
    let entries = std::fs::read_dir(folder).map_err(FeedError::file("listing", folder))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "spool"))
        .collect();
    files.sort();
    Ok(files)
}

fn lock(folder: &Path) -> Result<File, FeedError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(FeedError::file("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(FeedError::SpoolInUse { path }),
        Err(std::fs::TryLockError::Error(source)) => Err(FeedError::File { action: "locking", path, source }),
    }
}

fn read_epoch(folder: &Path) -> Result<u32, FeedError> {
    let path = folder.join("epoch");
    match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| FeedError::SpoolFormat { path }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(FeedError::File { action: "reading", path, source }),
    }
}

/// Replaces the file in one step: a half-written epoch would stop the next start.
fn write_epoch(folder: &Path, epoch: u32) -> Result<(), FeedError> {
    let (path, fresh) = (folder.join("epoch"), folder.join("epoch.new"));
    std::fs::write(&fresh, epoch.to_string()).map_err(FeedError::file("writing", &fresh))?;
    let file = File::open(&fresh).map_err(FeedError::file("opening", &fresh))?;
    file.sync_all().map_err(FeedError::file("synchronising", &fresh))?;
    std::fs::rename(&fresh, &path).map_err(FeedError::file("renaming", &fresh))?;
    let folder_handle = File::open(folder).map_err(FeedError::file("opening", folder))?;
    folder_handle.sync_all().map_err(FeedError::file("synchronising", folder))
}

/// Highest block of each kind in `epoch` that is still in the spool; for tests and `kt audit`.
impl Spool {
    /// Highest block number of `kind` of this run's epoch in the spool; 0 where there is none.
    #[must_use]
    pub fn highest_block(&self, kind: Kind) -> u64 {
        let own = self.segments.iter().filter(|segment| segment.epoch == self.epoch);
        own.map(|segment| segment.highest[kind.index()]).max().unwrap_or(0)
    }
}
