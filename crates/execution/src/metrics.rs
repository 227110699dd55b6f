//! What the service counts.

use kt_bus::HotPublisher;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::core::Core;
use crate::steps::Steps;

/// Label `step`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StepLabel {
    step: &'static str,
}

/// Label `writer`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WriterLabel {
    writer: String,
}

/// Label `cause`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CauseLabel {
    cause: &'static str,
}

/// All metrics of the service.
#[derive(Clone)]
pub(crate) struct TradeMetrics {
    inputs: Gauge,
    steps: Family<StepLabel, Gauge>,
    halted: Gauge,
    open_orders: Gauge,
    unstored: Gauge,
    store_failures: Gauge,
    unreadable_reports: Gauge,
    dropped_rows: Family<WriterLabel, Counter>,
    /// Rows of another version, or broken.
    pub undecodable: Counter,
    hot_dropped: Family<CauseLabel, Gauge>,
    /// Inputs replayed at the start.
    pub replayed: Counter,
    /// Times that a new journal was begun.
    pub epochs: Counter,
    /// From receiving the event that moved a strategy to its order's row on the hot path.
    pub receive_to_sent: Histogram,
}

impl Default for TradeMetrics {
    fn default() -> Self {
        let bounds = [5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 1.0];
        Self {
            inputs: Gauge::default(),
            steps: Family::default(),
            halted: Gauge::default(),
            open_orders: Gauge::default(),
            unstored: Gauge::default(),
            store_failures: Gauge::default(),
            unreadable_reports: Gauge::default(),
            dropped_rows: Family::default(),
            undecodable: Counter::default(),
            hot_dropped: Family::default(),
            replayed: Counter::default(),
            epochs: Counter::default(),
            receive_to_sent: Histogram::new(bounds),
        }
    }
}

impl TradeMetrics {
    /// A registry with every metric.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register("kt_trade_inputs", "Inputs of this journal epoch so far", self.inputs.clone());
        registry.register("kt_trade_steps", "Steps of orders and positions since the start", self.steps.clone());
        registry.register("kt_trade_halted", "1 while trading is forbidden", self.halted.clone());
        registry.register("kt_trade_open_orders", "Orders that have not ended", self.open_orders.clone());
        registry.register("kt_trade_unstored_steps", "Steps that wait for PostgreSQL", self.unstored.clone());
        let text = "Times that steps could not be written to PostgreSQL and were tried again";
        registry.register("kt_trade_store_failures", text, self.store_failures.clone());
        let text = "Execution reports that were no reports";
        registry.register("kt_trade_unreadable_reports", text, self.unreadable_reports.clone());
        let text = "Rows that the hot path lost, by their writer; each range is an input too";
        registry.register("kt_trade_dropped_rows", text, self.dropped_rows.clone());
        registry.register("kt_trade_undecodable_rows", "Rows of another version, or broken", self.undecodable.clone());
        let text = "Rows that the hot path did not take; the log has them";
        registry.register("kt_trade_hot_dropped_rows", text, self.hot_dropped.clone());
        registry.register("kt_trade_replayed_inputs", "Inputs replayed at the start", self.replayed.clone());
        registry.register("kt_trade_journal_restarts", "Times that a new journal was begun", self.epochs.clone());
        let text = "From receiving the event that moved a strategy to its order on the hot path";
        registry.register("kt_trade_receive_to_sent_seconds", text, self.receive_to_sent.clone());
        registry
    }

    /// Counts rows that the hot path lost.
    pub fn dropped(&self, writer: &str, rows: u64) {
        self.dropped_rows.get_or_create(&WriterLabel { writer: writer.to_owned() }).inc_by(rows);
    }

    /// Shows where the service stands.
    pub fn publish(&self, core: &Core, steps: &Steps, hot: &HotPublisher) {
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.inputs.set(whole(core.inputs));
        for (step, count) in &core.steps {
            self.steps.get_or_create(&StepLabel { step: step.as_str() }).set(whole(*count));
        }
        self.halted.set(i64::from(core.desk.is_halted()));
        self.open_orders.set(whole(core.desk.open_orders() as u64));
        self.unstored.set(whole(steps.waiting()));
        self.store_failures.set(whole(steps.failures()));
        self.unreadable_reports.set(whole(core.desk.unreadable_reports()));
        let counts = hot.counts();
        let causes = [
            ("disconnected", counts.dropped_disconnected),
            ("full", counts.dropped_full),
            ("too_large", counts.dropped_too_large),
        ];
        for (cause, rows) in causes {
            self.hot_dropped.get_or_create(&CauseLabel { cause }).set(whole(rows));
        }
    }
}
