//! Changes of alerts, kept in the warehouse: the page's list and its history.

use std::collections::VecDeque;

use futures::stream;
use kt_warehouse::client::{Client, Options};
use serde::Serialize;

use crate::Labels;
use crate::metrics::{Metrics, Outcome};
use crate::state::Alert;

/// Most changes that wait for a warehouse that does not answer; beyond it the oldest is dropped.
const MOST_WAITING: usize = 1_000;

#[derive(Serialize)]
struct Row<'a> {
    changed_ms: i64,
    name: &'a str,
    stage: &'a str,
    severity: &'a str,
    labels: &'a Labels,
    value: f64,
    summary: &'a str,
    since_ms: i64,
}

/// What waits to be written.
#[derive(Default)]
pub(crate) struct Record {
    waiting: VecDeque<String>,
}

impl Record {
    /// Takes changes of a moment.
    pub(crate) fn add(&mut self, now: i64, changed: &[Alert], metrics: &Metrics) {
        for alert in changed {
            let text = |of: &Labels, name: &str| of.get(name).cloned().unwrap_or_default();
            let (severity, summary) = (text(&alert.labels, "severity"), text(&alert.annotations, "summary"));
            let row = Row {
                changed_ms: now,
                name: &alert.name,
                stage: alert.stage.as_str(),
                severity: &severity,
                labels: &alert.labels,
                value: alert.value,
                summary: &summary,
                since_ms: alert.since_ms,
            };
            let line = serde_json::to_string(&row).expect("a row has string keys only");
            if self.waiting.len() >= MOST_WAITING {
                self.waiting.pop_front();
                metrics.records.get_or_create(&Outcome { outcome: "dropped" }).inc();
                tracing::warn!("a change of an alert is not kept: the warehouse does not take it");
            }
            self.waiting.push_back(line);
        }
    }

    /// Writes what waits; what the warehouse does not take waits on.
    pub(crate) async fn write(&mut self, client: &Client, metrics: &Metrics) {
        if self.waiting.is_empty() {
            return;
        }
        let lines: Vec<String> = self.waiting.iter().cloned().collect();
        let body = stream::iter([Ok::<_, std::io::Error>(lines.join("\n").into())]);
        const STATEMENT: &str = "INSERT INTO ops.alerts (changed_ms, name, stage, severity, labels, value, summary, since_ms) \
            FORMAT JSONEachRow";
        let options = Options::new().setting("max_execution_time", 8);
        let written =
            tokio::time::timeout(std::time::Duration::from_secs(10), client.insert_stream(STATEMENT, body, &options));
        let outcome = match written.await {
            Ok(Ok(_)) => {
                self.waiting.clear();
                "written"
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, waiting = self.waiting.len(), "changes of alerts cannot be written; trying again");
                "failed"
            }
            Err(_) => "failed",
        };
        metrics.records.get_or_create(&Outcome { outcome }).inc_by(lines.len() as u64);
    }
}
