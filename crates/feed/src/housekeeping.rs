//! What goes on beside a writer: cutting blocks in time, synchronising, telling the audit.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use kt_bus::{Accepted, Bus};
use kt_model::{Event, State};
use tokio::sync::Notify;

use crate::clock::{Clock, ClockProbe};
use crate::startup::status_row;
use crate::writer::Writer;

/// Time between two `clock` rows.
const CLOCK_EVERY: Duration = Duration::from_secs(60);

/// Cuts what has waited long enough and wakes the log stage. Never ends.
pub(crate) async fn tick(writer: &Rc<RefCell<Writer>>, appended: &Notify, clock: &Rc<dyn Clock>) {
    loop {
        let pause = {
            let mut writer = writer.borrow_mut();
            writer.tick();
            // Short while rows wait for a deadline or for the hot path's socket.
            let due = writer.next_deadline().map_or(i64::MAX, |at| at - clock.monotonic());
            if writer.hot_backlog() { 1_000_000 } else { due.clamp(1_000_000, 20_000_000) }
        };
        appended.notify_one();
        tokio::time::sleep(Duration::from_nanos(pause.unsigned_abs())).await;
    }
}

/// Synchronises the spool at this interval; never where there is none. Never ends.
pub(crate) async fn synchronise_every(writer: &Rc<RefCell<Writer>>, interval: Option<Duration>) {
    let Some(interval) = interval else { return std::future::pending().await };
    loop {
        tokio::time::sleep(interval).await;
        synchronise(writer).await;
    }
}

/// On another thread: the disk may take its time, the writer must not.
async fn synchronise(writer: &Rc<RefCell<Writer>>) {
    let files = writer.borrow_mut().spool().take_unsynced();
    let outcome = match files {
        Ok(files) if files.is_empty() => return,
        Ok(files) => {
            let work = move || files.iter().try_for_each(std::fs::File::sync_data);
            tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)
        }
        Err(error) => return tracing::error!(%error, "the spool cannot be synchronised"),
    };
    if let Err(error) | Ok(Err(error)) = outcome {
        tracing::error!(%error, "the spool cannot be synchronised; a power loss now would lose its end");
    }
}

/// States now and every minute what this machine's clock is worth; never without a probe. Never ends.
pub(crate) async fn tell_clock(writer: &Rc<RefCell<Writer>>, clock: &Rc<dyn Clock>, probe: Option<ClockProbe>) {
    let Some(probe) = probe else { return std::future::pending().await };
    loop {
        let reading = probe();
        let detail = if reading.is_some() { "" } else { "nothing keeps this clock in step with UTC" };
        let mut row = status_row(clock, State::Clock, "probe", detail);
        row.clock_offset = reading.map(|reading| reading.offset);
        row.clock_uncertainty = reading.map(|reading| reading.uncertainty);
        writer.borrow_mut().event(&Event::Status(row));
        tokio::time::sleep(CLOCK_EVERY).await;
    }
}

/// Tells the audit once a second how far rows are accepted. Never ends.
pub(crate) async fn tell_accepted(writer: &Rc<RefCell<Writer>>, bus: &Bus, accepted: &mut Accepted) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if !put_accepted(writer, accepted).await
            && let Ok(reopened) = bus.accepted().await
        {
            *accepted = reopened; // the server may have lost the bucket with all else
        }
    }
}

/// Tells it now; whether that was confirmed.
pub(crate) async fn put_accepted(writer: &Rc<RefCell<Writer>>, accepted: &Accepted) -> bool {
    let (identity, counter) = {
        let writer = writer.borrow();
        (writer.identity().clone(), writer.accepted())
    };
    let put = accepted.put(&identity.writer, identity.epoch, counter).await;
    if let Err(error) = &put {
        tracing::debug!(%error, "the accepted counter cannot be told now");
    }
    put.is_ok()
}
