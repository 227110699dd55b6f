//! The recorded streams and the mappings of their venues.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kt_venue::{Mapping, Record, RecordKind, parse_recording};

use crate::config::Config;
use crate::error::Error;

/// How the files of streams end.
const STREAM: &str = "_stream.jsonl.zst";

/// A recorded stream in memory, with the instrument lists that go with it.
pub(super) struct Recording {
    pub(super) venue: String,
    pub(super) name: String,
    pub(super) mapping: Arc<Mapping>,
    pub(super) reference: Vec<Record>,
    pub(super) records: Vec<Record>,
}

impl Recording {
    /// Received frames.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.kind == RecordKind::Frame)
    }
}

/// Every recording of a venue that has a mapping; `None` where there are no recordings.
pub(super) fn load(config: &Config) -> Result<Option<Vec<Recording>>, Error> {
    let frames = config.platform.recordings_dir.join("frames");
    if !frames.is_dir() {
        return Ok(None);
    }
    let mut recordings = Vec::new();
    for venue in kt_venue::builtin_venues() {
        let folder = frames.join(venue);
        if !folder.is_dir() {
            continue;
        }
        for stream in files(&folder, STREAM)? {
            recordings.push(one(venue, &stream)?);
        }
    }
    Ok(Some(recordings))
}

/// One recorded stream of a venue.
pub(super) fn one(venue: &str, stream: &Path) -> Result<Recording, Error> {
    let name = name_of(stream).trim_end_matches(STREAM).to_owned();
    let mapping = kt_venue::builtin(venue).map_err(Error::doing(format!("the mapping of {venue}")))?;
    let reference =
        nearest_reference(stream.parent().unwrap_or(stream), &name)?.map(|path| records(&path)).transpose()?;
    Ok(Recording {
        venue: venue.to_owned(),
        name,
        mapping: Arc::new(mapping),
        reference: reference.unwrap_or_default(),
        records: records(stream)?,
    })
}

fn records(path: &Path) -> Result<Vec<Record>, Error> {
    let packed = fs::read(path).map_err(Error::doing(path.display()))?;
    let text = zstd::decode_all(packed.as_slice()).map_err(Error::doing(path.display()))?;
    parse_recording(&text).map_err(Error::doing(path.display()))
}

/// The instrument list recorded nearest in date, by the files' names.
fn nearest_reference(folder: &Path, stream: &str) -> Result<Option<PathBuf>, Error> {
    let day = |name: &str| name.get(..8).and_then(|text| text.parse::<i64>().ok());
    let Some(wanted) = day(stream) else { return Ok(None) };
    let lists = files(folder, "_reference.jsonl.zst")?;
    Ok(lists.into_iter().min_by_key(|path| day(&name_of(path)).map_or(i64::MAX, |day| (day - wanted).abs())))
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::doing(folder.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|path| name_of(path).ends_with(ending));
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
