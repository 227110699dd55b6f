//! Recorded streams: JSON lines of received frames, REST responses and connection marks.
//!
//! Only text is handled here; files and their compression are the caller's.

use crate::error::VenueError;
use base64::Engine;
use serde::Deserialize;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A frame received on a WebSocket.
    Frame,
    /// A frame that the recorder sent.
    Sent,
    /// A connection was opened.
    Connection,
    /// A REST response.
    Response,
}

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Receive time in nanoseconds since the epoch; absent where the source had none.
    pub time: Option<i64>,
    /// What it is.
    pub kind: RecordKind,
    /// Name of the connection, where the file holds several.
    pub connection: Option<String>,
    /// Address of a connection or response.
    pub url: Option<String>,
    /// The exact bytes.
    pub payload: Vec<u8>,
}

#[derive(Deserialize)]
struct Line {
    t: Option<i64>,
    k: Option<String>,
    c: Option<String>,
    url: Option<String>,
    d: Option<String>,
    b64: Option<String>,
}

/// Reads the lines of a decompressed recording.
///
/// # Errors
/// [`crate::ErrorKind::Recording`] naming the line that is not a record.
pub fn parse_recording(text: &[u8]) -> Result<Vec<Record>, VenueError> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    lines.filter(|(_, line)| !line.is_empty()).map(|(index, line)| parse_line(index + 1, line)).collect()
}

fn parse_line(number: usize, line: &[u8]) -> Result<Record, VenueError> {
    let bad = |what: &dyn std::fmt::Display| VenueError::recording(format!("line {number} is no record: {what}"));
    let line: Line = serde_json::from_slice(line).map_err(|error| bad(&error))?;
    let kind = match line.k.as_deref() {
        None => RecordKind::Frame,
        Some("send") => RecordKind::Sent,
        Some("conn") => RecordKind::Connection,
        Some("http") => RecordKind::Response,
        Some(other) => return Err(bad(&format!("unknown kind `{other}`"))),
    };
    let payload = match (line.d, line.b64) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(text)) => base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| bad(&error))?,
        (None, None) if kind == RecordKind::Connection => Vec::new(),
        (None, None) => return Err(bad(&"neither `d` nor `b64`")),
    };
    Ok(Record { time: line.t, kind, connection: line.c, url: line.url, payload })
}
