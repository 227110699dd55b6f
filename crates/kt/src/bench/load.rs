//! Stage 4: from the durable log into `landing`, without feed and marts.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kt_bus::BusConfig;
use kt_warehouse::loader::LoaderConfig;
use serde::{Deserialize, Serialize};

use super::fill::{self, Filled};
use super::report::{Section, count, median, spoken};
use super::roles::Role;
use super::worker::{self, Nats, Process, Worker, free_port};
use super::{metrics, usage};
use crate::config::Config;
use crate::error::Error;
use crate::supervisor::spec::user_for;

/// What the loader's role is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) nats_port: u16,
    pub(super) warehouse_port: u16,
    pub(super) metrics_port: u16,
}

/// The stream whose rows fill the log: trades, quotes and deep books of one busy contract.
const RECORDING: &str = "binance_usdm/20240808_btcusdt_stream.jsonl.zst";
/// Kind (all where empty) and rows.
const FILLS: [(&str, u64); 4] = [("trade", 1_000_000), ("quote", 1_000_000), ("book", 150_000), ("", 1_000_000)];
/// No run takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

struct Run {
    filled: Filled,
    took: Duration,
    loader: Duration,
    warehouse: Duration,
    server: Duration,
    /// Rows that the tables hold, by counting them.
    counted: u64,
    /// CPU time of the warehouse's threads by name.
    threads: BTreeMap<String, Duration>,
}

impl Run {
    fn rate(&self) -> f64 {
        self.filled.rows as f64 / self.took.as_secs_f64()
    }

    fn per_row(&self, time: Duration) -> f64 {
        time.as_nanos() as f64 / self.filled.rows as f64
    }
}

/// Measures the stage.
pub(super) fn run(config: &Config, rounds: u32) -> Result<Section, Error> {
    let mut section = Section::begin("Load: durable log into landing");
    let file = config.platform.recordings_dir.join("frames").join(RECORDING);
    let recording = file.exists().then(|| ("binance_usdm".to_owned(), file));
    if recording.is_none() {
        section.skip(format!("load: no recording {RECORDING}; made-up rows are loaded instead, set KT_RECORDINGS"));
    }
    section.method =
        "The log is filled first; then a loader in a process of its own lands everything, without marts. Time \
                      runs from the loader's readiness until its counter says that all rows have landed; the rows are \
                      then counted in the tables."
            .to_owned();
    let mut lines = Vec::new();
    for (kind, rows) in FILLS {
        let runs: Result<Vec<Run>, Error> = (0..rounds).map(|_| once(config, recording.as_ref(), kind, rows)).collect();
        lines.push((if kind.is_empty() { "mixed" } else { kind }, runs?));
    }
    let columns = [
        "rows",
        "rows/s",
        "MB/s",
        "bytes a row",
        "CPU a row: loader",
        "warehouse",
        "nats-server",
        "rows/s a core",
        "not in the tables",
        "warehouse's busiest threads",
    ];
    let table = section.table("Medians of the rounds:", &columns);
    let middle = |runs: &[Run], pick: &dyn Fn(&Run) -> f64| median(runs.iter().map(pick));
    for (name, runs) in &lines {
        let parts: [f64; 3] = [
            middle(runs, &|run| run.per_row(run.loader)),
            middle(runs, &|run| run.per_row(run.warehouse)),
            middle(runs, &|run| run.per_row(run.server)),
        ];
        let filled = &runs[0].filled;
        let bytes = filled.bytes as f64 / filled.rows as f64;
        let rate = middle(runs, &Run::rate);
        let what = format!("{name}: {}", count(filled.rows as f64));
        let mut cells = vec![what, count(rate), count(rate * bytes / 1e6), count(bytes)];
        cells.extend(parts.map(spoken));
        cells.push(count(1e9 / parts.iter().sum::<f64>()));
        cells.push(count(runs.iter().map(|run| run.filled.rows.saturating_sub(run.counted)).sum::<u64>() as f64));
        cells.push(busiest(&runs[0].threads));
        table.row(cells);
    }
    for (name, runs) in &lines {
        section.value(format!("{name}_rows_per_second"), middle(runs, &Run::rate));
        section.value(format!("{name}_loader_cpu_seconds_per_row"), middle(runs, &|run| run.per_row(run.loader)) / 1e9);
        let warehouse = middle(runs, &|run| run.per_row(run.warehouse));
        section.value(format!("{name}_warehouse_cpu_seconds_per_row"), warehouse / 1e9);
    }
    section.limit = "The engine's processor time for reading RowBinary, sorting and writing parts (column `warehouse`); an \
                     insert in RowBinary through this engine, alone and in batches of 10 K, was measured at 1.9 µs a row \
                     of trades, merges not counted."
        .to_owned();
    Ok(section)
}

