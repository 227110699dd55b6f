//! The decoding state of a session, apart from its connection.

use crate::action::{Action, Actions};
use crate::catalogue::{Catalogue, InstrumentInfo};
use crate::channel::Channel;
use crate::counters::Counters;
use crate::emit::Emission;
use crate::error::Fault;
use crate::fields::{Context, Keys};
use crate::label::Label as Template;
use crate::mapping::Mapping;
use crate::merge::Merged;
use crate::names::{NameId, Names};
use crate::occurrence::Occurrences;
use crate::program::Found;
use crate::rows::RowBuffers;
use crate::scan::Cursor;
use crate::sink::Sink;
use crate::spec::ControlKind;
use crate::{book::Book, book::Edit, decode};
use kt_model::{Header, Label, Nanos};

mod announce;

pub(crate) use announce::status;

/// What is kept per instrument and channel.
#[derive(Debug)]
pub(crate) struct ChannelState {
    pub(crate) channel: usize,
    /// Tells apart books of different depth on one channel.
    pub(crate) variant: u64,
    pub(crate) merged: Merged,
    pub(crate) occurrences: Occurrences,
    pub(crate) last_event_ts: Nanos,
    /// Id and time of the last trade, where ids have no holes.
    pub(crate) last_trade: Option<(u64, Nanos)>,
    pub(crate) book: Option<Box<Book>>,
    pub(crate) channel_name: NameId,
}

/// What is kept per instrument.
#[derive(Debug, Default)]
pub(crate) struct InstrumentState {
    pub(crate) channels: Vec<ChannelState>,
    /// Channel whose trades are emitted.
    pub(crate) trade_channel: Option<usize>,
    pub(crate) funding: decode::FundingMemory,
}

/// Settings that do not change during a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) connection: u32,
    pub(crate) line: u8,
    pub(crate) segment: usize,
    pub(crate) keep_text: bool,
    pub(crate) first_book_epoch: u32,
}

/// Everything that frames change.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    pub(crate) labels: Names,
    pub(crate) names: Names,
    pub(crate) label_hints: Vec<NameId>,
    pub(crate) name_hints: Vec<NameId>,
    pub(crate) states: Vec<InstrumentState>,
    pub(crate) actions: Actions,
    pub(crate) edits: Vec<Edit>,
    pub(crate) rows: RowBuffers,
    pub(crate) scratch: Vec<u8>,
    pub(crate) request_id: u64,
    /// Whether the subscription, not the first frame seen, has chosen the trade channels.
    pub(crate) chosen_trades: Vec<usize>,
}

/// A frame on its way through the decoder.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) recv_ts: Nanos,
    /// Replayed to the book of this instrument and channel only.
    pub(crate) only: Option<(u32, usize)>,
}

impl Core {
    /// Decodes one frame into events.
    pub(crate) fn process<S: Sink + ?Sized>(
        &mut self,
        mapping: &Mapping,
        catalogue: &mut Catalogue,
        frame: Frame<'_>,
        found: &mut Found,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let bytes = frame.bytes;
        if mapping.pong.as_deref() == Some(bytes) {
            self.counters.control += 1;
            return Ok(());
        }
        let recognised = mapping.recognise(bytes)?;
        let keys = &recognised.keys;
        if let Some(control) = mapping.controls.iter().find(|control| control.when.holds(keys)) {
            Cursor::new(bytes, 0).skip()?;
            self.counters.control += 1;
            if control.kind == ControlKind::Refused {
                self.counters.refused += 1;
                let detail = control.detail.and_then(|key| keys[key]).map(String::from_utf8_lossy);
                self.refused(mapping, frame.recv_ts, &detail.unwrap_or_default(), sink);
            }
            if let (ControlKind::Ping, Some(answer)) = (control.kind, &control.answer) {
                self.scratch.clear();
                answer.write(keys, &mut self.scratch);
                self.actions.push(Action::Send(String::from_utf8_lossy(&self.scratch).into_owned()));
            }
            return Ok(());
        }
        let index = mapping.channels.iter().position(|channel| channel.when.holds(keys));
        let count = frame.only.is_none();
        let Some(index) = index else {
            Cursor::new(bytes, 0).skip()?;
            let label = compose(&mapping.labels, None, keys, &mut self.scratch, &mut self.labels, &mut 0);
            self.counters.count(label.ok_or(Fault::Unrecognised)?, false);
            return Ok(());
        };
        let channel = &mapping.channels[index];
        let hint = &mut self.label_hints[index];
        let own = channel.label.as_deref();
        let label = compose(&mapping.labels, own, keys, &mut self.scratch, &mut self.labels, hint);
        if count {
            self.counters.count(label.ok_or(Fault::Unrecognised)?, true);
        }
        let hint = &mut self.name_hints[index];
        let name = compose(&mapping.names, own, keys, &mut self.scratch, &mut self.names, hint);
        let name = name.ok_or(Fault::Unrecognised)?;
        let end = channel.program.scan(bytes, recognised.payload, found)?;
        check_end(bytes, end, recognised.payload > 0)?;
        let full = match &channel.merge {
            Some(merge) if merge.full.holds(keys) => true,
            Some(merge) if !merge.delta.holds(keys) => return Err(Fault::Unrecognised),
            merge => merge.is_none(),
        };
        let mut result = Ok(());
        for row in 0..found.rows() {
            let context = Context { bytes, found, row, keys, merged: None };
            let outcome = self.row(mapping, catalogue, (index, name, full), &context, frame, sink);
            // One bad row does not drop the others; the frame is quarantined once.
            result = result.and(outcome);
        }
        result
    }

