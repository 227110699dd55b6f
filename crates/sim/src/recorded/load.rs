//! Reads recordings into memory.
//!
//! The format: zstd, one JSON object per line. `t` receive time (ns or null), `d` text
//! payload or `b64` binary payload, `k` absent for a received frame or `send`, `conn`,
//! `http`, `url`, and `c` the connection where there is more than one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use base64::Engine;
use bytes::Bytes;
use serde::Deserialize;

use super::label;
use super::recording::{Frame, RecordedFile, Recording, Snapshot};
use super::reference;
use crate::error::SimError;
use crate::query::Target;
use crate::websocket::{Opcode, append};

/// Bytes of a pong frame that carries a receive time.
const CLOCK_FRAME: u8 = 10;
/// The connection of records that name none.
const UNNAMED: &str = "ws";

#[derive(Deserialize)]
pub(super) struct Line<'a> {
    pub t: Option<i64>,
    #[serde(borrow, default)]
    pub d: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub b64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub k: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub c: Option<Cow<'a, str>>,
}

/// Reads the files, grouped by venue (the folder's name).
pub(crate) fn load(files: &[PathBuf], recorded_clock: bool, memory_limit: u64) -> Result<Vec<Recording>, SimError> {
    let mut venues: BTreeMap<String, Vec<(Option<i64>, &Path)>> = BTreeMap::new();
    for path in files {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let Some(venue) = folder else {
            return Err(SimError::Config(format!("{} lies in no folder named after a venue", path.display())));
        };
        venues.entry(venue.to_owned()).or_default().push((first_time(path)?, path));
    }
    let mut used = 0;
    let mut recordings = Vec::with_capacity(venues.len());
    for (venue, mut paths) in venues {
        paths.sort();
        let mut recording = Recording {
            venue: venue.into(),
            files: Vec::new(),
            frames: Vec::new(),
            connections: Vec::new(),
            snapshots: Vec::new(),
            references: reference::find(&paths.iter().map(|(_, path)| *path).collect::<Vec<_>>())?,
            channels: BTreeMap::new(),
            symbols: BTreeMap::new(),
            has_answers: false,
        };
        for (_, path) in &paths {
            load_file(&mut recording, path, recorded_clock, memory_limit - used)?;
            used += recording.files.last().map_or(0, |file| file.wire.len() as u64);
        }
        recordings.push(recording);
    }
    Ok(recordings)
}

/// Lines of a compressed recording, with the file's name in every error.
pub(super) fn lines(path: &Path, mut each: impl FnMut(usize, &str) -> Result<bool, SimError>) -> Result<(), SimError> {
    let read_error = |source| SimError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    let decoder = zstd::Decoder::new(file).map_err(read_error)?;
    let mut reader = BufReader::with_capacity(1 << 20, decoder);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        if reader.read_line(&mut line).map_err(read_error)? == 0 || !each(number, line.trim_end())? {
            break;
        }
    }
    Ok(())
}

pub(super) fn parse<'a>(path: &Path, number: usize, line: &'a str) -> Result<Line<'a>, SimError> {
    serde_json::from_str(line).map_err(|error| format_error(path, number, &error.to_string()))
}

fn format_error(path: &Path, line: usize, reason: &str) -> SimError {
    SimError::Format { path: path.to_owned(), line, reason: reason.to_owned() }
}

fn first_time(path: &Path) -> Result<Option<i64>, SimError> {
    let mut time = None;
    lines(path, |number, line| {
        time = parse(path, number, line)?.t;
        Ok(false)
    })?;
    Ok(time)
}

/// A file's label: its name up to `_stream` or `_reference`.
pub(super) fn label_of(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let end = name.rfind("_stream").or(name.rfind("_reference")).unwrap_or(name.len());
    name[..end].to_owned()
}

