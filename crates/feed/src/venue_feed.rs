//! One venue: its reference data, connections and writer, all on one thread.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kt_bus::Bus;
use kt_model::Event;
use kt_venue::{Catalogue, ConnectionPlan, Mapping, ReferenceRequest, Session, SessionConfig, Stamp};
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
/// Pages of one list; a cursor that never ends is a fault of the venue.
const MOST_PAGES: usize = 100;

/// What the connections of a venue share. All on one thread.
pub(crate) struct VenueShared {
    pub venue: String,
    pub writer: Rc<RefCell<Writer>>,
    pub arbiter: RefCell<Option<Arbiter>>,
    pub catalogue: RefCell<Catalogue>,
    catalogue_version: Cell<u64>,
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
    emitted: RefCell<HashMap<Box<str>, u64>>,
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
    let feed = VenueFeed { shared, mapping, config: venue.clone(), planned: HashSet::new(), next_connection: 1 };
    let work = feed.run(stop, ready);
    let outcome = open.run(work, config.stop_within).await;
    if let Some(thread) = recorder_thread {
        let finished = tokio::task::spawn_blocking(move || thread.finish()).await;
        finished.unwrap_or_else(|_| Err(FeedError::Panicked("recorder".to_owned())))?;
    }
    outcome
}

/// Plans and keeps the connections of a venue.
struct VenueFeed {
    shared: Rc<VenueShared>,
    mapping: Arc<Mapping>,
    config: VenueConfig,
    /// Subscriptions that have a connection: segment, channel, symbol.
    planned: HashSet<(String, String, Option<String>)>,
    next_connection: u32,
}

impl VenueFeed {
    /// Ends when the feed stops and every connection has written its checkpoint.
    async fn run(mut self, mut stop: watch::Receiver<bool>, ready: impl FnOnce()) {
        let mut connections = JoinSet::new();
        let first = async {
            self.fetch_lists(true).await;
            self.connect(&mut connections);
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
                () = self.fetch_lists(false) => self.connect(&mut connections),
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

    fn segments(&self) -> Vec<String> {
        self.config.segments(&self.mapping)
    }

    fn refresh_period(&self) -> Duration {
        let segments = self.segments();
        let lists = segments.iter().filter_map(|name| self.mapping.references(name, self.config.mode).ok()).flatten();
        let seconds = lists.map(|list| list.refresh_seconds).min().unwrap_or(3600);
        Duration::from_secs(u64::from(seconds.max(60)))
    }

    /// Reads the instrument and funding interval lists. A list that cannot be had changes nothing.
    async fn fetch_lists(&self, at_start: bool) {
        let is_recording = self.config.is_recording;
        for segment in self.segments() {
            let lists = match self.mapping.references(&segment, self.config.mode) {
                Ok(lists) => lists,
                Err(error) => {
                    tracing::error!(venue = self.shared.venue, %error, "the segment is left out");
                    continue;
                }
            };
            for list in lists {
                // At the start an exchange's list is worth waiting for: without it nothing can be subscribed.
                let attempts = if at_start && !is_recording { u32::MAX } else { 3 };
                if let Err(error) = self.fetch_list(&list, attempts).await {
                    tracing::error!(venue = self.shared.venue, list = list.name, %error, "list not read, the known one stays");
                }
            }
        }
        self.shared.catalogue_version.set(self.shared.catalogue_version.get() + 1);
        self.shared.writer.borrow_mut().flush_hot();
    }

    async fn fetch_list(&self, list: &ReferenceRequest, attempts: u32) -> Result<(), FeedError> {
        let mut url = list.url.clone();
        for _ in 0..MOST_PAGES {
            let body = self.shared.fetch(&url, attempts).await?;
            let next = self.take_list(list, &body)?;
            let Some(page) = next else { return Ok(()) };
            let base = list
                .url
                .split_once("://")
                .map_or(0, |(scheme, rest)| scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()));
            url = self.page_address(&list.url, &page, base);
        }
        Err(FeedError::Fetch { url, cause: format!("more than {MOST_PAGES} pages") })
    }

    /// A next page is named by path and query; behind a moved base the path of the base stays.
    fn page_address(&self, first: &str, page: &str, host_end: usize) -> String {
        match &self.config.base {
            Some(base) => format!("{}{page}", base.rest.trim_end_matches('/')),
            None => format!("{}{page}", &first[..host_end]),
        }
    }

    fn take_list(&self, list: &ReferenceRequest, body: &[u8]) -> Result<Option<String>, FeedError> {
        let now = self.shared.clock.wall();
        let mut emitted = self.shared.emitted.borrow_mut();
        let mut writer = self.shared.writer.borrow_mut();
        let mut only_changed = |event: &Event<'_>| match event {
            Event::Instrument(row) => {
                // Known and unchanged: nothing to say.
                if emitted.get(row.header.instrument.0) != Some(&row.content_hash) {
                    emitted.insert(row.header.instrument.0.into(), row.content_hash);
                    writer.event(event);
                }
            }
            other => writer.event(other),
        };
        let mut catalogue = self.shared.catalogue.borrow_mut();
        let stamp = Stamp::default();
        let read = catalogue.read(&self.mapping, &list.name, body, now, stamp, &mut only_changed);
        let report =
            read.map_err(|error| FeedError::Venue { venue: self.shared.venue.clone(), message: error.to_string() })?;
        let (rows, taken, skipped) = (report.rows, report.taken, report.skipped.len());
        tracing::info!(venue = self.shared.venue, list = list.name, rows, taken, skipped, "list read");
        Ok(report.next_page)
    }

    /// Opens connections for all that is wanted and has none.
    fn connect(&mut self, connections: &mut JoinSet<()>) {
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
                    self.open(&plan, connections);
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

    fn open(&mut self, plan: &ConnectionPlan, connections: &mut JoinSet<()>) {
        for (line, address) in self.config.lines.clone().iter().enumerate() {
            let config = SessionConfig {
                segment: plan.segment.clone(),
                connection: self.next_connection,
                line: line as u8,
                subscriptions: plan.subscriptions.clone(),
                any_trade_channel: self.config.is_recording,
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
