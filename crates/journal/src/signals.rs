//! The service of `kt signals`: the ordered input through the signal engine, out to hot path and log.
//!
//! Each batch of arrivals is journaled with one write before the first of its outputs leaves the process.
//! After a kill the newest usable snapshot is restored and the journal replayed from there; blocks that the
//! log already holds are not sent again, the others are the same as they would have been.

mod catch_up;
mod core;
mod metrics;
mod recover;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kt_bus::{Bus, BusConfig, HotConfig, HotMessage, HotPublisher, LogConfig};
use kt_model::{Event, Kind, Reader};
use kt_ops::Readiness;
use kt_signals::{Input, Position};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::JournalError;
use crate::intake::{Arrived, Command, Intake, wall};
use crate::journal::{Journal, Limits};
use crate::publish::OutletPublisher;
use crate::sources::Arrival;

pub use self::recover::replay_outputs;

use self::core::{Core, HotRoutes};
use metrics::SignalMetrics;

/// Blocks that may wait for the log; beyond it nothing is taken in, and the hot path's losses are seen and
/// journaled.
const MOST_WAITING: usize = 4_096;
const PUMP_EVERY: Duration = Duration::from_millis(5);

/// What the service needs to know.
#[derive(Clone, Debug)]
pub struct SignalsConfig {
    /// Messaging.
    pub bus: BusConfig,
    /// Limits of the durable log, should it have to be created.
    pub log: LogConfig,
    /// Folder of the journal.
    pub folder: PathBuf,
    /// Bounds of the journal.
    pub limits: Limits,
    /// The declarations (TOML).
    pub definitions: String,
    /// Time between two ticks.
    pub tick: Duration,
    /// Time of the inputs between two snapshots.
    pub snapshot_every: Duration,
    /// Where `/metrics` and `/health` are served.
    pub listen: SocketAddr,
}

/// Runs until `shutdown` completes.
///
/// # Errors
/// [`JournalError`]: declarations that cannot work, before anything is started; a journal in use; a log that
/// lost its blocks (start again, they are derived anew).
pub async fn run(config: SignalsConfig, shutdown: impl Future<Output = ()>) -> Result<(), JournalError> {
    kt_signals::Engine::configured(&config.definitions)?;
    let metrics = SignalMetrics::default();
    let readiness = Readiness::not_ready("replaying the journal");
    let (stop, mut stopped) = watch::channel(false);
    let server = kt_ops::serve(config.listen, Arc::new(metrics.registry()), readiness.clone(), async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    });
    let mut server = tokio::spawn(server);
    let work = Service::open(&config, metrics);
    let outcome = tokio::select! {
        served = &mut server => return match served {
            Ok(outcome) => outcome.map_err(JournalError::from),
            Err(_) => Err(JournalError::Panicked),
        },
        outcome = async {
            let mut service = work.await?;
            readiness.set_ready();
            service.run(shutdown).await
        } => outcome,
    };
    readiness.set_not_ready("stopping");
    let _ = stop.send(true);
    outcome
}

struct Service {
    bus: Bus,
    keeper: Option<JoinHandle<()>>,
    journal: Journal,
    core: Core,
    intake: Intake,
    hot: HotPublisher,
    routes: HotRoutes,
    publisher: OutletPublisher,
    metrics: SignalMetrics,
    /// Kept open: commands come with trading.
    _commands: mpsc::Sender<Command>,
}

impl Service {
    async fn open(config: &SignalsConfig, metrics: SignalMetrics) -> Result<Self, JournalError> {
        let bus = Bus::connect(&config.bus).await?;
        // Subscribed before the replay, so that as little as possible is missed meanwhile.
        let (sender, commands) = mpsc::channel(64);
        let intake = Intake::open(&bus, config.tick, commands).await?;
        let hot = HotPublisher::connect(&bus, HotConfig::default()).await?;
        let recovered = recover::recover(config, &bus, &metrics).await?;
        let (journal, core, publisher) = (recovered.journal, recovered.core, recovered.publisher);
        let routes = HotRoutes::default();
        let mut service =
            Self { bus, keeper: None, journal, core, intake, hot, routes, publisher, metrics, _commands: sender };
        service.catch_up().await?;
        service.keeper =
            Some(tokio::spawn(catch_up::keep_log_end(service.bus.clone(), service.journal.folder().to_owned())));
        service.begin(&config.definitions)?;
        Ok(service)
    }

    /// Takes in what came while the service was down, as far as the durable log has it without a hole.
    async fn catch_up(&mut self) -> Result<(), JournalError> {
        let missed = catch_up::missed(&self.bus, self.journal.folder(), &self.core.sources).await;
        let missed = missed.unwrap_or_else(|error| {
            tracing::warn!(%error, "the log does not give what was missed; it counts as dropped");
            Vec::new()
        });
        self.metrics.caught_up.inc_by(missed.len() as u64);
        tracing::info!(rows = missed.len(), "caught up from the durable log");
        let mut rows = missed.into_iter().map(Arrived::Row);
        loop {
            let mut batch: Vec<Arrived> = rows.by_ref().take(1_024).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.take_batch(&mut batch)?;
            while self.core.outlet.waiting() >= MOST_WAITING {
                self.publisher.pump(&mut self.core.outlet).await?;
                tokio::time::sleep(PUMP_EVERY).await;
            }
        }
    }

