//! Books within a session: judging, applying, announcing, and asking for what is missing.

use crate::action::Action;
use crate::book::{Book, Claim, Verdict};
use crate::channel::BookMap;
use crate::checksum;
use crate::state::{Core, Frame, Place, status};
use crate::error::Fault;
use crate::fields::{Context, choice, number};
use crate::label::fill;
use crate::levels::{BookView, Levels};
use crate::mapping::Mapping;
use crate::rows::RowHead;
use crate::sink::Sink;
use kt_model::{BookAction, Event, Header, Label, Origin, Quote, State, Status};

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

/// Scratch memory of the session.
pub(crate) struct Work<'a> {
    pub(crate) edits: &'a mut Vec<crate::book::Edit>,
    pub(crate) rows: &'a mut crate::rows::RowBuffers,
    pub(crate) scratch: &'a mut Vec<u8>,
}

struct Step<'a> {
    map: &'a BookMap,
    header: Header<'a>,
    place: &'a Place<'a>,
    frame: Frame<'a>,
    told: Told,
}

impl Step<'_> {
    fn take<S: Sink + ?Sized>(
        &self,
        work: &mut Work<'_>,
        context: &Context<'_>,
        book: &mut Book,
        sink: &mut S,
    ) -> Result<Need, Fault> {
        let is_snapshot = self.told.action == BookAction::Snapshot;
        let mut verdict = Verdict::Apply;
        if !is_snapshot {
            let bridge = self.map.rest.as_ref().map(|rest| rest.bridge);
            verdict = book.judge(&self.told.claim, self.map.continuity, bridge);
        }
        match verdict {
            Verdict::Wait => {
                if self.map.rest.is_some() {
                    book.keep(self.frame.recv_ts, self.frame.bytes);
                } else {
                    book.statistics.pending_dropped += 1;
                }
                return Ok(Need::Snapshot);
            }
            Verdict::Old => {
                let statistics = &mut book.statistics;
                match self.map.rest.is_some() && statistics.bridges + statistics.failed_bridges < statistics.snapshots {
                    true => statistics.deltas_dropped_before_snapshot += 1,
                    false => statistics.repeated += 1,
                }
                return Ok(Need::Nothing);
            }
            Verdict::Gap(first, last) => {
                self.gap(book, "sequence", first, last, sink);
                if self.map.rest.is_some() {
                    book.keep(self.frame.recv_ts, self.frame.bytes);
                }
                return Ok(Need::Snapshot);
            }
            Verdict::Bridge => book.statistics.bridges += 1,
            Verdict::Apply => {}
        }
        book.read(context.bytes, context.found, context.row, work.edits).map_err(Fault::Number)?;
        if is_snapshot {
            book.begin(self.told.last, false);
        }
        book.apply(work.edits);
        if !is_snapshot {
            book.advance(self.told.last);
        }
        self.announce(work, book, sink);
        Ok(self.check(work, context, book, sink))
    }

    /// Emits the row and tells the sink of the book.
    fn announce<S: Sink + ?Sized>(&self, work: &mut Work<'_>, book: &mut Book, sink: &mut S) {
        let is_snapshot = self.told.action == BookAction::Snapshot;
        let origin = if is_snapshot { Origin::Snapshot } else { Origin::Live };
        let header = Header { origin, ..self.header };
        if self.map.as_quote {
            sink.event(&Event::Quote(best(header, book, self.place)));
        } else {
            work.rows.fill_edits(&book.levels, work.edits);
            let head = RowHead {
                header,
                action: self.told.action,
                book_epoch: book.epoch,
                first_sequence: self.told.claim.first,
                last_sequence: self.told.last,
                previous_sequence: self.told.claim.previous.and_then(|previous| u64::try_from(previous).ok()),
                depth_limit: self.told.depth_limit,
                quantity_unit: self.place.info.quantity_unit,
            };
            work.rows.with_row(&book.levels, head, |row| sink.event(&Event::Book(*row)));
        }
        if book.is_broken && is_snapshot {
            book.is_broken = false;
            let mended = status(header, State::Resynchronised, "snapshot");
            sink.event(&Event::Status(Status { affected: Label("book"), ..mended }));
        }
        let view = BookView {
            levels: &book.levels,
            instrument: &self.place.info.id,
            symbol: &self.place.info.symbol,
            channel: self.header.channel.0,
            last_sequence: self.told.last,
            origin,
            recv_ts: self.frame.recv_ts,
        };
        sink.book(&view);
    }

    /// Checksum, crossing and checkpoint after a row.
    fn check<S: Sink + ?Sized>(
        &self,
        work: &mut Work<'_>,
        context: &Context<'_>,
        book: &mut Book,
        sink: &mut S,
    ) -> Need {
        if let Some((field, kind, depth)) = &self.map.checksum
            && let Some(claimed) = field.text(context)
        {
            if !checksum::agrees(&book.levels, *kind, *depth, claimed, work.scratch) {
                book.statistics.checksums_wrong += 1;
                self.gap(book, "checksum", None, None, sink);
                return Need::Snapshot;
            }
            book.statistics.checksums_right += 1;
        }
        note_crossing(book, self.header, sink);
        if book.checkpoint_due(self.header.event_ts) && !self.map.as_quote {
            let header = Header { origin: Origin::Checkpoint, ..self.header };
            checkpoint(work.rows, book, header, self.told.depth_limit, self.place, sink);
        }
        Need::Nothing
    }

    /// Announces missing updates and drops the book.
    fn gap<S: Sink + ?Sized>(
        &self,
        book: &mut Book,
        cause: &str,
        first: Option<u64>,
        last: Option<u64>,
        sink: &mut S,
    ) {
        let was_bridged = book.is_bridged();
        if was_bridged {
            book.statistics.sequence_gaps += 1;
        } else {
            book.statistics.failed_bridges += 1;
            book.failures += 1;
        }
        book.is_broken = true;
        let from_ts = (book.event_ts.0 > 0).then_some(book.event_ts);
        book.drop_out();
        sink.event(&Event::Status(Status {
            affected: Label("book"),
            from_ts,
            to_ts: Some(self.header.event_ts),
            first_missing: first,
            last_missing: last,
            ..status(self.header, State::Gap, cause)
        }));
    }
}

