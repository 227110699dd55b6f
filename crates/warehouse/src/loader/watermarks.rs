//! Publishes the landed watermark, by which writers trim their spools.

use std::collections::HashMap;

use kt_bus::{Bus, Landed, LandedKey};

use super::block::StreamKey;

/// The landed watermark as the writers see it.
pub(super) struct Watermarks {
    landed: Landed,
    published: HashMap<StreamKey, u64>,
}

impl Watermarks {
    /// Nothing is published yet.
    pub fn new(landed: Landed) -> Self {
        Self { landed, published: HashMap::new() }
    }

    /// Opens the bucket again, which was lost with the log's store.
    pub async fn reopen(&mut self, bus: &Bus) {
        self.published.clear();
        match bus.landed().await {
            Ok(landed) => self.landed = landed,
            Err(error) => {
                tracing::warn!(%error, "the landed watermark cannot be opened; trying again with the next one")
            }
        }
    }

    /// Publishes what has risen. What could not be published is with the next change: a late
    /// watermark only keeps spools longer.
    pub async fn publish(&mut self, bus: &Bus, marks: impl IntoIterator<Item = (StreamKey, u64)>) {
        let risen = |key: &StreamKey, mark: u64| mark > self.published.get(key).copied().unwrap_or(0);
        let marks: Vec<_> = marks.into_iter().filter(|(key, mark)| risen(key, *mark)).collect();
        let puts = marks.iter().map(|(key, mark)| {
            let landed = self.landed.clone();
            let name = LandedKey { writer: key.writer.clone(), epoch: key.epoch, kind: key.kind };
            async move { landed.put(&name, *mark).await }
        });
        let outcomes = futures::future::join_all(puts).await;
        let mut failed = false;
        for ((key, mark), outcome) in marks.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => drop(self.published.insert(key, mark)),
                Err(error) => {
                    failed = true;
                    tracing::warn!(%error, mark, "a landed watermark could not be published");
                }
            }
        }
        if failed {
            self.reopen(bus).await;
        }
    }
}
