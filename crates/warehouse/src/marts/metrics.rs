//! What the mart worker counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Clones share what the registry shows.
#[derive(Clone, Debug)]
pub struct MartsMetrics {
    /// Buckets recomputed.
    pub buckets: Counter,
    /// Buckets known to be dirty that wait.
    pub waiting: Gauge,
    /// Duration of a round.
    pub round_seconds: Histogram,
    /// Rounds that failed.
    pub failures: Counter,
}

impl MartsMetrics {
    /// Creates the metrics in `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            buckets: Counter::default(),
            waiting: Gauge::default(),
            round_seconds: Histogram::new(exponential_buckets(0.005, 2.0, 13)),
            failures: Counter::default(),
        };
        let shown = metrics.clone();
        registry.register("kt_load_marts_buckets", "Buckets recomputed", shown.buckets);
        registry.register("kt_load_marts_waiting_buckets", "Dirty buckets that wait", shown.waiting);
        registry.register_with_unit("kt_load_marts_round", "Duration of a round", Unit::Seconds, shown.round_seconds);
        registry.register("kt_load_marts_failures", "Rounds that failed", shown.failures);
        metrics
    }
}
