//! Reads the log and checks its blocks, ahead of the inserts by a bounded number of bytes.

use std::sync::Arc;
use std::time::Duration;

use kt_bus::{Bus, ConsumerConfig, LogAlarm, LogBlock, LogConsumer, LogPosition};
use kt_model::block::BlockError;
use tokio::sync::{Semaphore, mpsc, watch};

use super::block::CheckedBlock;
use super::error::LoaderError;
use super::identity::IdentityHasher;
use super::metrics::{CauseLabel, LoaderMetrics};

/// Blocks asked for at once.
const FETCH: usize = 500;
const WAIT: Duration = Duration::from_millis(500);
const PERMIT_BYTES: usize = 1024;

/// Room for blocks that wait for their insert.
#[derive(Clone, Debug)]
pub struct Room {
    permits: Arc<Semaphore>,
    most: u32,
}

impl Room {
    /// Room for `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let most = u32::try_from(bytes / PERMIT_BYTES).unwrap_or(u32::MAX).max(1);
        Self { permits: Arc::new(Semaphore::new(most as usize)), most }
    }

    fn permits_of(&self, block: &CheckedBlock) -> u32 {
        // A block larger than the whole room passes when the room is empty.
        u32::try_from(block.weight / PERMIT_BYTES + 1).unwrap_or(u32::MAX).min(self.most)
    }

    async fn take(&self, block: &CheckedBlock) {
        // The semaphore is never closed.
        if let Ok(permit) = self.permits.acquire_many(self.permits_of(block)).await {
            permit.forget();
        }
    }

    /// The block no longer waits.
    pub fn give_back(&self, block: &CheckedBlock) {
        self.permits.add_permits(self.permits_of(block) as usize);
    }

    /// Bytes that wait.
    #[must_use]
    pub fn used(&self) -> usize {
        (self.most as usize - self.permits.available_permits()) * PERMIT_BYTES
    }
}

/// What the fetcher hands on, in the order of the log.
#[derive(Debug)]
pub enum Fetched {
    /// A block that is what its header says.
    Block(Box<CheckedBlock>),
    /// A block that is not.
    Refused(Box<LogBlock>, BlockError),
    /// The log is not the one it was: watermarks have to be published again.
    Recreated,
}

/// Reads for ever. Ends when nobody listens.
///
/// # Errors
/// The log cannot be opened at the start; later errors are waited out.
pub async fn fetch(
    bus: Bus,
    start_after: Option<LogPosition>,
    room: Room,
    metrics: LoaderMetrics,
    to: mpsc::Sender<Fetched>,
    mut landed: watch::Receiver<Option<LogPosition>>,
) -> Result<(), LoaderError> {
    let config = ConsumerConfig { name: "loader".to_owned(), start_after, max_unacknowledged: 100_000 };
    let mut consumer = LogConsumer::open(&bus, config).await?;
    let mut hasher = IdentityHasher::default();
    loop {
        let batch = match consumer.fetch(FETCH, WAIT).await {
            Ok(batch) => batch,
            Err(error) => {
                tracing::warn!(%error, "the log does not answer, trying again");
                tokio::time::sleep(WAIT).await;
                continue;
            }
        };
        for alarm in &batch.alarms {
            report(alarm, &metrics);
            if matches!(alarm, LogAlarm::Recreated { .. }) && to.send(Fetched::Recreated).await.is_err() {
                return Ok(());
            }
        }
        for block in batch.blocks {
            let item = match CheckedBlock::check(&block, &mut hasher) {
                Ok(checked) => {
                    room.take(&checked).await;
                    Fetched::Block(Box::new(checked))
                }
                Err(error) => Fetched::Refused(Box::new(block), error),
            };
            if to.send(item).await.is_err() {
                return Ok(());
            }
        }
        let position = if landed.has_changed().unwrap_or(false) { *landed.borrow_and_update() } else { None };
        if let Some(position) = position
            && let Err(error) = consumer.acknowledge_through(position).await
        {
            tracing::debug!(%error, "the log did not take an acknowledgement; the next one covers it");
        }
    }
}

fn report(alarm: &LogAlarm, metrics: &LoaderMetrics) {
    let cause = match alarm {
        LogAlarm::Discarded { first, last } => {
            tracing::error!(
                first,
                last,
                "the log discarded blocks before they were read; their writers must send them again"
            );
            "discarded"
        }
        LogAlarm::Recreated { before, now } => {
            tracing::error!(?before, ?now, "the log was recreated or lost its end; reading it from its first block");
            "recreated"
        }
        LogAlarm::Unreadable { sequence, reason } => {
            tracing::error!(sequence, reason, "a message of the log has no readable header; passed over");
            "unreadable"
        }
    };
    metrics.alarms.get_or_create(&CauseLabel { cause }).inc();
}
