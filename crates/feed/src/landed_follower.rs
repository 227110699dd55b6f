//! Following the loader's landed watermark.

use std::time::Duration;

use kt_bus::{Bus, LandedKey, LandedWatch};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Age at which the watch of the landed watermark is opened anew.
const WATCH_AGE: Duration = Duration::from_secs(60);

/// Follows the landed watermark over everything that may happen to its bucket. A watch does not always
/// say that its bucket is gone, so it is opened anew after each reconnect and from time to time.
pub(crate) struct LandedFollower {
    bus: Bus,
    writer: String,
    watch: Option<LandedWatch>,
    generation: u64,
    opened: Instant,
}

impl LandedFollower {
    pub fn new(bus: &Bus, writer: &str) -> Self {
        Self { bus: bus.clone(), writer: writer.to_owned(), watch: None, generation: 0, opened: Instant::now() }
    }

    /// Hands every change to `changes` until nobody takes them any more.
    pub async fn run(mut self, changes: mpsc::Sender<(LandedKey, u64)>) {
        loop {
            let is_old = self.generation != self.bus.connections_made() || self.opened.elapsed() > WATCH_AGE;
            if is_old || self.watch.is_none() {
                self.open().await;
            }
            let Some(watch) = &mut self.watch else {
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            };
            match tokio::time::timeout(Duration::from_secs(1), watch.next()).await {
                Ok(Ok(Some(change))) => {
                    if changes.send(change).await.is_err() {
                        return;
                    }
                }
                Ok(Ok(None)) => self.watch = None,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the landed watermark's watch broke");
                    self.watch = None;
                }
                Err(_) => {}
            }
        }
    }

    async fn open(&mut self) {
        let generation = self.bus.connections_made();
        let opened = async { self.bus.landed().await?.watch(&self.writer).await }.await;
        match opened {
            Ok(watch) => (self.watch, self.generation, self.opened) = (Some(watch), generation, Instant::now()),
            Err(error) => {
                self.watch = None;
                tracing::debug!(%error, "the landed watermark cannot be followed yet");
            }
        }
    }
}
