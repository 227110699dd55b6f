//! The recorded streams and the mappings of their venues.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kt_venue::{Mapping, Record, RecordKind, parse_recording};

use crate::config::Config;
use crate::error::Error;

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

/// Every recording of a venue that has a mapping in `mappings`; `None` where there are no recordings.
pub(super) fn load(config: &Config, mappings: &Path) -> Result<Option<Vec<Recording>>, Error> {
    let frames = config.platform.recordings_dir.join("frames");
    if !frames.is_dir() {
        return Ok(None);
    }
    let mut recordings = Vec::new();
    for path in files(mappings, ".toml")? {
        let venue = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = frames.join(&venue);
        if !folder.is_dir() {
            continue;
        }
        let mapping = mapping(&path)?;
        for stream in files(&folder, "_stream.jsonl.zst")? {
            let name = name_of(&stream).trim_end_matches("_stream.jsonl.zst").to_owned();
            let reference = nearest_reference(&folder, &name)?.map(|path| records(&path)).transpose()?;
            recordings.push(Recording {
                venue: venue.clone(),
                name,
                mapping: mapping.clone(),
                reference: reference.unwrap_or_default(),
                records: records(&stream)?,
            });
        }
    }
    Ok(Some(recordings))
}

/// Compiles a mapping file.
pub(super) fn mapping(path: &Path) -> Result<Arc<Mapping>, Error> {
    let text = fs::read_to_string(path).map_err(Error::doing(path.display()))?;
    Mapping::parse(&text).map(Arc::new).map_err(Error::doing(path.display()))
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
