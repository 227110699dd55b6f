//! Page after page through a window of time.

use super::History;
use super::read::{Reading, RowPlace};
use crate::catalogue::InstrumentInfo;
use crate::decode::FundingMemory;
use crate::error::{ErrorKind, VenueError};
use crate::label::fill;
use crate::mapping::Mapping;
use crate::program::Found;
use crate::spec::HistoryOrder;
use kt_model::schema::Kind;
use kt_model::{Event, Nanos};
use std::sync::Arc;

const MILLISECOND: i64 = 1_000_000;

/// What one page held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// Rows of the answer.
    pub rows: usize,
    /// Rows within the window that became events.
    pub events: usize,
}

/// Walks through the past of one instrument and kind, from a time to a time, both included.
#[derive(Debug)]
pub struct HistoryPager {
    mapping: Arc<Mapping>,
    history: usize,
    rest: String,
    info: InstrumentInfo,
    /// The window as asked for.
    window: (Nanos, Nanos),
    /// What of it is still to be asked for.
    from: Nanos,
    to: Nanos,
    /// Id by which the next page follows.
    follow: Option<u64>,
    /// Id of the row that the last page ended with.
    last_id: Option<u64>,
    memory: FundingMemory,
    is_done: bool,
    found: Found,
}

impl HistoryPager {
    /// A walk through `window`, whose times are of the venue's clock.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`] where the mapping lacks the segment or serves no such past.
    pub fn new(
        mapping: Arc<Mapping>,
        kind: Kind,
        segment: &str,
        info: &InstrumentInfo,
        window: (Nanos, Nanos),
    ) -> Result<Self, VenueError> {
        let rest = mapping.segment(segment)?.rest.clone();
        let position = mapping.histories.iter().position(|history| history.serves(kind, segment, info));
        let history = position.ok_or_else(|| {
            VenueError::unknown(format!("{} serves no past {kind} rows of {}", mapping.venue, info.id))
        })?;
        let (from, to) = (window.0.truncate(MILLISECOND), window.1.truncate(MILLISECOND));
        Ok(Self {
            mapping,
            history,
            rest,
            info: info.clone(),
            window: (from, window.1),
            from,
            to,
            follow: None,
            last_id: None,
            memory: FundingMemory::default(),
            is_done: from > to,
            found: Found::default(),
        })
    }

