//! Counting per second: rates by kind and venue, delay, positions missed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hdrhistogram::Histogram;
use kt_model::schema::Kind;
use kt_model::{Header, Nanos};
use serde::Serialize;

/// Seconds of history kept for the charts.
pub const HISTORY_SECONDS: usize = 900;

/// Longest delay that is told apart, in microseconds; longer ones count as this.
const LONGEST_US: u64 = 60_000_000;

/// One finished second.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Second {
    /// Start of the second, ms UTC.
    pub at_ms: i64,
    /// Events by kind, in the order of [`Kind::ALL`].
    pub by_kind: [u32; Kind::COUNT],
    /// Events by venue, in the order in which the venues appeared.
    pub by_venue: Vec<u32>,
    /// Receive → hot-path subscriber, microseconds: median. `None` in a second without events.
    pub lag_p50_us: Option<u64>,
    /// The same, 99th percentile.
    pub lag_p99_us: Option<u64>,
    /// The same, longest.
    pub lag_max_us: Option<u64>,
    /// Rows that became queryable in landing during the second; `None` while not known.
    pub landed: Option<u64>,
    /// Receive → queryable of the last probed row, ms; `None` where no probe ended.
    pub queryable_ms: Option<f64>,
}

/// What is known of one venue's feed.
#[derive(Clone, Debug)]
pub struct VenueTally {
    /// Venue and market segment.
    pub venue: Arc<str>,
    /// When its last event was received.
    pub last_recv: Nanos,
    /// Events of the running second by kind.
    counts: [u32; Kind::COUNT],
    /// Events of the last finished second by kind.
    pub last_second: [u32; Kind::COUNT],
    /// Events since the console started.
    pub events: u64,
    /// Epoch of its writer.
    pub epoch: u32,
    /// Connections of this epoch: number, line, when the last event came.
    pub connections: Vec<(u32, u8, Nanos)>,
}

/// A venue's feed keeps few connections; beyond this the longest silent one is forgotten.
const CONNECTIONS: usize = 64;

/// Counters of the hot path.
pub struct Tally {
    venues: Vec<VenueTally>,
    by_venue: HashMap<Box<str>, usize>,
    delay: Histogram<u64>,
    history: VecDeque<Arc<Second>>,
    running: Second,
    missed: u64,
    events: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let delay = Histogram::new_with_bounds(1, LONGEST_US, 2).expect("the bounds are constants in the right order");
        Self {
            venues: Vec::new(),
            by_venue: HashMap::new(),
            delay,
            history: VecDeque::with_capacity(HISTORY_SECONDS),
            running: Second::default(),
            missed: 0,
            events: 0,
        }
    }
}

impl Tally {
    /// Counts one event that the subscriber holds at `now`.
    pub fn count(&mut self, kind: Kind, header: &Header<'_>, now: Nanos) {
        self.events += 1;
        self.running.by_kind[kind.index()] += 1;
        let delay_us = now.0.saturating_sub(header.recv_ts.0) / 1000;
        self.delay.saturating_record(u64::try_from(delay_us).unwrap_or(0).max(1));
        let index = match self.by_venue.get(header.venue.0) {
            Some(index) => *index,
            None => self.enter(header.venue.0),
        };
        self.venues[index].count(kind, header);
    }

    fn enter(&mut self, venue: &str) -> usize {
        self.venues.push(VenueTally {
            venue: venue.into(),
            last_recv: Nanos(0),
            counts: [0; Kind::COUNT],
            last_second: [0; Kind::COUNT],
            events: 0,
            epoch: 0,
            connections: Vec::new(),
        });
        self.by_venue.insert(venue.into(), self.venues.len() - 1);
        self.venues.len() - 1
    }

    /// Rows that the subscriber found missing before one that came.
    pub fn miss(&mut self, rows: u64) {
        self.missed += rows;
    }

    /// Forgets the connection that a row says has ended.
    pub fn close_connection(&mut self, header: &Header<'_>) {
        let venue = self.by_venue.get(header.venue.0).and_then(|index| self.venues.get_mut(*index));
        if let Some(venue) = venue.filter(|venue| venue.epoch == header.epoch) {
            venue.connections.retain(|(number, line, _)| (*number, *line) != (header.connection, header.line));
        }
    }

