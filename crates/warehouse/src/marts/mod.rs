//! Marts: recomputed from `landing … FINAL` by bucket of time, never added up.
//!
//! Views on `landing` mark in `ops.dirty` which ten seconds of which instrument an insert touched
//! ([`dirty`]); [`recompute`] computes those buckets anew and writes them with a higher version. Late
//! rows, repeats, corrections and backfills all take this path, and doing it twice changes nothing.
//!
//! A round starts no sooner than the round before took three times over, and each statement works on one
//! core, so that marts never take more than a third of one core's time from the loader; and no sooner than [`MartsConfig::pause`].

mod dirty;
mod metrics;
mod newest;
mod pairs;
mod recompute;
mod statements;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

pub use dirty::{Bucket, DirtyBuckets};
pub use metrics::MartsMetrics;
pub use recompute::recompute;

use crate::client::{Client, ClientError};
use crate::loader::LeaseState;

/// How marts are recomputed.
#[derive(Clone, Debug)]
pub struct MartsConfig {
    /// Shortest time from the start of one round to the next.
    pub pause: Duration,
    /// Most buckets of one round.
    pub buckets: usize,
    /// Most buckets that wait in memory; marks beyond stay in `ops.dirty`.
    pub waiting: usize,
}

impl Default for MartsConfig {
    fn default() -> Self {
        Self { pause: Duration::from_millis(1_800), buckets: 4_000, waiting: 400_000 }
    }
}

/// One round may take this long; the lease must last beyond it.
const ROUND_TIME: Duration = Duration::from_secs(15);
/// How often the place in `ops.dirty` is written down while there is work: after a stop, marks behind it are recomputed again.
const REMEMBER_EVERY: Duration = Duration::from_secs(10);

/// Recomputes until `stop`, under the loader's lease.
pub(crate) async fn run(
    config: MartsConfig,
    client: Client,
    lease: LeaseState,
    metrics: MartsMetrics,
    stop: CancellationToken,
) {
    let mut worker = Worker { config, client, metrics, dirty: None, version: 0, remembered: Instant::now() };
    while !stop.is_cancelled() {
        let started = Instant::now();
        if lease.allows(ROUND_TIME)
            && let Err(error) = worker.round().await
        {
            worker.metrics.failures.inc();
            tracing::warn!(%error, "marts could not be recomputed, trying again");
            // Buckets taken for the round are read again from ops.dirty.
            worker.dirty = None;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let rest = worker.config.pause.max(started.elapsed() * 3).saturating_sub(started.elapsed());
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = stop.cancelled() => {}
        }
    }
    worker.remember().await;
}

struct Worker {
    config: MartsConfig,
    client: Client,
    metrics: MartsMetrics,
    dirty: Option<DirtyBuckets>,
    version: u64,
    remembered: Instant,
}

impl Worker {
    async fn round(&mut self) -> Result<(), ClientError> {
        let mut dirty = match self.dirty.take() {
            Some(dirty) => dirty,
            None => {
                let (dirty, version) = DirtyBuckets::open(&self.client).await?;
                self.version = self.version.max(version);
                dirty
            }
        };
        dirty.read(&self.client, self.config.waiting).await?;
        let buckets = dirty.take(self.config.buckets);
        if !buckets.is_empty() {
            let started = Instant::now();
            self.version = next_version(self.version);
            recompute(&self.client, &buckets, self.version).await?;
            dirty.settle();
            self.metrics.round_seconds.observe(started.elapsed().as_secs_f64());
            self.metrics.buckets.inc_by(buckets.len() as u64);
        }
        self.metrics.waiting.set(i64::try_from(dirty.waiting()).unwrap_or(i64::MAX));
        let idle = buckets.is_empty() && dirty.has_news();
        self.dirty = Some(dirty);
        if idle || self.remembered.elapsed() >= REMEMBER_EVERY {
            self.remember().await;
        }
        Ok(())
    }

    async fn remember(&mut self) {
        self.remembered = Instant::now();
        if let Some(dirty) = &mut self.dirty
            && let Err(error) = dirty.remember(&self.client, self.version).await
        {
            tracing::warn!(%error, "the place in ops.dirty could not be written down; marks will be recomputed again");
        }
    }
}

/// Grows with every round, also when the clock goes back.
fn next_version(last: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    u64::try_from(now).unwrap_or(u64::MAX - 1).max(last + 1)
}
