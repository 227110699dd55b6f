//! The journal of one service: inputs in, in their one order.

use std::fs::File;
use std::path::{Path, PathBuf};

use kt_model::{Kind, Nanos, Reader};
use kt_signals::{Input, Position};

use crate::blocks::{Appender, BlockFile, Found, ORDER, TAPE};
use crate::entry;
use crate::error::JournalError;
use crate::order::OrderBuilder;
use crate::replay::{self, Extent};
use crate::snapshot;

/// Bounds of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of tape that are kept; the oldest file goes first, but never what the oldest kept snapshot needs.
    pub tape_bytes: u64,
    /// Bytes at which another file is begun.
    pub file_bytes: u64,
    /// Snapshots that are kept.
    pub snapshots: usize,
}

impl Default for Limits {
    /// 2 GiB of tape, files of 64 MiB, four snapshots.
    fn default() -> Self {
        Self { tape_bytes: 2 << 30, file_bytes: 64 << 20, snapshots: 4 }
    }
}

/// Entries after which a block of the order is written, should nobody ask before.
const ORDER_BLOCK_BYTES: usize = 64 << 10;

/// Appends inputs. One process at a time.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    epoch: u32,
    limits: Limits,
    next: u64,
    tape: Appender,
    /// Entries not yet written.
    pending: Vec<u8>,
    pending_entries: u32,
    order: Appender,
    builder: OrderBuilder,
    /// First input of the order's next block.
    order_first: u64,
    _lock: File,
}

impl Journal {
    /// Opens the journal of a service: its newest epoch, or a first one. A torn end is cut off.
    ///
    /// # Errors
    /// [`JournalError::InUse`], or what the disk says.
    pub fn open(folder: &Path, limits: Limits, now: Nanos) -> Result<Self, JournalError> {
        std::fs::create_dir_all(folder).map_err(JournalError::file("creating", folder))?;
        let lock = lock(folder)?;
        let epoch = match replay::epochs(folder)?.last() {
            Some(epoch) => *epoch,
            None => new_epoch(now, 0),
        };
        Self::open_epoch(folder, epoch, limits, lock)
    }

    /// Begins a new epoch with input 1: what went before cannot be continued.
    ///
    /// # Errors
    /// What the disk says.
    pub fn begin_anew(self, now: Nanos) -> Result<Self, JournalError> {
        let Self { folder, epoch, limits, _lock, .. } = self;
        let service = folder.parent().map(Path::to_owned).unwrap_or_default();
        Self::open_epoch(&service, new_epoch(now, epoch), limits, _lock)
    }

    fn open_epoch(service: &Path, epoch: u32, limits: Limits, lock: File) -> Result<Self, JournalError> {
        let folder = service.join(epoch.to_string());
        std::fs::create_dir_all(&folder).map_err(JournalError::file("creating", &folder))?;
        let mut tape = Appender::new(TAPE, &folder, epoch, limits.file_bytes);
        let mut order = Appender::new(ORDER, &folder, epoch, limits.file_bytes);
        let next = resume(&mut tape, TAPE, &folder)?;
        let order_first = resume(&mut order, ORDER, &folder)?;
        let mut journal = Self {
            folder,
            epoch,
            limits,
            next,
            tape,
            pending: Vec::new(),
            pending_entries: 0,
            order,
            builder: OrderBuilder::default(),
            order_first,
            _lock: lock,
        };
        journal.complete_order()?;
        Ok(journal)
    }

    /// The order is written after the tape; after a kill it catches up.
    fn complete_order(&mut self) -> Result<(), JournalError> {
        if self.order_first >= self.next {
            self.next = self.next.max(self.order_first);
            return Ok(());
        }
        let builder = &mut self.builder;
        let order_first = self.order_first;
        replay::replay(&self.folder, order_first, |_, input| match input {
            Input::Event { position, .. } => builder.event(position.writer, position.epoch, position.counter),
            other => builder.other(other),
        })?;
        self.write_order()
    }

    /// Its epoch: numbers begin with 1 in each.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Where this epoch's files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of the next input.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// Takes an event by its encoded row; answers its number.
    pub fn append_row(&mut self, kind: Kind, row: &[u8], position: Position<'_>) -> u64 {
        entry::write_row(kind, row, &mut self.pending);
        self.builder.event(position.writer, position.epoch, position.counter);
        self.added()
    }

    /// Takes an input; answers its number.
    pub fn append(&mut self, input: &Input<'_>) -> u64 {
        entry::write(input, &mut self.pending);
        match input {
            Input::Event { position, .. } => self.builder.event(position.writer, position.epoch, position.counter),
            other => self.builder.other(other),
        }
        self.added()
    }