fn once(config: &Config, recording: Option<&(String, PathBuf)>, kind: &str, rows: u64) -> Result<Run, Error> {
    let folder = folder()?;
    let nats = Nats::start(&config.engine("bin/nats-server"), folder.path())?;
    let setup = fill::Setup {
        nats_port: nats.port,
        folder: folder.path().to_owned(),
        recording: recording.cloned(),
        kind: (!kind.is_empty()).then(|| kind.to_owned()),
        rows,
    };
    let (filler, filled) = Worker::start::<Filled>(&Role::Fill(setup))?;
    drop(filler);
    let (warehouse, warehouse_port) = warehouse(config, folder.path())?;
    let setup = Setup { nats_port: nats.port, warehouse_port, metrics_port: free_port()? };
    let metrics_port = setup.metrics_port;
    let before = (warehouse.cpu(), nats.process.cpu());
    let threads_before = by_name(warehouse.pid());
    let (loader, _) = Worker::start::<bool>(&Role::Loader(setup))?;
    let loader_before = loader.process.cpu();
    let begun = wait_until_ready(metrics_port)?;
    while metrics::sum(metrics_port, "kt_load_rows_total")? < filled.rows as f64 {
        if begun.elapsed() > PATIENCE {
            return Err(Error::failed(format!("the loader did not land {} rows in {PATIENCE:?}", filled.rows)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begun.elapsed();
    let loader_cpu = loader.process.cpu() - loader_before;
    let (warehouse_cpu, server_cpu) = (warehouse.cpu() - before.0, nats.process.cpu() - before.1);
    let mut threads = by_name(warehouse.pid());
    for (name, used) in &mut threads {
        *used = used.saturating_sub(threads_before.get(name).copied().unwrap_or_default());
    }
    let counted = metrics::landed_rows(warehouse_port)?;
    Ok(Run { filled, took, loader: loader_cpu, warehouse: warehouse_cpu, server: server_cpu, counted, threads })
}

fn by_name(pid: u32) -> BTreeMap<String, Duration> {
    let mut named: BTreeMap<String, Duration> = BTreeMap::new();
    for (name, used) in usage::of_threads(pid) {
        *named.entry(name).or_default() += used;
    }
    named
}

/// The busiest threads with their share.
fn busiest(threads: &BTreeMap<String, Duration>) -> String {
    let total = threads.values().sum::<Duration>().as_secs_f64().max(1e-9);
    let mut threads: Vec<_> = threads.iter().map(|(name, used)| (name, used.as_secs_f64() / total)).collect();
    threads.sort_by(|a, b| b.1.total_cmp(&a.1));
    threads.iter().take(4).map(|(name, share)| format!("{name} {:.0} %", share * 100.0)).collect::<Vec<_>>().join(", ")
}

/// A temporary directory that the engines' own users may enter.
pub(super) fn folder() -> Result<tempfile::TempDir, Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().map_err(Error::doing("a temporary directory"))?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))
        .map_err(Error::doing("a temporary directory"))?;
    Ok(folder)
}

/// `kt warehouse` with its tables.
pub(super) fn warehouse(config: &Config, folder: &Path) -> Result<(Process, u16), Error> {
    let (port, research_port) = (free_port()?, free_port()?);
    let program = std::env::current_exe().map_err(Error::doing("finding the kt binary"))?;
    let command = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).args(["--set", &format!("warehouse.port={port}"), "--data-dir"]).arg(folder.join("data"));
        command.args(["--set", &format!("warehouse.research_port={research_port}")]);
        command.args(["--set", "platform.log_level=warn"]).env("KT_ENGINES", &config.platform.engines_dir);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    own_folder(config, &folder.join("data/warehouse"))?;
    let process = Process::start(command(&["warehouse"]))?;
    worker::wait_for_port(port, "the warehouse")?;
    let status = command(&["migrate", "apply", "--target", "clickhouse"]).status();
    match status.map_err(Error::doing("migrating the warehouse"))?.success() {
        true => Ok((process, port)),
        false => Err(Error::failed("the warehouse's migrations failed; what they said stands above")),
    }
}

/// Waits until a service says that it is ready.
pub(super) fn wait_until_ready(port: u16) -> Result<Instant, Error> {
    let begun = Instant::now();
    loop {
        match metrics::get(port, "/health") {
            Ok((200, _)) => return Ok(Instant::now()),
            _ if begun.elapsed() > PATIENCE => {
                return Err(Error::failed("a service to be measured does not become ready"));
            }
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The warehouse's directory, as `kt up` would leave it.
fn own_folder(config: &Config, path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(Error::doing(path.display()))?;
    let Some(user) = user_for(&config.warehouse.user)? else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)).map_err(Error::doing(path.display()))
}

/// Runs the loader's role.
pub(super) async fn run_loader(setup: Setup) -> Result<(), Error> {
    let bus = BusConfig::local(setup.nats_port, "bench-load");
    let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, setup.metrics_port));
    let mut config = LoaderConfig::new(bus, &format!("http://127.0.0.1:{}", setup.warehouse_port), metrics);
    config.marts = None;
    worker::say(&true)?;
    let outcome = kt_warehouse::loader::run(config, worker::asked_to_finish()).await;
    outcome.map_err(Error::doing("the loader"))?;
    Ok(())
}
