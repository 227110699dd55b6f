//! What `kt venue check` says about a recording.

use crate::levels::BookView;
use crate::replay::Replay;
use crate::sink::Sink;
use kt_model::{Event, Kind, Origin, Price, Quantity};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// Right and wrong checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checksums {
    /// Those that agreed with the book.
    pub right: u64,
    /// Those that did not.
    pub wrong: u64,
}

/// How the best levels of a book agree with the venue's quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuotesAgainstBook {
    /// Deltas after which a quote of the same update number had the same prices and quantities.
    #[serde(rename = "top_equals_bookTicker_same_u")]
    pub same_number_equal: u64,
    /// … and after which it did not.
    #[serde(rename = "top_differs_bookTicker_same_u")]
    pub same_number_different: u64,
    /// Deltas after which the latest quote up to the update number had the same prices.
    #[serde(rename = "top_price_equals_latest_bookTicker_le_u")]
    pub latest_equal: u64,
    /// … and after which it did not (the quote may be older than the delta's other updates).
    #[serde(rename = "top_price_differs_latest_bookTicker_le_u")]
    pub latest_different: u64,
}

/// The report, shaped as its JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckReport {
    /// Frames received, control frames included.
    pub frames: u64,
    /// Control frames.
    pub control: u64,
    /// Frames by channel label, all channels.
    pub channels: BTreeMap<String, u64>,
    /// Those of them that the mapping does not read.
    pub ignored: BTreeMap<String, u64>,
    /// Events by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Frames that broke the mapping.
    pub decode_errors: u64,
    /// Breaks of update sequences.
    pub sequence_gaps: u64,
    /// Snapshots that the stream followed as documented.
    pub bridges: u64,
    /// Snapshots that it did not follow.
    pub failed_bridges: u64,
    /// Checksums of books.
    pub checksums: Checksums,
    /// Quotes against books, over all symbols.
    pub quotes_vs_book: QuotesAgainstBook,
    /// The same, and the books' statistics, by symbol.
    pub per_symbol: BTreeMap<String, Value>,
    /// Crossed books.
    pub crossed_books: u64,
    /// Events whose venue time lies before that of the one before.
    pub time_backwards: u64,
    /// Rows of unknown symbols.
    pub unknown_instruments: u64,
    /// First reasons of frames in quarantine.
    pub faults: Vec<String>,
    /// Books at the end, as asked for.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub books: Map<String, Value>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.decode_errors == 0
            && self.sequence_gaps == 0
            && self.failed_bridges == 0
            && self.checksums.wrong == 0
            && self.quotes_vs_book.same_number_different == 0
            && self.unknown_instruments == 0
    }
}

/// A quote as far as a book can be compared with it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Top {
    bid: Option<(Price, Quantity)>,
    ask: Option<(Price, Quantity)>,
}

impl Top {
    fn prices(&self) -> (Option<Price>, Option<Price>) {
        (self.bid.map(|level| level.0), self.ask.map(|level| level.0))
    }
}

/// Collects what a check needs while a recording is played.
#[derive(Default)]
pub struct CheckSink {
    events: [u64; Kind::COUNT],
    faults: Vec<String>,
    /// Quotes seen so far by instrument and update number.
    quotes: HashMap<String, BTreeMap<u64, Top>>,
    agreement: HashMap<String, QuotesAgainstBook>,
}

impl Sink for CheckSink {
    fn event(&mut self, event: &Event<'_>) {
        self.events[event.kind().index()] += 1;
        match event {
            Event::Quote(quote) if quote.sequence > 0 => {
                let top =
                    Top { bid: quote.bid_price.zip(quote.bid_quantity), ask: quote.ask_price.zip(quote.ask_quantity) };
                let quotes = self.quotes.entry(quote.header.instrument.to_string()).or_default();
                quotes.insert(quote.sequence, top);
            }
            Event::Quarantine(row) if self.faults.len() < 10 => {
                let shown: String = row.frame.chars().take(200).collect();
                self.faults.push(format!("{}: {}: {shown}", row.reason.0, row.detail));
            }
            _ => {}
        }
    }

    fn book(&mut self, book: &BookView<'_>) {
        if book.origin == Origin::Snapshot {
            return;
        }
        let Some(quotes) = self.quotes.get(book.instrument) else { return };
        let level = |level: Option<crate::Level<'_>>| level.map(|level| (level.price, level.quantity));
        let top = Top { bid: level(book.bids().next()), ask: level(book.asks().next()) };
        let mut agreement = self.agreement.get(book.instrument).copied().unwrap_or_default();
        if let Some(quote) = quotes.get(&book.last_sequence) {
            let place =
                if *quote == top { &mut agreement.same_number_equal } else { &mut agreement.same_number_different };
            *place += 1;
        }
        if let Some((_, quote)) = quotes.range(..=book.last_sequence).next_back() {
            let equal = quote.prices() == top.prices();
            *(if equal { &mut agreement.latest_equal } else { &mut agreement.latest_different }) += 1;
        }
        self.agreement.insert(book.instrument.to_owned(), agreement);
    }
}

