//! The loop: take in, journal, trade, send.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kt_bus::{Bus, HotConfig, HotMessage, HotPublisher};
use kt_journal::intake::{Arrived, Command, Intake, wall};
use kt_journal::{Arrival, Journal, OutletPublisher, Sources};
use kt_model::{Event, Header, Kind, Reader};
use kt_ops::Readiness;
use kt_signals::{Input, Position};
use kt_trading::{Leg, TradingConfig};
use tokio::sync::{mpsc, watch};

use crate::config::ExecutionConfig;
use crate::control::{self, Standing};
use crate::core::{Core, HotRoutes};
use crate::error::ExecutionError;
use crate::metrics::TradeMetrics;
use crate::recover::{self, Ready};
use crate::steps::Steps;

/// Blocks that may wait for the log; beyond it nothing is taken in, and what the hot path loses then is seen.
const MOST_WAITING: usize = 4_096;
/// Blocks of definitions that are looked through at a start, for each venue.
const MOST_DEFINITIONS: usize = 4_096;
const PUMP_EVERY: Duration = Duration::from_millis(5);

/// Runs until `shutdown` completes.
///
/// # Errors
/// [`ExecutionError`]: strategies that cannot work, before anything is started; engines that do not answer;
/// a bound that was reached. A start again goes on where it ended.
pub async fn run(config: ExecutionConfig, shutdown: impl Future<Output = ()>) -> Result<(), ExecutionError> {
    TradingConfig::parse(&config.strategies)?;
    let metrics = TradeMetrics::default();
    let readiness = Readiness::not_ready("replaying the journal");
    let (stop, mut stopped) = watch::channel(false);
    let server = kt_ops::serve(config.listen, Arc::new(metrics.registry()), readiness.clone(), async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    });
    let mut server = tokio::spawn(server);
    let outcome = tokio::select! {
        served = &mut server => return match served {
            Ok(outcome) => outcome.map_err(ExecutionError::from),
            Err(_) => Err(ExecutionError::Panicked),
        },
        outcome = async {
            let mut service = Service::open(&config, metrics).await?;
            readiness.set_ready();
            service.run(shutdown).await?;
            service.finish().await
        } => outcome,
    };
    readiness.set_not_ready("stopping");
    let _ = stop.send(true);
    outcome
}

struct Service {
    journal: Journal,
    core: Core,
    intake: Intake,
    sources: Sources,
    hot: HotPublisher,
    routes: HotRoutes,
    publisher: OutletPublisher,
    steps: Steps,
    legs: Vec<Leg>,
    metrics: TradeMetrics,
    commands: mpsc::Sender<Command>,
    standing: watch::Sender<Standing>,
    /// The service forbade trading itself, because PostgreSQL was behind.
    halted_for_store: bool,
    tape_left: u64,
}

impl Service {
    async fn open(config: &ExecutionConfig, metrics: TradeMetrics) -> Result<Self, ExecutionError> {
        let bus = Bus::connect(&config.bus).await?;
        // Subscribed before the replay, so that as little as possible is missed meanwhile.
        let (sender, commands) = mpsc::channel(64);
        let intake = Intake::open(&bus, config.tick, commands).await?;
        let hot = HotPublisher::connect(&bus, HotConfig::default()).await?;
        let Ready { journal, core, publisher, steps, tell } = recover::recover(config, &bus, &metrics).await?;
        let (standing, watched) = watch::channel(Standing::default());
        let mut service = Self {
            legs: TradingConfig::parse(&config.strategies)?.legs(),
            journal,
            core,
            intake,
            sources: Sources::default(),
            hot,
            routes: HotRoutes::default(),
            publisher,
            steps,
            metrics,
            commands: sender.clone(),
            standing,
            halted_for_store: false,
            tape_left: config.limits.tape_bytes,
        };
        let described = described(&bus, &service.legs).await?;
        service.begin(&config.strategies, tell, &described)?;
        // Asked earlier, it would answer before it knows whether trading is forbidden.
        let answers = control::answer(bus, sender, watched);
        tokio::spawn(async move {
            if let Err(error) = answers.await {
                tracing::error!(%error, "nobody listens to the kill switch's subject any more");
            }
        });
        Ok(service)
    }

