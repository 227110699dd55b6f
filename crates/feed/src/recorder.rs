//! The archive of raw frames: compressed segments of the recording format that the simulated exchange
//! replays (one JSON object a line: `t` receive time in ns, `d` text or `b64` binary payload, `k` kind of
//! record, `url`, `c` connection).
//!
//! Compressing and writing happen on a thread of their own; when it does not keep up, frames are not
//! recorded, counted and named in the log. Recording never holds up the feed.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use base64::Engine;
use bytes::Bytes;
use kt_model::Nanos;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

use crate::FeedError;

/// Records that may wait for the recorder's thread.
const QUEUE: usize = 65_536;
/// Compressed bytes after which a segment ends.
const SEGMENT_BYTES: u64 = 64 << 20;

/// What is recorded.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// A frame that was received.
    Frame { at: Nanos, connection: u32, payload: Bytes, is_text: bool },
    /// A connection was opened.
    Opened { at: Nanos, connection: u32, url: String },
    /// A frame that was sent.
    Sent { at: Nanos, connection: u32, url: String, text: String },
    /// A REST response.
    Fetched { at: Nanos, url: String, body: Bytes },
}

/// Takes records without waiting.
#[derive(Clone)]
pub(crate) struct Recorder {
    sender: SyncSender<Record>,
    missed: Counter,
}

/// Ends the recorder: drop every [`Recorder`], then [`RecorderThread::finish`].
pub(crate) struct RecorderThread {
    handle: JoinHandle<Result<(), FeedError>>,
}

#[derive(Serialize)]
struct Line<'a> {
    t: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64: Option<String>,
}

/// Starts the recorder of one venue; files go to `<folder>/<venue>/<start>_<n>_stream.jsonl.zst`.
pub(crate) fn start(
    folder: &Path,
    venue: &str,
    now: Nanos,
    missed: Counter,
) -> Result<(Recorder, RecorderThread), FeedError> {
    let folder = folder.join(venue);
    std::fs::create_dir_all(&folder).map_err(FeedError::file("creating", &folder))?;
    let (sender, receiver) = sync_channel(QUEUE);
    let stamp = now.0 / 1_000_000_000;
    let name = format!("record-{venue}");
    let work = move || write_all(&folder, stamp, &receiver);
    let spawned = std::thread::Builder::new().name(name).spawn(work);
    let handle = spawned.map_err(|error| FeedError::Config(format!("no thread for the recorder: {error}")))?;
    Ok((Recorder { sender, missed }, RecorderThread { handle }))
}

impl Recorder {
    /// Hands a record over, or counts it as missed when the recorder is behind or gone.
    pub fn record(&self, record: Record) {
        if let Err(error) = self.sender.try_send(record) {
            let missed = self.missed.inc() + 1;
            if missed.is_power_of_two() {
                let cause = match error {
                    TrySendError::Full(_) => "it is behind",
                    TrySendError::Disconnected(_) => "it has stopped",
                };
                tracing::warn!(missed, cause, "the frame recorder does not take frames");
            }
        }
    }
}

impl RecorderThread {
    /// Waits until everything is written.
    pub fn finish(self) -> Result<(), FeedError> {
        self.handle.join().unwrap_or_else(|_| Err(FeedError::Panicked("recorder".to_owned())))
    }
}

fn write_all(folder: &Path, stamp: i64, receiver: &Receiver<Record>) -> Result<(), FeedError> {
    let mut number = 0;
    let mut next = receiver.recv().ok();
    while let Some(first) = next.take() {
        number += 1;
        let path = folder.join(format!("{stamp}_{number:04}_stream.jsonl.zst"));
        next = write_segment(&path, first, receiver)?;
    }
    Ok(())
}

/// Writes one segment; answers the record with which the next one begins.
fn write_segment(path: &PathBuf, first: Record, receiver: &Receiver<Record>) -> Result<Option<Record>, FeedError> {
    let file = File::create(path).map_err(FeedError::file("creating", path))?;
    let mut encoder = zstd::Encoder::new(file, 3).map_err(FeedError::file("compressing into", path))?;
    let mut record = Some(first);
    let mut line = Vec::new();
    let mut next = None;
    while let Some(present) = record {
        line.clear();
        write_line(&present, &mut line);
        encoder.write_all(&line).map_err(FeedError::file("writing to", path))?;
        record = receiver.recv().ok();
        let compressed = encoder.get_ref().metadata().map_or(0, |metadata| metadata.len());
        if compressed >= SEGMENT_BYTES {
            next = record.take();
        }
    }
    let file = encoder.finish().map_err(FeedError::file("writing to", path))?;
    file.sync_all().map_err(FeedError::file("synchronising", path))?;
    Ok(next)
}

fn write_line(record: &Record, out: &mut Vec<u8>) {
    let line = match record {
        Record::Frame { at, connection, payload, is_text } => {
            let text = std::str::from_utf8(payload).ok().filter(|_| *is_text);
            let b64 = text.is_none().then(|| base64::engine::general_purpose::STANDARD.encode(payload));
            Line { t: at.0, c: Some(*connection), k: None, url: None, d: text, b64 }
        }
        Record::Opened { at, connection, url } => {
            Line { t: at.0, c: Some(*connection), k: Some("conn"), url: Some(url), d: None, b64: None }
        }
        Record::Sent { at, connection, url, text } => {
            Line { t: at.0, c: Some(*connection), k: Some("send"), url: Some(url), d: Some(text), b64: None }
        }
        Record::Fetched { at, url, body } => {
            let text = std::str::from_utf8(body).unwrap_or_default();
            Line { t: at.0, c: None, k: Some("http"), url: Some(url), d: Some(text), b64: None }
        }
    };
    // Serialising to memory fails for no value of this type.
    if serde_json::to_writer(&mut *out, &line).is_ok() {
        out.push(b'\n');
    }
}
