//! Reading a journal back.

use std::path::Path;

use kt_model::Reader;
use kt_signals::Input;

use crate::blocks::{BlockFile, BlockHead, Found, ORDER, TAPE};
use crate::entry;
use crate::error::JournalError;
use crate::order::{self, Ordered};

/// What a journal's epoch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// First input of the tape.
    pub first: u64,
    /// Last input; 0 for none.
    pub last: u64,
}

/// The epochs of a service's journal, ascending: one folder each.
///
/// # Errors
/// What the disk says.
pub fn epochs(folder: &Path) -> Result<Vec<u32>, JournalError> {
    let entries = std::fs::read_dir(folder).map_err(JournalError::file("reading", folder))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut epochs: Vec<u32> = names.collect();
    epochs.sort_unstable();
    Ok(epochs)
}

/// First and last input on the tape of an epoch's folder.
///
/// # Errors
/// What the disk says.
pub fn extent(folder: &Path) -> Result<Extent, JournalError> {
    let files = TAPE.files(folder)?;
    let Some((first, _)) = files.first() else { return Ok(Extent::default()) };
    let mut extent = Extent { first: *first, last: 0 };
    let mut payload = Vec::new();
    for (_, path) in files.iter().rev() {
        let Some(mut blocks) = BlockFile::open(TAPE, path)? else { continue };
        while let Found::Block(head) = blocks.next(&mut payload)? {
            extent.last = head.first + head.inputs - 1;
        }
        if extent.last > 0 {
            break;
        }
    }
    Ok(extent)
}

/// Hands every input from number `from` on to `each`, in order; answers the last number (0 for none).
///
/// # Errors
/// [`JournalError::Gone`] when the tape begins later, [`JournalError::Damaged`] when a whole block does not
/// decode. A torn end is where it ends.
pub fn replay(folder: &Path, from: u64, mut each: impl FnMut(u64, &Input<'_>)) -> Result<u64, JournalError> {
    let files = TAPE.files(folder)?;
    if let Some((first, _)) = files.first()
        && *first > from
    {
        return Err(JournalError::Gone { path: folder.to_owned(), first: *first, wanted: from });
    }
    let mut last = 0;
    let begin = files.iter().rposition(|(first, _)| *first <= from).unwrap_or(0);
    for (_, path) in &files[begin..] {
        let Some(mut blocks) = BlockFile::open(TAPE, path)? else { continue };
        let mut payload = Vec::new();
        loop {
            let at = blocks.at;
            let Found::Block(head) = blocks.next(&mut payload)? else { break };
            last = head.first + head.inputs - 1;
            if last >= from {
                let damaged = |problem: String| JournalError::Damaged { path: path.clone(), at, problem };
                read_block(&head, &payload, from, &mut each).map_err(|error| damaged(error.to_string()))?;
            }
        }
    }
    Ok(last)
}

fn read_block(
    head: &BlockHead,
    payload: &[u8],
    from: u64,
    each: &mut impl FnMut(u64, &Input<'_>),
) -> Result<(), crate::EntryError> {
    let mut reader = Reader::new(payload);
    let mut number = head.first;
    while !reader.is_empty() {
        entry::read(&mut reader, |input| {
            if number >= from {
                each(number, input);
            }
        })?;
        number += 1;
    }
    Ok(())
}

/// Hands the order of an epoch to `each`: number of the first input of each entry, and the entry.
///
/// # Errors
/// [`JournalError::Damaged`] when a whole block does not decode.
pub fn read_order(folder: &Path, mut each: impl FnMut(u64, Ordered<'_>)) -> Result<(), JournalError> {
    for (_, path) in ORDER.files(folder)? {
        let Some(mut blocks) = BlockFile::open(ORDER, &path)? else { continue };
        let mut payload = Vec::new();
        loop {
            let at = blocks.at;
            let Found::Block(head) = blocks.next(&mut payload)? else { break };
            let mut number = head.first;
            let read = order::read(&payload, |entry| {
                let count = match &entry {
                    Ordered::Run { from, to, .. } => to - from + 1,
                    Ordered::Input(_) => 1,
                };
                each(number, entry);
                number += count;
            });
            read.map_err(|error| JournalError::Damaged { path: path.clone(), at, problem: error.to_string() })?;
        }
    }
    Ok(())
}
