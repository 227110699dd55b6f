//! `kt backfill`: fills what the gap ledger, or a stated window, says is missing.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Cell, CellAlignment};
use kt_backfill::{
    Backfill, BackfillConfig, BackfillError, ErrorKind, GapReport, RangeReport, Step, VenueAccess, time,
};
use kt_feed::{BaseAddress, VenueConfig};
use kt_model::Nanos;
use kt_model::schema::Kind;

use super::services::{bus, log};
use crate::config::{Config, SourceMode};
use crate::error::Error;
use crate::page_progress::PageProgress;

/// Options of `kt backfill`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    gaps: Gaps,
}

/// What to fill.
#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Fill the open gaps of the ledger
    #[command(after_help = "Example:\n  kt backfill gaps --venue binance --kind trade --day 2026-11-22 --json")]
    Gaps(Gaps),
    /// Show the gap ledger by venue, kind and day
    #[command(after_help = "Example:\n  kt backfill list --json")]
    List {
        /// Only this venue
        #[arg(long)]
        venue: Option<String>,
        /// Also what is filled or unrecoverable
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fill a stated window with trades
    #[command(
        after_help = "Example:\n  kt backfill trades --venue binance --instrument BTC-USDT-SPOT --from 2026-11-21 --to 2026-11-22"
    )]
    Trades(Window),
    /// Fill a stated window with the exchange's one-minute candles
    #[command(after_help = "Example:\n  kt backfill candles --venue binance --instrument BTC-USDT-SPOT --since 7d")]
    Candles(Window),
    /// Fill a stated window with settled funding rates
    #[command(after_help = "Example:\n  kt backfill funding --since 2y")]
    Funding(Window),
}

/// Which gaps.
#[derive(Debug, Clone, Args)]
struct Gaps {
    /// Only this venue
    #[arg(long)]
    venue: Option<String>,
    /// Only this kind: trade, candle, funding
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// Only this day (UTC), 2026-11-22
    #[arg(long, value_parser = day)]
    day: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print plain lines even on a terminal
    #[arg(long)]
    plain: bool,
}

/// Which window of which instruments.
#[derive(Debug, Clone, Args)]
struct Window {
    /// The venue; without it every venue that serves such a past
    #[arg(long)]
    venue: Option<String>,
    /// Canonical id or the venue's symbol, more than once for several; without it those that the warehouse knows
    #[arg(long)]
    instrument: Vec<String>,
    /// Begin (UTC): 2026-11-21, 2026-11-21T12:30:00Z or milliseconds since 1970
    #[arg(long, value_parser = moment, required_unless_present = "since", conflicts_with = "since")]
    from: Option<Nanos>,
    /// End (UTC) [default: now]
    #[arg(long, value_parser = moment)]
    to: Option<Nanos>,
    /// So long before the end: 90m, 36h, 7d, 2y
    #[arg(long, value_parser = length)]
    since: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print plain lines even on a terminal
    #[arg(long)]
    plain: bool,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::from_name(text).ok_or_else(|| "no such kind; there are trade, candle, funding".to_owned())
}

fn day(text: &str) -> Result<String, String> {
    time::day(text).map(|_| text.to_owned()).ok_or_else(|| "no day such as 2026-11-22".to_owned())
}

fn moment(text: &str) -> Result<Nanos, String> {
    time::moment(text).ok_or_else(|| "no moment such as 2026-11-22T13:05:00Z".to_owned())
}

fn length(text: &str) -> Result<i64, String> {
    time::length(text).ok_or_else(|| "no length of time such as 36h or 2y".to_owned())
}

pub(crate) fn run(config: &Config, options: &Options) -> Result<(), Error> {
    let backfill = Backfill::new(settings(config)?);
    super::block_on(async {
        match &options.action {
            None => gaps(&backfill, &options.gaps).await,
            Some(Action::Gaps(options)) => gaps(&backfill, options).await,
            Some(Action::List { venue, all, json }) => list(&backfill, venue.as_deref(), *all, *json).await,
            Some(Action::Trades(window)) => ranges(&backfill, config, Kind::Trade, window).await,
            Some(Action::Candles(window)) => ranges(&backfill, config, Kind::Candle, window).await,
            Some(Action::Funding(window)) => ranges(&backfill, config, Kind::Funding, window).await,
        }
    })
}

/// What the library is told.
fn settings(config: &Config) -> Result<BackfillConfig, Error> {
    let settings = &config.backfill;
    Ok(BackfillConfig {
        bus: bus(config, "kt-backfill"),
        log: log(config),
        spools: config.data("spool"),
        warehouse: super::warehouse_client(config)?,
        venues: venues(config)?,
        timeout: Duration::from_secs(settings.timeout_s),
        attempts: settings.attempts,
        longest_pause: Duration::from_secs(settings.longest_pause_s),
        land_within: Duration::from_secs(settings.land_within_s),
        wait_for_other: Duration::from_secs(settings.wait_for_other_s),
        margin: Duration::from_millis(settings.margin_ms),
    })
}

/// Every venue with a mapping; unless the source is the exchanges themselves, at the simulated exchange.
fn venues(config: &Config) -> Result<VenueAccess, Error> {
    let mut names: Vec<String> = kt_venue::builtin_venues().map(str::to_owned).collect();
    names.extend(config.feed.venues.iter().cloned());
    names.sort();
    names.dedup();
    let mut venues = BTreeMap::new();
    for name in names {
        let address = config.address(config.sim.port);
        let base = (config.source.mode != SourceMode::Live).then(|| BaseAddress {
            websocket: format!("ws://{address}/{name}"),
            rest: format!("http://{address}/{name}"),
        });
        let venue = VenueConfig { base, ..VenueConfig::new(super::feed::mapping(config, &name)?) };
        let mapping = venue.compile().map_err(|error| Error::usage(error.to_string()))?;
        venues.insert(mapping.venue().to_owned(), std::sync::Arc::new(mapping));
    }
    Ok(venues)
}

