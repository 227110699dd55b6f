//! The server's metrics, `kt_warehouse_…`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Labels of a finished statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Statement {
    /// `select`, `insert` or `other`.
    pub(super) kind: &'static str,
    /// ClickHouse's error code, 0 for success.
    pub(super) code: i32,
}

/// Labels of a statement dropped before its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Dropped {
    pub(super) cause: &'static str,
}

/// Counters of the server.
pub(super) struct Metrics {
    pub(super) registry: Registry,
    pub(super) statements: Family<Statement, Counter>,
    pub(super) dropped: Family<Dropped, Counter>,
    pub(super) seconds: Histogram,
    pub(super) rows_written: Counter,
    pub(super) rows_read: Counter,
    pub(super) bytes_in: Counter,
    pub(super) bytes_out: Counter,
    pub(super) running: Gauge,
    pub(super) sessions: Gauge,
    pub(super) connections: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            statements: Family::default(),
            dropped: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.001, 4.0, 9)),
            rows_written: Counter::default(),
            rows_read: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            running: Gauge::default(),
            sessions: Gauge::default(),
            connections: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        // The encoder appends `_total` to counters.
        registry.register("kt_warehouse_statements", "Statements by kind and error code", metrics.statements.clone());
        registry.register(
            "kt_warehouse_dropped",
            "Statements dropped before their end, by cause",
            metrics.dropped.clone(),
        );
        registry.register(
            "kt_warehouse_statement_seconds",
            "Time a worker spent on a statement",
            metrics.seconds.clone(),
        );
        registry.register("kt_warehouse_rows_written", "Rows written, views included", metrics.rows_written.clone());
        registry.register("kt_warehouse_rows_read", "Rows read from tables", metrics.rows_read.clone());
        registry.register("kt_warehouse_data_in_bytes", "Plain bytes of inserted data", metrics.bytes_in.clone());
        registry.register("kt_warehouse_data_out_bytes", "Bytes of results as sent", metrics.bytes_out.clone());
        registry.register("kt_warehouse_running_statements", "Statements running or queued", metrics.running.clone());
        registry.register("kt_warehouse_sessions", "Open sessions", metrics.sessions.clone());
        registry.register("kt_warehouse_connections", "Open connections to the engine", metrics.connections.clone());
        metrics
    }

    /// Counts a statement that did not reach its end.
    pub(super) fn drop_statement(&self, cause: &'static str) {
        self.dropped.get_or_create(&Dropped { cause }).inc();
    }

    /// The exposition text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
