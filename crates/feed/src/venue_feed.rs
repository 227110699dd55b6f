//! One venue: its reference data, connections and writer, all on one thread.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kt_bus::Bus;
use kt_model::Nanos;
use kt_venue::{Catalogue, ConnectionPlan, Mapping, Session, SessionConfig, Unheard};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::FeedError;
use crate::arbiter::Arbiter;
use crate::clock::{Clock, SystemClock};
use crate::config::{FeedConfig, VenueConfig};
use crate::connection::Connection;
use crate::metrics::{FeedMetrics, VenueLabel};
use crate::recorder::{self, Record, Recorder};
use crate::rest::Rest;
use crate::startup::OpenWriter;
use crate::writer::Writer;

/// How much longer than another line a leading line may be silent, ns.
const LEADER_SILENCE: i64 = 2_000_000_000;

/// The first connection of a venue that was never heard may take this long. Later the exchange was out of reach: a gap.
const FIRST_CONNECTION_WITHIN: Duration = Duration::from_secs(30);

/// What the connections of a venue share. All on one thread.
pub(crate) struct VenueShared {
    pub venue: String,
    pub writer: Rc<RefCell<Writer>>,
    pub arbiter: RefCell<Option<Arbiter>>,
    pub catalogue: RefCell<Catalogue>,
    pub(crate) catalogue_version: Cell<u64>,
    pub metrics: FeedMetrics,
    pub duplicates: Counter,
    pub connections: Gauge,
    backpressure: Counter,
    pub clock: SystemClock,
    /// Zero of the clock's monotonic times.
    pub origin: Instant,
    pub recorder: Option<Recorder>,
    pub stop: watch::Receiver<bool>,
    pub send_pause: Duration,
    pub recorded_clock: bool,
    rest: Rest,
    /// Hash of each instrument's definition as it was last emitted.
    pub(crate) emitted: RefCell<HashMap<Box<str>, u64>>,
}

impl VenueShared {
    pub fn line_is_up(&self, line: u8, up: bool) {
        if let Some(arbiter) = self.arbiter.borrow_mut().as_mut() {
            arbiter.line_is_up(line, up);
        }
    }

    pub fn catalogue_version(&self) -> u64 {
        self.catalogue_version.get()
    }

    /// Whether the spool takes more.
    pub fn has_room(&self) -> bool {
        self.writer.borrow().has_room()
    }

    /// Returns when the spool takes more again, or the feed stops.
    pub async fn room(&self) {
        self.backpressure.inc();
        tracing::warn!(
            venue = self.venue,
            "the spool is full: reading from the exchange stops until blocks have landed"
        );
        while !self.writer.borrow().has_room() && !*self.stop.borrow() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tracing::info!(venue = self.venue, "the spool has room again: reading goes on");
    }

    /// Fetches and archives.
    pub async fn fetch(&self, url: &str, attempts: u32) -> Result<Bytes, FeedError> {
        let body = self.rest.fetch(url, attempts).await?;
        if let Some(recorder) = &self.recorder {
            recorder.record(Record::Fetched { at: self.clock.wall(), url: url.to_owned(), body: body.clone() });
        }
        Ok(body)
    }
}

/// Runs one venue until `stop` turns true. `ready` is told when all connections have been begun.
pub(crate) async fn run_venue(
    config: &FeedConfig,
    venue: &VenueConfig,
    mapping: Arc<Mapping>,
    metrics: &FeedMetrics,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<(), FeedError> {
    let name = mapping.venue().to_owned();
    let origin = Instant::now();
    let clock = SystemClock::starting(origin);
    let bus = Bus::connect(&config.bus).await?;
    let open = OpenWriter::open(&bus, &config.writer(&name), Rc::new(clock), metrics).await?;
    let label = VenueLabel { venue: name.clone() };
    let missed = metrics.record_missed.get_or_create(&label).clone();
    let folder = config.record_folder.as_deref();
    let recording = folder.map(|folder| recorder::start(folder, &name, clock.wall(), missed));
    let (recorder, recorder_thread) = recording.transpose()?.unzip();
    let lines = u8::try_from(venue.lines.len()).unwrap_or(u8::MAX);
    let shared = Rc::new(VenueShared {
        writer: open.writer.clone(),
        arbiter: RefCell::new((lines > 1).then(|| Arbiter::new(lines, LEADER_SILENCE))),
        catalogue: RefCell::new(Catalogue::new(&mapping)),
        catalogue_version: Cell::new(0),
        duplicates: metrics.duplicates.get_or_create(&label).clone(),
        connections: metrics.connections.get_or_create(&label).clone(),
        backpressure: metrics.backpressure.get_or_create(&label).clone(),
        metrics: metrics.clone(),
        clock,
        origin,
        recorder,
        stop: stop.clone(),
        send_pause: Duration::from_secs(1) / mapping.messages_per_second(),
        recorded_clock: venue.recorded_clock,
        rest: Rest::new(&name, venue.requests_per_second, metrics.clone())?,
        emitted: RefCell::new(HashMap::new()),
        venue: name,
    });
    let feed = VenueFeed {
        shared,
        mapping,
        config: venue.clone(),
        planned: HashSet::new(),
        next_connection: 1,
        begun: open.begun,
        has_predecessor: open.has_predecessor,
    };
    let work = feed.run(stop, ready);
    let outcome = open.run(work, config.stop_within).await;
    if let Some(thread) = recorder_thread {
        let finished = tokio::task::spawn_blocking(move || thread.finish()).await;
        finished.unwrap_or_else(|_| Err(FeedError::Panicked("recorder".to_owned())))?;
    }
    outcome
}

/// Plans and keeps the connections of a venue.
pub(crate) struct VenueFeed {
    pub(crate) shared: Rc<VenueShared>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) config: VenueConfig,
    /// Subscriptions that have a connection: segment, channel, symbol.
    planned: HashSet<(String, String, Option<String>)>,
    next_connection: u32,
    begun: Nanos,
    has_predecessor: bool,
}

