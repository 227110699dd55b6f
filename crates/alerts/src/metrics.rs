//! What the service counts about itself and what its probes found in the warehouse.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A gauge of real numbers.
pub(crate) type Real = Gauge<f64, AtomicU64>;

/// Label `outcome`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    pub(crate) outcome: &'static str,
}

/// Label `stage`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StageLabel {
    pub(crate) stage: &'static str,
}

/// Label `venue`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Venue {
    pub(crate) venue: String,
}

/// Labels `venue` and `instrument`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Instrument {
    pub(crate) venue: String,
    pub(crate) instrument: String,
}

/// Label `disk`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Disk {
    pub(crate) disk: String,
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    pub(crate) scrapes: Family<Outcome, Counter>,
    pub(crate) probes: Family<Outcome, Counter>,
    pub(crate) deliveries: Family<Outcome, Counter>,
    pub(crate) records: Family<Outcome, Counter>,
    pub(crate) series: Gauge,
    pub(crate) series_refused: Gauge,
    pub(crate) rule_problems: Gauge,
    pub(crate) alerts: Family<StageLabel, Gauge>,
    pub(crate) open_gaps: Family<Venue, Gauge>,
    pub(crate) rejected_orders: Family<Venue, Gauge>,
    pub(crate) basis_zscore: Family<Instrument, Real>,
    pub(crate) funding_sign: Family<Instrument, Gauge>,
    pub(crate) disk_free: Family<Disk, Real>,
    pub(crate) landed_age: Real,
}

impl Metrics {
    /// Registers all under `kt_alerts_…`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("kt_alerts");
        registry.register("scrapes", "Services asked for their metrics, by outcome", self.scrapes.clone());
        registry.register("probes", "Questions to the warehouse, by outcome", self.probes.clone());
        registry.register("deliveries", "Notices to webhooks, by outcome", self.deliveries.clone());
        registry.register("records", "Changes of alerts written to ops.alerts, by outcome", self.records.clone());
        registry.register("series", "Series held for the rules", self.series.clone());
        registry.register("series_refused", "Series refused because too many were held", self.series_refused.clone());
        registry.register(
            "rule_problems",
            "Rules that could not be evaluated in the last round",
            self.rule_problems.clone(),
        );
        registry.register("active", "Alerts pending and firing", self.alerts.clone());
        registry.register("open_gaps", "Gaps of the ledger that are open, by venue", self.open_gaps.clone());
        let rejected = "Orders that the venue rejected in the last 10 minutes";
        registry.register("rejected_orders", rejected, self.rejected_orders.clone());
        let zscore = "Deviations of the newest basis from the mean of the last hour";
        registry.register("basis_zscore", zscore, self.basis_zscore.clone());
        registry.register("funding_sign", "Sign of the newest predicted rate: -1, 0 or 1", self.funding_sign.clone());
        registry.register("disk_free_ratio", "Free share of each disk of the warehouse", self.disk_free.clone());
        registry.register("landed_age_seconds", "Age of the loader's newest insert", self.landed_age.clone());
    }
}