    fn added(&mut self) -> u64 {
        self.pending_entries += 1;
        self.next += 1;
        self.next - 1
    }

    /// Writes what was taken. Call before anything that follows from it leaves the process.
    ///
    /// # Errors
    /// What the disk says; the inputs stay and are tried again with the next flush.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        if self.pending_entries > 0 {
            let entries = self.pending_entries;
            let first = self.next - u64::from(entries);
            self.tape.append(&self.pending, entries, first, u64::from(entries))?;
            self.pending.clear();
            self.pending_entries = 0;
        }
        if self.builder.payload.len() >= ORDER_BLOCK_BYTES {
            self.write_order()?;
        }
        Ok(())
    }

    /// Writes what is known of the order. What is not written is derived from the tape after a kill.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write_order(&mut self) -> Result<(), JournalError> {
        self.builder.finish();
        if self.builder.inputs > 0 {
            let (entries, inputs) = (self.builder.entries, self.builder.inputs);
            self.order.append(&self.builder.payload, entries, self.order_first, inputs)?;
            self.order_first += inputs;
        }
        self.builder.clear();
        Ok(())
    }

    /// Keeps the state after input `number`, and lets go of what nothing needs any more.
    ///
    /// # Errors
    /// What the disk says.
    pub fn snapshot(&mut self, number: u64, state: &[u8]) -> Result<(), JournalError> {
        self.flush()?;
        self.write_order()?;
        snapshot::write(&self.folder, number, state)?;
        let kept = snapshot::thin(&self.folder, self.limits.snapshots)?;
        self.thin_tape(kept)
    }

    /// Removes the oldest tape files beyond the limit, but none that replay from snapshot `kept` needs.
    fn thin_tape(&mut self, kept: Option<u64>) -> Result<(), JournalError> {
        let files = TAPE.files(&self.folder)?;
        let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |data| data.len());
        let mut total: u64 = files.iter().map(|(_, path)| size(path)).sum();
        for pair in files.windows(2) {
            let [(_, path), (next_first, _)] = pair else { continue };
            let is_needed = kept.is_none_or(|snapshot| *next_first > snapshot + 1);
            if total <= self.limits.tape_bytes || is_needed {
                break;
            }
            total -= size(path);
            std::fs::remove_file(path).map_err(JournalError::file("removing", path))?;
        }
        Ok(())
    }

    /// What this epoch holds.
    ///
    /// # Errors
    /// What the disk says.
    pub fn extent(&self) -> Result<Extent, JournalError> {
        replay::extent(&self.folder)
    }
}

fn new_epoch(now: Nanos, before: u32) -> u32 {
    u32::try_from(now.0 / 1_000_000_000).unwrap_or(u32::MAX).max(before.saturating_add(1))
}

fn lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(JournalError::file("creating", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(JournalError::InUse(folder.to_owned())),
        Err(std::fs::TryLockError::Error(cause)) => Err(JournalError::file("locking", &path)(cause)),
    }
}

/// Checks the newest file, cuts a torn end off and goes on there; answers the next input's number.
fn resume(appender: &mut Appender, family: crate::blocks::Family, folder: &Path) -> Result<u64, JournalError> {
    let mut files = family.files(folder)?;
    while let Some((first, path)) = files.pop() {
        let Some(mut blocks) = BlockFile::open(family, &path)? else {
            std::fs::remove_file(&path).map_err(JournalError::file("removing", &path))?;
            continue;
        };
        let (mut next, mut payload) = (first, Vec::new());
        let torn = loop {
            match blocks.next(&mut payload)? {
                Found::Block(head) => next = head.first + head.inputs,
                Found::End { torn } => break torn,
            }
        };
        if torn {
            tracing::warn!(path = %path.display(), at = blocks.at, "the journal's torn end is cut off");
            let file = File::options().write(true).open(&path).map_err(JournalError::file("opening", &path))?;
            file.set_len(blocks.at).map_err(JournalError::file("cutting", &path))?;
        }
        appender.resume(path, blocks.at)?;
        return Ok(next);
    }
    Ok(1)
}

/// Reads the position at the start of an encoded row.
///
/// # Errors
/// [`kt_model::DecodeError`] when the bytes are no row.
pub fn position_of(row: &[u8]) -> Result<Position<'_>, kt_model::DecodeError> {
    use kt_model::codec::Field;
    let mut reader = Reader::new(row);
    reader.take(8)?;
    let (counter, epoch) = (u64::decode(&mut reader)?, u32::decode(&mut reader)?);
    Ok(Position { writer: <&str>::decode(&mut reader)?, epoch, counter })
}
