//! Backtests: how many events a second the past is replayed with, from a journal and from the warehouse.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kt_backtest::outcome::Counts;
use kt_backtest::run::{Request, Source, Text};
use kt_journal::{Journal, Limits, replay};
use kt_model::{Event, Kind, Nanos};
use kt_signals::Input;
use kt_warehouse::Client;
use kt_warehouse::client::Options;

use super::flow::{self, FROM};
use super::report::{Section, count, median, spoken};
use super::usage;
use crate::config::Config;
use crate::error::Error;

/// Events of the market that is replayed.
const EVENTS: u64 = 2_000_000;
const STRATEGIES: &str = include_str!("../../../../strategies/basis.toml");
const SIGNALS: &str = include_str!("../config/signals.toml");
/// The live service's own interval.
const TICK: i64 = 10_000_000;
/// The cap of the runs over the warehouse, and the default of `kt backtest`.
const MEMORY: u64 = 512 << 20;
const BATCH_BYTES: usize = 16 << 20;
const WANTED_JOURNAL: f64 = 2e6;
const WANTED_WAREHOUSE: f64 = 5e5;

/// What one run took.
#[derive(Clone, Default)]
struct Run {
    events: u64,
    elapsed: Duration,
    own: Duration,
    warehouse: Duration,
    counts: Counts,
}

impl Run {
    fn rate(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Events for each second of processor time, of whatever process.
    fn rate_of_a_core(&self) -> f64 {
        self.events as f64 / (self.own + self.warehouse).as_secs_f64().max(1e-9)
    }

    fn per_event(&self, time: Duration) -> f64 {
        time.as_nanos() as f64 / self.events.max(1) as f64
    }
}

/// Runs of one source under its name.
struct Line {
    name: &'static str,
    runs: Vec<Run>,
}

/// Measures the stage.
pub(super) fn run(config: &Config, rounds: u32) -> Result<Section, Error> {
    let mut section = Section::begin("Backtest: journal and warehouse");
    section.method = format!(
        "A made-up market of {} events: three assets, spot and perpetual, at 50 K events/s; of ten events six quotes, three \
         trades and one book delta of 20 levels; the basis swings, so that the built-in strategies trade. A run is that of \
         `kt backtest`, from the first read to the record with its hashes, but nothing is stored. The rates of a core count \
         the processor time of all processes, the warehouse's too. The warehouse's rows are read under a cap of {} MiB.",
        count(EVENTS as f64),
        MEMORY >> 20
    );
    let folder = super::load::folder()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Error::doing("starting the runtime"))?;
    let strategies = write_journal(&folder.path().join("strategies"), STRATEGIES)?;
    let signals = write_journal(&folder.path().join("signals"), SIGNALS)?;
    let mut lines = Vec::new();
    let rounds = || 0..rounds;
    lines.push(Line {
        name: "journal: reading and decoding alone",
        runs: rounds().map(|_| decode(&strategies)).collect::<Result<_, _>>()?,
    });
    let journal = |place: &Path| runtime.block_on(once(None, journal_source(place), 0));
    lines.push(Line {
        name: "journal: strategies",
        runs: rounds().map(|_| journal(&strategies)).collect::<Result<_, _>>()?,
    });
    lines.push(Line {
        name: "journal: default signals",
        runs: rounds().map(|_| journal(&signals)).collect::<Result<_, _>>()?,
    });
    if config.engine("lib/libchdb.so").exists() {
        let (warehouse, port) = super::load::warehouse(config, folder.path())?;
        let client = Client::new(&format!("http://127.0.0.1:{port}")).map_err(Error::doing("asking the warehouse"))?;
        runtime.block_on(fill(&client))?;
        let once = |_| runtime.block_on(once(Some((&client, warehouse.pid())), warehouse_source(), EVENTS));
        lines.push(Line { name: "warehouse: strategies", runs: rounds().map(once).collect::<Result<_, _>>()? });
    } else {
        section.skip("backtest: no warehouse engine; run `make setup`".to_owned());
    }
    tabulate(&mut section, &lines);
    Ok(section)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::failed(error.to_string())
}

/// The market as a service would have journaled it; answers the epoch's folder.
fn write_journal(folder: &Path, text: &str) -> Result<PathBuf, Error> {
    let limits = Limits { tape_bytes: u64::MAX, ..Limits::default() };
    let mut journal = Journal::open(folder, limits, FROM).map_err(failed)?;
    let hash = kt_model::block::hash(text.as_bytes());
    for input in [Input::Start(FROM), Input::Configuration { at: FROM, hash, text }, Input::CatchUp(FROM)] {
        journal.append(&input);
    }
    let (mut taken, mut tick) = (0_u64, FROM.0);
    let mut outcome = Ok(());
    flow::each_event(EVENTS, |event| {
        let received = event.header().recv_ts;
        while tick <= received.0 {
            journal.append(&Input::Tick(Nanos(tick)));
            tick += TICK;
        }
        journal.append(&Input::event(event));
        taken += 1;
        if taken.is_multiple_of(64) && outcome.is_ok() {
            outcome = journal.flush();
        }
    });
    outcome.and_then(|()| journal.flush()).and_then(|()| journal.write_order()).map_err(failed)?;
    Ok(journal.folder().to_owned())
}