impl CheckSink {
    /// The report after the last record; `depth` levels a side of every book, where asked for.
    #[must_use]
    pub fn report(&self, replay: &Replay, depth: Option<usize>) -> CheckReport {
        let mut report = CheckReport { faults: self.faults.clone(), ..CheckReport::default() };
        for kind in Kind::ALL.iter().filter(|kind| self.events[kind.index()] > 0) {
            report.events.insert(kind.as_str(), self.events[kind.index()]);
        }
        for (connection, counters) in replay.connections().iter().zip(replay.counters()) {
            report.frames += counters.frames;
            report.control += counters.control;
            report.decode_errors += counters.decode_errors;
            report.time_backwards += counters.time_backwards;
            report.unknown_instruments += counters.unknown_instruments;
            for (label, count, mapped) in connection.session.frames_by_label() {
                *report.channels.entry(label.to_owned()).or_default() += count;
                if !mapped {
                    *report.ignored.entry(label.to_owned()).or_default() += count;
                }
            }
        }
        self.add_books(&mut report, replay, depth);
        report
    }

    fn add_books(&self, report: &mut CheckReport, replay: &Replay, depth: Option<usize>) {
        let several = replay.connections().len() > 1;
        let books: Vec<_> = replay.books().collect();
        for (connection, view, statistics) in &books {
            report.sequence_gaps += statistics.sequence_gaps;
            report.bridges += statistics.bridges;
            report.failed_bridges += statistics.failed_bridges;
            report.checksums.right += statistics.checksums_right;
            report.checksums.wrong += statistics.checksums_wrong;
            report.crossed_books += statistics.crossed;
            let agreement = self.agreement.get(view.instrument).copied().unwrap_or_default();
            let total = &mut report.quotes_vs_book;
            total.same_number_equal += agreement.same_number_equal;
            total.same_number_different += agreement.same_number_different;
            total.latest_equal += agreement.latest_equal;
            total.latest_different += agreement.latest_different;
            let by_rest = statistics.rest_last_update_id.is_some();
            let same_symbol =
                books.iter().filter(|(other, book, _)| other.name == connection.name && book.symbol == view.symbol);
            let is_only = same_symbol.count() == 1;
            let key = match (by_rest && is_only, several) {
                (true, _) => view.symbol.to_owned(),
                (false, true) => format!("{} {} {}", connection.name, view.channel, view.symbol),
                (false, false) => format!("{} {}", view.channel, view.symbol),
            };
            if by_rest {
                report.per_symbol.insert(
                    key.clone(),
                    json!({
                        "rest_last_update_id": statistics.rest_last_update_id,
                        "deltas_dropped_before_snapshot": statistics.deltas_dropped_before_snapshot,
                        "bridging_delta_ok": statistics.bridges,
                        "deltas_applied": statistics.deltas_applied,
                        "sequence_gaps": statistics.sequence_gaps,
                        "top_equals_bookTicker_same_u": agreement.same_number_equal,
                        "top_differs_bookTicker_same_u": agreement.same_number_different,
                        "top_price_equals_latest_bookTicker_le_u": agreement.latest_equal,
                        "top_price_differs_latest_bookTicker_le_u": agreement.latest_different,
                    }),
                );
            }
            if let Some(depth) = depth {
                report.books.insert(key, book_json(view, by_rest, depth));
            }
        }
    }
}

fn book_json(view: &BookView<'_>, by_rest: bool, depth: usize) -> Value {
    let side = |levels: &mut dyn Iterator<Item = crate::Level<'_>>| -> Vec<Value> {
        levels
            .take(depth)
            .map(|level| match level.text {
                Some((price, quantity)) => json!([price, quantity]),
                None => json!([level.price.to_string(), level.quantity.to_string()]),
            })
            .collect()
    };
    let (bids, asks) = view.depth();
    let mut book = Map::new();
    if by_rest {
        book.insert("last_update_id".to_owned(), json!(view.last_sequence));
    }
    book.insert("bids".to_owned(), json!(side(&mut view.bids())));
    book.insert("asks".to_owned(), json!(side(&mut view.asks())));
    book.insert("n_bids".to_owned(), json!(bids));
    book.insert("n_asks".to_owned(), json!(asks));
    Value::Object(book)
}

impl CheckReport {
    /// Adds the report of another recording; its books and symbols are kept under `prefix`.
    pub fn add(&mut self, other: Self, prefix: &str) {
        self.frames += other.frames;
        self.control += other.control;
        self.decode_errors += other.decode_errors;
        self.sequence_gaps += other.sequence_gaps;
        self.bridges += other.bridges;
        self.failed_bridges += other.failed_bridges;
        self.checksums.right += other.checksums.right;
        self.checksums.wrong += other.checksums.wrong;
        let (own, theirs) = (&mut self.quotes_vs_book, &other.quotes_vs_book);
        own.same_number_equal += theirs.same_number_equal;
        own.same_number_different += theirs.same_number_different;
        own.latest_equal += theirs.latest_equal;
        own.latest_different += theirs.latest_different;
        self.crossed_books += other.crossed_books;
        self.time_backwards += other.time_backwards;
        self.unknown_instruments += other.unknown_instruments;
        self.faults.extend(other.faults);
        for (label, count) in other.channels {
            *self.channels.entry(label).or_default() += count;
        }
        for (label, count) in other.ignored {
            *self.ignored.entry(label).or_default() += count;
        }
        for (kind, count) in other.events {
            *self.events.entry(kind).or_default() += count;
        }
        let key = |name: String| if prefix.is_empty() { name } else { format!("{prefix}: {name}") };
        self.per_symbol.extend(other.per_symbol.into_iter().map(|(name, value)| (key(name), value)));
        self.books.extend(other.books.into_iter().map(|(name, value)| (key(name), value)));
    }
}
