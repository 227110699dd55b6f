//! Snapshots: a service's state after an input. File `snapshot-<number>`: magic, number, hash, state.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use kt_model::block::hash;

use crate::error::JournalError;

const PREFIX: &str = "snapshot-";
const MAGIC: [u8; 8] = *b"KTSNAP01";
const HEADER: usize = 24;

fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let entries = std::fs::read_dir(folder).map_err(JournalError::file("reading", folder))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()?, path))
        })
        .collect();
    files.sort_unstable();
    Ok(files)
}

/// Writes the state after input `number`: whole or not at all.
pub(crate) fn write(folder: &Path, number: u64, state: &[u8]) -> Result<(), JournalError> {
    let path = folder.join(format!("{PREFIX}{number:020}"));
    let part = folder.join(format!("part-{number:020}"));
    let mut file = File::create(&part).map_err(JournalError::file("creating", &part))?;
    let mut bytes = Vec::with_capacity(HEADER + state.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&hash(state).to_le_bytes());
    bytes.extend_from_slice(state);
    file.write_all(&bytes).map_err(JournalError::file("writing", &part))?;
    std::fs::rename(&part, &path).map_err(JournalError::file("renaming", &part))
}

/// Keeps the newest `keep`; answers the oldest that is left.
pub(crate) fn thin(folder: &Path, keep: usize) -> Result<Option<u64>, JournalError> {
    let files = files(folder)?;
    let surplus = files.len().saturating_sub(keep.max(1));
    for (_, path) in &files[..surplus] {
        std::fs::remove_file(path).map_err(JournalError::file("removing", path))?;
    }
    Ok(files.get(surplus).map(|(number, _)| *number))
}

/// The snapshots of an epoch's folder, newest first: number and state. A file that is not whole is passed over.
///
/// # Errors
/// What the disk says.
pub fn snapshots(folder: &Path) -> Result<Vec<(u64, Vec<u8>)>, JournalError> {
    let mut whole = Vec::new();
    for (number, path) in files(folder)?.into_iter().rev() {
        let bytes = std::fs::read(&path).map_err(JournalError::file("reading", &path))?;
        match bytes.split_at_checked(HEADER) {
            Some((header, state)) if header[..8] == MAGIC && header[16..] == hash(state).to_le_bytes() => {
                whole.push((number, state.to_vec()));
            }
            _ => tracing::warn!(path = %path.display(), "a snapshot is not whole, an older one is used"),
        }
    }
    Ok(whole)
}
