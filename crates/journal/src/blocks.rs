//! Files of blocks: each with its first input's number, its size and a hash, so that a torn tail is seen.
//!
//! File: 8 bytes of magic, epoch (UInt32), 4 bytes zero. Block: payload length (UInt32), entries (UInt32),
//! number of the first input (UInt64), inputs (UInt64), xxh3-64 of the payload (UInt64), payload.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use kt_model::block::hash;

use crate::error::JournalError;

const FILE_HEADER: usize = 16;
const BLOCK_HEADER: usize = 32;
/// No block is larger; a length beyond it is damage.
const LARGEST_BLOCK: u32 = 256 << 20;

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHead {
    pub length: u32,
    pub entries: u32,
    /// Number of its first input.
    pub first: u64,
    /// How many inputs it stands for.
    pub inputs: u64,
    hash: u64,
}

impl BlockHead {
    fn of(payload: &[u8], entries: u32, first: u64, inputs: u64) -> Self {
        Self { length: payload.len() as u32, entries, first, inputs, hash: hash(payload) }
    }

    fn to_bytes(self) -> [u8; BLOCK_HEADER] {
        let mut bytes = [0; BLOCK_HEADER];
        bytes[0..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.entries.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.inputs.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.hash.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; BLOCK_HEADER]) -> Self {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        Self { length: word(0), entries: word(4), first: long(8), inputs: long(16), hash: long(24) }
    }
}

/// A kind of block file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    pub prefix: &'static str,
    magic: [u8; 8],
}

/// Inputs as they came, events with their rows.
pub(crate) const TAPE: Family = Family { prefix: "tape-", magic: *b"KTTAPE01" };
/// The order of the inputs alone.
pub(crate) const ORDER: Family = Family { prefix: "order-", magic: *b"KTORDER1" };

impl Family {
    /// The files of a folder with the number of their first input, ascending.
    pub fn files(self, folder: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
        let entries = std::fs::read_dir(folder).map_err(JournalError::file("reading", folder))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(JournalError::file("reading", folder))?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix(self.prefix)?.parse().ok());
            if let Some(number) = number {
                files.push((number, path));
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

/// Appends blocks; begins another file when one is full.
#[derive(Debug)]
pub(crate) struct Appender {
    family: Family,
    folder: PathBuf,
    epoch: u32,
    most: u64,
    file: Option<(File, PathBuf, u64)>,
    buffer: Vec<u8>,
}

impl Appender {
    pub fn new(family: Family, folder: &Path, epoch: u32, most: u64) -> Self {
        Self { family, folder: folder.to_owned(), epoch, most, file: None, buffer: Vec::new() }
    }

    /// Goes on with a file whose end was checked.
    pub fn resume(&mut self, path: PathBuf, length: u64) -> Result<(), JournalError> {
        let file = OpenOptions::new().append(true).open(&path).map_err(JournalError::file("opening", &path))?;
        self.file = Some((file, path, length));
        Ok(())
    }

    /// Writes one block. When it returns, the block is with the operating system: a kill does not lose it.
    pub fn append(&mut self, payload: &[u8], entries: u32, first: u64, inputs: u64) -> Result<(), JournalError> {
        if self.file.as_ref().is_none_or(|(_, _, length)| *length >= self.most) {
            self.begin(first)?;
        }
        let head = BlockHead::of(payload, entries, first, inputs);
        self.buffer.clear();
        self.buffer.extend_from_slice(&head.to_bytes());
        self.buffer.extend_from_slice(payload);
        let Some((file, path, length)) = &mut self.file else { unreachable!("begun above") };
        if let Err(cause) = file.write_all(&self.buffer) {
            // A part may have been written: cut it off, so that the next block does not follow rubbish.
            let _ = file.set_len(*length);
            return Err(JournalError::file("writing", path)(cause));
        }
        *length += self.buffer.len() as u64;
        Ok(())
    }

    fn begin(&mut self, first: u64) -> Result<(), JournalError> {
        let path = self.folder.join(format!("{}{first:020}", self.family.prefix));
        let mut file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .map_err(JournalError::file("creating", &path))?;
        let mut header = [0u8; FILE_HEADER];
        header[..8].copy_from_slice(&self.family.magic);
        header[8..12].copy_from_slice(&self.epoch.to_le_bytes());
        file.write_all(&header).map_err(JournalError::file("writing", &path))?;
        self.file = Some((file, path, FILE_HEADER as u64));
        Ok(())
    }
}

/// Reads the blocks of one file.
pub(crate) struct BlockFile {
    file: std::io::BufReader<File>,
    pub path: PathBuf,
    /// Where the next block begins.
    pub at: u64,
}

/// What stands at a place of a file.
pub(crate) enum Found {
    Block(BlockHead),
    /// The end, or a block that is not whole.
    End {
        torn: bool,
    },
}

impl BlockFile {
    pub fn open(family: Family, path: &Path) -> Result<Option<Self>, JournalError> {
        let file = File::open(path).map_err(JournalError::file("opening", path))?;
        let mut file = std::io::BufReader::with_capacity(1 << 20, file);
        let mut header = [0u8; FILE_HEADER];
        if file.read_exact(&mut header).is_err() {
            return Ok(None); // killed while it was begun
        }
        if header[..8] != family.magic {
            let problem = "it is no file of this kind".to_owned();
            return Err(JournalError::Damaged { path: path.to_owned(), at: 0, problem });
        }
        Ok(Some(Self { file, path: path.to_owned(), at: FILE_HEADER as u64 }))
    }

    /// Reads the next block's payload into `payload`.
    pub fn next(&mut self, payload: &mut Vec<u8>) -> Result<Found, JournalError> {
        let mut bytes = [0u8; BLOCK_HEADER];
        let read = read_up_to(&mut self.file, &mut bytes).map_err(JournalError::file("reading", &self.path))?;
        let head = BlockHead::from_bytes(&bytes);
        if read < BLOCK_HEADER || head.length > LARGEST_BLOCK {
            return Ok(Found::End { torn: read > 0 });
        }
        payload.resize(head.length as usize, 0);
        let read = read_up_to(&mut self.file, payload).map_err(JournalError::file("reading", &self.path))?;
        if read < payload.len() || hash(payload) != head.hash {
            return Ok(Found::End { torn: true });
        }
        self.at += (BLOCK_HEADER + payload.len()) as u64;
        Ok(Found::Block(head))
    }
}

fn read_up_to(file: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