/// Announces a crossed book once per episode.
pub(crate) fn note_crossing<S: Sink + ?Sized>(book: &mut Book, header: Header<'_>, sink: &mut S) {
    let is_crossed = book.levels.is_crossed();
    if is_crossed && !book.is_crossed {
        book.statistics.crossed += 1;
        let crossed = status(header, State::Suspect, "crossed_book");
        sink.event(&Event::Status(Status { affected: Label("book"), ..crossed }));
    }
    book.is_crossed = is_crossed;
}

/// Emits the whole book as we hold it.
pub(crate) fn checkpoint<S: Sink + ?Sized>(
    rows: &mut crate::rows::RowBuffers,
    book: &Book,
    header: Header<'_>,
    depth_limit: Option<u32>,
    place: &Place<'_>,
    sink: &mut S,
) {
    rows.fill_book(&book.levels);
    let head = RowHead {
        header,
        action: BookAction::Checkpoint,
        book_epoch: book.epoch,
        first_sequence: None,
        last_sequence: book.last,
        previous_sequence: None,
        depth_limit,
        quantity_unit: place.info.quantity_unit,
    };
    rows.with_row(&book.levels, head, |row| sink.event(&Event::Book(*row)));
}

/// The best levels as a quote.
fn best<'a>(header: Header<'a>, book: &Book, place: &Place<'_>) -> Quote<'a> {
    use crate::levels::BookSide;
    let levels = &book.levels;
    let bid = levels.mantissas(BookSide::Bid).next();
    let ask = levels.mantissas(BookSide::Ask).next();
    Quote {
        header,
        sequence: book.last,
        bid_price: bid.map(|(price, _)| levels.price(price)),
        bid_quantity: bid.map(|(_, quantity)| levels.quantity(quantity)),
        ask_price: ask.map(|(price, _)| levels.price(price)),
        ask_quantity: ask.map(|(_, quantity)| levels.quantity(quantity)),
        quantity_unit: place.info.quantity_unit,
    }
}
