//! REST snapshots and checkpoints of a session's books.

use crate::book::Book;
use crate::bookkeeping::{checkpoint, note_crossing};
use crate::catalogue::Catalogue;
use crate::channel::{BookMap, RestMap};
use crate::error::VenueError;
use crate::levels::BookView;
use crate::mapping::Mapping;
use crate::program::Found;
use crate::rows::RowHead;
use crate::sink::Sink;
use crate::state::{Core, Place, status};
use kt_model::{BookAction, Event, Header, Label, Nanos, Origin, State, Status};
use std::collections::VecDeque;

/// Instrument, channel, and the frames that waited for the snapshot.
type Placed = (u32, usize, VecDeque<(Nanos, Vec<u8>)>);

/// The answer to a request for a book.
#[derive(Clone, Copy)]
pub(crate) struct Response<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) recv_ts: Nanos,
}

impl Core {
    /// Puts a REST snapshot in place of the book of `symbol` that waits for one.
    pub(crate) fn place_snapshot<S: Sink + ?Sized>(
        &mut self,
        mapping: &Mapping,
        catalogue: &mut Catalogue,
        response: Response<'_>,
        found: &mut Found,
        sink: &mut S,
    ) -> Result<Placed, VenueError> {
        let Response { symbol, body, recv_ts } = response;
        let unknown = || VenueError::unknown(format!("{}: no book of `{symbol}` takes a snapshot", mapping.venue));
        let instrument = catalogue.resolve(mapping, self.settings.segment, symbol.as_bytes()).map_err(|_| unknown())?;
        let index = mapping.channels.iter().position(|channel| rest_of(&channel.book).is_some());
        let index = index.ok_or_else(unknown)?;
        let (map, rest) = rest_of(&mapping.channels[index].book).ok_or_else(unknown)?;
        let malformed = |what: &str| VenueError::malformed(format!("the book snapshot of `{symbol}` {what}"));
        let end = rest.program.scan(body, 0, found).map_err(|fault| malformed(&fault.to_string()))?;
        if body[end..].iter().any(|byte| !byte.is_ascii_whitespace()) {
            return Err(malformed("is followed by something else"));
        }
        let last = rest.last.find(body, 0).ok().and_then(|span| crate::numbers::unsigned(span.of(body)));
        let last = last.ok_or_else(|| malformed("has no update number"))?;
        let time =
            rest.time.as_ref().and_then(|(path, unit)| crate::numbers::time(path.find(body, 0).ok()?.of(body), *unit));
        let info = catalogue.get(instrument);
        let name = self.book_name(instrument, index);
        let state = self.book_state(instrument, index, name);
        let place = Place { info, instrument, state, index, name };
        let mut book = self.take_book(&place, map);
        let read = book.read(body, found, 0, &mut self.edits);
        let pending = book.take_pending();
        if read.is_ok() {
            book.begin(last, true, time.unwrap_or(recv_ts));
            book.apply(&self.edits);
            book.statistics.rest_last_update_id = Some(last);
            let precision = mapping.channels[index].precision;
            let header = Header {
                instrument: Label(&info.id),
                channel: Label(self.names.get(name)),
                event_ts: time.map_or(recv_ts, |time| time.truncate(precision)),
                exch_ts: time,
                origin: Origin::Snapshot,
                identity: mapping.channels[index].identity,
                ..self.plain_header(mapping, recv_ts)
            };
            self.rows.fill_edits(&book.levels, &self.edits);
            let head = RowHead {
                header,
                action: BookAction::Snapshot,
                book_epoch: book.epoch,
                first_sequence: None,
                last_sequence: last,
                previous_sequence: None,
                depth_limit: rest.depth_limit,
                quantity_unit: info.quantity_unit,
            };
            self.rows.with_row(&book.levels, head, |row| sink.event(&Event::Book(*row)));
            if std::mem::take(&mut book.is_broken) {
                let mended = status(header, State::Resynchronised, "snapshot");
                sink.event(&Event::Status(Status { affected: Label("book"), ..mended }));
            }
            sink.book(&BookView {
                levels: &book.levels,
                instrument: &info.id,
                symbol: &info.symbol,
                channel: header.channel.0,
                last_sequence: last,
                origin: Origin::Snapshot,
                recv_ts,
            });
            note_crossing(&mut book, header, sink);
        }
        self.states[instrument as usize].channels[state].book = Some(book);
        match read {
            Ok(()) => Ok((instrument, index, pending)),
            Err(field) => Err(malformed(&format!("has a {field} that is no exact number"))),
        }
    }

    /// The channel's name as deltas gave it; the mapping's own where none came yet.
    fn book_name(&mut self, instrument: u32, channel: usize) -> crate::names::NameId {
        let state = self.states.get(instrument as usize);
        let known = state.and_then(|state| state.channels.iter().find(|state| state.channel == channel));
        known.map_or(self.name_hints[channel], |state| state.channel_name)
    }

    fn take_book(&mut self, place: &Place<'_>, map: &BookMap) -> Box<Book> {
        let keep_text = self.settings.keep_text || map.checksum.is_some();
        let epoch = self.settings.first_book_epoch;
        let held = self.states[place.instrument as usize].channels[place.state].book.take();
        held.unwrap_or_else(|| {
            let (price, quantity) = (place.info.price_digits, place.info.quantity_digits);
            Box::new(Book::new(crate::levels::Levels::new(price, quantity, keep_text), epoch))
        })
    }

    /// Emits every whole book as a checkpoint.
    pub(crate) fn checkpoint_all<S: Sink + ?Sized>(
        &mut self,
        mapping: &Mapping,
        catalogue: &Catalogue,
        now: Nanos,
        sink: &mut S,
    ) {
        for instrument in 0..self.states.len() {
            let info = catalogue.get(instrument as u32);
            for state in 0..self.states[instrument].channels.len() {
                let channel = &self.states[instrument].channels[state];
                let (index, name) = (channel.channel, channel.channel_name);
                let map = mapping.channels[index].book.as_ref();
                let Some(book) = channel.book.as_ref().filter(|book| book.is_bridged()) else { continue };
                if map.is_none_or(|map| map.as_quote) {
                    continue;
                }
                let header = Header {
                    instrument: Label(&info.id),
                    channel: Label(self.names.get(name)),
                    event_ts: book.event_ts,
                    origin: Origin::Checkpoint,
                    identity: mapping.channels[index].identity,
                    ..self.plain_header(mapping, now)
                };
                let depth = u32::try_from(channel.variant).ok().filter(|depth| *depth > 0);
                let place = Place { info, instrument: instrument as u32, state, index, name };
                checkpoint(&mut self.rows, book, header, depth, &place, sink);
            }
        }
    }
}

fn rest_of(book: &Option<BookMap>) -> Option<(&BookMap, &RestMap)> {
    book.as_ref().and_then(|map| map.rest.as_ref().map(|rest| (map, rest)))
}
