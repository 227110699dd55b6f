//! Watching the warehouse from outside: does it answer, how many rows land, how soon are they there.

use std::time::Duration;

use kt_warehouse::client::{Client, Options};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::hot::state::Sample;
use crate::hot::task::{BusState, Landing, wall_clock};
use crate::metrics::Metrics;
use crate::seed::Seed;

/// Between two counts of landed rows.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Rows are counted this long after they were written, so that an insert under way is not passed over.
const COUNT_BEHIND_MS: i64 = 1_000;
/// Between two looks for a probed row: the resolution of the delay.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// After which a probed row counts as lost.
const PROBE_GIVE_UP: Duration = Duration::from_secs(30);
/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Counted {
    rows: u64,
}

/// Counts landed rows each second and says whether the warehouse answers. Seeds the state at its first answer.
pub async fn count(
    client: Client,
    landing: watch::Sender<Landing>,
    health: watch::Sender<BusState>,
    seeds: mpsc::Sender<Seed>,
    metrics: Metrics,
) {
    const SQL: &str = "SELECT sum(rows) AS rows FROM ops.intents WHERE stage = 'done' \
        AND written_at > fromUnixTimestamp64Milli({from:Int64}) AND written_at <= fromUnixTimestamp64Milli({to:Int64})";
    let mut seeded = false;
    let mut from = wall_clock().0 / 1_000_000 - COUNT_BEHIND_MS;
    loop {
        sleep(COUNT_EVERY).await;
        let to = wall_clock().0 / 1_000_000 - COUNT_BEHIND_MS;
        let options = Options::new().setting("max_execution_time", 4).param("from", from).param("to", to);
        let answer = timeout(ANSWER_WITHIN, client.query_row::<Counted>(SQL, &options)).await;
        let detail = match answer {
            Ok(Ok(counted)) => {
                let span = u64::try_from(to - from).unwrap_or(0).max(1);
                let rows = counted.map_or(0, |counted| counted.rows) * 1000 / span;
                landing.send_modify(|held| held.rows = (rows, held.rows.1 + 1));
                from = to;
                metrics.query("ok");
                seeded = seeded || seed(&client, &seeds).await;
                set(&health, true, "answers");
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
        };
        metrics.query("error");
        set(&health, false, &detail);
    }
}

async fn seed(client: &Client, seeds: &mpsc::Sender<Seed>) -> bool {
    match Seed::read(client).await {
        Ok(seed) => {
            tracing::info!(rows = seed.rows(), "took over the newest values from the warehouse");
            seeds.send(seed).await.is_ok()
        }
        Err(error) => {
            tracing::warn!(%error, "cannot read the newest values; trying again");
            false
        }
    }
}

fn set(health: &watch::Sender<BusState>, ok: bool, detail: &str) {
    health.send_if_modified(|held| {
        let changed = held.ok != ok || held.detail != detail;
        if changed && !ok {
            tracing::warn!(detail, "the warehouse does not answer");
        }
        *held = BusState { ok, detail: detail.to_owned() };
        changed
    });
}

/// Looks for one sampled row at a time until it can be queried, and reports how long that took.
pub async fn probe(
    client: Client,
    mut samples: mpsc::Receiver<Sample>,
    landing: watch::Sender<Landing>,
    metrics: Metrics,
) {
    while let Some(sample) = samples.recv().await {
        match until_queryable(&client, &sample).await {
            Some(delay_ms) => landing.send_modify(|held| held.queryable = (delay_ms, held.queryable.1 + 1)),
            None => {
                metrics.probes_lost.inc();
                tracing::debug!(venue = sample.venue, counter = sample.counter, "a probed row is not queryable");
            }
        }
        sleep(PROBE_EVERY).await;
    }
}

async fn until_queryable(client: &Client, sample: &Sample) -> Option<f64> {
    // The table's name is one of the model's; everything else is bound.
    let sql = format!(
        "SELECT count() AS rows FROM {} WHERE venue = {{venue:String}} AND instrument = {{instrument:String}} \
         AND event_ts = fromUnixTimestamp64Nano({{event:Int64}}, 'UTC') AND writer = {{writer:String}} \
         AND epoch = {{epoch:UInt32}} AND counter = {{counter:UInt64}}",
        sample.kind.table()
    );
    let options = Options::new()
        .setting("max_execution_time", 4)
        .param("venue", &sample.venue)
        .param("instrument", &sample.instrument)
        .param("event", sample.event.0)
        .param("writer", &sample.writer)
        .param("epoch", sample.epoch)
        .param("counter", sample.counter);
    let begin = Instant::now();
    while begin.elapsed() < PROBE_GIVE_UP {
        let answer = timeout(ANSWER_WITHIN, client.query_row::<Counted>(&sql, &options)).await;
        if let Ok(Ok(Some(counted))) = answer
            && counted.rows > 0
        {
            return Some((wall_clock().0 - sample.recv.0) as f64 / 1e6);
        }
        sleep(LOOK_EVERY).await;
    }
    None
}
