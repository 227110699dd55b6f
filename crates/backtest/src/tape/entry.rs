//! Inputs that are not events, as bytes.

use kt_model::{DecodeError, Field, Nanos, Reader};
use kt_signals::Input;

use super::FIRST_MARK;

const TICK: u8 = FIRST_MARK;
const START: u8 = FIRST_MARK + 1;
const STOP: u8 = FIRST_MARK + 2;
const CATCH_UP: u8 = FIRST_MARK + 3;
const CONFIGURATION: u8 = FIRST_MARK + 4;
const KILL_SWITCH: u8 = FIRST_MARK + 5;
const DROPPED: u8 = FIRST_MARK + 6;
const REPORT: u8 = FIRST_MARK + 7;

/// Appends the body and answers the tag; `None` for an event, whose body is its row.
pub(super) fn encode(input: &Input<'_>, out: &mut Vec<u8>) -> Option<u8> {
    match *input {
        Input::Event { .. } => return None,
        Input::Tick(at) => at.encode(out),
        Input::Start(at) => at.encode(out),
        Input::Stop(at) => at.encode(out),
        Input::CatchUp(at) => at.encode(out),
        Input::Configuration { at, hash, text } => {
            at.encode(out);
            hash.encode(out);
            text.encode(out);
        }
        Input::KillSwitch { at, on } => {
            at.encode(out);
            on.encode(out);
        }
        Input::Dropped { writer, epoch, from, to } => {
            writer.encode(out);
            epoch.encode(out);
            from.encode(out);
            to.encode(out);
        }
        Input::Report { at, payload } => {
            at.encode(out);
            out.extend_from_slice(payload);
        }
    }
    Some(tag(input))
}

fn tag(input: &Input<'_>) -> u8 {
    match input {
        Input::Event { .. } | Input::Tick(_) => TICK,
        Input::Start(_) => START,
        Input::Stop(_) => STOP,
        Input::CatchUp(_) => CATCH_UP,
        Input::Configuration { .. } => CONFIGURATION,
        Input::KillSwitch { .. } => KILL_SWITCH,
        Input::Dropped { .. } => DROPPED,
        Input::Report { .. } => REPORT,
    }
}

/// The input of a tag and a body.
pub(super) fn decode(tag: u8, body: &[u8]) -> Result<Input<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    let input = match tag {
        TICK => Input::Tick(Nanos::decode(&mut reader)?),
        START => Input::Start(Nanos::decode(&mut reader)?),
        STOP => Input::Stop(Nanos::decode(&mut reader)?),
        CATCH_UP => Input::CatchUp(Nanos::decode(&mut reader)?),
        CONFIGURATION => Input::Configuration {
            at: Nanos::decode(&mut reader)?,
            hash: u64::decode(&mut reader)?,
            text: <&str>::decode(&mut reader)?,
        },
        KILL_SWITCH => Input::KillSwitch { at: Nanos::decode(&mut reader)?, on: bool::decode(&mut reader)? },
        DROPPED => Input::Dropped {
            writer: <&str>::decode(&mut reader)?,
            epoch: u32::decode(&mut reader)?,
            from: u64::decode(&mut reader)?,
            to: u64::decode(&mut reader)?,
        },
        REPORT => {
            let at = Nanos::decode(&mut reader)?;
            Input::Report { at, payload: reader.take(body.len() - reader.position())? }
        }
        other => return Err(DecodeError::UnknownVariant(other as i8)),
    };
    if reader.is_empty() { Ok(input) } else { Err(DecodeError::BadLength) }
}
