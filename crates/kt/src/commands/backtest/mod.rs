//! `kt backtest`: the past through the code that trades live.

mod options;
mod show;
mod when;

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kt_backtest::manifest::Manifest;
use kt_backtest::outcome::Outcome;
use kt_backtest::parity::{Collector, Parity};
use kt_backtest::run::{Progress, Request, Source, Tell, Text};
use kt_backtest::{parity, report, results};
use kt_model::Nanos;
use kt_warehouse::Client;

pub(crate) use options::Options;
use options::{Action, Run};

use super::services::{failed, run as run_service};
use crate::config::Config;
use crate::error::Error;

/// Runs, lists or compares.
pub(crate) fn run(config: &Config, options: &Options) -> Result<(), Error> {
    match &options.action {
        Some(Action::List { limit, json }) => run_service(async {
            let runs = results::list(&super::warehouse_client(config)?, *limit).await.map_err(failed)?;
            show::list(&runs, *json)
        }),
        Some(Action::Compare { runs, json }) => run_service(async {
            let client = super::warehouse_client(config)?;
            let mut found = Vec::new();
            for name in runs {
                found.push(results::find(&client, name).await.map_err(failed)?);
            }
            show::compare(&found, *json)
        }),
        None => run_service(backtest(config, &options.run)),
    }
}

async fn backtest(config: &Config, options: &Run) -> Result<(), Error> {
    let client = super::warehouse_client(config)?;
    let request = request(config, options)?;
    // A journal with its own tape needs no warehouse; everything else does.
    let reachable = client.execute("SELECT 1", &kt_warehouse::client::Options::new()).await;
    let warehouse = reachable.as_ref().ok().map(|()| &client);
    if let (Source::Warehouse { .. }, Err(error)) = (&request.source, &reachable) {
        return Err(Error::failed(format!("{error}; `kt status` shows whether the warehouse runs")));
    }
    let collector = collector(&request.source, options)?;
    let sink: Box<dyn kt_backtest::runner::RowSink> = match &collector {
        Some(collector) => Box::new(collector.clone()),
        None => Box::new(()),
    };
    let progress = Shown::new(options);
    let ran = kt_backtest::run::run(warehouse, &request, sink, progress.tell()).await;
    progress.end();
    let (manifest, outcome) = ran.map_err(explain)?;
    if let Some(file) = &options.report {
        let page = report::page(&manifest, &outcome);
        std::fs::write(file, page).map_err(Error::doing(format!("writing {}", file.display())))?;
    }
    if let Some(file) = &options.result {
        let whole = serde_json::json!({ "manifest": manifest, "outcome": outcome });
        std::fs::write(file, whole.to_string()).map_err(Error::doing(format!("writing {}", file.display())))?;
    }
    let parities = match (&collector, warehouse) {
        (Some(collector), Some(client)) => parity::compare(client, collector).await.map_err(failed)?,
        (Some(_), None) => return Err(Error::failed("--parity needs the warehouse, which does not answer")),
        _ => Vec::new(),
    };
    let is_stored = match (warehouse, options.no_store) {
        (Some(client), false) => store(client, &manifest, &outcome).await?,
        _ => false,
    };
    show::result(&manifest, &outcome, &parities, (options, is_stored))?;
    verdict(options, &parities)
}

async fn store(client: &Client, manifest: &Manifest, outcome: &Outcome) -> Result<bool, Error> {
    results::store(client, manifest, outcome).await.map_err(failed)?;
    Ok(true)
}

/// A configuration or a request that is wrong has its own exit code.
fn explain(error: kt_backtest::BacktestError) -> Error {
    match error {
        kt_backtest::BacktestError::Strategy(_) | kt_backtest::BacktestError::Request(_) => {
            Error::usage(error.to_string())
        }
        other => Error::failed(other.to_string()),
    }
}

fn request(config: &Config, options: &Run) -> Result<Request, Error> {
    let source = match &options.journal {
        Some(folder) => Source::Journal {
            folder: folder.clone(),
            gathered: options.tape.clone().unwrap_or_else(|| config.data("backtest").join("tape")),
        },
        None => warehouse_source(config, options)?,
    };
    let place = match &source {
        Source::Warehouse { .. } => format!("http://{}", config.address(config.warehouse.port)),
        Source::Journal { folder, .. } => folder.display().to_string(),
    };
    let journal = config.data("journal").join("trade");
    let live_journal = (options.journal.is_none() && journal.is_dir()).then_some(journal);
    Ok(Request { source, memory: options.memory.0, code: code()?, place, live_journal })
}

