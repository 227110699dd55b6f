//! A venue's recordings in memory, laid out as they go over the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::reference::Reference;
use crate::query::Target;

/// All recordings of one venue.
pub(crate) struct Recording {
    pub venue: Arc<str>,
    pub files: Vec<RecordedFile>,
    pub frames: Vec<Frame>,
    pub connections: Vec<Connection>,
    pub snapshots: Vec<Snapshot>,
    pub references: Vec<Reference>,
    pub channels: BTreeMap<String, u64>,
    pub symbols: BTreeMap<String, u64>,
    /// The recording holds the venue's own answers to subscriptions.
    pub has_answers: bool,
}

/// One file and its frames, back to back, headers (and clock frames) included.
pub(crate) struct RecordedFile {
    pub label: String,
    pub wire: Bytes,
    pub first_time: Option<i64>,
    pub last_time: Option<i64>,
    pub frames: u64,
}

/// One received frame.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// Receive time in ns; `None` where the recorder had no clock.
    pub time: Option<i64>,
    /// Where the frame lies in its file's `wire` bytes, clock frame included.
    pub(super) start: u64,
    pub(super) length: u32,
    pub file: u16,
    pub connection: u16,
    /// Bytes of the clock frame in front, and of it and the header together.
    pub(super) clock: u8,
    pub(super) payload: u8,
}

/// One recorded WebSocket connection.
pub(crate) struct Connection {
    pub id: String,
    /// Where the recorder connected to, if it noted it.
    pub target: Option<Target>,
    /// Messages the recorder sent, as sent.
    pub sent: Vec<String>,
    pub frames: u64,
    pub first_time: Option<i64>,
    pub last_time: Option<i64>,
}

/// A REST response recorded between the frames.
pub(crate) struct Snapshot {
    /// Frames that were recorded before it.
    pub position: usize,
    pub target: Option<Target>,
    pub symbol: Option<String>,
    pub body: Bytes,
}

impl Frame {
    /// Position in the file's wire bytes, clock frame included.
    pub fn range(&self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}

impl Recording {
    /// The frame as it goes over the wire, clock frame included.
    pub fn wire(&self, frame: &Frame) -> &[u8] {
        &self.files[usize::from(frame.file)].wire[frame.range()]
    }

    /// The payload as recorded.
    pub fn payload(&self, frame: &Frame) -> &[u8] {
        let range = frame.range();
        &self.files[usize::from(frame.file)].wire[range.start + usize::from(frame.payload)..range.end]
    }

    /// The frame's clock frame, empty where there is none.
    pub fn clock(&self, frame: &Frame) -> &[u8] {
        let start = frame.range().start;
        &self.files[usize::from(frame.file)].wire[start..start + usize::from(frame.clock)]
    }

    /// The number of a connection of a file, known or new.
    pub(super) fn connection(&mut self, file: usize, id: &str, target: Option<Target>) -> u16 {
        // The same id in two files is the same connection only if it went to the same place.
        let renamed = format!("{}/{id}", self.files[file].label);
        let path = |target: &Option<Target>| target.as_ref().map(|target| target.path.clone());
        let fits = |known: &Connection| {
            let open = known.target.is_none() || target.is_none();
            known.id == renamed || (known.id == id && (open || path(&known.target) == path(&target)))
        };
        let index = self.connections.iter().rposition(fits).unwrap_or_else(|| {
            let taken = self.connections.iter().any(|known| known.id == id);
            self.connections.push(Connection {
                id: if taken { renamed.clone() } else { id.to_owned() },
                target: None,
                sent: Vec::new(),
                frames: 0,
                first_time: None,
                last_time: None,
            });
            self.connections.len() - 1
        });
        if self.connections[index].target.is_none() {
            self.connections[index].target = target;
        }
        u16::try_from(index).expect("a recording has far fewer than 65536 connections")
    }
}
