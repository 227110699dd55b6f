//! Recordings and mappings for the tests.
#![allow(dead_code)]

use kt_venue::{CheckReport, CheckSink, Mapping, Record, Replay, ReplayConfig, parse_recording};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of recordings, or `None` (said loudly) where it is absent.
pub fn recordings() -> Option<PathBuf> {
    let named = std::env::var_os("KT_RECORDINGS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root().join("../shared/data"));
    if folder.join("frames").is_dir() {
        return Some(folder);
    }
    println!("SKIP: no recordings at {} (set KT_RECORDINGS)", folder.display());
    None
}

/// The compiled mapping of a venue.
pub fn mapping(venue: &str) -> Arc<Mapping> {
    let path = root().join("venues").join(format!("{venue}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Arc::new(Mapping::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The records of a file.
pub fn load(path: &Path) -> Vec<Record> {
    let packed = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = zstd::decode_all(packed.as_slice()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse_recording(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The reference recording nearest in date to a stream, by their names.
pub fn reference(folder: &Path, stream: &str) -> Option<PathBuf> {
    let day = |name: &str| name.get(..8).and_then(|text| text.parse::<i64>().ok());
    let wanted = day(stream)?;
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let lists = files.filter(|name| name.ends_with("_reference.jsonl.zst"));
    let nearest = lists.min_by_key(|name| (day(name).map_or(i64::MAX, |day| (day - wanted).abs()), name.clone()))?;
    Some(folder.join(nearest))
}

/// A stream played to its end, and what was found.
pub fn check(venue: &str, folder: &Path, stream: &str) -> (CheckReport, Replay) {
    let mut replay = Replay::new(mapping(venue), ReplayConfig { keep_text: true, ..ReplayConfig::default() });
    let mut sink = CheckSink::default();
    if let Some(path) = reference(folder, stream) {
        let mut ignore = |_: &kt_model::Event<'_>| {};
        replay.reference(&load(&path), &mut ignore).expect("a readable instrument list");
    }
    for record in load(&folder.join(stream)) {
        replay.play(&record, &mut sink).expect("a playable record");
    }
    let report = sink.report(&replay, Some(20));
    (report, replay)
}
