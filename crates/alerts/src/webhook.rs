//! Notices to webhooks, in the format that Alertmanager posts (version 4), so that the same receivers work.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;

use crate::Labels;
use crate::metrics::{Metrics, Outcome};
use crate::state::{Alert, Stage};

/// Notices that may wait for one receiver; further ones are dropped and counted.
const QUEUE: usize = 64;
/// Attempts for one notice.
const ATTEMPTS: u32 = 4;
/// How long a receiver may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notice<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u32,
    status: &'static str,
    receiver: &'static str,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    alerts: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    status: &'static str,
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// The body for alerts of one name that fired or ended together.
pub(crate) fn body(name: &str, alerts: &[&Alert], page: &str) -> String {
    let firing = alerts.iter().any(|alert| alert.stage == Stage::Firing);
    let notice = Notice {
        version: "4",
        group_key: format!("{{}}:{{alertname=\"{name}\"}}"),
        truncated_alerts: 0,
        status: status(firing),
        receiver: "kubetrader",
        group_labels: Labels::from([("alertname".to_owned(), name.to_owned())]),
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: page,
        alerts: alerts.iter().map(|alert| one(alert, page)).collect(),
    };
    serde_json::to_string(&notice).expect("a notice has string keys only")
}

fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

fn one<'a>(alert: &'a Alert, page: &'a str) -> One<'a> {
    let firing = alert.stage == Stage::Firing;
    One {
        status: status(firing),
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: rfc3339(alert.since_ms),
        // Alertmanager writes the zero time while an alert lasts.
        ends_at: if firing { "0001-01-01T00:00:00Z".to_owned() } else { rfc3339(alert.held_ms) },
        generator_url: page,
        fingerprint: fingerprint(&alert.labels),
    }
}

fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut kept = all.next().cloned().unwrap_or_default();
    for labels in all {
        kept.retain(|name, value| labels.get(name) == Some(value));
    }
    kept
}

/// FNV-1a over the labels: names an alert among others, across restarts.
fn fingerprint(labels: &Labels) -> String {
    let bytes = labels.iter().flat_map(|(name, value)| name.bytes().chain([0xff]).chain(value.bytes()).chain([0xff]));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

/// A moment as RFC 3339 writes it, by Howard Hinnant's days-from-civil relation.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    let (days, ms) = (at_ms.div_euclid(86_400_000), at_ms.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// Gives notices to receivers, each with a queue and a task of its own: a slow one holds up no other.
pub(crate) struct Senders(Vec<mpsc::Sender<String>>);

impl Senders {
    /// Starts a task for each address.
    pub(crate) fn start(http: &reqwest::Client, addresses: &[String], metrics: &Metrics) -> Self {
        let start = |address: &String| {
            let (sender, notices) = mpsc::channel(QUEUE);
            tokio::spawn(deliver(http.clone(), address.clone(), notices, metrics.clone()));
            sender
        };
        Self(addresses.iter().map(start).collect())
    }

    /// Hands a notice to every receiver.
    pub(crate) fn send(&self, body: &str, metrics: &Metrics) {
        for sender in &self.0 {
            if sender.try_send(body.to_owned()).is_err() {
                metrics.deliveries.get_or_create(&Outcome { outcome: "dropped" }).inc();
                tracing::warn!("a notice is dropped: too many wait for a webhook that does not answer");
            }
        }
    }
}

async fn deliver(http: reqwest::Client, address: String, mut notices: mpsc::Receiver<String>, metrics: Metrics) {
    while let Some(body) = notices.recv().await {
        let mut outcome = "failed";
        for attempt in 0..ATTEMPTS {
            let request = http.post(&address).header("content-type", "application/json").timeout(ANSWER_WITHIN);
            // The address may hold a secret: it is not logged.
            match request.body(body.clone()).send().await {
                Ok(answer) if answer.status().is_success() => {
                    outcome = "delivered";
                    break;
                }
                // The receiver understood and refuses: another attempt would end alike.
                Ok(answer) if answer.status().is_client_error() && answer.status() != 429 => {
                    tracing::warn!(status = %answer.status(), "a webhook refused a notice");
                    outcome = "refused";
                    break;
                }
                Ok(answer) => tracing::warn!(status = %answer.status(), attempt, "a webhook did not take a notice"),
                Err(error) => tracing::warn!(error = %error.without_url(), attempt, "a webhook cannot be reached"),
            }
            tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow(attempt)).await;
        }
        metrics.deliveries.get_or_create(&Outcome { outcome }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_bodies_are_what_receivers_expect() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_709_210_096_789), "2024-02-29T12:34:56.789Z");
        let labels = |venue: &str| Labels::from([("severity".into(), "page".into()), ("venue".into(), venue.into())]);
        let alert = |venue: &str, stage| Alert {
            name: "A".into(),
            labels: labels(venue),
            annotations: Labels::new(),
            stage,
            value: 1.0,
            since_ms: 1_000,
            held_ms: 2_000,
            fired: true,
        };
        let (one, other) = (alert("x", Stage::Resolved), alert("y", Stage::Firing));
        let text = body("A", &[&one, &other], "http://page");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((value["version"].as_str(), value["status"].as_str()), (Some("4"), Some("firing")));
        assert_eq!(value["commonLabels"], serde_json::json!({"severity": "page"}));
        assert_eq!(value["alerts"][0]["endsAt"], "1970-01-01T00:00:02.000Z");
        assert_eq!(value["alerts"][1]["endsAt"], "0001-01-01T00:00:00Z");
        assert_ne!(value["alerts"][0]["fingerprint"], value["alerts"][1]["fingerprint"]);
    }
}