    fn row<S: Sink + ?Sized>(
        &mut self,
        mapping: &Mapping,
        catalogue: &mut Catalogue,
        (index, name, full): (usize, NameId, bool),
        context: &Context<'_>,
        frame: Frame<'_>,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let channel = &mapping.channels[index];
        let symbol = channel.instrument.text(context).ok_or(Fault::Missing("instrument"))?;
        let instrument = match catalogue.resolve(mapping, self.settings.segment, symbol) {
            Ok(instrument) => instrument,
            Err(is_first) => {
                self.counters.unknown_instruments += 1;
                if is_first {
                    let text = String::from_utf8_lossy(symbol);
                    self.suspect(mapping, frame.recv_ts, "unknown_instrument", &text, sink);
                }
                return Ok(());
            }
        };
        if frame.only.is_some_and(|only| only != (instrument, index)) {
            return Ok(());
        }
        let variant = match channel.book.as_ref().and_then(|book| book.depth_limit.as_ref()) {
            Some(field) => field.number(context)?.unwrap_or(0),
            None => 0,
        };
        let state = self.state(instrument, index, variant, name);
        let info = catalogue.get(instrument);
        let merged = channel.merge.is_some();
        if merged && !self.take_in(instrument, state, full, context) {
            return Ok(());
        }
        let header = self.header(mapping, channel, context, frame.recv_ts, info)?;
        let header = Header { channel: Label(self.names.get(name)), ..header };
        let instrument_state = &mut self.states[instrument as usize];
        let here = &mut instrument_state.channels[state];
        if frame.only.is_none() {
            self.counters.time_backwards += u64::from(header.event_ts < here.last_event_ts);
            here.last_event_ts = here.last_event_ts.max(header.event_ts);
            // Taken out while the events borrow it and the instrument's other state changes.
            let held = std::mem::take(&mut here.merged);
            let context = Context { merged: merged.then_some(&held), ..*context };
            let row = Emission { channel, info, header, state, index, chosen: &self.chosen_trades };
            let result = row.emit(&context, instrument_state, &mut self.counters, sink);
            instrument_state.channels[state].merged = held;
            result?;
        }
        if channel.book.is_some() {
            let place = Place { info, instrument, state, index, name };
            self.book_row(mapping, context, frame, &place, sink)?;
        }
        Ok(())
    }

    /// Takes the row into the merged state; false while no full state is known.
    fn take_in(&mut self, instrument: u32, state: usize, full: bool, context: &Context<'_>) -> bool {
        let merged = &mut self.states[instrument as usize].channels[state].merged;
        if full {
            merged.clear();
            merged.is_whole = true;
        }
        if merged.is_whole {
            merged.take_in(context.bytes, context.found, context.row);
        } else {
            self.counters.before_full_state += 1;
        }
        self.states[instrument as usize].channels[state].merged.is_whole
    }

    /// Position of the state of a book without depth variants.
    pub(crate) fn book_state(&mut self, instrument: u32, channel: usize, name: NameId) -> usize {
        self.state(instrument, channel, 0, name)
    }

    /// Position of the state of this instrument and channel, made where it is new.
    #[inline]
    fn state(&mut self, instrument: u32, channel: usize, variant: u64, channel_name: NameId) -> usize {
        let at = instrument as usize;
        if self.states.len() <= at {
            self.states.resize_with(at + 1, InstrumentState::default);
        }
        let channels = &mut self.states[at].channels;
        let found = channels.iter().position(|state| state.channel == channel && state.variant == variant);
        found.unwrap_or_else(|| {
            channels.push(ChannelState {
                channel,
                variant,
                merged: Merged::default(),
                occurrences: Occurrences::default(),
                last_event_ts: Nanos(i64::MIN),
                last_trade: None,
                book: None,
                channel_name,
            });
            channels.len() - 1
        })
    }

    /// The header of a row's events.
    #[inline]
    pub(crate) fn header<'a>(
        &self,
        mapping: &'a Mapping,
        channel: &Channel,
        context: &Context<'_>,
        recv_ts: Nanos,
        info: &'a InstrumentInfo,
    ) -> Result<Header<'a>, Fault> {
        let event = crate::fields::time(&channel.event_time, context)?;
        let blank = self.plain_header(mapping, recv_ts);
        Ok(Header {
            instrument: Label(&info.id),
            event_ts: event.map_or(recv_ts, |time| time.truncate(channel.precision)),
            exch_ts: crate::fields::time(&channel.exchange_time, context)?,
            sent_ts: crate::fields::time(&channel.sent_time, context)?,
            identity: channel.identity,
            ..blank
        })
    }
}

/// Where a book is.
pub(crate) struct Place<'a> {
    pub(crate) info: &'a InstrumentInfo,
    pub(crate) instrument: u32,
    pub(crate) state: usize,
    pub(crate) index: usize,
    pub(crate) name: NameId,
}

/// The channel's own name, or the one that the first fitting template gives.
#[inline]
fn compose(
    templates: &[Template],
    own: Option<&str>,
    keys: &Keys<'_>,
    scratch: &mut Vec<u8>,
    names: &mut Names,
    hint: &mut NameId,
) -> Option<NameId> {
    if let Some(own) = own {
        return Some(names.intern(own.as_bytes(), hint));
    }
    scratch.clear();
    templates.iter().any(|template| template.write(keys, scratch)).then(|| names.intern(scratch, hint))
}

/// After the payload only the end of its wrapper, or nothing, may stand.
#[inline]
fn check_end(bytes: &[u8], at: usize, is_wrapped: bool) -> Result<(), Fault> {
    let mut cursor = Cursor::new(bytes, at);
    if is_wrapped {
        while cursor.more(b'}')? {
            cursor.string()?;
            cursor.expect(b':')?;
            cursor.skip()?;
        }
    }
    match cursor.peek() {
        Ok(_) => Err(cursor.fault()),
        Err(_) => Ok(()),
    }
}
