//! From messaging, timer and commands to one sequence of arrivals.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use kt_bus::{Bus, HotMessage, HotSubscriber};
use kt_model::Nanos;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

use crate::error::JournalError;

/// Most arrivals taken at once: what waits is journaled with one write.
const BATCH: usize = 1_024;

/// What a service is told while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Forbid trading, or allow it again.
    KillSwitch(bool),
    /// An acknowledgement or execution report.
    Report(Vec<u8>),
}

/// One thing that came.
#[derive(Debug)]
pub enum Arrived {
    /// A row of the hot path.
    Row(HotMessage),
    /// The timer.
    Tick(Nanos),
    /// A command.
    Command(Nanos, Command),
}

/// Takes in what comes, in the order in which it is taken.
pub struct Intake {
    subscriber: HotSubscriber,
    timer: Interval,
    commands: mpsc::Receiver<Command>,
}

impl Intake {
    /// All rows of all venues, a tick each `tick`, and what comes by `commands` (bounded by whoever made it).
    ///
    /// # Errors
    /// [`JournalError::Bus`] when the subscription is refused.
    pub async fn open(bus: &Bus, tick: Duration, commands: mpsc::Receiver<Command>) -> Result<Self, JournalError> {
        let subscriber = bus.subscribe_venue(None).await?;
        let mut timer = tokio::time::interval(tick);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { subscriber, timer, commands })
    }

    /// Waits for something to come and takes what is there, up to a bound. Safe to cancel: what was
    /// taken is in `batch`.
    ///
    /// # Errors
    /// [`JournalError::Bus`] when the subscription ended.
    pub async fn next(&mut self, batch: &mut Vec<Arrived>) -> Result<(), JournalError> {
        tokio::select! {
            biased;
            Some(command) = self.commands.recv() => batch.push(Arrived::Command(wall(), command)),
            _ = self.timer.tick() => batch.push(Arrived::Tick(wall())),
            message = self.subscriber.next() => batch.push(Arrived::Row(message?)),
        }
        while batch.len() < BATCH {
            match self.subscriber.next().now_or_never() {
                Some(message) => batch.push(Arrived::Row(message?)),
                None => break,
            }
        }
        Ok(())
    }

    /// Messages passed over because they were no rows.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.subscriber.unreadable()
    }
}

/// Now, by this machine's clock.
#[must_use]
pub fn wall() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
