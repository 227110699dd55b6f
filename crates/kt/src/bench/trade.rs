//! From an exchange's frame to the order that it made a strategy send: the trading service with what it needs
//! alone, and in the midst of the whole platform.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::desk::Desk;
use super::orders::{self, Ages, Found};
use super::platform::Platform;
use super::publisher::Used;
use super::report::{Section, count, median, spoken};
use super::roles::Role;
use super::worker::Worker;
use super::{end_to_end, market, metrics, pacer};
use crate::config::Config;
use crate::error::Error;

/// What is wanted, in nanoseconds.
const WANTED_P50: f64 = 1e6;
/// Events, or frames over all instruments, a second.
const RATE: u64 = 50_000;
/// Length of a round with the service alone, seconds.
const SECONDS: u64 = 20;
const WARM_UP: Duration = Duration::from_secs(15);
/// How long the last orders may take to land.
const SETTLE: Duration = Duration::from_secs(5);

/// One round with the service alone.
struct Round {
    found: Found,
    market: Used,
    took: Duration,
    /// CPU time: service, NATS, PostgreSQL.
    cpu: [Duration; 3],
    /// Rows that the service was not given, by the writers' counters.
    dropped: f64,
    /// Steps that PostgreSQL did not have at the end.
    unstored: f64,
}

/// Measures the stage.
pub(super) fn run(config: &Config, rounds: u32, seconds: u64) -> Result<Section, Error> {
    let mut section = Section::begin("Trading: frame received to order sent");
    section.method = format!(
        "The built-in strategies made impatient, so that they trade all the time, at {} events/s. The clock runs from the time at \
         which the feed had read the frame on which the service decided (`recv_ts` of the step `sent`): to the time stamped into the order's row as it \
         goes to its NATS connection (`publish_ts` of the step `sent`), and to the row's arrival at a subscriber of `ord.v1.sent`. On \
         the way lie encoding, NATS, decoding, strategy, risk, and writing the journal. All clocks are CLOCK_REALTIME of the one machine. \
         Every order counts.",
        count(RATE as f64)
    );
    let folder = super::load::folder()?;
    let file = folder.path().join("strategies.toml");
    std::fs::write(&file, impatient()).map_err(Error::doing(file.display()))?;
    let alone = (0..rounds).map(|_| alone(config, &file)).collect::<Result<Vec<_>, _>>()?;
    tabulate(&mut section, &alone);
    whole(config, &file, seconds, &mut section)?;
    section.limit =
        "The wake-ups of three processes on the cores that they share: feed to server, server to service, service to \
                     server. With the whole platform on the same cores the order waits for its turn on them."
            .to_owned();
    Ok(section)
}

/// The service with NATS and PostgreSQL, fresh processes each time.
fn alone(config: &Config, strategies: &Path) -> Result<Round, Error> {
    let folder = super::load::folder()?;
    let desk = Desk::start(config, folder.path(), strategies)?;
    let nats_port = desk.nats.port;
    let (watching, _) = Worker::start::<bool>(&Role::Orders(orders::Setup { nats_port }))?;
    let (feeding, port) = Worker::start::<u16>(&Role::Market(market::Setup { nats_port }))?;
    let cpu = || [desk.trade.cpu(), desk.nats.process.cpu(), desk.postgres.cpu()];
    let before = cpu();
    let paced = pacer::start(port, Some(RATE), RATE * SECONDS)?;
    let paced = paced.join().map_err(|_| Error::failed("the pacer panicked"))??;
    let after = cpu();
    let used: Used = feeding.finish()?;
    std::thread::sleep(Duration::from_secs(1));
    let found: Found = watching.finish()?;
    Ok(Round {
        found,
        market: used,
        took: paced.took,
        cpu: std::array::from_fn(|place| after[place].saturating_sub(before[place])),
        dropped: metrics::sum(desk.metrics, "kt_trade_dropped_rows_total")?,
        unstored: metrics::sum(desk.metrics, "kt_trade_unstored_steps")?,
    })
}

