//! After a start: the state from the journal, or, where there is none, from PostgreSQL.

use std::path::Path;
use std::time::Duration;

use kt_bus::Bus;
use kt_journal::intake::wall;
use kt_journal::{Journal, JournalError, OutletPublisher, replay};
use kt_model::{Kind, Nanos, Order};
use kt_store::{Store, TradingState};
use kt_trading::{Desk, Record, Recovered, RecoveredOrder, RecoveredPosition};

use crate::config::ExecutionConfig;
use crate::core::{Core, WRITER};
use crate::error::ExecutionError;
use crate::metrics::TradeMetrics;
use crate::steps::{self, Steps};

/// What the service goes on with.
pub(crate) struct Ready {
    pub journal: Journal,
    pub core: Core,
    pub publisher: OutletPublisher,
    pub steps: Steps,
    /// What a new desk has to be told after its configuration; `None` when the journal gave the state.
    pub tell: Option<Recovered>,
}

/// Brings journal, log and PostgreSQL to the same point, whatever was killed before.
pub(crate) async fn recover(
    config: &ExecutionConfig,
    bus: &Bus,
    metrics: &TradeMetrics,
) -> Result<Ready, ExecutionError> {
    let store = steps::connect(&config.store).await?;
    let stored = store.last_order_step().await?;
    let journal = Journal::open(&config.folder, config.limits, wall())?;
    let mut publisher = OutletPublisher::open(bus, config.log.clone(), Kind::Order, journal.epoch()).await?;
    let mut core = Core::new(journal.epoch(), stored);
    let is_new = journal.next_number() == 1;
    let continued = match replay_into(&journal, &mut core, &publisher, metrics).await {
        Ok(explains) => explains && core.desk.last_sequence() >= stored,
        Err(error @ (JournalError::Gone { .. } | JournalError::Damaged { .. })) => {
            tracing::error!(%error, "the journal cannot be continued");
            false
        }
        Err(error) => return Err(error.into()),
    };
    if !continued && !is_new {
        tracing::error!("PostgreSQL or the log hold steps that the journal does not explain: going on from PostgreSQL");
    }
    if !continued {
        return from_store(config, bus, metrics, journal, (store, stored), is_new).await;
    }
    let mut steps = Steps::start(config.store.clone(), store);
    steps.send_patiently(&mut core.unstored).await?;
    // A journal that has grown too long gives its state to a new one, once all that it says is out.
    if tape_bytes(journal.folder()) > config.limits.tape_bytes {
        tracing::info!("the journal has reached its bound, a new one begins with its state");
        core.outlet.cut_all();
        publisher.finish(&mut core.outlet, Duration::from_secs(30)).await?;
        let tell = Some(core.desk.recovered());
        let stored = core.desk.last_sequence();
        metrics.epochs.inc();
        let journal = journal.begin_anew(wall())?;
        let publisher = OutletPublisher::open(bus, config.log.clone(), Kind::Order, journal.epoch()).await?;
        let core = Core::new(journal.epoch(), stored);
        return Ok(Ready { journal, core, publisher, steps, tell });
    }
    // Another configuration makes a new desk, which has to be told what this one holds.
    let tell = Some(core.desk.recovered()).filter(|_| !is_new);
    Ok(Ready { journal, core, publisher, steps, tell })
}

async fn from_store(
    config: &ExecutionConfig,
    bus: &Bus,
    metrics: &TradeMetrics,
    journal: Journal,
    (store, stored): (Store, u64),
    is_new: bool,
) -> Result<Ready, ExecutionError> {
    let journal = if is_new { journal } else { journal.begin_anew(wall())? };
    metrics.epochs.inc();
    let state = store.trading_state().await?;
    let publisher = OutletPublisher::open(bus, config.log.clone(), Kind::Order, journal.epoch()).await?;
    let core = Core::new(journal.epoch(), stored);
    let steps = Steps::start(config.store.clone(), store);
    let tell = (stored > 0).then(|| recovered(&state));
    Ok(Ready { journal, core, publisher, steps, tell })
}

/// `false` when the log holds blocks that the journal does not explain.
async fn replay_into(
    journal: &Journal,
    core: &mut Core,
    publisher: &OutletPublisher,
    metrics: &TradeMetrics,
) -> Result<bool, JournalError> {
    if journal.next_number() > 1 {
        replay::replay(journal.folder(), 1, |_, input| core.take(input, None))?;
        metrics.replayed.inc_by(core.inputs);
        tracing::info!(inputs = core.inputs, steps = core.desk.last_sequence(), "the journal was replayed");
    }
    let writers: Vec<_> = core.outlet.writers().to_vec();
    for (place, writer) in writers.iter().enumerate() {
        let logged = publisher.logged(&writer.venue, &writer.name).await?;
        if logged > writer.blocks() {
            return Ok(false);
        }
        core.outlet.forget_logged(place, logged);
    }
    Ok(true)
}

fn tape_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|entry| entry.metadata().ok()).filter(|data| data.is_file()).map(|data| data.len()).sum()
}

fn recovered(state: &TradingState) -> Recovered {
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    // PostgreSQL's own numerics with at most 18 digits after the point always fit.
    let decimal = |text: &String| text.parse().unwrap_or_default();
    let positions = state.positions.iter().map(|position| RecoveredPosition {
        strategy: position.strategy.clone(),
        venue: position.venue.clone(),
        instrument: position.instrument.clone(),
        quantity: decimal(&position.quantity),
        cash: decimal(&position.cash),
        fees: decimal(&position.fees),
        funding: decimal(&position.funding),
    });
    let open_orders = state.open_orders.iter().map(|order| RecoveredOrder {
        client_order_id: order.client_order_id.clone(),
        strategy: order.strategy.clone(),
        venue: order.venue.clone(),
        instrument: order.instrument.clone(),
    });
    Recovered {
        last_sequence: whole(state.last_sequence),
        last_order: whole(state.last_order),
        last_event: Nanos(state.last_event),
        halted: state.halted,
        markets: Vec::new(),
        positions: positions.collect(),
        open_orders: open_orders.collect(),
    }
}

/// Replays an epoch's tape from its beginning and hands each order step to `each` with the writer, epoch and
/// counter it has live; answers the number of inputs.
///
/// # Errors
/// What the disk says, or [`JournalError::Damaged`].
pub fn replay_orders(folder: &Path, epoch: u32, mut each: impl FnMut(&Order<'_>)) -> Result<u64, JournalError> {
    let mut desk = Desk::paper();
    let mut counters = std::collections::BTreeMap::<Box<str>, u64>::new();
    let mut inputs = 0;
    replay::replay(folder, 1, |_, input| {
        inputs += 1;
        desk.on_input(input, &mut |record: &Record| {
            let counter = counters.entry(record.venue.clone()).or_default();
            *counter += 1;
            let writer = format!("{WRITER}-{}", record.venue);
            let mut row = record.row();
            (row.header.counter, row.header.epoch) = (*counter, epoch);
            row.header.writer = kt_model::Label(&writer);
            each(&row);
        });
    })?;
    Ok(inputs)
}