fn load_file(recording: &mut Recording, path: &Path, recorded_clock: bool, limit: u64) -> Result<(), SimError> {
    let file = recording.files.len();
    recording.files.push(RecordedFile {
        label: label_of(path),
        wire: Bytes::new(),
        first_time: None,
        last_time: None,
        frames: 0,
    });
    let mut wire = Vec::new();
    let mut pending_snapshots = Vec::new();
    lines(path, |number, text| {
        let line = parse(path, number, text)?;
        let id = line.c.as_deref().unwrap_or(UNNAMED);
        let target = line.url.as_deref().map(Target::from_url);
        match line.k.as_deref() {
            None => {
                let connection = recording.connection(file, id, None);
                let payload = payload(path, number, &line)?;
                push_frame(recording, &mut wire, file, connection, &line, &payload, recorded_clock);
            }
            Some("conn") => {
                recording.connection(file, id, target);
            }
            Some("send") => {
                let connection = recording.connection(file, id, target);
                let sent = line.d.unwrap_or_default().into_owned();
                recording.connections[usize::from(connection)].sent.push(sent);
            }
            Some("http") => {
                let body: Bytes = line.d.unwrap_or_default().into_owned().into();
                let symbol = target.as_ref().and_then(Target::symbol).map(str::to_owned);
                if symbol.is_none() && target.is_none() {
                    pending_snapshots.push(recording.snapshots.len());
                }
                recording.snapshots.push(Snapshot { position: recording.frames.len(), target, symbol, body });
            }
            Some(kind) => return Err(format_error(path, number, &format!("unknown record kind {kind:?}"))),
        }
        match wire.len() as u64 > limit {
            true => Err(SimError::Memory { path: path.to_owned(), limit }),
            false => Ok(true),
        }
    })?;
    recording.files[file].wire = wire.into();
    // A snapshot recorded without its URL belongs to the file's one symbol.
    let symbol = recording.frames.iter().rev().find(|frame| usize::from(frame.file) == file).and_then(|frame| {
        let text = std::str::from_utf8(recording.payload(frame)).ok()?;
        label::label(text).symbol.map(str::to_owned)
    });
    for index in pending_snapshots {
        recording.snapshots[index].symbol.clone_from(&symbol);
    }
    Ok(())
}

enum Payload<'a> {
    Text(&'a str),
    Binary(Vec<u8>),
}

fn payload<'a>(path: &Path, number: usize, line: &'a Line<'_>) -> Result<Payload<'a>, SimError> {
    match (&line.d, &line.b64) {
        (Some(text), None) => Ok(Payload::Text(text)),
        (None, Some(encoded)) => base64::engine::general_purpose::STANDARD
            .decode(encoded.as_bytes())
            .map(Payload::Binary)
            .map_err(|error| format_error(path, number, &error.to_string())),
        _ => Err(format_error(path, number, "a frame has either `d` or `b64`")),
    }
}

fn push_frame(
    recording: &mut Recording,
    wire: &mut Vec<u8>,
    file: usize,
    connection: u16,
    line: &Line<'_>,
    payload: &Payload<'_>,
    recorded_clock: bool,
) {
    let start = wire.len();
    let clock = match line.t.filter(|_| recorded_clock) {
        Some(time) => {
            append(wire, Opcode::Pong, &time.to_be_bytes());
            CLOCK_FRAME
        }
        None => 0,
    };
    let bytes = match payload {
        Payload::Text(text) => {
            append(wire, Opcode::Text, text.as_bytes());
            describe(recording, text);
            text.as_bytes()
        }
        Payload::Binary(bytes) => {
            append(wire, Opcode::Binary, bytes);
            bytes
        }
    };
    let length = wire.len() - start;
    recording.frames.push(Frame {
        time: line.t,
        start: start as u64,
        length: u32::try_from(length).expect("a frame is far smaller than 4 GiB"),
        file: u16::try_from(file).expect("far fewer than 65536 files are replayed"),
        connection,
        clock,
        payload: u8::try_from(length - bytes.len()).expect("a clock frame and a header have at most 20 bytes"),
    });
    let file = &mut recording.files[file];
    file.frames += 1;
    file.first_time = file.first_time.or(line.t);
    file.last_time = line.t.or(file.last_time);
    let connection = &mut recording.connections[usize::from(connection)];
    connection.frames += 1;
    connection.first_time = connection.first_time.or(line.t);
    connection.last_time = line.t.or(connection.last_time);
}

fn describe(recording: &mut Recording, text: &str) {
    recording.has_answers |= label::is_answer(text);
    let label = label::label(text);
    count(&mut recording.channels, label.channel);
    count(&mut recording.symbols, label.symbol);
}

fn count(counts: &mut BTreeMap<String, u64>, name: Option<&str>) {
    let Some(name) = name else { return };
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}