    /// The resource that is asked.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.mapping.histories[self.history]
    }

    /// What of the window is still to be asked for: where to go on after a stop.
    #[must_use]
    pub fn remaining(&self) -> Option<(Nanos, Nanos)> {
        (!self.is_done).then_some((self.from, self.to))
    }

    /// The address to fetch next; `None` when all has been asked for.
    #[must_use]
    pub fn next_url(&self) -> Option<String> {
        if self.is_done {
            return None;
        }
        let history = self.history();
        let limit = history.limit.to_string();
        let path = match (&history.next, self.follow) {
            (Some(next), Some(id)) => {
                let id = id.to_string();
                fill(next, &[("symbol", &self.info.symbol), ("limit", &limit), ("next_id", &id), ("oldest_id", &id)])
            }
            _ => {
                let (from, to) = self.slice();
                let millis = [from.0, to.0, from.0 - MILLISECOND, to.0 + MILLISECOND];
                let [from, to, before, after] = millis.map(|nanos| (nanos / MILLISECOND).to_string());
                let times = [("from", &*from), ("to", &*to), ("before", &*before), ("after", &*after)];
                let path = fill(&history.request, &[("symbol", &self.info.symbol), ("limit", &limit)]);
                fill(&path, &times)
            }
        };
        Some(format!("{}{path}", self.rest))
    }

    /// The part of what remains that one request may name.
    fn slice(&self) -> (Nanos, Nanos) {
        let history = self.history();
        let longest = history.longest_window.map_or(i64::MAX, |window| window.as_nanos() as i64 - MILLISECOND);
        match history.order {
            HistoryOrder::Ascending => (self.from, Nanos(self.to.0.min(self.from.0.saturating_add(longest)))),
            HistoryOrder::Descending => (Nanos(self.from.0.max(self.to.0.saturating_sub(longest))), self.to),
        }
    }

    /// Takes the answer to [`Self::next_url`]; its events within the window go to `sink`, oldest first. After an
    /// error nothing has changed but that events may have gone to `sink`: the same page may be fetched again.
    ///
    /// # Errors
    /// `Malformed` for an answer that is not the documented list, names another symbol, is out of order, lies
    /// outside of what was asked or skips trade ids; `Busy` where the venue says so in it; `Beyond` where the
    /// venue no longer has the window's beginning.
    pub fn take(
        &mut self,
        body: &[u8],
        recv_ts: Nanos,
        sink: &mut dyn FnMut(&Event<'_>),
    ) -> Result<HistoryPage, VenueError> {
        let mapping = self.mapping.clone();
        let history = &mapping.histories[self.history];
        let info = self.info.clone();
        let reading = Reading { mapping: &mapping, history, info: &info, body, recv_ts };
        let mut found = std::mem::take(&mut self.found);
        let outcome = self.take_rows(&reading, &mut found, sink);
        self.found = found;
        outcome
    }

    fn take_rows(
        &mut self,
        reading: &Reading<'_>,
        found: &mut Found,
        sink: &mut dyn FnMut(&Event<'_>),
    ) -> Result<HistoryPage, VenueError> {
        let rows = reading.scan(found)?;
        let mut places = (0..rows).map(|row| Ok((row, reading.place(found, row)?))).collect::<Result<Vec<_>, _>>()?;
        if reading.history.order == HistoryOrder::Descending {
            places.reverse();
        }
        self.check(reading, &places)?;
        let is_full = rows as u64 >= u64::from(reading.history.limit);
        let ended = self.ends(reading, &places, is_full)?;
        // The interval of a settlement is known from the one before: the oldest of a page waits for the next page.
        let is_descending = reading.history.order == HistoryOrder::Descending;
        let held = usize::from(reading.history.kind == Kind::Funding && is_descending && is_full && !ended);
        let mut memory = if is_descending { FundingMemory::default() } else { std::mem::take(&mut self.memory) };
        if let (1, Some((_, place))) = (held, places.first()) {
            memory = FundingMemory::settled_at(Some(place.event_ts));
        }
        let mut page = HistoryPage { rows, events: 0 };
        for (row, place) in places.iter().skip(held) {
            let is_within = place.at >= self.window.0 && place.at <= self.window.1;
            // A candle that is not over yet is none.
            if is_within && (reading.history.kind != Kind::Candle || place.event_ts <= reading.recv_ts) {
                page.events += usize::from(reading.emit(found, (*row, *place), &mut memory, sink)?);
            } else {
                memory = FundingMemory::settled_at(Some(place.event_ts));
            }
        }
        self.memory = memory;
        self.advance(reading.history, &places, (is_full, ended));
        Ok(page)
    }

    /// What a right answer never does. Places are oldest first.
    fn check(&self, reading: &Reading<'_>, places: &[(usize, RowPlace)]) -> Result<(), VenueError> {
        if places.len() as u64 > u64::from(reading.history.limit) {
            return Err(reading.malformed(&format!("has {} rows, more than asked for", places.len())));
        }
        let contiguous = reading.history.is_contiguous();
        for pair in places.windows(2) {
            let ((_, one), (_, other)) = (pair[0], pair[1]);
            if contiguous && one.id.zip(other.id).is_none_or(|(one, other)| other != one + 1) {
                return Err(reading.malformed(&format!("skips from id {:?} to {:?}", one.id, other.id)));
            }
            if !contiguous && other.at < one.at {
                return Err(reading.malformed("is not in order of time"));
            }
        }
        let (Some((_, oldest)), Some((_, newest))) = (places.first(), places.last()) else { return Ok(()) };
        if contiguous && let Some(last) = self.last_id {
            let (follows, met) = match reading.history.order {
                HistoryOrder::Ascending => (oldest.id == Some(last + 1), oldest.id),
                HistoryOrder::Descending => (newest.id.is_some_and(|id| id + 1 == last), newest.id),
            };
            if !follows {
                return Err(reading.malformed(&format!("does not go on at id {last} but at {met:?}")));
            }
        }
        // By time, a page begins within what was asked; a page that follows an id may reach beyond it.
        let (from, to) = self.slice();
        let to = Nanos(to.0 + MILLISECOND);
        if self.follow.is_none()
            && !reading.history.newest_only
            && (newest.at > to && reading.history.order == HistoryOrder::Descending
                || oldest.at < from && reading.history.order == HistoryOrder::Ascending)
        {
            return Err(reading.malformed("holds rows of another time than asked for"));
        }
        Ok(())
    }

    /// Whether this is the last page.
    fn ends(&self, reading: &Reading<'_>, places: &[(usize, RowPlace)], is_full: bool) -> Result<bool, VenueError> {
        let history = reading.history;
        let (from, to) = self.slice();
        if history.newest_only {
            return match places.first() {
                Some((_, oldest)) if is_full && oldest.at > self.from => Err(VenueError::of(
                    ErrorKind::Beyond,
                    format!(
                        "{} serves only the newest {} rows of `{}`; they do not reach back to the window",
                        reading.mapping.venue,
                        history.limit,
                        history.name()
                    ),
                )),
                _ => Ok(true),
            };
        }
        Ok(match history.order {
            HistoryOrder::Ascending if is_full => places.last().is_none_or(|(_, newest)| newest.at > self.to),
            HistoryOrder::Ascending => self.follow.is_some() || to >= self.to,
            HistoryOrder::Descending if is_full => places.first().is_none_or(|(_, oldest)| oldest.at < self.from),
            HistoryOrder::Descending => self.follow.is_some() || from <= self.from,
        })
    }

    fn advance(&mut self, history: &History, places: &[(usize, RowPlace)], (is_full, ended): (bool, bool)) {
        self.is_done = ended;
        let (slice_from, slice_to) = self.slice();
        let follows_ids = history.next.is_some();
        let edge = match history.order {
            HistoryOrder::Ascending => places.last(),
            HistoryOrder::Descending => places.first(),
        };
        if let Some((_, edge)) = edge {
            self.last_id = edge.id.or(self.last_id);
        }
        match (history.order, edge.filter(|_| is_full)) {
            (HistoryOrder::Ascending, Some((_, edge))) => {
                self.follow = edge.id.filter(|_| follows_ids).map(|id| id + 1);
                let step = if follows_ids { 0 } else { MILLISECOND };
                self.from = Nanos(edge.at.truncate(MILLISECOND).0 + step).max(self.from);
            }
            (HistoryOrder::Ascending, None) => {
                self.follow = None;
                self.from = Nanos(slice_to.0 + MILLISECOND);
            }
            (HistoryOrder::Descending, Some((_, edge))) => {
                self.follow = edge.id.filter(|_| follows_ids);
                // A settlement that was held back comes again with the next page.
                let step = if follows_ids || history.kind == Kind::Funding { 0 } else { MILLISECOND };
                self.to = Nanos(edge.at.truncate(MILLISECOND).0 - step).min(self.to);
            }
            (HistoryOrder::Descending, None) => {
                self.follow = None;
                self.to = Nanos(slice_from.0 - MILLISECOND);
            }
        }
        self.is_done |= self.from > self.to;
    }
}
