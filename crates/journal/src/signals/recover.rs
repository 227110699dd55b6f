//! After a start: the state from snapshot and journal, and what of its outputs the log does not hold yet.

use std::path::Path;

use kt_bus::Bus;
use kt_model::{Kind, Signal};
use kt_signals::{Engine, Output};

use super::SignalsConfig;
use super::core::Core;
use super::metrics::SignalMetrics;
use crate::error::JournalError;
use crate::intake::wall;
use crate::journal::Journal;
use crate::publish::OutletPublisher;
use crate::replay;
use crate::snapshot::snapshots;

/// What the service goes on with.
pub(crate) struct Recovered {
    pub journal: Journal,
    pub core: Core,
    pub publisher: OutletPublisher,
}

/// Restores the newest snapshot whose outputs the log holds, and replays what came after. A journal that
/// cannot be continued gives way to a new epoch, loudly.
pub(crate) async fn recover(
    config: &SignalsConfig,
    bus: &Bus,
    metrics: &SignalMetrics,
) -> Result<Recovered, JournalError> {
    let mut journal = Journal::open(&config.folder, config.limits, wall())?;
    let every = i64::try_from(config.snapshot_every.as_nanos()).unwrap_or(i64::MAX);
    let publisher = OutletPublisher::open(bus, config.log.clone(), Kind::Signal, journal.epoch()).await?;
    match restore(&journal, &publisher, every, metrics).await {
        Ok(Some(core)) => return Ok(Recovered { journal, core, publisher }),
        Ok(None) => {
            tracing::error!("log or order hold what the journal's tape has lost; a new epoch begins without its state");
        }
        Err(error @ (JournalError::Gone { .. } | JournalError::Damaged { .. } | JournalError::Signals(_))) => {
            tracing::error!(%error, "the journal cannot be continued; a new epoch begins without its state");
        }
        Err(error) => return Err(error),
    }
    metrics.epochs.inc();
    journal = journal.begin_anew(wall())?;
    let publisher = OutletPublisher::open(bus, config.log.clone(), Kind::Signal, journal.epoch()).await?;
    let core = Core::new(journal.epoch(), every);
    Ok(Recovered { journal, core, publisher })
}

/// `None` when log or order are ahead of the tape: what they hold cannot be derived again.
async fn restore(
    journal: &Journal,
    publisher: &OutletPublisher,
    every: i64,
    metrics: &SignalMetrics,
) -> Result<Option<Core>, JournalError> {
    let mut core = Core::new(journal.epoch(), every);
    for (number, state) in snapshots(journal.folder())? {
        match Core::restore(&state, journal.epoch(), every) {
            Ok(restored) if restored.inputs() == number && is_logged(&restored, publisher).await? => {
                core = restored;
                break;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(number, %error, "a snapshot cannot be used, an older one is tried"),
        }
    }
    let from = core.inputs() + 1;
    if from < journal.next_number() {
        replay::replay(journal.folder(), from, |_, input| {
            core.take(input, None);
        })?;
        let replayed = core.inputs() + 1 - from;
        metrics.replayed.inc_by(replayed);
        tracing::info!(from, replayed, "the journal was replayed");
    }
    if core.inputs() + 1 != journal.next_number() {
        return Ok(None); // a power loss took the tape's end but left the order's
    }
    let writers: Vec<_> = core.outlet.writers().to_vec();
    for (place, writer) in writers.iter().enumerate() {
        let logged = publisher.logged(&writer.venue, &writer.name).await?;
        if logged > writer.blocks() {
            return Ok(None);
        }
        metrics.suppressed.inc_by(core.outlet.forget_logged(place, logged));
    }
    Ok(Some(core))
}

/// Whether every block that the state's outputs went into is in the log: the others can only be derived
/// again from an older state.
async fn is_logged(core: &Core, publisher: &OutletPublisher) -> Result<bool, JournalError> {
    for writer in core.outlet.writers() {
        if publisher.logged(&writer.venue, &writer.name).await? < writer.blocks() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Replays an epoch's tape from its beginning, or from the oldest snapshot where the tape begins later, and
/// hands each signal to `each` with the writer, epoch and counter it has live; answers the number of inputs.
///
/// # Errors
/// What the disk says, or [`JournalError::Damaged`].
pub fn replay_outputs(folder: &Path, epoch: u32, mut each: impl FnMut(&Signal<'_>)) -> Result<u64, JournalError> {
    let extent = replay::extent(folder)?;
    let (mut engine, mut counters) = (Engine::default(), std::collections::BTreeMap::<String, u64>::new());
    if extent.first > 1 {
        let usable = snapshots(folder)?.into_iter().rev().find(|(number, _)| *number + 1 >= extent.first);
        let gone = || JournalError::Gone { path: folder.to_owned(), first: extent.first, wanted: 1 };
        let (_, state) = usable.ok_or_else(gone)?;
        let core = Core::restore(&state, epoch, i64::MAX)?;
        counters.extend(core.outlet.writers().iter().map(|writer| (writer.venue.clone(), writer.counter())));
        engine = core.engine;
    }
    let before = engine.inputs();
    replay::replay(folder, before + 1, |_, input| {
        engine.on_input(input, &mut |output: &Output<'_>| {
            let mut row = output.to_row();
            let counter = counters.entry(output.leg.0.to_owned()).or_default();
            *counter += 1;
            let writer = format!("signals-{}", output.leg.0);
            (row.header.counter, row.header.epoch) = (*counter, epoch);
            row.header.writer = kt_model::Label(&writer);
            each(&row);
        });
    })?;
    Ok(engine.inputs() - before)
}
