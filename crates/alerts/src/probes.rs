//! What only the warehouse knows, as gauges: a cluster's Prometheus scrapes them here as well.

use std::time::Duration;

use kt_warehouse::client::{Client, ClientError, Options};
use prometheus_client::metrics::family::Family;
use serde::Deserialize;
use tokio::time::timeout;

use crate::metrics::{Disk, Instrument, Metrics, Outcome, Venue};

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Counted {
    venue: String,
    open: i64,
}

#[derive(Deserialize)]
struct Number {
    venue: String,
    instrument: String,
    number: f64,
}

#[derive(Deserialize)]
struct Free {
    disk: String,
    share: f64,
}

#[derive(Deserialize)]
struct Age {
    seconds: f64,
}

const GAPS: &str = "SELECT venue, toInt64(count()) AS open FROM ops.gaps WHERE state = 'open' GROUP BY venue";
const REJECTED: &str = "SELECT venue, toInt64(count()) AS open FROM landing.order FINAL \
    WHERE step = 'rejected' AND event_ts > now64(9) - INTERVAL 10 MINUTE GROUP BY venue";
const ZSCORES: &str = "SELECT venue, instrument, (newest - mean) / deviation AS number FROM ( \
    SELECT venue, instrument, argMax(basis_bps, ts) AS newest, avg(basis_bps) AS mean, stddevSamp(basis_bps) AS deviation, \
        count(basis_bps) AS known FROM marts.basis_1s FINAL \
    WHERE ts > (SELECT max(ts) FROM marts.basis_1s) - INTERVAL 1 HOUR GROUP BY venue, instrument \
    ) WHERE known >= 60 AND deviation > 0 LIMIT 2000";
const SIGNS: &str = "SELECT venue, instrument, toFloat64(sign(rate)) AS number FROM marts.funding_newest FINAL \
    WHERE stage = 'predicted' AND rate IS NOT NULL AND recv_ts > now64(3) - INTERVAL 15 MINUTE LIMIT 2000";
const DISKS: &str = "SELECT name AS disk, free_space / total_space AS share FROM system.disks \
    WHERE total_space > 0 AND total_space < 1e17";
const LANDED: &str = "SELECT toFloat64(dateDiff('millisecond', max(written_at), now64(9))) / 1000 AS seconds FROM ops.intents \
    WHERE stage = 'done' AND written_at > now() - INTERVAL 1 DAY HAVING count() > 0";

/// Asks all questions once; a question that fails leaves its gauges empty, so that `absent` is not mistaken for fine.
pub(crate) async fn ask(client: &Client, metrics: &Metrics) {
    let found = rows::<Counted>(client, GAPS, metrics).await;
    fill(
        &metrics.open_gaps,
        found,
        |row| (Venue { venue: row.venue }, row.open),
        |gauge, open| {
            gauge.set(open);
        },
    );
    let found = rows::<Counted>(client, REJECTED, metrics).await;
    fill(
        &metrics.rejected_orders,
        found,
        |row| (Venue { venue: row.venue }, row.open),
        |gauge, count| {
            gauge.set(count);
        },
    );
    let number = |row: Number| (Instrument { venue: row.venue, instrument: row.instrument }, row.number);
    let found = rows(client, ZSCORES, metrics).await;
    fill(&metrics.basis_zscore, found, number, |gauge, value| {
        gauge.set(value);
    });
    let found = rows(client, SIGNS, metrics).await;
    fill(&metrics.funding_sign, found, number, |gauge, value| {
        gauge.set(value as i64);
    });
    let found = rows::<Free>(client, DISKS, metrics).await;
    fill(
        &metrics.disk_free,
        found,
        |row| (Disk { disk: row.disk }, row.share),
        |gauge, share| {
            gauge.set(share);
        },
    );
    let age = rows::<Age>(client, LANDED, metrics).await.and_then(|rows| rows.first().map(|row| row.seconds));
    metrics.landed_age.set(age.unwrap_or(f64::NAN));
}

fn fill<Row, Set, Metric, Value>(
    family: &Family<Set, Metric>,
    rows: Option<Vec<Row>>,
    split: impl Fn(Row) -> (Set, Value),
    set: impl Fn(&Metric, Value),
) where
    Set: Clone + std::hash::Hash + Eq,
    Metric: Default,
{
    family.clear();
    for (labels, value) in rows.into_iter().flatten().map(split) {
        set(&family.get_or_create(&labels), value);
    }
}

async fn rows<T: serde::de::DeserializeOwned>(client: &Client, sql: &str, metrics: &Metrics) -> Option<Vec<T>> {
    let options = Options::new().setting("max_execution_time", 8).setting("max_threads", 1);
    let answer: Result<Result<Vec<T>, ClientError>, _> = timeout(ANSWER_WITHIN, client.query_rows(sql, &options)).await;
    let outcome = |outcome| metrics.probes.get_or_create(&Outcome { outcome }).inc();
    match answer {
        Ok(Ok(rows)) => {
            outcome("ok");
            return Some(rows);
        }
        Ok(Err(error)) => {
            outcome("error");
            tracing::warn!(%error, "a probe of the warehouse failed");
        }
        Err(_) => {
            outcome("timeout");
            tracing::warn!(seconds = ANSWER_WITHIN.as_secs(), "a probe of the warehouse was not answered");
        }
    }
    None
}
