//! Steps on their way to PostgreSQL: a bounded queue and one task that does not give up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kt_model::{DecodeError, Order, Reader, Row};
use kt_store::{Store, StoreConfig};
use tokio::sync::mpsc;

use crate::error::ExecutionError;

/// Steps that may wait.
const QUEUE: usize = 16_384;
/// Steps written in one transaction, at most: what has come meanwhile.
const BATCH: usize = 1_024;
const PAUSE: Duration = Duration::from_millis(500);

/// The way to PostgreSQL.
pub(crate) struct Steps {
    sender: mpsc::Sender<Vec<u8>>,
    written: Arc<AtomicU64>,
    failures: Arc<AtomicU64>,
    sent: u64,
    task: tokio::task::JoinHandle<()>,
}

impl Steps {
    /// Starts the task on a connection that stands.
    pub fn start(config: StoreConfig, store: Store) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (written, failures) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn(write_all(config, store, receiver, written.clone(), failures.clone()));
        Self { sender, written, failures, sent: 0, task }
    }

    /// Hands steps over without waiting.
    ///
    /// # Errors
    /// [`ExecutionError::StoreBehind`] when the queue is full: the steps are derived again after a restart.
    pub fn send(&mut self, steps: &mut Vec<Vec<u8>>) -> Result<(), ExecutionError> {
        for step in steps.drain(..) {
            self.sender.try_send(step).map_err(|_| ExecutionError::StoreBehind(QUEUE))?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Hands steps over, waiting for room: for what a replay derives.
    ///
    /// # Errors
    /// [`ExecutionError::Panicked`] when the task is gone.
    pub async fn send_patiently(&mut self, steps: &mut Vec<Vec<u8>>) -> Result<(), ExecutionError> {
        for step in steps.drain(..) {
            self.sender.send(step).await.map_err(|_| ExecutionError::Panicked)?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Steps that PostgreSQL has not confirmed yet.
    pub fn waiting(&self) -> u64 {
        self.sent.saturating_sub(self.written.load(Ordering::Acquire))
    }

    /// Whether half of the queue is taken.
    pub fn is_behind(&self) -> bool {
        self.waiting() > QUEUE as u64 / 2
    }

    /// How often writing failed and was tried again.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, for at most `within`; `false` when it is not.
    pub async fn finish(self, within: Duration) -> bool {
        drop(self.sender);
        tokio::time::timeout(within, self.task).await.is_ok()
    }
}

async fn write_all(
    config: StoreConfig,
    store: Store,
    mut queue: mpsc::Receiver<Vec<u8>>,
    written: Arc<AtomicU64>,
    failures: Arc<AtomicU64>,
) {
    let mut store = Some(store);
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        while let Err(error) = write(&config, &mut store, &batch).await {
            failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, steps = batch.len(), "order steps could not be written, trying again");
            store = None;
            tokio::time::sleep(PAUSE).await;
        }
        written.fetch_add(batch.len() as u64, Ordering::Release);
        batch.clear();
    }
}

async fn write(config: &StoreConfig, store: &mut Option<Store>, batch: &[Vec<u8>]) -> Result<(), ExecutionError> {
    let connection = match store {
        Some(connection) => connection,
        None => store.insert(connect(config).await?),
    };
    // What this process encoded decodes.
    let steps: Vec<Order<'_>> = batch.iter().filter_map(|bytes| decode(bytes).ok()).collect();
    Ok(connection.write_order_steps(&steps).await?)
}

/// A connection for writing steps.
pub(crate) async fn connect(config: &StoreConfig) -> Result<Store, kt_store::Error> {
    let store = Store::connect(config).await?;
    store.commit_without_waiting().await?;
    Ok(store)
}

fn decode(bytes: &[u8]) -> Result<Order<'_>, DecodeError> {
    Order::decode(&mut Reader::new(bytes))
}
