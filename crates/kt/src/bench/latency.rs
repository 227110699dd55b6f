//! How old a row is when a hot-path subscriber has it, and when the warehouse answers queries with it.

use std::time::Duration;

use serde::Deserialize;

use super::metrics;
use super::platform::Platform;
use super::profile::Sample;
use super::report::{Section, count, spoken};
use super::roles::Role;
use super::subscriber::{self, Found};
use super::worker::Worker;
use super::{end_to_end, rows};
use crate::config::Config;
use crate::error::Error;
use crate::messaging;

/// What is wanted at either rate.
const WANTED_QUERYABLE_P99: f64 = 1.5e9;
const WANTED_HOT_P50: f64 = 250_000.0;
/// The subscriber is a consumer of market data as the signals are, which are switched off.
const USER: &str = "kt-signals";
const WARM_UP: Duration = Duration::from_secs(8);
/// How long after the interval the last of its rows may land.
const SETTLE: Duration = Duration::from_secs(5);

/// Quantiles in nanoseconds, and of how many rows.
#[derive(Debug, Deserialize)]
struct Ages {
    rows: u64,
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// Runs the platform at `rate` frames a second and adds a table to the section.
pub(super) fn measure(config: &Config, rate: u32, seconds: u64, section: &mut Section) -> Result<(), Error> {
    let mut settings = vec!["sim.instruments=20".to_owned(), format!("sim.rate={rate}")];
    settings.extend(end_to_end::SPINE.map(str::to_owned));
    let platform = Platform::start(config, &settings)?;
    let loader = platform.port(platform.config.load.metrics_port);
    let landed = || metrics::sum(loader, "kt_load_rows_total");
    end_to_end::wait_for_flow(&landed)?;
    std::thread::sleep(WARM_UP);
    let from = rows::now().0;
    let setup = subscriber::Setup {
        nats_port: platform.port(platform.config.nats.port),
        login: Some((USER.to_owned(), messaging::password_file(&platform.config, USER))),
        venue: None,
        warm_up: 0,
        measure_from: from,
    };
    let (subscriber, _) = Worker::start::<bool>(&Role::Subscriber(setup))?;
    let (first, before) = (Sample::take(&platform)?, landed()?);
    std::thread::sleep(Duration::from_secs(seconds));
    let (last, after) = (Sample::take(&platform)?, landed()?);
    let until = rows::now().0;
    let found: Found = subscriber.finish()?;
    std::thread::sleep(SETTLE);
    let warehouse = platform.port(platform.config.warehouse.port);
    let ages = [
        queryable(warehouse, "stage = 'planned'", "written_at", from, until)?,
        queryable(warehouse, "stage = 'done'", "coalesce(acknowledged_at, written_at)", from, until)?,
    ];
    let profile = first.until(&last);
    let landed_rate = (after - before) / profile.took.as_secs_f64();
    let cores = profile.total().as_secs_f64() / profile.took.as_secs_f64();
    let caption = format!(
        "Latency at {} frames/s ({} rows/s landed, {cores:.2} cores busy, load average {}). `Receive` is the time at which \
         the feed had read the frame. Queryable: for every row the time in the loader's books (`ops.intents`) just \
         before its insert was sent, and when it was acknowledged: from then on queries see it.",
        count(f64::from(rate)),
        count(landed_rate),
        super::usage::load_average()
    );
    let hot = found.from_receipt;
    let table = section.table(&caption, &["receive to", "rows", "p50", "p99", "p99.9", "max"]);
    let mut row = |what: &str, rows: u64, quantiles: [f64; 4]| {
        let mut cells = vec![what.to_owned(), count(rows as f64)];
        cells.extend(quantiles.map(spoken));
        table.row(cells);
    };
    row("hot-path subscriber", found.received, [hot.p50, hot.p99, hot.p999, hot.max]);
    for (what, ages) in ["insert sent", "insert acknowledged"].iter().zip(&ages) {
        row(what, ages.rows, [ages.p50, ages.p99, ages.p999, ages.max]);
    }
    judge(section, rate, &found, &ages[1]);
    platform.stop()
}

fn judge(section: &mut Section, rate: u32, found: &Found, booked: &Ages) {
    let name = |what: &str| format!("{what}_{rate}");
    section.value(name("hot_p50_seconds"), found.from_receipt.p50 / 1e9);
    section.value(name("hot_p99_seconds"), found.from_receipt.p99 / 1e9);
    section.value(name("hot_missing"), found.missing as f64);
    section.value(name("queryable_p50_seconds"), booked.p50 / 1e9);
    section.value(name("queryable_p99_seconds"), booked.p99 / 1e9);
    let shown = count(f64::from(rate));
    let p50 = found.from_receipt.p50;
    let what = format!("receive to hot-path subscriber, p50 at {shown} frames/s, all services running");
    section.target(&what, "under 250 µs", spoken(p50), p50 < WANTED_HOT_P50);
    let what = format!("receive to queryable, p99 at {shown} frames/s");
    section.target(&what, "under 1.5 s", spoken(booked.p99), booked.p99 < WANTED_QUERYABLE_P99);
}

/// Joins landed rows with the loader's books by writer, epoch and counter.
fn queryable(warehouse: u16, stage: &str, at: &str, from: i64, until: i64) -> Result<Ages, Error> {
    let tables = ["trade", "quote", "book", "mark", "funding"];
    let columns = "writer, epoch, counter, toUnixTimestamp64Nano(recv_ts) AS received";
    let window = format!("received >= {from} AND received < {until}");
    let all: Vec<_> =
        tables.iter().map(|table| format!("SELECT {columns} FROM landing.{table} WHERE {window}")).collect();
    let sql = format!(
        "SELECT count() AS rows, toFloat64(quantileExact(0.5)(age)) AS p50, toFloat64(quantileExact(0.99)(age)) AS p99, \
         toFloat64(quantileExact(0.999)(age)) AS p999, toFloat64(max(age)) AS max FROM ( \
         SELECT booked - received AS age FROM ({}) AS landed INNER JOIN ( \
         SELECT writer, epoch, counter, booked FROM ( \
         SELECT insert_id, writer, epoch, kind, arrayJoin(counters) AS counter FROM ops.intents WHERE stage = 'planned') AS planned \
         INNER JOIN (SELECT insert_id, writer, epoch, kind, toUnixTimestamp64Nano(min({at})) AS booked FROM ops.intents \
         WHERE {stage} GROUP BY insert_id, writer, epoch, kind) AS books USING (insert_id, writer, epoch, kind) \
         ) AS books USING (writer, epoch, counter))",
        all.join(" UNION ALL ")
    );
    let rows: Vec<Ages> = metrics::query(warehouse, &sql)?;
    rows.into_iter().next().ok_or_else(|| Error::failed("the warehouse gave no quantiles"))
}
