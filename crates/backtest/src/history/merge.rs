//! Merges the kinds of a window into one order: `(recv_ts, writer, epoch, counter)`.
//!
//! Never by exchange time: two venues' clocks would let a strategy see what had not reached it yet.

use kt_model::schema::Kind;
use kt_model::{DecodeError, Event, Field, Nanos, POSITION_BYTES, Reader};

use super::fetch::{KindRows, WindowRows};
use crate::error::BacktestError;

/// The receive time that stands before each row.
const PREFIX: usize = 8;

/// Where a row stands in the order of a warehouse replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderKey<'a> {
    /// When the frame was read.
    pub recv_ts: Nanos,
    /// Who logged it.
    pub writer: &'a str,
    /// The writer's epoch.
    pub epoch: u32,
    /// The writer's counter.
    pub counter: u64,
}

/// One kind's rows and how far they are read.
struct Cursor<'a> {
    kind: Kind,
    bytes: &'a [u8],
    at: usize,
    key: OrderKey<'a>,
}

impl<'a> Cursor<'a> {
    fn open(rows: &'a KindRows) -> Result<Option<Self>, DecodeError> {
        let key = OrderKey { recv_ts: Nanos(0), writer: "", epoch: 0, counter: 0 };
        let mut cursor = Self { kind: rows.kind, bytes: &rows.bytes, at: 0, key };
        Ok(cursor.load()?.then_some(cursor))
    }

    /// Reads the key of the row at the cursor; false at the end.
    #[inline]
    fn load(&mut self) -> Result<bool, DecodeError> {
        if self.at == self.bytes.len() {
            return Ok(false);
        }
        let mut reader = Reader::new(&self.bytes[self.at..]);
        let recv_ts = Nanos::decode(&mut reader)?;
        let _publish_ts = Nanos::decode(&mut reader)?;
        let counter = u64::decode(&mut reader)?;
        let epoch = u32::decode(&mut reader)?;
        let length = reader.length()?;
        let writer = reader.take(length)?;
        // Bytes order names as text does; a text that is none shows when the row is decoded.
        let writer = std::str::from_utf8(writer).map_err(|_| DecodeError::NotText)?;
        self.key = OrderKey { recv_ts, writer, epoch, counter };
        Ok(true)
    }
}

/// Hands every row of a window to `take`, in order: the event and its encoded bytes.
///
/// # Errors
/// A row that cannot be decoded, or what `take` reports.
pub fn merge(
    window: &WindowRows,
    mut take: impl FnMut(&Event<'_>, &[u8]) -> Result<(), BacktestError>,
) -> Result<u64, BacktestError> {
    const { assert!(POSITION_BYTES == 20, "the key is read at the position's offsets") };
    let mut cursors = Vec::with_capacity(window.kinds.len());
    for rows in &window.kinds {
        cursors.extend(Cursor::open(rows).map_err(BacktestError::row(rows.kind))?);
    }
    let mut rows = 0;
    while !cursors.is_empty() {
        let (first, bound) = smallest(&cursors);
        let cursor = &mut cursors[first];
        // Frames come in bursts of one kind, so the same cursor usually goes on.
        let mut more = true;
        while more && bound.is_none_or(|bound| cursor.key <= bound) {
            let start = cursor.at + PREFIX;
            let mut reader = Reader::new(&cursor.bytes[start..]);
            let event = Event::decode(cursor.kind, &mut reader).map_err(BacktestError::row(cursor.kind))?;
            let end = start + reader.position();
            take(&event, &cursor.bytes[start..end])?;
            rows += 1;
            cursor.at = end;
            more = cursor.load().map_err(BacktestError::row(cursor.kind))?;
        }
        if !more {
            cursors.swap_remove(first);
        }
    }
    Ok(rows)
}

/// The cursor whose row comes first, and the key up to which it goes on.
fn smallest<'a>(cursors: &[Cursor<'a>]) -> (usize, Option<OrderKey<'a>>) {
    let mut first = 0;
    let mut bound: Option<OrderKey<'a>> = None;
    for (index, cursor) in cursors.iter().enumerate().skip(1) {
        if cursor.key < cursors[first].key {
            bound = Some(cursors[first].key);
            first = index;
        } else if bound.is_none_or(|bound| cursor.key < bound) {
            bound = Some(cursor.key);
        }
    }
    (first, bound)
}
