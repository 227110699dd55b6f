//! Opening a writer: recovery, epoch, and what it has to say about the time before.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use kt_bus::{Accepted, Bus, HotConfig, HotPublisher};
use kt_model::codec::Label;
use kt_model::{Event, Header, IdentityClass, Nanos, Origin, State, Status};
use tokio::sync::Notify;

use crate::FeedError;
use crate::block_builder::CutPolicy;
use crate::clock::{Clock, ClockProbe};
use crate::housekeeping::{put_accepted, synchronise_every, tell_accepted, tell_clock, tick};
use crate::log_stage::{LogStage, LogStageConfig, epoch_in_log};
use crate::metrics::{FeedMetrics, WriterMetrics};
use crate::spool::{Recovered, Spool, SpoolLimits};
use crate::writer::{Writer, WriterIdentity};

/// What a writer is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// What is received now: it goes to the hot path at once, and starts, stops and losses are announced.
    #[default]
    Live,
    /// The past: nothing of it goes to the hot path, whose subscribers would take it for news, and nothing is
    /// announced: what a killed backfill had not written is asked for again.
    Past,
}

/// How a venue's writer works.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name, the same at every start.
    pub name: String,
    /// The venue.
    pub venue: String,
    /// Folder of its spool.
    pub spool_folder: PathBuf,
    /// Bounds of the spool.
    pub spool: SpoolLimits,
    /// How often what was written to the spool is synchronised to the disk; `None` leaves it to the
    /// system, and a power loss may take what was written last.
    pub synchronise_every: Option<Duration>,
    /// Asked at the start and every minute, so that `clock` rows state what the times are worth; `None` states nothing.
    pub clock_probe: Option<ClockProbe>,
    /// When blocks are cut.
    pub cut: CutPolicy,
    /// Bounds of the hot path.
    pub hot: HotConfig,
    /// The durable log.
    pub log: LogStageConfig,
}

impl WriterConfig {
    /// Defaults for one machine: writer `feed-<venue>`, spool in a folder of that name under `folder`.
    #[must_use]
    pub fn new(venue: &str, folder: &std::path::Path) -> Self {
        let name = format!("feed-{venue}");
        Self {
            purpose: Purpose::Live,
            spool_folder: folder.join(&name),
            name,
            venue: venue.to_owned(),
            spool: SpoolLimits::default(),
            synchronise_every: None,
            clock_probe: None,
            cut: CutPolicy::default(),
            hot: HotConfig::default(),
            log: LogStageConfig::default(),
        }
    }
}

/// A writer at work, with the tasks around it. Belongs to one thread.
pub struct OpenWriter {
    /// The writer. Borrow it for moments only, never across an await.
    pub writer: Rc<RefCell<Writer>>,
    /// What an earlier run left behind.
    pub recovered: Recovered,
    /// Whether the log or the spool knows an earlier run of this writer.
    pub has_predecessor: bool,
    /// When it was opened: what is missing after an earlier run is told up to here.
    pub begun: Nanos,
    purpose: Purpose,
    appended: Rc<Notify>,
    stage: LogStage,
    accepted: Accepted,
    bus: Bus,
    synchronise_every: Option<Duration>,
    clock_probe: Option<ClockProbe>,
    clock: Rc<dyn Clock>,
}

impl OpenWriter {
    /// Recovers the spool, chooses an epoch larger than any before, and announces the start; after an
    /// unclean end also what was lost with it.
    ///
    /// # Errors
    /// [`FeedError`] when the spool is in use or unreadable, or messaging does not answer.
    pub async fn open(
        bus: &Bus,
        config: &WriterConfig,
        clock: Rc<dyn Clock>,
        metrics: &FeedMetrics,
    ) -> Result<Self, FeedError> {
        let opened = Spool::open(&config.spool_folder, config.spool)?;
        bus.ensure_log(&config.log.log).await?;
        let in_log = epoch_in_log(bus, &config.venue, &config.name).await?;
        let recovered = opened.recovered().clone();
        let known = recovered.epoch.max(in_log);
        let seconds = u32::try_from(clock.wall().0 / 1_000_000_000).unwrap_or(u32::MAX);
        let epoch = seconds.max(known.saturating_add(1));
        let mut spool = opened.begin(epoch)?;
        for (key, block) in bus.landed().await?.of_writer(&config.name).await? {
            spool.landed(key.epoch, key.kind, block)?;
        }
        let hot = match config.purpose {
            Purpose::Live => Some(HotPublisher::connect(bus, config.hot.clone()).await?),
            Purpose::Past => None,
        };
        let identity = WriterIdentity { writer: config.name.clone(), venue: config.venue.clone(), epoch };
        let writer_metrics = WriterMetrics::new(metrics, &config.venue);
        let writer = Writer::new(identity, clock.clone(), hot, spool, config.cut, writer_metrics);
        let writer = Rc::new(RefCell::new(writer));
        let appended = Rc::new(Notify::new());
        let stage = LogStage::new(bus, config.log.clone(), writer.clone(), appended.clone(), metrics.clone()).await?;
        let accepted = bus.accepted().await?;
        let (bus, synchronise_every) = (bus.clone(), config.synchronise_every);
        let purpose = config.purpose;
        let has_predecessor = known > 0;
        let open = Self {
            purpose,
            writer,
            recovered,
            has_predecessor,
            begun: clock.wall(),
            appended,
            stage,
            accepted,
            bus,
            synchronise_every,
            clock_probe: config.clock_probe,
            clock,
        };
        if purpose == Purpose::Live {
            open.announce_start(known);
        }
        Ok(open)
    }

