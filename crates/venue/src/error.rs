//! What can be wrong with a mapping, a request or a frame.

use std::fmt;

/// What a [`VenueError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The mapping file is not valid; the message names line and key.
    Mapping,
    /// No mapping, segment, channel or reference of this name.
    Unknown,
    /// Bytes that are not what the venue documents.
    Malformed,
    /// A recording that cannot be read.
    Recording,
    /// The venue says that there were too many requests: later, the same request may succeed.
    Busy,
    /// The venue does not keep what was asked for: no request will bring it.
    Beyond,
}

/// An error of this crate: what happened, to what, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct VenueError {
    /// What it is about.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
}

impl VenueError {
    pub(crate) fn mapping(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Mapping, message: message.into() }
    }
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unknown, message: message.into() }
    }
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Malformed, message: message.into() }
    }
    pub(crate) fn of(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
    pub(crate) fn recording(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Recording, message: message.into() }
    }
}

/// Why a frame, or one row of it, breaks the mapping: the reason of a quarantine row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON, or cut short.
    Syntax {
        /// Offset of the byte at which reading failed.
        at: usize,
    },
    /// The compressed frame cannot be unpacked.
    Compression,
    /// Neither a channel of the mapping nor a control frame.
    Unrecognised,
    /// A field that the mapping requires is absent.
    Missing(&'static str),
    /// A field's text is not of the mapped type.
    Invalid(&'static str),
    /// A symbol that is in no instrument list and follows no symbol rule.
    Instrument,
    /// A number of more characters than any venue prints, or than can be kept exactly.
    Number(&'static str),
}

impl Fault {
    /// Name of the fault: the quarantine row's `reason`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Fault::Syntax { .. } => "syntax",
            Fault::Compression => "compression",
            Fault::Unrecognised => "unrecognised",
            Fault::Missing(_) => "missing",
            Fault::Invalid(_) => "invalid",
            Fault::Instrument => "instrument",
            Fault::Number(_) => "number",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Syntax { at } => write!(out, "not valid JSON at byte {at}"),
            Fault::Compression => out.write_str("the compressed frame cannot be unpacked"),
            Fault::Unrecognised => out.write_str("no channel of the mapping matches"),
            Fault::Missing(field) => write!(out, "required field `{field}` is absent"),
            Fault::Invalid(field) => write!(out, "field `{field}` is not of the mapped type"),
            Fault::Instrument => out.write_str("the symbol is in no instrument list and follows no symbol rule"),
            Fault::Number(field) => write!(out, "number `{field}` cannot be kept exactly"),
        }
    }
}