    /// Ends the running second, which began at `at`, and returns it.
    pub fn end_second(&mut self, at: Nanos, landed: Option<u64>, queryable_ms: Option<f64>) -> &Second {
        let mut second = std::mem::take(&mut self.running);
        second.at_ms = at.0 / 1_000_000;
        second.landed = landed;
        second.queryable_ms = queryable_ms;
        second.by_venue = self.venues.iter_mut().map(VenueTally::end_second).collect();
        if !self.delay.is_empty() {
            second.lag_p50_us = Some(self.delay.value_at_quantile(0.5));
            second.lag_p99_us = Some(self.delay.value_at_quantile(0.99));
            second.lag_max_us = Some(self.delay.max());
            self.delay.reset();
        }
        if self.history.len() == HISTORY_SECONDS {
            self.history.pop_front();
        }
        self.history.push_back(Arc::new(second));
        self.history.back().expect("a second was pushed just now")
    }

    /// Finished seconds, oldest first.
    #[must_use]
    pub fn history(&self) -> &VecDeque<Arc<Second>> {
        &self.history
    }

    /// All venues seen, in the order in which they appeared.
    #[must_use]
    pub fn venues(&self) -> &[VenueTally] {
        &self.venues
    }

    /// Positions that the hot path skipped since the console started.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Events since the console started.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }
}

impl VenueTally {
    fn count(&mut self, kind: Kind, header: &Header<'_>) {
        self.events += 1;
        self.counts[kind.index()] += 1;
        self.last_recv = self.last_recv.max(header.recv_ts);
        if header.epoch > self.epoch {
            self.epoch = header.epoch;
            self.connections.clear();
        }
        if header.epoch < self.epoch || header.connection == 0 {
            return;
        }
        let known =
            self.connections.iter_mut().find(|(number, line, _)| (*number, *line) == (header.connection, header.line));
        match known {
            Some((_, _, at)) => *at = header.recv_ts,
            None => {
                if self.connections.len() == CONNECTIONS {
                    let silent = self.connections.iter().enumerate().min_by_key(|(_, c)| c.2).map(|(index, _)| index);
                    if let Some(index) = silent {
                        self.connections.swap_remove(index);
                    }
                }
                self.connections.push((header.connection, header.line, header.recv_ts));
            }
        }
    }

    fn end_second(&mut self) -> u32 {
        self.last_second = std::mem::take(&mut self.counts);
        self.last_second.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kt_model::Label;
    use kt_model::{IdentityClass, Origin};

    fn header(writer: &'static str, epoch: u32, counter: u64, recv: i64) -> Header<'static> {
        Header {
            publish_ts: Nanos(recv),
            counter,
            epoch,
            writer: Label(writer),
            venue: Label(writer),
            instrument: Label("BTC-USDT-SPOT"),
            channel: Label("trade"),
            event_ts: Nanos(recv),
            exch_ts: None,
            sent_ts: None,
            recv_ts: Nanos(recv),
            origin: Origin::Live,
            connection: 1,
            line: 0,
            mapping: 1,
            identity: IdentityClass::Id,
            occurrence: 0,
        }
    }

    #[test]
    fn a_second_holds_its_events_and_their_delay_and_a_new_epoch_forgets_old_connections() {
        let mut tally = Tally::default();
        for (writer, epoch) in [("a", 10), ("a", 10), ("b", 3), ("a", 11), ("a", 10)] {
            tally.count(Kind::Trade, &header(writer, epoch, 1, 1_000_000), Nanos(1_500_000));
        }
        let venue = &tally.venues()[0];
        assert_eq!((venue.epoch, venue.connections.len(), venue.events), (11, 1, 4));
        let second = tally.end_second(Nanos(7_000_000_000), Some(4), None);
        assert_eq!((second.at_ms, second.by_kind[Kind::Trade.index()]), (7_000, 5));
        assert_eq!(second.by_venue, vec![4, 1]);
        assert!(second.lag_p50_us.is_some_and(|us| (490..=510).contains(&us)), "{second:?}");
        assert_eq!(tally.end_second(Nanos(8_000_000_000), None, None).lag_p50_us, None);
        tally.close_connection(&header("a", 11, 1, 0));
        assert!(tally.venues()[0].connections.is_empty());
    }

    #[test]
    fn history_is_bounded() {
        let mut tally = Tally::default();
        for second in 0..HISTORY_SECONDS as i64 + 5 {
            tally.end_second(Nanos(second * 1_000_000_000), None, None);
        }
        assert_eq!(tally.history().len(), HISTORY_SECONDS);
        assert_eq!(tally.history()[0].at_ms, 5_000);
    }
}
