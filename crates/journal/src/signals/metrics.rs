//! What the service counts.

use kt_bus::HotPublisher;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::core::Core;
use crate::intake::Intake;
use crate::publish::OutletPublisher;

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

macro_rules! metrics {
    ($($name:ident: $kind:ty, $metric:literal, $help:literal;)*) => {
        /// All metrics of the service.
        #[derive(Clone, Default)]
        pub(crate) struct SignalMetrics {
            $(#[doc = $help] pub $name: $kind,)*
        }

        impl SignalMetrics {
            /// A registry with every metric.
            pub fn registry(&self) -> Registry {
                let mut registry = Registry::default();
                $(registry.register($metric, $help, self.$name.clone());)*
                registry
            }
        }
    };
}

metrics! {
    inputs: Gauge, "kt_signals_inputs", "Inputs of this journal epoch so far";
    signals: Gauge, "kt_signals_signals", "Signals that exist: one for each declaration and instrument that fits it";
    outputs: Gauge, "kt_signals_outputs", "Rows stated since the start, replayed ones included";
    dropped_rows: Family<WriterLabel, Counter>, "kt_signals_dropped_rows", "Rows that the hot path lost, by their writer; each range is an input too";
    repeated: Counter, "kt_signals_repeated_rows", "Rows that had come before";
    undecodable: Counter, "kt_signals_undecodable_rows", "Rows of another version, or broken";
    unreadable: Gauge, "kt_signals_unreadable_messages", "Messages of the hot path that are no rows";
    replayed: Counter, "kt_signals_replayed_inputs", "Inputs replayed from the journal at the start";
    caught_up: Counter, "kt_signals_caught_up_rows", "Rows that came while the service was down, taken from the durable log at the start";
    suppressed: Counter, "kt_signals_suppressed_rows", "Rows derived again at the start that the log held already";
    epochs: Counter, "kt_signals_journal_restarts", "Times that the journal could not be continued and a new epoch began";
    hot_sent: Gauge, "kt_signals_hot_sent_rows", "Rows sent over the hot path";
    hot_dropped: Family<CauseLabel, Gauge>, "kt_signals_hot_dropped_rows", "Rows that the hot path did not take; the log has them";
    waiting: Gauge, "kt_signals_waiting_blocks", "Blocks that wait for the log; at 4096 nothing is taken in";
    acknowledged: Gauge, "kt_signals_acknowledged_blocks", "Blocks that the log confirmed";
    resent: Gauge, "kt_signals_resent_blocks", "Blocks sent to the log again";
    refused: Gauge, "kt_signals_refused_blocks", "Times that the log refused a block";
}

impl SignalMetrics {
    /// Counts rows that the hot path lost.
    pub fn dropped(&self, writer: &str, rows: u64) {
        self.dropped_rows.get_or_create(&WriterLabel { writer: writer.to_owned() }).inc_by(rows);
    }

    /// Shows where the service stands.
    pub fn publish(&self, core: &Core, publisher: &OutletPublisher, hot: &HotPublisher, intake: &Intake) {
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.inputs.set(whole(core.inputs()));
        self.signals.set(whole(core.engine.signals() as u64));
        self.outputs.set(whole(core.outputs));
        self.unreadable.set(whole(intake.unreadable()));
        let (hot, log) = (hot.counts(), publisher.counts());
        self.hot_sent.set(whole(hot.sent));
        let causes = [
            ("disconnected", hot.dropped_disconnected),
            ("full", hot.dropped_full),
            ("too_large", hot.dropped_too_large),
        ];
        for (cause, rows) in causes {
            self.hot_dropped.get_or_create(&CauseLabel { cause }).set(whole(rows));
        }
        self.waiting.set(whole(core.outlet.waiting() as u64));
        self.acknowledged.set(whole(log.acknowledged));
        self.resent.set(whole(log.resent));
        self.refused.set(whole(log.refused));
    }
}