fn tabulate(section: &mut Section, rounds: &[Round]) {
    let middle = |pick: &dyn Fn(&Round) -> f64| median(rounds.iter().map(pick));
    let sum = |pick: &dyn Fn(&Round) -> f64| rounds.iter().map(pick).sum::<f64>();
    let seconds = middle(&|round| round.took.as_secs_f64());
    let each =
        |place: usize| spoken(middle(&|round| round.cpu[place].as_nanos() as f64 / round.market.rows.max(1) as f64));
    let caption = format!(
        "The service alone (feeds' end, nats-server, `kt trade`, PostgreSQL, a subscriber), medians of {} rounds: {} rows/s for {seconds:.0} s, \
         {} orders; {} rows lost by the feeds' end, {} on the way; {} steps not yet in PostgreSQL one second after the end. \
         CPU a row: service {}, nats-server {}, PostgreSQL {}.",
        rounds.len(),
        count(middle(&|round| round.market.rows as f64 / round.took.as_secs_f64())),
        count(sum(&|round| round.found.orders as f64)),
        count(sum(&|round| round.market.dropped as f64)),
        count(sum(&|round| round.dropped)),
        count(sum(&|round| round.unstored)),
        each(0),
        each(1),
        each(2),
    );
    let table = section.table(&caption, &["receive to", "p50", "p90", "p99", "p99.9", "max"]);
    let mut line = |name: &str, of: &dyn Fn(&Round) -> Ages| {
        let parts: [fn(&Ages) -> f64; 5] = [|a| a.p50, |a| a.p90, |a| a.p99, |a| a.p999, |a| a.max];
        let mut cells = vec![name.to_owned()];
        cells.extend(parts.map(|part| spoken(middle(&|round| part(&of(round))))));
        table.row(cells);
    };
    line("order sent", &|round| round.found.sent);
    line("order at a subscriber", &|round| round.found.seen);
    let p50 = middle(&|round| round.found.seen.p50);
    section.value("receive_to_sent_p50_seconds", middle(&|round| round.found.sent.p50) / 1e9);
    section.value("receive_to_sent_p99_seconds", middle(&|round| round.found.sent.p99) / 1e9);
    section.value("receive_to_order_seen_p50_seconds", p50 / 1e9);
    section.value("orders", sum(&|round| round.found.orders as f64));
    let reached = rounds.iter().all(|round| round.found.orders > 0) && p50 < WANTED_P50;
    let what = format!("receive to paper order at a subscriber through NATS, p50 at {} events/s", count(RATE as f64));
    section.target(&what, "under 1 ms", spoken(p50), reached);
}

/// The whole platform; the delays come from the orders' own rows.
fn whole(config: &Config, strategies: &Path, seconds: u64, section: &mut Section) -> Result<(), Error> {
    let settings = [
        "sim.instruments=20".to_owned(),
        format!("sim.rate={RATE}"),
        format!("trade.strategies={}", strategies.display()),
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
    let Landed { orders, p50, p90, p99, p999, max } = ages(warehouse, from, until)?;
    platform.stop()?;
    let caption = format!(
        "The whole platform with the generated market of 20 assets and all services on the same cores: {} rows/s landed, {orders} orders:",
        count((after - before) / seconds as f64),
    );
    let table = section.table(&caption, &["receive to", "p50", "p90", "p99", "p99.9", "max"]);
    let mut cells = vec!["order sent".to_owned()];
    cells.extend([p50, p90, p99, p999, max].map(spoken));
    table.row(cells);
    section.value("receive_to_sent_p50_seconds_whole_platform", p50 / 1e9);
    Ok(())
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
        .replace("max_orders_per_second = 20", "max_orders_per_second = 1000")
        .replace("entry = \"maker\"", "entry = \"taker\"")
}

/// Quantiles in nanoseconds, and of how many orders.
#[derive(Debug, Deserialize)]
struct Landed {
    orders: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// As the subscriber of the other measurement counts them.
fn ages(warehouse: u16, from: i64, until: i64) -> Result<Landed, Error> {
    let sql = format!(
        "SELECT count() AS orders, toFloat64(ifNotFinite(quantileExact(0.5)(age), 0)) AS p50, \
         toFloat64(ifNotFinite(quantileExact(0.9)(age), 0)) AS p90, \
         toFloat64(ifNotFinite(quantileExact(0.99)(age), 0)) AS p99, \
         toFloat64(ifNotFinite(quantileExact(0.999)(age), 0)) AS p999, toFloat64(max(age)) AS max FROM ( \
         SELECT toFloat64(toUnixTimestamp64Nano(publish_ts) - toUnixTimestamp64Nano(recv_ts)) AS age \
         FROM landing.order FINAL WHERE step = 'sent' AND toUnixTimestamp64Nano(event_ts) BETWEEN {from} AND {until})"
    );
    let rows: Vec<Landed> = metrics::query(warehouse, &sql)?;
    rows.into_iter().next().ok_or_else(|| Error::failed("the warehouse gave no quantiles"))
}
