//! Reading a tape.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use kt_model::schema::Kind;
use kt_model::{Event, Reader};
use kt_signals::Input;
use xxhash_rust::xxh3::xxh3_64;

use super::{BLOCK_LIMIT, FIRST_MARK, MAGIC, TapeHeader, entry};
use crate::error::BacktestError;

/// Reads a tape block by block: its memory is that of two blocks.
#[derive(Debug)]
pub struct TapeReader {
    path: PathBuf,
    file: BufReader<File>,
    header: TapeHeader,
    kinds: Vec<Kind>,
    stored: Vec<u8>,
    raw: Vec<u8>,
    entries: u64,
}

impl TapeReader {
    /// Opens a tape and checks that this version can read its rows.
    ///
    /// # Errors
    /// No such file, no tape, or rows of another version.
    pub fn open(path: &Path) -> Result<Self, BacktestError> {
        let file = File::open(path).map_err(BacktestError::file(path))?;
        let mut file = BufReader::with_capacity(1 << 16, file);
        let wrong = |reason: String| BacktestError::Tape { path: path.to_owned(), reason };
        let mut magic = [0; 8];
        let mut length = [0; 4];
        file.read_exact(&mut magic).map_err(BacktestError::file(path))?;
        if &magic != MAGIC {
            return Err(wrong("it does not begin as a tape does".to_owned()));
        }
        file.read_exact(&mut length).map_err(BacktestError::file(path))?;
        let length = u32::from_le_bytes(length) as usize;
        if length > BLOCK_LIMIT {
            return Err(wrong("its header is damaged".to_owned()));
        }
        let mut json = vec![0; length];
        file.read_exact(&mut json).map_err(BacktestError::file(path))?;
        let header: TapeHeader =
            serde_json::from_slice(&json).map_err(|error| wrong(format!("its header is damaged: {error}")))?;
        let kinds = header
            .kinds
            .iter()
            .map(|tag| {
                known(tag).ok_or_else(|| wrong(format!("it holds {tag} rows, which this version does not read")))
            })
            .collect::<Result<_, _>>()?;
        let path = path.to_owned();
        Ok(Self { path, file, header, kinds, stored: Vec::new(), raw: Vec::new(), entries: 0 })
    }

    /// What the tape is made of.
    #[must_use]
    pub fn header(&self) -> &TapeHeader {
        &self.header
    }

    /// Hands every input to `take`, in order; answers how many there were.
    ///
    /// # Errors
    /// A damaged tape, or what `take` reports.
    pub fn replay(
        mut self,
        mut take: impl FnMut(&Input<'_>) -> Result<(), BacktestError>,
    ) -> Result<u64, BacktestError> {
        while self.next_block()? {
            let mut at = 0;
            while at < self.raw.len() {
                let (tag, body) = split(&self.raw, &mut at).ok_or_else(|| self.wrong("an entry is cut short"))?;
                self.entries += 1;
                if tag >= FIRST_MARK {
                    let input = entry::decode(tag, body).map_err(|error| self.wrong(&error.to_string()))?;
                    take(&input)?;
                } else {
                    let kind = *self.kinds.get(usize::from(tag)).ok_or_else(|| self.wrong("an unknown kind of row"))?;
                    let event =
                        Event::decode(kind, &mut Reader::new(body)).map_err(|error| self.wrong(&error.to_string()))?;
                    take(&Input::event(&event))?;
                }
            }
        }
        Ok(self.entries)
    }

    /// Reads the next block; false at the tape's end.
    fn next_block(&mut self) -> Result<bool, BacktestError> {
        let mut head = [0; 16];
        self.read_exact(16, |bytes| head.copy_from_slice(bytes))?;
        let number = |range: std::ops::Range<usize>| {
            head[range].iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
        };
        let (raw, stored, hash) = (number(0..4) as usize, number(4..8) as usize, number(8..16));
        if raw == 0 {
            let whole = hash == self.entries;
            return if whole { Ok(false) } else { Err(self.wrong("entries are missing")) };
        }
        if raw > BLOCK_LIMIT || stored > BLOCK_LIMIT {
            return Err(self.wrong("a block's length is impossible"));
        }
        self.read_exact(stored, |_| ())?;
        self.raw.resize(raw, 0);
        let size = lz4_flex::block::decompress_into(&self.stored[..stored], &mut self.raw);
        if size.ok() != Some(raw) || xxh3_64(&self.raw) != hash {
            return Err(self.wrong("a block is damaged"));
        }
        Ok(true)
    }

    /// Reads into the stored buffer and hands it on.
    fn read_exact(&mut self, length: usize, then: impl FnOnce(&[u8])) -> Result<(), BacktestError> {
        self.stored.resize(length, 0);
        match self.file.read_exact(&mut self.stored) {
            Ok(()) => {
                then(&self.stored);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(self.wrong("it is cut short")),
            Err(error) => Err(BacktestError::file(&self.path)(error)),
        }
    }

    fn wrong(&self, reason: &str) -> BacktestError {
        BacktestError::Tape { path: self.path.clone(), reason: reason.to_owned() }
    }
}

/// The kind of a `kind/version` tag, if this version's columns are the same.
fn known(tag: &str) -> Option<Kind> {
    let kind = Kind::from_name(tag.split('/').next()?)?;
    (kind.schema().tag() == tag).then_some(kind)
}

/// The entry at `at`, which moves behind it.
fn split<'a>(raw: &'a [u8], at: &mut usize) -> Option<(u8, &'a [u8])> {
    let rest = raw.get(*at..)?;
    let (tag, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length)?;
    *at += 5 + length;
    Some((*tag, body))
}
