//! Books within a session: judging, applying, announcing, and asking for what is missing.

use crate::action::Action;
use crate::book::{Book, Claim};
use crate::channel::BookMap;
use crate::error::Fault;
use crate::fields::{Context, choice, number};
use crate::label::fill;
use crate::levels::Levels;
use crate::mapping::Mapping;
use crate::sink::Sink;
use crate::state::{Core, Frame, Place, status};
use kt_model::{BookAction, Event, Header, IdentityClass, Label, State, Status};

mod announce;
mod step;

pub(crate) use announce::{checkpoint, note_crossing};
use step::{Step, Work};

/// What a frame says of its book.
struct Told {
    action: BookAction,
    claim: Claim,
    last: u64,
    depth_limit: Option<u32>,
}

/// What is left to do after a row, when nothing is borrowed any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Snapshot,
}

impl Core {
    /// Reads a row of a book channel.
    pub(crate) fn book_row<S: Sink + ?Sized>(
        &mut self,
        mapping: &Mapping,
        context: &Context<'_>,
        frame: Frame<'_>,
        place: &Place<'_>,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let channel = &mapping.channels[place.index];
        let Some(map) = &channel.book else { return Ok(()) };
        let settings = self.settings;
        let keep_text = settings.keep_text || map.checksum.is_some();
        // Taken out while the events borrow the session's names.
        let held = self.states[place.instrument as usize].channels[place.state].book.take();
        let mut book = held.unwrap_or_else(|| {
            let levels = Levels::new(place.info.price_digits, place.info.quantity_digits, keep_text);
            Box::new(Book::new(levels, settings.first_book_epoch))
        });
        let header = self.header(mapping, channel, context, frame.recv_ts, place.info);
        let result = header.and_then(|header| {
            let header = Header { channel: Label(self.names.get(place.name)), ..header };
            let told = tell(map, context, &book)?;
            // Numbers that we count ourselves tell no two lines' rows equal.
            let identity = if told.claim.last.is_some() { header.identity } else { IdentityClass::Weak };
            let header = Header { identity, ..header };
            let mut work = Work { edits: &mut self.edits, rows: &mut self.rows, scratch: &mut self.scratch };
            let step = Step { map, header, place, frame, told };
            step.take(&mut work, context, &mut book, sink)
        });
        if result.is_err() && book.is_in() && frame.only.is_none() {
            // What the frame held is lost to the book.
            book.drop_out();
            book.is_broken = true;
            book.statistics.sequence_gaps += 1;
            let header = Header { instrument: Label(&place.info.id), ..self.plain_header(mapping, frame.recv_ts) };
            let header = Header { channel: Label(self.names.get(place.name)), ..header };
            let lost = Status { affected: Label("book"), ..status(header, State::Gap, "quarantine") };
            sink.event(&Event::Status(lost));
        }
        let need = match &result {
            Ok(need) => *need,
            Err(_) => Need::Snapshot,
        };
        if need == Need::Snapshot && !book.is_requested {
            book.is_requested = true;
            // A snapshot that no delta could follow is asked for again with growing patience.
            book.retry_at = Some(book.next_try(frame.recv_ts));
            if book.failures == 0 {
                self.request_snapshot(mapping, map, place.index, &place.info.symbol);
            }
        }
        self.states[place.instrument as usize].channels[place.state].book = Some(book);
        result.map(|_| ())
    }

    /// Asks for a book anew: by REST, or by subscribing again where the venue sends snapshots.
    pub(crate) fn request_snapshot(&mut self, mapping: &Mapping, map: &BookMap, channel: usize, symbol: &str) {
        match &map.rest {
            Some(rest) => {
                let segment = &mapping.segments[self.settings.segment];
                let path = fill(&rest.request, &[("symbol", symbol)]);
                let url = format!("{}{path}", segment.rest);
                self.actions.push(Action::FetchSnapshot { symbol: symbol.to_owned(), url });
            }
            None => self.resubscribe(mapping, channel, symbol),
        }
    }
}

fn tell(map: &BookMap, context: &Context<'_>, book: &Book) -> Result<Told, Fault> {
    let last = number(&map.last, context)?;
    let mut action = match &map.action {
        Some(field) => choice(field, context, BookAction::from_name)?,
        None => BookAction::Delta,
    };
    if last.is_some() && last == map.snapshot_at {
        action = BookAction::Snapshot;
    }
    let previous = match map.previous.as_ref().and_then(|field| field.text(context)) {
        Some(text) => Some(crate::numbers::signed(text).ok_or(Fault::Invalid("book.previous"))?),
        None => None,
    };
    let own = if action == BookAction::Snapshot { 0 } else { book.last.saturating_add(1) };
    Ok(Told {
        action,
        claim: Claim { first: number(&map.first, context)?, last, previous },
        last: last.unwrap_or(own),
        depth_limit: number(&map.depth_limit, context)?.and_then(|depth| u32::try_from(depth).ok()),
    })
}
