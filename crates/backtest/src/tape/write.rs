//! Writing a tape.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use kt_model::schema::Kind;
use kt_signals::Input;
use xxhash_rust::xxh3::xxh3_64;

use super::{BLOCK_BYTES, MAGIC, TapeHeader, entry};
use crate::error::BacktestError;

/// Writes a tape beside its place and moves it there when it is whole.
#[derive(Debug)]
pub struct TapeWriter {
    place: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    block: Vec<u8>,
    stored: Vec<u8>,
    entries: u64,
}

impl TapeWriter {
    /// Begins a tape that will stand at `place`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(place: &Path, header: &TapeHeader) -> Result<Self, BacktestError> {
        let partial = place.with_extension(format!("partial-{}", std::process::id()));
        let file = File::create(&partial).map_err(BacktestError::file(&partial))?;
        let mut file = BufWriter::with_capacity(1 << 16, file);
        let json = serde_json::to_vec(header).map_err(|error| BacktestError::Tape {
            path: place.to_owned(),
            reason: format!("its header cannot be written: {error}"),
        })?;
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&(json.len() as u32).to_le_bytes()))
            .and_then(|()| file.write_all(&json));
        written.map_err(BacktestError::file(&partial))?;
        let block = Vec::with_capacity(BLOCK_BYTES + (BLOCK_BYTES >> 2));
        Ok(Self { place: place.to_owned(), partial, file, block, stored: Vec::new(), entries: 0 })
    }

    /// Appends an encoded row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn row(&mut self, kind: Kind, row: &[u8]) -> Result<(), BacktestError> {
        // There are fewer kinds than marks begin at; the header names them in this order.
        self.block.push(kind.index() as u8);
        self.block.extend_from_slice(&(row.len() as u32).to_le_bytes());
        self.block.extend_from_slice(row);
        self.entry()
    }

    /// Appends an input; an event is encoded anew.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn input(&mut self, input: &Input<'_>) -> Result<(), BacktestError> {
        let start = self.block.len();
        self.block.extend_from_slice(&[0; 5]);
        let tag = match input {
            Input::Event { event, .. } => {
                event.encode(&mut self.block);
                event.kind().index() as u8
            }
            // Only events have no tag of their own.
            other => entry::encode(other, &mut self.block).unwrap_or_default(),
        };
        let length = (self.block.len() - start - 5) as u32;
        self.block[start] = tag;
        self.block[start + 1..start + 5].copy_from_slice(&length.to_le_bytes());
        self.entry()
    }

    fn entry(&mut self) -> Result<(), BacktestError> {
        self.entries += 1;
        if self.block.len() >= BLOCK_BYTES { self.write_block() } else { Ok(()) }
    }

    fn write_block(&mut self) -> Result<(), BacktestError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let bound = lz4_flex::block::get_maximum_output_size(self.block.len());
        self.stored.resize(bound, 0);
        let size = lz4_flex::block::compress_into(&self.block, &mut self.stored).map_err(|error| {
            let reason = format!("a block cannot be compressed: {error}");
            BacktestError::Tape { path: self.place.clone(), reason }
        })?;
        let head = head(self.block.len(), size, xxh3_64(&self.block));
        let written = self.file.write_all(&head).and_then(|()| self.file.write_all(&self.stored[..size]));
        self.block.clear();
        written.map_err(BacktestError::file(&self.partial))
    }

    /// Ends the tape and puts it in its place; answers how many entries it holds.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<u64, BacktestError> {
        self.write_block()?;
        let end = head(0, 0, self.entries);
        let done = self.file.write_all(&end).and_then(|()| self.file.flush());
        let done = done.and_then(|()| self.file.get_ref().sync_all());
        done.and_then(|()| std::fs::rename(&self.partial, &self.place)).map_err(BacktestError::file(&self.place))?;
        Ok(self.entries)
    }
}

fn head(raw: usize, stored: usize, number: u64) -> [u8; 16] {
    let mut head = [0; 16];
    head[..4].copy_from_slice(&(raw as u32).to_le_bytes());
    head[4..8].copy_from_slice(&(stored as u32).to_le_bytes());
    head[8..].copy_from_slice(&number.to_le_bytes());
    head
}
