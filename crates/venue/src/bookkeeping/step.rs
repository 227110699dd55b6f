//! One row of a book channel: judged, applied and announced.

use super::announce::{best, checkpoint, note_crossing};
use super::{Need, Told};
use crate::book::{Book, Verdict};
use crate::channel::BookMap;
use crate::checksum;
use crate::error::Fault;
use crate::fields::Context;
use crate::levels::BookView;
use crate::rows::RowHead;
use crate::sink::Sink;
use crate::state::{Frame, Place, status};
use kt_model::{BookAction, Event, Header, Label, Origin, State, Status};

/// Scratch memory of the session.
pub(super) struct Work<'a> {
    pub(super) edits: &'a mut Vec<crate::book::Edit>,
    pub(super) rows: &'a mut crate::rows::RowBuffers,
    pub(super) scratch: &'a mut Vec<u8>,
}

/// A row and all that is known of it.
pub(super) struct Step<'a> {
    pub(super) map: &'a BookMap,
    pub(super) header: Header<'a>,
    pub(super) place: &'a Place<'a>,
    pub(super) frame: Frame<'a>,
    pub(super) told: Told,
}

impl Step<'_> {
    /// Judges the row; applies and announces it where it belongs to the book.
    pub(super) fn take<S: Sink + ?Sized>(
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
            book.begin(self.told.last, false, self.header.event_ts);
        } else if book.day_turns(self.header.event_ts) && !self.map.as_quote {
            let header = Header { origin: Origin::Checkpoint, ..self.header };
            checkpoint(work.rows, book, header, self.told.depth_limit, self.place, sink);
        }
        if self.map.as_quote {
            book.forget_replaced(work.edits);
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
    fn gap<S: Sink + ?Sized>(&self, book: &mut Book, cause: &str, first: Option<u64>, last: Option<u64>, sink: &mut S) {
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
