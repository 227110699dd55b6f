//! From an exchange's frame to the order that it made a strategy send.

use std::time::Duration;

use serde::Deserialize;

use super::platform::Platform;
use super::report::{Section, count, spoken};
use super::{end_to_end, metrics};
use crate::config::Config;
use crate::error::Error;

/// What is wanted, in nanoseconds.
const WANTED_P50: f64 = 1e6;
/// Frames a second over all instruments.
const RATE: u32 = 50_000;
const WARM_UP: Duration = Duration::from_secs(15);
/// How long the last orders may take to land.
const SETTLE: Duration = Duration::from_secs(5);

/// Quantiles in nanoseconds, and of how many orders.
#[derive(Debug, Deserialize)]
struct Ages {
    orders: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// Runs the platform and reads the delays from the orders' own rows.
pub(super) fn run(config: &Config, seconds: u64) -> Result<Section, Error> {
    let mut section = Section::begin("Trading: frame received to order sent");
    section.method = format!(
        "The whole platform with all its services on the generated market of 20 assets at {} frames/s, and the built-in \
         strategies made impatient, so that they trade all the time. For every order that an event itself caused: from \
         the time at which the feed had read the frame (`signal_ts`) to the time stamped into the order's row as it goes \
         to its NATS connection (`publish_ts` of the step `sent`). On the way lie the feed's decoding, NATS, the \
         trading service's decoding, strategy, risk and journal. Orders that a timer or a retry caused are left out: the event \
         they name is old when they are made. Both times are CLOCK_REALTIME of the one machine.",
        count(f64::from(RATE))
    );
    let folder = tempfile::tempdir().map_err(Error::doing("a temporary directory"))?;
    let file = folder.path().join("strategies.toml");
    std::fs::write(&file, impatient()).map_err(Error::doing(file.display()))?;
    let settings = [
        "sim.instruments=20".to_owned(),
        format!("sim.rate={RATE}"),
        format!("trade.strategies={}", file.display()),
        "orchestration.enabled=false".to_owned(),
    ];
    let platform = Platform::start(config, &settings)?;
    let loader = platform.port(platform.config.load.metrics_port);
    let landed = || metrics::sum(loader, "kt_load_rows_total");
    end_to_end::wait_for_flow(&landed)?;
    std::thread::sleep(WARM_UP);
    let (from, before) = (super::rows::now().0, landed()?);
    std::thread::sleep(Duration::from_secs(seconds));
    let (until, after) = (super::rows::now().0, landed()?);
    std::thread::sleep(SETTLE);
    let warehouse = platform.port(platform.config.warehouse.port);
    let ages = ages(warehouse, from, until)?;
    platform.stop()?;

    let caption = format!("At {} rows/s landed, {} orders:", count((after - before) / seconds as f64), ages.orders);
    let table = section.table(&caption, &["receive to", "p50", "p90", "p99", "p99.9", "max"]);
    let mut cells = vec!["order sent".to_owned()];
    cells.extend([ages.p50, ages.p90, ages.p99, ages.p999, ages.max].map(spoken));
    table.row(cells);
    section.value("receive_to_sent_p50_seconds", ages.p50 / 1e9);
    section.value("receive_to_sent_p99_seconds", ages.p99 / 1e9);
    section.value("orders", ages.orders as f64);
    let reached = ages.orders > 0 && ages.p50 < WANTED_P50;
    let what = format!("receive to paper order sent, p50 at {} frames/s, all services running", count(f64::from(RATE)));
    section.target(&what, "under 1 ms", spoken(ages.p50), reached);
    Ok(section)
}

/// The built-in strategies with short windows and no wish for profit.
fn impatient() -> String {
    include_str!("../../../../strategies/basis.toml")
        .replace("min_samples = 60", "min_samples = 10")
        .replace("sample_ms = 500", "sample_ms = 100")
        .replace("entry_z = 1.5", "entry_z = 0.6")
        .replace("min_edge_bps = 0.5", "min_edge_bps = -100.0")
        .replace("max_holding_s = 120", "max_holding_s = 2")
        .replace("cooldown_ms = 2000", "cooldown_ms = 100")
        .replace("entry = \"maker\"", "entry = \"taker\"")
}

/// An order whose own event caused it bears that event's time, give or take what another feed's clock of
/// receipt ran ahead.
fn ages(warehouse: u16, from: i64, until: i64) -> Result<Ages, Error> {
    let sql = format!(
        "SELECT count() AS orders, toFloat64(ifNotFinite(quantileExact(0.5)(age), 0)) AS p50, \
         toFloat64(ifNotFinite(quantileExact(0.9)(age), 0)) AS p90, \
         toFloat64(ifNotFinite(quantileExact(0.99)(age), 0)) AS p99, \
         toFloat64(ifNotFinite(quantileExact(0.999)(age), 0)) AS p999, toFloat64(max(age)) AS max FROM ( \
         SELECT toFloat64(toUnixTimestamp64Nano(publish_ts) - toUnixTimestamp64Nano(assumeNotNull(signal_ts))) AS age \
         FROM landing.order FINAL WHERE step = 'sent' AND z_score IS NOT NULL \
         AND toUnixTimestamp64Nano(event_ts) BETWEEN {from} AND {until} \
         AND toUnixTimestamp64Nano(event_ts) - toUnixTimestamp64Nano(assumeNotNull(signal_ts)) < 1000000)"
    );
    let rows: Vec<Ages> = metrics::query(warehouse, &sql)?;
    rows.into_iter().next().ok_or_else(|| Error::failed("the warehouse gave no quantiles"))
}
