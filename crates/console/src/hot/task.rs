//! The one task that owns the state: events in, snapshots out, no lock.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use kt_bus::{Bus, BusConfig, HotMessage, HotSubscriber};
use kt_model::Nanos;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::scanner::AgeLimits;
use super::snapshot::Snapshot;
use super::state::{HotState, Sample};
use crate::metrics::Metrics;
use crate::seed::Seed;

/// Time between snapshots while somebody looks: fifty a second.
const TICK: Duration = Duration::from_millis(20);
/// Messages taken in one go before the clock is looked at again.
const BURST: usize = 256;
/// Pause before a failed connection is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the watcher of the warehouse reports.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Landing {
    /// Rows a second that became queryable, and how often this was reported.
    pub rows: (u64, u64),
    /// Receive → queryable of the last probe in ms, and how many probes ended.
    pub queryable: (f64, u64),
}

/// State of the connection to the messaging server.
#[derive(Clone, Debug)]
pub struct BusState {
    /// Whether events can come.
    pub ok: bool,
    /// In words.
    pub detail: String,
}

/// What the task is connected to.
pub struct Wires {
    /// Newest snapshot.
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    /// State of the connection.
    pub bus: watch::Sender<BusState>,
    /// Rows to look for in the warehouse; one at a time.
    pub samples: mpsc::Sender<Sample>,
    /// What the watcher of the warehouse found.
    pub landing: watch::Receiver<Landing>,
    /// Values from before the console started.
    pub seeds: mpsc::Receiver<Seed>,
    /// Counters.
    pub metrics: Metrics,
}

/// The present moment.
#[must_use]
pub fn wall_clock() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The task.
pub struct HotTask {
    state: HotState,
    wires: Wires,
    limits: AgeLimits,
    stale_after: Duration,
    version: u64,
    second: i64,
    history: Arc<Vec<Arc<super::tally::Second>>>,
    landing_seen: Landing,
}

impl HotTask {
    /// A task with nothing known yet.
    #[must_use]
    pub fn new(wires: Wires, limits: AgeLimits, stale_after: Duration) -> Self {
        let history = Arc::default();
        let landing_seen = Landing::default();
        let second = wall_clock().0 / 1_000_000_000;
        Self { state: HotState::default(), wires, limits, stale_after, version: 0, second, history, landing_seen }
    }

    /// Runs for ever: connects, receives, connects again. Snapshots go on while there is no connection,
    /// so that the page shows what grows stale.
    pub async fn run(mut self, config: BusConfig) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let mut connecting = std::pin::pin!(connect(&config));
            let connected = loop {
                tokio::select! {
                    _ = tick.tick() => self.tick(),
                    seed = self.wires.seeds.recv() => self.seed(seed),
                    connected = &mut connecting => break connected,
                }
            };
            match connected {
                Ok((bus, subscriber)) => self.receive(&bus, subscriber, &mut tick).await,
                Err(detail) => {
                    tracing::warn!(detail, "no hot path; trying again");
                    self.wires.bus.send_replace(BusState { ok: false, detail });
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn receive(&mut self, bus: &Bus, mut subscriber: HotSubscriber, tick: &mut tokio::time::Interval) {
        loop {
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    self.report_connection(bus);
                    self.tick();
                }
                message = subscriber.next() => {
                    let Ok(message) = message else {
                        let detail = "the subscription ended; connecting again".to_owned();
                        self.wires.bus.send_replace(BusState { ok: false, detail });
                        return;
                    };
                    self.burst(&message, &mut subscriber);
                }
                seed = self.wires.seeds.recv() => self.seed(seed),
            }
        }
    }

    /// Applies a message and those that wait behind it.
    fn burst(&mut self, first: &HotMessage, subscriber: &mut HotSubscriber) {
        let start = Instant::now();
        self.apply(first);
        for _ in 1..BURST {
            match subscriber.next().now_or_never() {
                Some(Ok(message)) => self.apply(&message),
                // An error shows again at the next regular receive.
                _ => break,
            }
        }
        self.wires.metrics.busy_seconds.inc_by(start.elapsed().as_secs_f64());
    }

    fn apply(&mut self, message: &HotMessage) {
        self.wires.metrics.events.inc();
        if let Some(gap) = &message.missing {
            self.state.tally.miss(gap.rows());
            self.wires.metrics.missed.inc_by(gap.rows());
        }
        let applied = self.state.apply(message.kind, &message.payload, wall_clock());
        if let Err(error) = applied {
            self.wires.metrics.undecodable.inc();
            if self.state.undecodable == 1 {
                tracing::warn!(kind = %message.kind, version = message.version, %error, "a hot-path row cannot be read");
            }
        }
    }

    fn seed(&mut self, seed: Option<Seed>) {
        match seed {
            Some(seed) => seed.plant(&mut self.state.market),
            // The watcher has ended; a closed channel must not spin this loop.
            None => self.wires.seeds = mpsc::channel(1).1,
        }
    }

    fn report_connection(&mut self, bus: &Bus) {
        let ok = bus.is_connected();
        self.wires.bus.send_if_modified(|held| {
            let detail = if ok { "connected" } else { "the messaging server is gone; reconnecting" };
            let changed = held.ok != ok || held.detail != detail;
            *held = BusState { ok, detail: detail.to_owned() };
            changed
        });
    }

    /// Ends finished seconds and shows the state to whoever looks.
    fn tick(&mut self) {
        let start = Instant::now();
        let now = wall_clock();
        let second = now.0 / 1_000_000_000;
        let ended = second != self.second;
        if ended {
            self.end_second(Nanos(self.second * 1_000_000_000));
            self.second = second;
        }
        // Without a client one snapshot a second is enough for the tables that are asked for.
        if ended || self.wires.metrics.clients.get() > 0 {
            self.version += 1;
            let stale_after_ms = u64::try_from(self.stale_after.as_millis()).unwrap_or(u64::MAX);
            let history = Arc::clone(&self.history);
            let snapshot = Snapshot::take(&self.state, self.version, now, history, self.limits, stale_after_ms);
            self.wires.snapshots.send_replace(Arc::new(snapshot));
        }
        self.wires.metrics.busy_seconds.inc_by(start.elapsed().as_secs_f64());
    }

    fn end_second(&mut self, at: Nanos) {
        let landing = *self.wires.landing.borrow();
        let landed = (landing.rows.1 != self.landing_seen.rows.1).then_some(landing.rows.0);
        let queryable = (landing.queryable.1 != self.landing_seen.queryable.1).then_some(landing.queryable.0);
        self.landing_seen = landing;
        self.state.tally.end_second(at, landed, queryable);
        self.history = Arc::new(self.state.tally.history().iter().cloned().collect());
        if let Some(sample) = self.state.sample.take() {
            // A full queue means that a probe is still under way.
            let _ = self.wires.samples.try_send(sample);
        }
    }
}

async fn connect(config: &BusConfig) -> Result<(Bus, HotSubscriber), String> {
    let bus = Bus::connect(config).await.map_err(|error| error.to_string())?;
    let subscriber = bus.subscribe_venue(None).await.map_err(|error| error.to_string())?;
    Ok((bus, subscriber))
}
