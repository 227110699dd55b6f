//! How many events a second a replay takes, and what each costs: from a journal and from the warehouse.
//!
//! `cargo bench -p kt-backtest --bench replay [events]`. The warehouse is the real engine in a process of its own.
//! Processor time is told beside elapsed time, because the latter says little on a machine that others use.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../../warehouse/tests/warehouse/harness.rs"]
#[allow(dead_code)]
mod harness;
mod market;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use kt_backtest::history::{Plan, fetch, merge};
use kt_backtest::run::{Request, Source, Text};
use kt_backtest::runner::Runner;
use kt_backtest::{INPUT_KINDS, Scope};
use kt_journal::{Journal, Limits, replay};
use kt_migrate::{MigrationSet, Migrator, Options as MigrateOptions};
use kt_model::schema::Kind;
use kt_model::{Event, Nanos};
use kt_signals::Input;
use kt_warehouse::client::Options;
use kt_warehouse::{ClickHouseTarget, Client};

use market::{FROM, each_event, end_of, markets};

const STRATEGIES: &str = include_str!("../../../../strategies/basis.toml");
const SIGNALS: &str = include_str!("../../../kt/src/config/signals.toml");
const TICK: i64 = 10_000_000;

fn main() {
    if let Some(code) = harness::serve_if_asked() {
        std::process::exit(code);
    }
    let events = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(2_000_000_u64);
    println!("{events} events: of ten, six quotes, three trades, one book delta of 2 x 10 levels; six markets");
    let folder = tempfile::tempdir().unwrap();
    from_journal(folder.path(), events);
    if harness::library().is_none() {
        println!("SKIP: no lib/libchdb.so under KT_ENGINES; run `make setup`");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(from_warehouse(events));
}

/// Elapsed and processor time of what is done, told for each event.
struct Clock {
    started: Instant,
    own: f64,
    other: Option<(u32, f64)>,
}

impl Clock {
    fn start(other: Option<u32>) -> Self {
        let own = cpu_seconds(std::process::id());
        Self { started: Instant::now(), own, other: other.map(|pid| (pid, cpu_seconds(pid))) }
    }

    fn tell(self, what: &str, events: u64) {
        let elapsed = self.started.elapsed().as_secs_f64();
        let own = cpu_seconds(std::process::id()) - self.own;
        let other = self.other.map_or(0.0, |(pid, before)| cpu_seconds(pid) - before);
        let per_event = |seconds: f64| seconds * 1e9 / events as f64;
        println!(
            "{what:<44} {:>7.0} K events/s elapsed, {:>7.0} K/s a core; processor time an event: {:.0} ns here, {:.0} ns in the warehouse",
            events as f64 / elapsed / 1e3,
            events as f64 / (own + other) / 1e3,
            per_event(own),
            per_event(other)
        );
    }
}

fn from_journal(folder: &Path, events: u64) {
    for (what, text) in [("strategies", STRATEGIES), ("signals", SIGNALS)] {
        let folder = folder.join(what);
        let mut journal = Journal::open(&folder, Limits { tape_bytes: u64::MAX, ..Limits::default() }, FROM).unwrap();
        let hash = kt_model::block::hash(text.as_bytes());
        for input in [Input::Start(FROM), Input::Configuration { at: FROM, hash, text }, Input::CatchUp(FROM)] {
            journal.append(&input);
        }
        let (mut taken, mut tick) = (0, FROM.0);
        each_event(events, |event| {
            let received = event.header().recv_ts;
            while tick <= received.0 {
                journal.append(&Input::Tick(Nanos(tick)));
                tick += TICK;
            }
            journal.append(&Input::event(event));
            taken += 1;
            if taken % 64 == 0 {
                journal.flush().unwrap();
            }
        });
        journal.flush().unwrap();
        journal.write_order().unwrap();
        let folder = journal.folder().to_owned();
        drop(journal);
        if what == "strategies" {
            let (clock, mut seen) = (Clock::start(None), 0_u64);
            replay::replay(&folder, 1, |_, input| seen += u64::from(matches!(input, Input::Event { .. }))).unwrap();
            assert_eq!(seen, taken);
            clock.tell("journal, decoding alone", taken);
        }
        let clock = Clock::start(None);
        let mut sink = ();
        let mut runner = Runner::new(&mut sink);
        replay::replay(&folder, 1, |_, input| runner.input(input).unwrap()).unwrap();
        let outcome = runner.finish().outcome;
        clock.tell(&format!("journal, {what}"), taken);
        println!(
            "    {} orders, {} fills, {} signal changes",
            outcome.counts.orders, outcome.counts.fills, outcome.counts.signals
        );
    }
}

async fn from_warehouse(events: u64) {
    let directory = harness::directory();
    let setup = harness::Setup::new(directory.path());
    let warehouse = setup.start();
    let client = warehouse.client();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql/clickhouse");
    let set = MigrationSet::from_directory(&scripts, &BTreeMap::new()).unwrap();
    let mut target = ClickHouseTarget::new(client.clone(), "bench");
    Migrator::new(&mut target, &set, MigrateOptions::default()).apply().await.unwrap();
    let filled = fill(&client, events).await;
    let (to, pid) = (Nanos(end_of(events)), Some(warehouse.pid()));
    let scope = Scope { from: FROM, to, warm_up: Nanos(0), markets: markets(), kinds: INPUT_KINDS.to_vec() };

    let clock = Clock::start(pid);
    let plan = Plan::make(&client, &scope, 128 << 20).await.unwrap();
    clock.tell("warehouse, planning", filled);
    let clock = Clock::start(pid);
    let mut windows = fetch(client.clone(), scope, &plan);
    let read = tokio::task::spawn_blocking(move || {
        let mut rows = 0;
        while let Some(window) = windows.blocking_recv() {
            rows += merge(&window.unwrap(), |_, _| Ok(())).unwrap();
        }
        rows
    });
    assert_eq!(read.await.unwrap(), filled);
    clock.tell("warehouse, reading and merging alone", filled);

    let strategy = Text { file: "basis.toml".to_owned(), text: STRATEGIES.to_owned() };
    let source = Source::Warehouse { from: FROM, to, warm_up: Nanos(0), tick: Nanos(TICK), strategy, signals: None };
    let request =
        Request { source, memory: 384 << 20, code: "bench".to_owned(), place: String::new(), live_journal: None };
    let clock = Clock::start(pid);
    let (_, outcome) = kt_backtest::run::run(Some(&client), &request, Box::new(()), Arc::new(|_| ())).await.unwrap();
    clock.tell("warehouse, a whole run with strategies", filled);
    println!("    {} orders, {} fills", outcome.counts.orders, outcome.counts.fills);
    assert_eq!(warehouse.stop().0, Some(0));
}

/// Inserts the market in batches of a kind; answers how many rows there are.
async fn fill(client: &Client, events: u64) -> u64 {
    let mut batches: BTreeMap<Kind, Vec<Vec<u8>>> = BTreeMap::new();
    let mut filled = 0;
    each_event(events, |event: &Event<'_>| {
        let own = batches.entry(event.kind()).or_default();
        if own.last().is_none_or(|batch| batch.len() > 16 << 20) {
            own.push(Vec::new());
        }
        event.encode(own.last_mut().unwrap());
        filled += 1;
    });
    for (kind, batches) in batches {
        let names: Vec<&str> = kind.schema().columns().map(|column| column.name).collect();
        for batch in batches {
            client.insert_row_binary(kind.table(), Some(&names), batch.into(), &Options::new()).await.unwrap();
        }
    }
    filled
}

/// User and system time of a process so far; Linux counts in hundredths of a second.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) as f64 / 100.0
}