fn failed(error: BackfillError) -> Error {
    match error.kind {
        ErrorKind::Request => Error::usage(error.message),
        _ => Error::failed(error.message),
    }
}

async fn gaps(backfill: &Backfill, options: &Gaps) -> Result<(), Error> {
    let progress = Rc::new(PageProgress::new(options.plain || options.json));
    let shown = progress.clone();
    let watch = move |step: &Step<'_>| shown.show(step);
    let chosen = (options.venue.as_deref(), options.kind, options.day.as_deref());
    let report = backfill.gaps(chosen, &watch).await.map_err(failed)?;
    progress.finish();
    if options.json {
        super::print_json(&report)?;
    } else {
        show_gaps(&report);
    }
    match report.open {
        0 => Ok(()),
        open => Err(Error::failed(format!("{open} still open; the ledger (kt backfill list) says why"))),
    }
}

async fn list(backfill: &Backfill, venue: Option<&str>, all: bool, json: bool) -> Result<(), Error> {
    let mut partitions = backfill.list(venue).await.map_err(failed)?;
    partitions.retain(|partition| all || partition.open > 0);
    if json {
        return super::print_json(&serde_json::json!({ "partitions": partitions }));
    }
    let mut table = super::plain_table();
    table.set_header(["venue", "kind", "day", "state", "gaps", "open", "seconds", "reason"]);
    for partition in &partitions {
        let state = serde_json::to_value(partition.state).map_err(Error::doing("writing JSON"))?;
        table.add_row([
            Cell::new(&partition.venue),
            Cell::new(&partition.kind),
            Cell::new(&partition.day),
            Cell::new(state.as_str().unwrap_or_default()),
            right(partition.gaps),
            right(partition.open),
            Cell::new(format!("{:.1}", partition.seconds)).set_alignment(CellAlignment::Right),
            Cell::new(&partition.reason),
        ]);
    }
    super::print(table);
    Ok(())
}

async fn ranges(backfill: &Backfill, config: &Config, kind: Kind, options: &Window) -> Result<(), Error> {
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as i64);
    let to = options.to.unwrap_or(Nanos(now));
    let from = options.from.or(options.since.map(|since| Nanos(to.0 - since))).unwrap_or(to);
    if from > to {
        return Err(Error::usage("the window ends before it begins"));
    }
    let progress = Rc::new(PageProgress::new(options.plain || options.json));
    let shown = progress.clone();
    let watch = move |step: &Step<'_>| shown.show(step);
    let mut report = RangeReport::default();
    for name in chosen_venues(config, kind, options).await? {
        let part = backfill.ranges(kind, &name, &options.instrument, (from, to), &watch).await.map_err(failed)?;
        report.found += part.found;
        report.inserted += part.inserted;
        report.present += part.present;
        report.failed += part.failed;
        report.windows.extend(part.windows);
    }
    progress.finish();
    if options.json {
        super::print_json(&report)?;
    } else {
        show_ranges(&report);
    }
    match report.failed {
        0 => Ok(()),
        failed => Err(Error::failed(format!("{failed} of {} windows could not be filled", report.windows.len()))),
    }
}

/// The named venue; else those of the source that serve such a past.
async fn chosen_venues(config: &Config, kind: Kind, options: &Window) -> Result<Vec<String>, Error> {
    if let Some(venue) = &options.venue {
        return Ok(vec![venue.clone()]);
    }
    let fed = match config.source.mode {
        SourceMode::Live => config.feed.venues.clone(),
        SourceMode::Generated | SourceMode::Replay => super::feed::simulated_venues(config).await?,
    };
    let serving = venues(config)?.into_iter().filter(|(name, mapping)| fed.contains(name) && mapping.has_history(kind));
    Ok(serving.map(|(name, _)| name).collect())
}

fn right(number: u64) -> Cell {
    Cell::new(number).set_alignment(CellAlignment::Right)
}

fn show_gaps(report: &GapReport) {
    if report.partitions.is_empty() {
        return super::print("no open gap");
    }
    let mut table = super::plain_table();
    table.set_header([
        "venue",
        "kind",
        "day",
        "state",
        "gaps",
        "instruments",
        "found",
        "inserted",
        "present",
        "reason",
    ]);
    for part in &report.partitions {
        let state = format!("{:?}", part.state).to_lowercase();
        let mut row = vec![Cell::new(&part.venue), Cell::new(&part.kind), Cell::new(&part.day), Cell::new(state)];
        row.extend([part.gaps, part.instruments, part.found, part.inserted, part.present].map(right));
        row.push(Cell::new(&part.reason));
        table.add_row(row);
    }
    super::print(table);
}

fn show_ranges(report: &RangeReport) {
    let mut table = super::plain_table();
    table.set_header(["venue", "kind", "instrument", "from", "to", "found", "inserted", "present", "reason"]);
    for window in &report.windows {
        let texts = [&window.venue, &window.kind, &window.instrument, &window.from, &window.to];
        let mut row: Vec<Cell> = texts.into_iter().map(Cell::new).collect();
        row.extend([window.found, window.inserted, window.present].map(right));
        row.push(Cell::new(&window.reason));
        table.add_row(row);
    }
    super::print(table);
}