fn warehouse_source(config: &Config, options: &Run) -> Result<Source, Error> {
    let needed = |what: &str| Error::usage(format!("a run over the warehouse needs {what}; see `kt backtest --help`"));
    let now = Nanos(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos()).unwrap_or(i64::MAX));
    let moment = |text: &str| when::moment(text, now).map_err(Error::usage);
    let tick = i64::try_from(config.trade.tick_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Ok(Source::Warehouse {
        from: moment(options.from.as_deref().ok_or_else(|| needed("--from"))?)?,
        to: moment(options.to.as_deref().unwrap_or("now"))?,
        warm_up: when::length(&options.warm_up).map_err(Error::usage)?,
        tick: Nanos(tick),
        strategy: strategy(options.strategy.as_deref().ok_or_else(|| needed("--strategy"))?)?,
        signals: options.signals.as_deref().map(text).transpose()?,
    })
}

/// The strategies, checked before anything is asked of the warehouse.
fn strategy(file: &Path) -> Result<Text, Error> {
    let text = text(file)?;
    kt_trading::TradingConfig::parse(&text.text)
        .map_err(|error| Error::usage(format!("{}:{}: {}", text.file, error.line, error.problem)))?;
    Ok(text)
}

fn text(file: &Path) -> Result<Text, Error> {
    let read = std::fs::read_to_string(file);
    let text = read.map_err(|error| Error::usage(format!("cannot read {}: {error}", file.display())))?;
    Ok(Text { file: file.display().to_string(), text })
}

/// Collects what a comparison needs, when one is wanted.
fn collector(source: &Source, options: &Run) -> Result<Option<Collector>, Error> {
    let Source::Journal { folder, .. } = source else { return Ok(None) };
    if !options.parity {
        return Ok(None);
    }
    let newest: PathBuf = kt_backtest::run::epochs_of(folder).map_err(failed)?.pop().unwrap_or_default();
    let epoch = newest.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    let epoch = epoch.ok_or_else(|| Error::usage(format!("{} is no epoch of a journal", newest.display())))?;
    Ok(Some(Collector::new(epoch)))
}

/// Exit code 0 only where parity, if it was asked for, holds.
fn verdict(options: &Run, parities: &[Parity]) -> Result<(), Error> {
    if !options.parity {
        return Ok(());
    }
    if parities.is_empty() {
        return Err(Error::failed("the replay gave no rows, so there is nothing to compare"));
    }
    let broken: Vec<String> = parities
        .iter()
        .filter(|parity| !parity.holds())
        .map(|parity| {
            format!(
                "{} {}: {} rows differ (first at counter {:?}), {} are not in the log",
                parity.writer, parity.kind, parity.different, parity.first_different, parity.unlogged
            )
        })
        .collect();
    if broken.is_empty() { Ok(()) } else { Err(Error::failed(format!("no parity: {}", broken.join("; ")))) }
}

/// The program that made a result: version, commit it was built from, and a hash of the very file, which also
/// tells apart two builds of one commit.
fn code() -> Result<String, Error> {
    let own = "/proc/self/exe";
    let bytes = std::fs::read(own).map_err(Error::doing(format!("reading {own}")))?;
    let build = kt_model::block::hash(&bytes);
    Ok(format!("kt {} (commit {}, build {build:016x})", env!("CARGO_PKG_VERSION"), env!("KT_COMMIT")))
}

/// A line on standard error that says how far the run is.
struct Shown {
    started: Instant,
    last: Arc<Mutex<Option<Instant>>>,
    is_wanted: bool,
}

impl Shown {
    fn new(options: &Run) -> Self {
        let is_wanted = !options.json && std::io::stderr().is_terminal();
        Self { started: Instant::now(), last: Arc::default(), is_wanted }
    }

    fn tell(&self) -> Tell {
        let (started, last, is_wanted) = (self.started, Arc::clone(&self.last), self.is_wanted);
        Arc::new(move |progress: Progress| {
            let Ok(mut last) = last.lock() else { return };
            if !is_wanted || last.is_some_and(|last| last.elapsed() < Duration::from_millis(200)) {
                return;
            }
            *last = Some(Instant::now());
            let share = progress.done as f64 / progress.all.max(1) as f64 * 100.0;
            let rate = progress.done as f64 / started.elapsed().as_secs_f64() / 1e3;
            let _ = write!(std::io::stderr(), "\r{share:5.1} %  {} events, {rate:.0} K/s ", progress.done);
        })
    }

    fn end(&self) {
        if self.is_wanted {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
