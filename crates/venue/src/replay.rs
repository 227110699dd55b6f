//! A recording played through sessions, as the feed handler would have.

use crate::book::BookStatistics;
use crate::catalogue::Catalogue;
use crate::counters::Counters;
use crate::error::VenueError;
use crate::levels::BookView;
use crate::listing::Stamp;
use crate::mapping::Mapping;
use crate::recording::{Record, RecordKind};
use crate::session::{Session, SessionConfig};
use crate::sink::Sink;
use kt_model::Nanos;
use std::sync::Arc;

/// Settings of a replay.
#[derive(Clone, Debug, Default)]
pub struct ReplayConfig {
    /// Segment of frames whose connection the recording does not name; the mapping's first where
    /// absent.
    pub segment: Option<String>,
    /// Keep every level's text as printed.
    pub keep_text: bool,
}

/// One connection of a recording.
#[derive(Debug)]
pub struct ReplayedConnection {
    /// Its name in the recording; empty where the file holds one connection only.
    pub name: String,
    /// Segment of the mapping.
    pub segment: String,
    /// The session with its books and counters.
    pub session: Session,
}

/// Plays records through one session per recorded connection.
#[derive(Debug)]
pub struct Replay {
    mapping: Arc<Mapping>,
    config: ReplayConfig,
    catalogue: Catalogue,
    connections: Vec<ReplayedConnection>,
    last_time: i64,
    /// Snapshots that came before the first frame of their book.
    held: Vec<Record>,
    /// REST responses that no connection had a use for.
    pub unused_responses: u64,
}

impl Replay {
    /// A replay of this venue.
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, config: ReplayConfig) -> Self {
        let catalogue = Catalogue::new(&mapping);
        Self {
            mapping,
            config,
            catalogue,
            connections: Vec::new(),
            last_time: 0,
            held: Vec::new(),
            unused_responses: 0,
        }
    }

    /// A replay with instruments that are known already.
    #[must_use]
    pub fn with_catalogue(mapping: Arc<Mapping>, catalogue: &Catalogue) -> Self {
        Self { catalogue: catalogue.clone(), ..Self::new(mapping, ReplayConfig::default()) }
    }

    /// The instruments that were read.
    #[must_use]
    pub fn into_catalogue(self) -> Catalogue {
        self.catalogue
    }

    /// Takes the instrument lists of a reference recording, as events; returns how many were read.
    ///
    /// # Errors
    /// Those of [`Catalogue::read`].
    pub fn reference<S: Sink + ?Sized>(&mut self, records: &[Record], sink: &mut S) -> Result<usize, VenueError> {
        let mut taken = 0;
        for record in records.iter().filter(|record| record.kind == RecordKind::Response) {
            let Some(name) = record.url.as_deref().and_then(|url| self.mapping.reference_of_url(url)) else {
                self.unused_responses += 1;
                continue;
            };
            let at = Nanos(record.time.unwrap_or(0));
            let report = self.catalogue.read(&self.mapping, name, &record.payload, at, Stamp::default(), sink)?;
            taken += report.taken;
        }
        Ok(taken)
    }

    /// Plays one record.
    ///
    /// # Errors
    /// Those of [`Session::new`] and [`Session::on_snapshot`].
    pub fn play<S: Sink + ?Sized>(&mut self, record: &Record, sink: &mut S) -> Result<(), VenueError> {
        self.last_time = record.time.unwrap_or(self.last_time);
        let at = Nanos(self.last_time);
        match record.kind {
            RecordKind::Sent => Ok(()),
            RecordKind::Connection => {
                let segment = record.url.as_deref().and_then(|url| self.mapping.segment_of_url(url));
                let segment = segment.map(str::to_owned);
                self.open(record.connection.as_deref().unwrap_or_default(), segment).map(|_| ())
            }
            RecordKind::Response => self.respond(record, at, sink),
            RecordKind::Frame => {
                let index = self.open(record.connection.as_deref().unwrap_or_default(), None)?;
                let session = &mut self.connections[index].session;
                session.on_frame(&record.payload, at, sink);
                // Requests have no one to answer them but the recording itself.
                while session.next_action().is_some() {}
                for record in std::mem::take(&mut self.held) {
                    self.respond(&record, at, sink)?;
                }
                Ok(())
            }
        }
    }

    fn open(&mut self, name: &str, segment: Option<String>) -> Result<usize, VenueError> {
        if let Some(index) = self.connections.iter().position(|known| known.name == name) {
            return Ok(index);
        }
        let first = || self.mapping.segment_names().next().unwrap_or_default().to_owned();
        let segment = segment.or_else(|| self.config.segment.clone()).unwrap_or_else(first);
        let config = SessionConfig {
            segment: segment.clone(),
            connection: self.connections.len() as u32 + 1,
            keep_text: self.config.keep_text,
            ..SessionConfig::default()
        };
        let session = Session::new(Arc::clone(&self.mapping), self.catalogue.clone(), config)?;
        self.connections.push(ReplayedConnection { name: name.to_owned(), segment, session });
        Ok(self.connections.len() - 1)
    }

    /// Gives a response to the connection that waits for it.
    fn respond<S: Sink + ?Sized>(&mut self, record: &Record, at: Nanos, sink: &mut S) -> Result<(), VenueError> {
        let symbol = record.url.as_deref().and_then(symbol_of_url);
        for connection in &mut self.connections {
            let waiting = connection.session.books_without_snapshot();
            // A recording of one market leaves out the address.
            let symbol = match (&symbol, waiting.as_slice()) {
                (Some(symbol), _) => symbol.clone(),
                (None, [only]) => only.clone(),
                (None, _) => continue,
            };
            if waiting.contains(&symbol) {
                let at = record.time.map_or(at, Nanos);
                return connection.session.on_snapshot(&symbol, &record.payload, at, sink);
            }
        }
        // Bounded: a recording holds a few snapshots a symbol.
        if self.held.len() < 1_000 {
            self.held.push(record.clone());
        } else {
            self.unused_responses += 1;
        }
        Ok(())
    }

    /// The connections played so far.
    #[must_use]
    pub fn connections(&self) -> &[ReplayedConnection] {
        &self.connections
    }

    /// Every book of every connection.
    pub fn books(&self) -> impl Iterator<Item = (&ReplayedConnection, BookView<'_>, BookStatistics)> {
        self.connections.iter().flat_map(|connection| {
            connection.session.books().map(move |(view, statistics)| (connection, view, statistics))
        })
    }

    /// Counters of all connections together.
    #[must_use]
    pub fn counters(&self) -> Vec<Counters> {
        self.connections.iter().map(|connection| connection.session.counters()).collect()
    }
}

/// The value of `symbol=` or `instId=` in a request.
fn symbol_of_url(url: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    let value = query.split('&').find_map(|pair| {
        pair.split_once('=').filter(|(name, _)| matches!(*name, "symbol" | "instId")).map(|(_, value)| value)
    });
    value.map(str::to_owned)
}