fn decode(folder: &Path) -> Result<Run, Error> {
    let (begun, own) = (Instant::now(), usage::of_this_process());
    let mut events = 0;
    replay::replay(folder, 1, |_, input| events += u64::from(matches!(input, Input::Event { .. }))).map_err(failed)?;
    Ok(Run { events, elapsed: begun.elapsed(), own: usage::of_this_process() - own, ..Run::default() })
}

fn journal_source(folder: &Path) -> Source {
    Source::Journal { folder: folder.to_owned(), gathered: PathBuf::new() }
}

fn warehouse_source() -> Source {
    Source::Warehouse {
        from: FROM,
        to: Nanos(flow::end_of(EVENTS)),
        warm_up: Nanos(0),
        tick: Nanos(TICK),
        strategy: Text { file: "basis.toml".to_owned(), text: STRATEGIES.to_owned() },
        signals: None,
    }
}

/// One run; `least` events must have been replayed.
async fn once(warehouse: Option<(&Client, u32)>, source: Source, least: u64) -> Result<Run, Error> {
    let request =
        Request { source, memory: MEMORY, code: "bench".to_owned(), place: String::new(), live_journal: None };
    let of_warehouse = || warehouse.map_or(Duration::ZERO, |(_, pid)| usage::of_process(pid));
    let (begun, own, other) = (Instant::now(), usage::of_this_process(), of_warehouse());
    let client = warehouse.map(|(client, _)| client);
    let ran = kt_backtest::run::run(client, &request, Box::new(()), Arc::new(|_| ())).await;
    let (_, outcome) = ran.map_err(failed)?;
    let counts = outcome.counts;
    if counts.events < least || counts.orders + counts.signals == 0 {
        return Err(Error::failed(format!("the backtest to be measured replayed {counts:?}: not what was written")));
    }
    Ok(Run {
        events: counts.events,
        elapsed: begun.elapsed(),
        own: usage::of_this_process() - own,
        warehouse: of_warehouse().saturating_sub(other),
        counts,
    })
}

/// Inserts the market, many rows of a kind at a time, as the loader does.
async fn fill(client: &Client) -> Result<(), Error> {
    let mut batches: Vec<(Kind, Vec<u8>)> = Vec::new();
    let mut open: [Vec<u8>; Kind::COUNT] = std::array::from_fn(|_| Vec::new());
    flow::each_event(EVENTS, |event: &Event<'_>| {
        let own = &mut open[event.kind().index()];
        event.encode(own);
        if own.len() > BATCH_BYTES {
            batches.push((event.kind(), std::mem::take(own)));
        }
    });
    let rest = Kind::ALL.iter().zip(open).filter(|(_, rows)| !rows.is_empty()).map(|(kind, rows)| (*kind, rows));
    for (kind, rows) in batches.into_iter().chain(rest) {
        let names: Vec<&str> = kind.schema().columns().map(|column| column.name).collect();
        let inserted = client.insert_row_binary(kind.table(), Some(&names), rows.into(), &Options::new()).await;
        inserted.map_err(Error::doing("filling the warehouse"))?;
    }
    Ok(())
}

fn tabulate(section: &mut Section, lines: &[Line]) {
    let columns =
        ["replayed", "events", "events/s", "events/s a core", "CPU an event: here", "warehouse", "orders", "signals"];
    let table = section.table("Medians of the rounds:", &columns);
    let middle = |line: &Line, pick: &dyn Fn(&Run) -> f64| median(line.runs.iter().map(pick));
    for line in lines {
        let Some(first) = line.runs.first() else { continue };
        table.row([
            line.name.to_owned(),
            count(first.events as f64),
            count(middle(line, &Run::rate)),
            count(middle(line, &Run::rate_of_a_core)),
            spoken(middle(line, &|run| run.per_event(run.own))),
            spoken(middle(line, &|run| run.per_event(run.warehouse))),
            count(first.counts.orders as f64),
            count(first.counts.signals as f64),
        ]);
    }
    let wanted = [("journal: strategies", WANTED_JOURNAL), ("warehouse: strategies", WANTED_WAREHOUSE)];
    for (name, wanted) in wanted {
        let Some(line) = lines.iter().find(|line| line.name == name) else { continue };
        let (rate, of_a_core) = (middle(line, &Run::rate), middle(line, &Run::rate_of_a_core));
        let source = name.split(':').next().unwrap_or(name);
        section.value(format!("backtest_{source}_events_per_second"), rate);
        section.value(format!("backtest_{source}_events_per_core_second"), of_a_core);
        let what = format!("backtest from the {source}, events a second and core");
        section.target(&what, &format!("at least {}", count(wanted)), count(of_a_core), of_a_core >= wanted);
    }
}