impl VenueFeed {
    /// Ends when the feed stops and every connection has written its checkpoint.
    async fn run(mut self, mut stop: watch::Receiver<bool>, ready: impl FnOnce()) {
        let mut connections = JoinSet::new();
        let first = async {
            self.fetch_lists(true).await;
            self.connect(&mut connections, true);
        };
        tokio::select! {
            () = first => ready(),
            _ = stop.wait_for(|stop| *stop) => {}
        }
        let refresh = self.refresh_period();
        loop {
            tokio::select! {
                () = tokio::time::sleep(refresh) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            tokio::select! {
                () = self.fetch_lists(false) => self.connect(&mut connections, false),
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(5), all).await.is_err() {
            tracing::error!(
                venue = self.shared.venue,
                "connections did not end in time; their books have no checkpoint"
            );
        }
    }

    pub(crate) fn segments(&self) -> Vec<String> {
        self.config.segments(&self.mapping)
    }

    fn refresh_period(&self) -> Duration {
        let segments = self.segments();
        let lists = segments.iter().filter_map(|name| self.mapping.references(name, self.config.mode).ok()).flatten();
        let seconds = lists.map(|list| list.refresh_seconds).min().unwrap_or(3600);
        Duration::from_secs(u64::from(seconds.max(60)))
    }

    /// What is planned at the start was wanted since then: after an earlier run every moment of it is missing. The past
    /// of a recording is no gap.
    fn unheard(&self) -> Option<Unheard> {
        let within = if self.has_predecessor { Duration::ZERO } else { FIRST_CONNECTION_WITHIN };
        let at_least = i64::try_from(within.as_nanos()).unwrap_or(i64::MAX);
        (!self.config.is_recording && !self.config.recorded_clock).then_some(Unheard { since: self.begun, at_least })
    }

    /// Opens connections for all that is wanted and has none.
    fn connect(&mut self, connections: &mut JoinSet<()>, is_first: bool) {
        let unheard = self.unheard().filter(|_| is_first);
        for segment in self.segments() {
            self.assume_chosen(&segment);
            let plan = {
                let catalogue = self.shared.catalogue.borrow();
                let wanted = |info: &kt_venue::InstrumentInfo| self.config.symbols.wants(info);
                self.mapping.plan(&segment, self.config.mode, &catalogue, wanted)
            };
            let plans = plan.unwrap_or_else(|error| {
                tracing::error!(venue = self.shared.venue, %error, "nothing can be subscribed");
                Vec::new()
            });
            for mut plan in plans {
                plan.subscriptions.retain(|wanted| {
                    self.planned.insert((segment.clone(), wanted.channel.clone(), wanted.symbol.clone()))
                });
                if !plan.subscriptions.is_empty() {
                    self.open(&plan, unheard, connections);
                }
            }
        }
    }

    /// Symbols named in the choice that no list named.
    fn assume_chosen(&self, segment: &str) {
        if let (true, crate::config::SymbolChoice::List(names)) = (self.config.is_recording, &self.config.symbols) {
            let mut catalogue = self.shared.catalogue.borrow_mut();
            for name in names {
                catalogue.assume(&self.mapping, segment, name);
            }
        }
    }

    fn open(&mut self, plan: &ConnectionPlan, unheard: Option<Unheard>, connections: &mut JoinSet<()>) {
        for (line, address) in self.config.lines.clone().iter().enumerate() {
            let config = SessionConfig {
                segment: plan.segment.clone(),
                connection: self.next_connection,
                line: line as u8,
                subscriptions: plan.subscriptions.clone(),
                any_trade_channel: self.config.is_recording,
                unheard,
                ..SessionConfig::default()
            };
            let session = Session::new(self.mapping.clone(), self.shared.catalogue.borrow().clone(), config);
            match session {
                Ok(session) => {
                    let (url, number) = (address.address(&plan.url), self.next_connection);
                    let connection = Connection::new(self.shared.clone(), session, url, number, line as u8);
                    connections.spawn_local(connection.run());
                    self.next_connection += 1;
                }
                Err(error) => tracing::error!(venue = self.shared.venue, %error, "a connection cannot be planned"),
            }
        }
    }
}