    /// Announces something that concerns the whole venue.
    pub fn announce(&self, state: State, cause: &str, detail: &str) {
        let status = status_row(&self.clock, state, cause, detail);
        self.writer.borrow_mut().event(&Event::Status(status));
    }

    /// Does the periodic work and publishes blocks until `stop` completes; then writes what is left
    /// and waits for the log's acknowledgements.
    ///
    /// # Errors
    /// [`FeedError`] of the log stage; also when the last blocks are not acknowledged within
    /// `stop_within` (they stay in the spool).
    pub async fn run(mut self, stop: impl Future<Output = ()>, stop_within: Duration) -> Result<(), FeedError> {
        let ticks = tick(&self.writer, &self.appended, &self.clock);
        let synchronising = synchronise_every(&self.writer, self.synchronise_every);
        let probe = self.clock_probe.filter(|_| self.purpose == Purpose::Live);
        let clock_rows = tell_clock(&self.writer, &self.clock, probe);
        let accepted = tell_accepted(&self.writer, &self.bus, &mut self.accepted);
        tokio::select! {
            outcome = self.stage.run() => return outcome,
            () = ticks => {}
            () = clock_rows => {}
            () = accepted => {}
            () = synchronising => {}
            () = stop => {}
        }
        if self.purpose == Purpose::Live {
            self.announce(State::Stopped, "shutdown", "stopped in order");
        }
        let all_spooled = self.writer.borrow_mut().cut_all();
        self.writer.borrow_mut().tick();
        if !all_spooled {
            let name = self.writer.borrow().identity().writer.clone();
            tracing::error!(writer = name, "the last rows could not be spooled; they are lost and will be a gap");
        }
        self.stage.finish(stop_within).await?;
        put_accepted(&self.writer, &self.accepted).await;
        Ok(())
    }

    fn announce_start(&self, known: u32) {
        let recovered = &self.recovered;
        if recovered.torn_bytes > 0 || !recovered.damaged.is_empty() {
            let (torn, damaged) = (recovered.torn_bytes, &recovered.damaged);
            tracing::warn!(torn, ?damaged, "the spool's end was cut back to its last whole block");
        }
        self.announce(State::Started, "start", &format!("previous epoch {known}"));
        if known == 0 {
            return;
        }
        if recovered.epoch == known && recovered.stopped_in_order {
            // Nothing that was accepted is missing; what the exchange sent meanwhile is.
            let detail = format!("epoch {known} was stopped in order");
            self.announce_restart(&detail);
            return;
        }
        for hole in &recovered.unspooled {
            let mut row = status_row(&self.clock, State::Gap, "restart", "");
            let detail = format!("epoch {known}: counters {}-{} never reached the spool", hole.first, hole.last);
            (row.first_missing, row.last_missing) = (Some(hole.first), Some(hole.last));
            row.missing = Some(hole.last - hole.first + 1);
            row.detail = &detail;
            row.from_ts = recovered.last_publish;
            row.to_ts = Some(self.clock.wall());
            self.writer.borrow_mut().event(&Event::Status(row));
        }
        let detail = format!("epoch {known} ended unannounced after counter {}", recovered.last_counter);
        self.announce_restart(&detail);
    }

    /// Nobody listened from the last row of the earlier run until now; until the first connection is told by it.
    fn announce_restart(&self, detail: &str) {
        let mut row = status_row(&self.clock, State::Gap, "restart", detail);
        row.from_ts = self.recovered.last_publish;
        row.to_ts = Some(self.begun);
        self.writer.borrow_mut().event(&Event::Status(row));
    }
}

/// A status row of the writer itself; what a session or connection says comes with its own header.
pub(crate) fn status_row<'a>(clock: &Rc<dyn Clock>, state: State, cause: &'a str, detail: &'a str) -> Status<'a> {
    let now = clock.wall();
    Status {
        header: feed_header(now, "feed"),
        state,
        cause: Label(cause),
        affected: Label(""),
        from_ts: Some(now),
        to_ts: None,
        first_missing: None,
        last_missing: None,
        missing: None,
        clock_offset: None,
        clock_uncertainty: None,
        detail,
    }
}

/// Header of a row that the feed itself makes. Writer, epoch, counter and publish time are the writer's.
pub(crate) fn feed_header(now: Nanos, channel: &str) -> Header<'_> {
    Header {
        publish_ts: Nanos(0),
        counter: 0,
        epoch: 0,
        writer: Label(""),
        venue: Label(""),
        instrument: Label(""),
        channel: Label(channel),
        event_ts: now,
        exch_ts: None,
        sent_ts: None,
        recv_ts: now,
        origin: Origin::Live,
        connection: 0,
        line: 0,
        mapping: 0,
        identity: IdentityClass::Weak,
        occurrence: 0,
    }
}
