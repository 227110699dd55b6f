//! What the research service counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::size::Size;

/// A size of kernels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfSize {
    size: String,
}

/// Why something was refused or ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Cause {
    cause: String,
}

/// What a limit is kept by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Enforced {
    resource: String,
    by: String,
}

/// Counters, cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    allowed: Counter,
    refused: Family<Cause, Counter>,
    started: Family<OfSize, Counter>,
    ended: Family<Cause, Counter>,
    running: Family<OfSize, Gauge>,
    enforced: Family<Enforced, Gauge>,
    launch_seconds: Histogram,
    /// WebSocket connections open now.
    pub(crate) channels: Gauge,
    /// Starts of the gateway after the first.
    pub(crate) gateway_restarts: Counter,
    /// Lines that the audit log could not take.
    pub(crate) audit_lost: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            allowed: Counter::default(),
            refused: Family::default(),
            started: Family::default(),
            ended: Family::default(),
            running: Family::default(),
            enforced: Family::default(),
            launch_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 12)),
            channels: Gauge::default(),
            gateway_restarts: Counter::default(),
            audit_lost: Counter::default(),
        }
    }
}

impl Metrics {
    /// Registers all under `kt_research_…`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("kt_research");
        registry.register("requests", "Requests that were allowed", self.allowed.clone());
        registry.register("refused", "Requests and launches that were refused", self.refused.clone());
        registry.register("kernels_started", "Kernels started, restarts included", self.started.clone());
        registry.register("kernels_ended", "Kernels that ended, by cause", self.ended.clone());
        registry.register("kernels", "Kernels that run", self.running.clone());
        let enforced = "1: the operating system keeps kernels to this limit; 0: nothing here can";
        registry.register("limit_enforced", enforced, self.enforced.clone());
        let launch = "From the gateway's request for a process to its start";
        registry.register_with_unit("launch", launch, Unit::Seconds, self.launch_seconds.clone());
        registry.register("channels", "WebSocket connections to kernels", self.channels.clone());
        registry.register("gateway_restarts", "Starts of the gateway after the first", self.gateway_restarts.clone());
        registry.register("audit_lost", "Lines that the audit log could not take", self.audit_lost.clone());
    }

    pub(crate) fn allowed(&self) {
        self.allowed.inc();
    }

    pub(crate) fn refused(&self, cause: &str) {
        self.refused.get_or_create(&Cause { cause: cause.to_owned() }).inc();
    }

    pub(crate) fn launched(&self, size: Size, took: Duration) {
        let of_size = OfSize { size: size.to_string() };
        self.started.get_or_create(&of_size).inc();
        self.running.get_or_create(&of_size).inc();
        self.launch_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn ended(&self, size: Size, cause: &str) {
        self.running.get_or_create(&OfSize { size: size.to_string() }).dec();
        self.ended.get_or_create(&Cause { cause: cause.to_owned() }).inc();
    }

    pub(crate) fn enforced(&self, resource: &str, by: &str) {
        let labels = Enforced { resource: resource.to_owned(), by: by.to_owned() };
        self.enforced.get_or_create(&labels).set(i64::from(by != "nothing"));
    }
}
