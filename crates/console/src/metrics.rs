//! What the console counts about itself.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// How a question to the warehouse ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `ok`, `error`, `timeout` or `busy`.
    pub outcome: &'static str,
}

/// Counters, cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics {
    /// Events received on the hot path.
    pub events: Counter,
    /// Rows of the hot path that did not come here.
    pub missed: Counter,
    /// Messages that are no row of their kind.
    pub undecodable: Counter,
    /// Live streams open now.
    pub clients: Gauge,
    /// Clients refused because too many streams are open.
    pub clients_refused: Counter,
    /// Snapshots that slow clients did not get.
    pub snapshots_skipped: Counter,
    /// Questions to the warehouse.
    pub queries: Family<Outcome, Counter>,
    /// Probed rows that did not become queryable in time.
    pub probes_lost: Counter,
    /// Time spent applying events and taking snapshots.
    pub busy_seconds: Counter<f64, AtomicU64>,
}

impl Metrics {
    /// Registers all under `kt_console_…`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("kt_console");
        registry.register("events", "Events received on the hot path", self.events.clone());
        registry.register("missed", "Rows of the hot path that did not come here", self.missed.clone());
        registry.register("undecodable", "Hot-path messages that are no row of their kind", self.undecodable.clone());
        registry.register("clients", "Live streams open", self.clients.clone());
        registry.register("clients_refused", "Clients refused: too many live streams", self.clients_refused.clone());
        let skipped = "Snapshots not sent to clients that were too slow";
        registry.register("snapshots_skipped", skipped, self.snapshots_skipped.clone());
        registry.register("queries", "Questions to the warehouse by outcome", self.queries.clone());
        registry.register("probes_lost", "Probed rows that did not become queryable in time", self.probes_lost.clone());
        let busy = "Time spent applying events and taking snapshots";
        registry.register_with_unit("busy", busy, Unit::Seconds, self.busy_seconds.clone());
    }

    /// Counts a question to the warehouse.
    pub fn query(&self, outcome: &'static str) {
        self.queries.get_or_create(&Outcome { outcome }).inc();
    }
}
