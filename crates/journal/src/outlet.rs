//! What a service states: rows for the hot path and blocks for the durable log, derived from its inputs alone.
//!
//! Which row gets which counter and lies in which block follows from the inputs and their order. After a
//! kill the replay therefore derives the same blocks again; those that the log holds are not sent twice.
//! The epoch is the journal's, and stays when the process does not.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use kt_bus::{HotPublisher, Route};
use kt_model::codec::Label;
use kt_model::{BlockHeader, Event, Kind, Nanos, block, stamp_position};
use serde::{Deserialize, Serialize};

/// Bytes at which a block is cut.
const TARGET_BYTES: usize = 8 << 10;
/// Time of the inputs after which a block is cut, ns.
const LINGER: i64 = 100_000_000;

/// A block to be sent, and the venue it belongs to.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Place of its venue's writer in [`Outlet::writers`].
    pub writer: usize,
    /// What it says of itself.
    pub header: BlockHeader,
    /// Its rows.
    pub payload: Bytes,
}

/// One venue's writer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VenueWriter {
    /// The venue.
    pub venue: String,
    /// Name of the writer, `<service>-<venue>`.
    pub name: String,
    counter: u64,
    /// Blocks cut so far.
    number: u64,
    #[serde(skip)]
    rows: Vec<u8>,
    #[serde(skip)]
    count: u32,
    #[serde(skip)]
    first: u64,
    #[serde(skip)]
    extent: (Nanos, Nanos),
    /// Time of the input that gave the first row.
    #[serde(skip)]
    opened: Nanos,
}

impl VenueWriter {
    /// Counter of its newest row.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Blocks cut so far.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.number
    }
}

/// Rows of one kind, one writer a venue.
#[derive(Debug)]
pub struct Outlet {
    service: String,
    epoch: u32,
    kind: Kind,
    writers: Vec<VenueWriter>,
    places: HashMap<String, usize>,
    ready: VecDeque<Ready>,
    row: Vec<u8>,
}

impl Outlet {
    /// For the rows of `kind` that `service` states under the journal's epoch.
    #[must_use]
    pub fn new(service: &str, epoch: u32, kind: Kind) -> Self {
        Self {
            service: service.to_owned(),
            epoch,
            kind,
            writers: Vec::new(),
            places: HashMap::new(),
            ready: VecDeque::new(),
            row: Vec::with_capacity(512),
        }
    }

    /// Takes one row: gives it its place, and a copy to the hot path if there is one: not during a replay.
    pub fn row(&mut self, event: &Event<'_>, now: Nanos, publish: Nanos, hot: Option<(&mut HotPublisher, Route)>) {
        let header = event.header();
        let place = self.place(header.venue.0);
        if self.writers[place].count > 0 && self.writers[place].extent.0.day() != header.event_ts.day() {
            self.cut(place);
        }
        let writer = &mut self.writers[place];
        writer.counter += 1;
        let mut named = *event;
        named.header_mut().writer = Label(&writer.name);
        self.row.clear();
        named.encode(&mut self.row);
        stamp_position(&mut self.row, publish, writer.counter, self.epoch);
        if writer.count == 0 {
            writer.first = writer.counter;
            writer.opened = now;
            writer.extent = (header.event_ts, header.event_ts);
        }
        writer.extent = (writer.extent.0.min(header.event_ts), writer.extent.1.max(header.event_ts));
        writer.count += 1;
        writer.rows.extend_from_slice(&self.row);
        if let Some((hot, route)) = hot {
            hot.publish(route, &self.row);
        }
        if self.writers[place].rows.len() >= TARGET_BYTES {
            self.cut(place);
        }
    }

    /// Cuts what has waited long enough. Call after each input with the time of the inputs.
    pub fn advance(&mut self, now: Nanos) {
        for place in 0..self.writers.len() {
            let writer = &self.writers[place];
            if writer.count > 0 && now.0 - writer.opened.0 >= LINGER {
                self.cut(place);
            }
        }
    }

    /// Cuts everything. Only where the inputs say so: it must happen at the same place on replay.
    pub fn cut_all(&mut self) {
        (0..self.writers.len()).for_each(|place| self.cut(place));
    }

    /// The oldest block that waits to be sent.
    pub fn pop_ready(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// The oldest block that waits, left where it is.
    #[must_use]
    pub fn peek_ready(&self) -> Option<&Ready> {
        self.ready.front()
    }

    /// Blocks that wait to be sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// The venues' writers.
    pub fn writers(&self) -> &[VenueWriter] {
        &self.writers
    }

    /// Blocks of a writer up to `number` are in the log already: they are not sent. Answers their rows.
    pub fn forget_logged(&mut self, writer: usize, number: u64) -> u64 {
        let mut rows = 0;
        self.ready.retain(|block| {
            let is_logged = block.writer == writer && block.header.number <= number;
            rows += if is_logged { u64::from(block.header.rows) } else { 0 };
            !is_logged
        });
        rows
    }

    /// What a snapshot holds. Cut all before.
    #[must_use]
    pub fn save(&self) -> Vec<VenueWriter> {
        self.writers.clone()
    }

    /// Goes on from a snapshot.
    pub fn restore(&mut self, writers: Vec<VenueWriter>) {
        self.places = writers.iter().enumerate().map(|(place, writer)| (writer.venue.clone(), place)).collect();
        self.writers = writers;
    }

    fn place(&mut self, venue: &str) -> usize {
        if let Some(place) = self.places.get(venue) {
            return *place;
        }
        self.places.insert(venue.to_owned(), self.writers.len());
        self.writers.push(VenueWriter {
            venue: venue.to_owned(),
            name: format!("{}-{venue}", self.service),
            counter: 0,
            number: 0,
            rows: Vec::with_capacity(2 * TARGET_BYTES),
            count: 0,
            first: 0,
            extent: (Nanos(0), Nanos(0)),
            opened: Nanos(0),
        });
        self.writers.len() - 1
    }

    fn cut(&mut self, place: usize) {
        let writer = &mut self.writers[place];
        if writer.count == 0 {
            return;
        }
        writer.number += 1;
        let header = BlockHeader {
            kind: self.kind,
            schema_version: self.kind.schema().version,
            venue: writer.venue.clone(),
            writer: writer.name.clone(),
            epoch: self.epoch,
            number: writer.number,
            first_counter: writer.first,
            last_counter: writer.counter,
            rows: writer.count,
            hash: block::hash(&writer.rows),
            min_event_ts: writer.extent.0,
            max_event_ts: writer.extent.1,
        };
        let payload = Bytes::copy_from_slice(&writer.rows);
        self.ready.push_back(Ready { writer: place, header, payload });
        writer.rows.clear();
        writer.count = 0;
    }
}
