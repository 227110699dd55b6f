//! The order of the inputs alone: events as run-length ranges of their source, all else as it came.
//!
//! Small enough to keep for good. The events themselves are in the tape for as long as it reaches back,
//! and in the warehouse under the same (writer, epoch, counter).

use std::collections::HashMap;

use kt_model::codec::{Field, write_length};
use kt_model::{DecodeError, Reader};
use kt_signals::Input;

use crate::entry::{self, tag};
use crate::error::EntryError;

/// Gathers the next block of the order.
#[derive(Debug, Default)]
pub(crate) struct OrderBuilder {
    pub payload: Vec<u8>,
    pub entries: u32,
    pub inputs: u64,
    /// Sources named in this block; runs refer to them by place.
    sources: HashMap<(String, u32), u64>,
    /// The run under way: source, first and next counter.
    run: Option<(u64, u64, u64)>,
    newest: Option<(String, u32, u64)>,
}

impl OrderBuilder {
    /// Takes an event by its position.
    pub fn event(&mut self, writer: &str, epoch: u32, counter: u64) {
        self.inputs += 1;
        let source = match &self.newest {
            Some((name, of, source)) if name == writer && *of == epoch => *source,
            _ => self.source(writer, epoch),
        };
        match &mut self.run {
            Some((of, _, next)) if *of == source && *next == counter => *next += 1,
            _ => {
                self.end_run();
                self.run = Some((source, counter, counter + 1));
            }
        }
    }

    /// Takes what is no event.
    pub fn other(&mut self, input: &Input<'_>) {
        self.end_run();
        self.inputs += 1;
        self.entries += 1;
        entry::write(input, &mut self.payload);
    }

    /// Closes the block: its payload is complete.
    pub fn finish(&mut self) {
        self.end_run();
    }

    /// Begins the next block.
    pub fn clear(&mut self) {
        *self = Self { payload: std::mem::take(&mut self.payload), ..Self::default() };
        self.payload.clear();
    }

    fn source(&mut self, writer: &str, epoch: u32) -> u64 {
        let key = (writer.to_owned(), epoch);
        let source = match self.sources.get(&key) {
            Some(source) => *source,
            None => {
                self.end_run();
                let source = self.sources.len() as u64;
                self.payload.push(tag::SOURCE);
                writer.encode(&mut self.payload);
                epoch.encode(&mut self.payload);
                self.entries += 1;
                self.sources.insert(key, source);
                source
            }
        };
        self.newest = Some((writer.to_owned(), epoch, source));
        source
    }

    fn end_run(&mut self) {
        let Some((source, from, next)) = self.run.take() else { return };
        self.payload.push(tag::RUN);
        write_length(source as usize, &mut self.payload);
        from.encode(&mut self.payload);
        // At most as many as a block stands for, far below 32 bits.
        write_length((next - from) as usize, &mut self.payload);
        self.entries += 1;
    }
}

/// One entry of the order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ordered<'a> {
    /// Events of one writer and epoch, in the order of their counters.
    Run {
        /// The writer.
        writer: &'a str,
        /// Its epoch.
        epoch: u32,
        /// First counter.
        from: u64,
        /// Last counter.
        to: u64,
    },
    /// What is no event.
    Input(Input<'a>),
}

/// Hands the entries of one block's payload to `each`.
///
/// # Errors
/// [`EntryError`] when the bytes are no entries.
pub(crate) fn read(payload: &[u8], mut each: impl FnMut(Ordered<'_>)) -> Result<(), EntryError> {
    let mut reader = Reader::new(payload);
    let mut sources: Vec<(&str, u32)> = Vec::new();
    while !reader.is_empty() {
        match u8::decode(&mut reader)? {
            tag::SOURCE => {
                let writer = <&str>::decode(&mut reader)?;
                sources.push((writer, u32::decode(&mut reader)?));
            }
            tag::RUN => {
                let (writer, epoch) = *sources.get(reader.length()?).ok_or(DecodeError::BadLength)?;
                let from = u64::decode(&mut reader)?;
                let count = reader.length()?.max(1) as u64;
                each(Ordered::Run { writer, epoch, from, to: from + count - 1 });
            }
            other => each(Ordered::Input(entry::read_inline(other, &mut reader)?)),
        }
    }
    Ok(())
}
