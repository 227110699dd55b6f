//! What the loader counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Label of metrics kept per event kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// The kind's name.
    pub kind: &'static str,
}

/// Label of metrics kept per cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CauseLabel {
    /// Short name of the cause.
    pub cause: &'static str,
}

/// Families are clones of what the registry shows.
#[derive(Clone, Debug)]
pub struct LoaderMetrics {
    /// Rows that have landed.
    pub rows: Family<KindLabel, Counter>,
    /// Bytes of rows that have landed.
    pub bytes: Counter,
    /// Blocks that have landed.
    pub blocks: Family<KindLabel, Counter>,
    /// Blocks that came although they had landed or were on their way.
    pub repeated: Counter,
    /// Blocks that are not what their headers say.
    pub refused: Counter,
    /// Blocks missing before blocks that have landed.
    pub missing: Gauge,
    /// Bytes of rows that wait for their insert.
    pub buffered: Gauge,
    /// Alarms of the log, by cause.
    pub alarms: Family<CauseLabel, Counter>,
    /// Inserts that landed.
    pub inserts: Family<KindLabel, Counter>,
    /// Failed attempts to insert, by cause.
    pub failures: Family<CauseLabel, Counter>,
    /// Inserts that were found to have landed, whole or in part, after an error.
    pub verified: Counter,
    /// Seconds from the start of an insert to its answer.
    pub insert_seconds: Histogram,
    /// Seconds from a row's stamp by its writer to its landing, newest row of each insert.
    pub lag_seconds: Histogram,
    /// Blocks in the log behind the last one read.
    pub behind: Gauge,
    /// Whether this loader holds the lease.
    pub leading: Gauge,
}

impl LoaderMetrics {
    /// Creates the metrics in `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            rows: Family::default(),
            bytes: Counter::default(),
            blocks: Family::default(),
            repeated: Counter::default(),
            refused: Counter::default(),
            missing: Gauge::default(),
            buffered: Gauge::default(),
            alarms: Family::default(),
            inserts: Family::default(),
            failures: Family::default(),
            verified: Counter::default(),
            insert_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            lag_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            behind: Gauge::default(),
            leading: Gauge::default(),
        };
        let shown = metrics.clone();
        registry.register("kt_load_rows", "Rows landed", shown.rows);
        registry.register_with_unit("kt_load_landed", "Rows landed", Unit::Bytes, shown.bytes);
        registry.register("kt_load_blocks", "Blocks landed", shown.blocks);
        registry.register("kt_load_repeated_blocks", "Blocks that came again and were skipped", shown.repeated);
        registry.register("kt_load_refused_blocks", "Blocks that contradict their headers", shown.refused);
        registry.register("kt_load_missing_blocks", "Blocks missing before landed ones", shown.missing);
        registry.register_with_unit("kt_load_buffered", "Rows waiting for their insert", Unit::Bytes, shown.buffered);
        registry.register("kt_load_log_alarms", "Alarms of the durable log", shown.alarms);
        registry.register("kt_load_inserts", "Inserts landed", shown.inserts);
        registry.register("kt_load_insert_failures", "Failed attempts to insert", shown.failures);
        registry.register("kt_load_verified_inserts", "Inserts found landed after an error", shown.verified);
        registry.register_with_unit("kt_load_insert", "Duration of an insert", Unit::Seconds, shown.insert_seconds);
        registry.register_with_unit("kt_load_lag", "Publish to landed, newest row", Unit::Seconds, shown.lag_seconds);
        registry.register("kt_load_log_behind_blocks", "Blocks in the log not yet read", shown.behind);
        registry.register("kt_load_leading", "1 when this loader holds the lease", shown.leading);
        metrics
    }
}
