//! What a journal covers, seen while it is replayed: the warehouse need not be there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kt_model::schema::Kind;
use kt_model::{Event, Header, Nanos, State, Status};
use kt_signals::Input;

use super::gaps::LISTED;
use super::{Coverage, KindCoverage, KnownGap, MarketCoverage};
use crate::scope::Market;

/// Looks at every input of a replay.
#[derive(Debug, Default)]
pub struct JournalCoverage {
    /// Few venues, many instruments.
    venues: Vec<(Box<str>, Instruments)>,
    mappings: BTreeSet<(String, u32)>,
    gaps: Vec<KnownGap>,
    announced: u64,
    dropped: BTreeMap<String, u64>,
}

type Instruments = HashMap<Box<str>, Seen>;

/// What came of one instrument.
#[derive(Debug, Default)]
struct Seen {
    kinds: [Option<Stretch>; Kind::COUNT],
    mapping: Option<u32>,
}

/// Rows of one kind, by receive time.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    rows: u64,
    first: i64,
    last: i64,
    longest_silence: i64,
    silence_at: i64,
}

impl Stretch {
    fn begin(at: i64) -> Self {
        Self { rows: 0, first: at, last: at, longest_silence: 0, silence_at: at }
    }

    fn add(&mut self, at: i64) {
        self.rows += 1;
        if at - self.last > self.longest_silence {
            (self.longest_silence, self.silence_at) = (at - self.last, self.last);
        }
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    fn coverage(self, kind: Kind) -> KindCoverage {
        let Self { rows, first, last, longest_silence, silence_at } = self;
        KindCoverage { kind: kind.to_string(), rows, first, last, longest_silence, silence_at }
    }
}

impl JournalCoverage {
    /// Takes note of the next input.
    #[inline]
    pub fn observe(&mut self, input: &Input<'_>) {
        match input {
            Input::Event { event, .. } => self.event(event),
            Input::Dropped { writer, from, to, .. } => {
                *self.dropped.entry((*writer).to_owned()).or_default() += to - from + 1;
            }
            _ => {}
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        let header = event.header();
        if let Event::Status(status) = event
            && status.state == State::Gap
        {
            self.announced += 1;
            if self.gaps.len() < LISTED {
                self.gaps.push(gap(status));
            }
        }
        if header.instrument.is_empty() {
            return;
        }
        let venue = match self.venues.iter().position(|(name, _)| **name == *header.venue) {
            Some(place) => place,
            None => {
                self.venues.push((header.venue.0.into(), HashMap::new()));
                self.venues.len() - 1
            }
        };
        let instruments = &mut self.venues[venue].1;
        let seen = match instruments.get_mut(header.instrument.0) {
            Some(seen) => seen,
            None => instruments.entry(header.instrument.0.into()).or_default(),
        };
        let at = header.recv_ts.0;
        seen.kinds[event.kind().index()].get_or_insert_with(|| Stretch::begin(at)).add(at);
        if seen.mapping != Some(header.mapping) {
            seen.mapping = Some(header.mapping);
            self.mappings.insert((header.venue.0.to_owned(), header.mapping));
        }
    }

    /// What is there and what is not, of a journal that reaches from `from` to `to`. Markets in `traded` are
    /// stated even when nothing came of them.
    #[must_use]
    pub fn finish(self, from: Nanos, to: Nanos, traded: &[Market]) -> (Coverage, Vec<(String, String)>) {
        let mut markets: BTreeMap<Market, Vec<KindCoverage>> =
            traded.iter().map(|market| (market.clone(), Vec::new())).collect();
        for (venue, instruments) in self.venues {
            for (instrument, seen) in instruments {
                let kinds = Kind::ALL.iter().zip(seen.kinds).filter_map(|(kind, seen)| Some(seen?.coverage(*kind)));
                let kinds: Vec<KindCoverage> = kinds.collect();
                // Venues describe every instrument they list; data comes of few.
                if kinds.iter().any(|kind| kind.kind != Kind::Instrument.as_str()) {
                    markets.insert(Market { venue: venue.to_string(), instrument: instrument.to_string() }, kinds);
                }
            }
        }
        let mut coverage = Coverage::default();
        for (market, kinds) in markets {
            let is_traded = traded.contains(&market);
            let found = MarketCoverage { venue: market.venue, instrument: market.instrument, kinds };
            if is_traded || found.has_prices() {
                coverage.partial.extend(found.lacks(from, to));
            }
            coverage.markets.push(found);
        }
        coverage.partial.extend(self.gaps.iter().map(KnownGap::said));
        // One restart is announced for each kind.
        coverage.partial.dedup();
        let unlisted = self.announced - self.gaps.len() as u64;
        if unlisted > 0 {
            coverage.partial.push(format!("{unlisted} more gaps were announced by the feeds"));
        }
        for (writer, dropped) in self.dropped {
            coverage
                .partial
                .push(format!("{dropped} events of {writer} never reached the live service, and so not this replay"));
        }
        coverage.gaps = self.gaps;
        let mappings = self.mappings.into_iter().map(|(venue, mapping)| (venue, hexadecimal(mapping))).collect();
        (coverage, mappings)
    }
}

/// As the warehouse's `hex` writes a number: whole bytes, no empty ones in front.
fn hexadecimal(number: u32) -> String {
    let bytes = (32 - number.leading_zeros()).div_ceil(8).max(1) as usize;
    format!("{number:0width$x}", width = bytes * 2)
}

fn gap(status: &Status<'_>) -> KnownGap {
    let Header { venue, instrument, event_ts, .. } = status.header;
    KnownGap {
        venue: venue.0.to_owned(),
        instrument: instrument.0.to_owned(),
        kind: status.affected.0.to_owned(),
        cause: status.cause.0.to_owned(),
        from: status.from_ts.unwrap_or(event_ts).0,
        to: status.to_ts.map(|at| at.0),
        missing: status.missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_read_as_in_the_warehouse() {
        assert_eq!([0, 1, 0xabc, 0xdead_beef].map(hexadecimal), ["00", "01", "0abc", "deadbeef"]);
    }

    #[test]
    fn a_silence_is_found_and_its_place() {
        let mut stretch = Stretch::begin(10);
        for at in [10, 12, 40, 41] {
            stretch.add(at);
        }
        let coverage = stretch.coverage(Kind::Quote);
        assert_eq!((coverage.rows, coverage.first, coverage.last), (4, 10, 41));
        assert_eq!((coverage.longest_silence, coverage.silence_at), (28, 12));
    }
}