    /// A process began: what it works with, what it found, and that what follows is live.
    fn begin(
        &mut self,
        text: &str,
        tell: Option<kt_trading::Recovered>,
        described: &[Vec<u8>],
    ) -> Result<(), ExecutionError> {
        let hash = TradingConfig::hash(text);
        let is_same = self.core.desk.configuration() == text;
        self.take(&Input::Start(wall()))?;
        self.take(&Input::Configuration { at: wall(), hash, text })?;
        if let (Some(recovered), false) = (tell, is_same) {
            let payload = kt_trading::report::Report::Recovered(recovered).to_bytes();
            self.take(&Input::Report { at: wall(), payload: &payload })?;
        }
        for row in described {
            if let Ok(event) = Event::decode(Kind::Instrument, &mut Reader::new(row)) {
                self.journal.append_row(Kind::Instrument, row, Position::of(&event));
                self.trade(&Input::event(&event))?;
            }
        }
        self.take(&Input::CatchUp(wall()))?;
        self.send()
    }

    async fn run(&mut self, shutdown: impl Future<Output = ()>) -> Result<(), ExecutionError> {
        tokio::pin!(shutdown);
        let mut batch = Vec::with_capacity(1_024);
        let mut pump = tokio::time::interval(PUMP_EVERY);
        let mut tell = tokio::time::interval(Duration::from_secs(1));
        loop {
            let has_room = self.core.outlet.waiting() < MOST_WAITING;
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                arrived = self.intake.next(&mut batch), if has_room => {
                    arrived?;
                    for arrived in batch.drain(..) {
                        self.arrived(&arrived)?;
                    }
                    self.send()?;
                }
                _ = pump.tick() => self.publisher.pump(&mut self.core.outlet).await?,
                _ = tell.tick() => {
                    if let Err(error) = self.publisher.tell().await {
                        tracing::debug!(%error, "the accepted counter cannot be told now");
                    }
                    self.journal.write_order()?;
                    self.watch_store();
                    self.metrics.publish(&self.core, &self.steps, &self.hot);
                    if self.tape_left == 0 && self.core.desk.open_orders() == 0 {
                        return Err(ExecutionError::JournalFull);
                    }
                }
            }
        }
    }

    /// Stops in order: everything that was decided is in the log and in PostgreSQL.
    async fn finish(mut self) -> Result<(), ExecutionError> {
        self.take(&Input::Stop(wall()))?;
        self.send()?;
        self.journal.write_order()?;
        self.publisher.finish(&mut self.core.outlet, Duration::from_secs(5)).await?;
        if !self.steps.finish(Duration::from_secs(5)).await {
            tracing::warn!("PostgreSQL did not take all order steps; the next start derives them from the journal");
        }
        Ok(())
    }

    fn arrived(&mut self, arrived: &Arrived) -> Result<(), ExecutionError> {
        match arrived {
            Arrived::Tick(at) => self.take(&Input::Tick(*at)),
            Arrived::Command(at, Command::KillSwitch(on)) => self.take(&Input::KillSwitch { at: *at, on: *on }),
            Arrived::Command(at, Command::Report(payload)) => self.take(&Input::Report { at: *at, payload }),
            Arrived::Row(message) => self.row(message),
        }
    }

    /// A row of the hot path: whatever concerns no market of ours is passed over, but for its counter.
    fn row(&mut self, message: &HotMessage) -> Result<(), ExecutionError> {
        let row: &[u8] = &message.payload;
        let Ok(header) = Header::decode(&mut Reader::new(row)) else {
            self.metrics.undecodable.inc();
            return Ok(());
        };
        if !self.legs.iter().any(|leg| *leg.venue == *header.venue) {
            return Ok(());
        }
        let writer = header.writer.0;
        match self.sources.observe(writer, header.epoch, header.counter) {
            Arrival::Next => {}
            Arrival::Repeated => return Ok(()),
            Arrival::After { from, to } => {
                self.metrics.dropped(writer, to - from + 1);
                tracing::warn!(writer, from, to, "the hot path lost rows");
                self.take(&Input::Dropped { writer, epoch: header.epoch, from, to })?;
            }
        }
        let ours = header.instrument.is_empty() || self.legs.iter().any(|leg| *leg.instrument == *header.instrument);
        if !ours || matches!(message.kind, Kind::Candle | Kind::OpenInterest | Kind::Liquidation | Kind::Quarantine) {
            return Ok(());
        }
        let is_current = message.version == message.kind.schema().version;
        let event = Event::decode(message.kind, &mut Reader::new(row)).ok().filter(|_| is_current);
        let Some(event) = event else {
            self.metrics.undecodable.inc();
            return Ok(());
        };
        self.journal.append_row(message.kind, row, Position::of(&event));
        self.tape_left = self.tape_left.saturating_sub(row.len() as u64);
        self.trade(&Input::event(&event))
    }

    /// Journals an input and trades on it.
    fn take(&mut self, input: &Input<'_>) -> Result<(), ExecutionError> {
        self.journal.append(input);
        self.trade(input)
    }

    /// What follows from an input leaves only when the journal holds the input.
    fn trade(&mut self, input: &Input<'_>) -> Result<(), ExecutionError> {
        let before = self.core.desk.last_sequence();
        self.core.take(input, Some((&mut self.hot, &mut self.routes)));
        if self.core.desk.last_sequence() > before { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), ExecutionError> {
        self.journal.flush()?;
        self.hot.flush();
        if !self.core.sent_for.is_empty() {
            let now = wall();
            for received in self.core.sent_for.drain(..) {
                self.metrics.receive_to_sent.observe((now.0 - received.0) as f64 / 1e9);
            }
        }
        self.steps.send(&mut self.core.unstored)?;
        let standing = Standing { halted: self.core.desk.is_halted(), open_orders: self.core.desk.open_orders() };
        self.standing.send_if_modified(|known| std::mem::replace(known, standing) != standing);
        Ok(())
    }

    /// Trading stops while PostgreSQL is far behind, and goes on when it has caught up, unless somebody
    /// else forbade it. Both enter as inputs, so that a replay does the same.
    fn watch_store(&mut self) {
        let halted = self.core.desk.is_halted();
        if self.steps.is_behind() && !halted {
            tracing::error!(waiting = self.steps.waiting(), "PostgreSQL is behind: trading stops");
            self.halted_for_store = self.commands.try_send(Command::KillSwitch(true)).is_ok();
        } else if self.halted_for_store && self.steps.waiting() == 0 {
            self.halted_for_store = self.commands.try_send(Command::KillSwitch(false)).is_err();
            tracing::info!("PostgreSQL has caught up: trading goes on");
        }
    }
}

/// The newest definition of each leg that the log holds: the feed states them when it starts and from time to
/// time, and this service may have started in between.
async fn described(bus: &Bus, legs: &[Leg]) -> Result<Vec<Vec<u8>>, ExecutionError> {
    let mut newest: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    let venues: BTreeSet<&str> = legs.iter().map(|leg| leg.venue.as_str()).collect();
    for venue in venues {
        for (header, payload) in bus.blocks_in_log(Kind::Instrument, venue, MOST_DEFINITIONS).await? {
            let mut reader = Reader::new(&payload);
            for _ in 0..header.rows {
                let before = reader.position();
                let Ok(event) = Event::decode(Kind::Instrument, &mut reader) else { break };
                let (venue, instrument) = (event.header().venue.0, event.header().instrument.0);
                if legs.iter().any(|leg| leg.venue == venue && leg.instrument == instrument) {
                    let row = payload[before..reader.position()].to_vec();
                    newest.insert((venue.to_owned(), instrument.to_owned()), row);
                }
            }
        }
    }
    Ok(newest.into_values().collect())
}
