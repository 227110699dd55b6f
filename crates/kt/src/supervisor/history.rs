//! Writes what happens to services into the log and into PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use kt_store::{EventKind, PlatformEvent, Store, StoreConfig};
use tokio::sync::mpsc;

/// Events that may wait while PostgreSQL is away. Beyond it the newest are dropped, and counted.
const QUEUE: usize = 1024;

/// Takes events from services. Clones share one queue.
#[derive(Clone)]
pub(crate) struct Recorder {
    run: Arc<str>,
    queue: mpsc::Sender<PlatformEvent>,
    dropped: Arc<AtomicU64>,
    /// Queued or at hand, not yet in the database.
    waiting: Arc<AtomicU64>,
}

/// The writing end's view of the queue.
pub(crate) struct Queue {
    events: mpsc::Receiver<PlatformEvent>,
    waiting: Arc<AtomicU64>,
}

impl Recorder {
    /// A recorder and the queue that [`write()`] empties.
    pub(crate) fn new(run: &str) -> (Self, Queue) {
        let (queue, events) = mpsc::channel(QUEUE);
        let waiting = Arc::<AtomicU64>::default();
        let recorder = Self { run: run.into(), queue, dropped: Arc::default(), waiting: Arc::clone(&waiting) };
        (recorder, Queue { events, waiting })
    }

    /// Waits until everything recorded is written, but no longer than `limit`.
    pub(crate) async fn settle(&self, limit: Duration) {
        let written = async {
            while self.waiting.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(limit, written).await.is_err() {
            let waiting = self.waiting.load(Ordering::Acquire);
            tracing::warn!(waiting, "the last events are in the log but not in the history");
        }
    }

    /// Logs an event at once and queues it for the database.
    pub(crate) fn record(&self, service: &str, kind: EventKind, cause: &str, pid: Option<u32>, restarts: u32) {
        match kind {
            EventKind::Exited | EventKind::Unhealthy => {
                tracing::warn!(service, ?kind, cause, pid, restarts, "service event");
            }
            _ => tracing::info!(service, ?kind, cause, pid, restarts, "service event"),
        }
        let event = PlatformEvent {
            happened_at: SystemTime::now(),
            run: self.run.to_string(),
            service: service.to_owned(),
            kind,
            cause: cause.to_owned(),
            pid,
            restarts,
        };
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.queue.try_send(event).is_err() {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(kt_supervisor_events_dropped_total = dropped, "history queue is full: event only logged");
        }
    }
}

/// Writes events until all recorders are gone. While the table cannot be written, the event at
/// hand is tried again and the others wait.
pub(crate) async fn write(config: StoreConfig, mut queue: Queue) {
    let mut store = None;
    while let Some(event) = queue.events.recv().await {
        while let Err(error) = insert(&config, &mut store, &event).await {
            tracing::debug!(%error, "history is not written yet");
            store = None;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        queue.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn insert(config: &StoreConfig, store: &mut Option<Store>, event: &PlatformEvent) -> Result<(), kt_store::Error> {
    let connected = match store {
        Some(connected) => connected,
        None => store.insert(Store::connect(config).await?),
    };
    connected.record_event(event).await
}
