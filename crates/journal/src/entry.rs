//! Entries: how one input is written into a block, and read from it.
//!
//! A byte says what follows; integers are little-endian, lengths LEB128. An event is its row as it
//! travelled, position included, after its kind.

use kt_model::codec::{Field, write_length};
use kt_model::{DecodeError, Event, Kind, Nanos, Reader};
use kt_signals::Input;

use crate::error::EntryError;

/// What an entry begins with.
pub(crate) mod tag {
    pub const EVENT: u8 = 1;
    pub const TICK: u8 = 2;
    pub const START: u8 = 3;
    pub const STOP: u8 = 4;
    pub const CATCH_UP: u8 = 5;
    pub const CONFIGURATION: u8 = 6;
    pub const KILL_SWITCH: u8 = 7;
    pub const DROPPED: u8 = 8;
    pub const REPORT: u8 = 9;
    /// In the order only: events `from` to `from + count − 1` of a source.
    pub const RUN: u8 = 10;
    /// In the order only: names a source for the block's runs.
    pub const SOURCE: u8 = 11;
}

/// Appends an event by its encoded row.
pub fn write_row(kind: Kind, row: &[u8], out: &mut Vec<u8>) {
    out.push(tag::EVENT);
    kind.as_str().encode(out);
    write_length(row.len(), out);
    out.extend_from_slice(row);
}

/// Appends an input.
pub fn write(input: &Input<'_>, out: &mut Vec<u8>) {
    let timed = |tag: u8, at: &Nanos, out: &mut Vec<u8>| {
        out.push(tag);
        at.encode(out);
    };
    match input {
        Input::Event { event, .. } => {
            let mut row = Vec::new();
            event.encode(&mut row);
            write_row(event.kind(), &row, out);
        }
        Input::Tick(at) => timed(tag::TICK, at, out),
        Input::Start(at) => timed(tag::START, at, out),
        Input::Stop(at) => timed(tag::STOP, at, out),
        Input::CatchUp(at) => timed(tag::CATCH_UP, at, out),
        Input::Configuration { at, hash, text } => {
            timed(tag::CONFIGURATION, at, out);
            hash.encode(out);
            text.encode(out);
        }
        Input::KillSwitch { at, on } => {
            timed(tag::KILL_SWITCH, at, out);
            on.encode(out);
        }
        Input::Dropped { writer, epoch, from, to } => {
            out.push(tag::DROPPED);
            writer.encode(out);
            epoch.encode(out);
            from.encode(out);
            to.encode(out);
        }
        Input::Report { at, payload } => {
            timed(tag::REPORT, at, out);
            write_length(payload.len(), out);
            out.extend_from_slice(payload);
        }
    }
}

/// Reads one entry and hands it on as an input.
///
/// # Errors
/// [`EntryError`] when the bytes are no entry.
pub fn read<T>(reader: &mut Reader<'_>, take: impl FnOnce(&Input<'_>) -> T) -> Result<T, EntryError> {
    let tag = u8::decode(reader)?;
    if tag == tag::EVENT {
        let kind = Kind::from_name(<&str>::decode(reader)?).ok_or(DecodeError::BadFlag)?;
        let length = reader.length()?;
        let event = Event::decode(kind, &mut Reader::new(reader.take(length)?))?;
        return Ok(take(&Input::event(&event)));
    }
    Ok(take(&read_inline(tag, reader)?))
}

/// Reads what is no event, after its tag.
pub(crate) fn read_inline<'a>(tag: u8, reader: &mut Reader<'a>) -> Result<Input<'a>, EntryError> {
    if tag == tag::DROPPED {
        return Ok(Input::Dropped {
            writer: <&str>::decode(reader)?,
            epoch: u32::decode(reader)?,
            from: u64::decode(reader)?,
            to: u64::decode(reader)?,
        });
    }
    if !(tag::TICK..=tag::REPORT).contains(&tag) {
        return Err(EntryError::Tag(tag));
    }
    let at = Nanos::decode(reader)?;
    Ok(match tag {
        tag::TICK => Input::Tick(at),
        tag::START => Input::Start(at),
        tag::STOP => Input::Stop(at),
        tag::CATCH_UP => Input::CatchUp(at),
        tag::CONFIGURATION => Input::Configuration { at, hash: u64::decode(reader)?, text: <&str>::decode(reader)? },
        tag::KILL_SWITCH => Input::KillSwitch { at, on: bool::decode(reader)? },
        tag::REPORT => {
            let length = reader.length()?;
            Input::Report { at, payload: reader.take(length)? }
        }
        other => return Err(EntryError::Tag(other)),
    })
}