    /// A process began: what it works with, and that what follows is live.
    fn begin(&mut self, definitions: &str) -> Result<(), JournalError> {
        let hash = kt_model::block::hash(definitions.as_bytes());
        let inputs = [
            Input::Start(wall()),
            Input::Configuration { at: wall(), hash, text: definitions },
            Input::CatchUp(wall()),
        ];
        self.take_admitted(&inputs.map(Admitted::Other))
    }

    async fn run(&mut self, shutdown: impl Future<Output = ()>) -> Result<(), JournalError> {
        tokio::pin!(shutdown);
        let mut batch = Vec::with_capacity(1_024);
        let mut pump = tokio::time::interval(PUMP_EVERY);
        let mut tell = tokio::time::interval(Duration::from_secs(1));
        loop {
            let has_room = self.core.outlet.waiting() < MOST_WAITING;
            tokio::select! {
                () = &mut shutdown => break,
                arrived = self.intake.next(&mut batch), if has_room => {
                    arrived?;
                    self.take_batch(&mut batch)?;
                }
                _ = pump.tick() => {}
                _ = tell.tick() => {
                    if let Err(error) = self.publisher.tell().await {
                        tracing::debug!(%error, "the accepted counter cannot be told now");
                    }
                    self.journal.write_order()?;
                }
            }
            self.publisher.pump(&mut self.core.outlet).await?;
            self.metrics.publish(&self.core, &self.publisher, &self.hot, &self.intake);
        }
        self.take_admitted(&[Admitted::Other(Input::Stop(wall()))])?;
        self.journal.snapshot(self.core.inputs(), &self.core.save()?)?;
        self.publisher.finish(&mut self.core.outlet, Duration::from_secs(5)).await
    }

    /// Journals what came, then computes.
    fn take_batch(&mut self, batch: &mut Vec<Arrived>) -> Result<(), JournalError> {
        let mut admitted = Vec::with_capacity(batch.len());
        for arrived in batch.iter() {
            self.admit(arrived, &mut admitted);
        }
        self.take_admitted(&admitted)?;
        drop(admitted);
        batch.clear();
        Ok(())
    }

    /// What becomes of an arrival: an input, with what is missing before it; or nothing, and a count.
    fn admit<'b>(&mut self, arrived: &'b Arrived, admitted: &mut Vec<Admitted<'b>>) {
        match arrived {
            Arrived::Tick(at) => admitted.push(Admitted::Other(Input::Tick(*at))),
            Arrived::Command(at, Command::KillSwitch(on)) => {
                admitted.push(Admitted::Other(Input::KillSwitch { at: *at, on: *on }));
            }
            Arrived::Command(at, Command::Report(payload)) => {
                admitted.push(Admitted::Other(Input::Report { at: *at, payload }));
            }
            Arrived::Row(message) => self.admit_row(message, admitted),
        }
    }

    fn admit_row<'b>(&mut self, message: &'b HotMessage, admitted: &mut Vec<Admitted<'b>>) {
        let row: &'b [u8] = &message.payload;
        let is_current = message.version == message.kind.schema().version;
        let Some(event) = Event::decode(message.kind, &mut Reader::new(row)).ok().filter(|_| is_current) else {
            self.metrics.undecodable.inc();
            return;
        };
        let position = Position::of(&event);
        match self.core.sources.observe(position.writer, position.epoch, position.counter) {
            Arrival::Next => {}
            Arrival::Repeated => {
                self.metrics.repeated.inc();
                return;
            }
            Arrival::After { from, to } => {
                self.metrics.dropped(position.writer, to - from + 1);
                tracing::warn!(writer = position.writer, from, to, "the hot path lost rows");
                let (writer, epoch) = (position.writer, position.epoch);
                admitted.push(Admitted::Other(Input::Dropped { writer, epoch, from, to }));
            }
        }
        admitted.push(Admitted::Row(message.kind, row, event));
    }

    /// The journal first, and with the operating system, before anything that follows leaves the process.
    fn take_admitted(&mut self, admitted: &[Admitted<'_>]) -> Result<(), JournalError> {
        for entry in admitted {
            match entry {
                Admitted::Row(kind, row, event) => self.journal.append_row(*kind, row, Position::of(event)),
                Admitted::Other(input) => self.journal.append(input),
            };
        }
        self.journal.flush()?;
        for entry in admitted {
            let hot = Some((&mut self.hot, &mut self.routes));
            let is_due = match entry {
                Admitted::Row(_, _, event) => self.core.take(&Input::event(event), hot),
                Admitted::Other(input) => self.core.take(input, hot),
            };
            if is_due {
                self.journal.snapshot(self.core.inputs(), &self.core.save()?)?;
            }
        }
        self.hot.flush();
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

/// An arrival that is an input.
#[expect(clippy::large_enum_variant, reason = "almost all are rows; boxing would allocate for each")]
enum Admitted<'b> {
    Row(Kind, &'b [u8], Event<'b>),
    Other(Input<'b>),
}
