//! A run over a service's journal: exactly what it took in, in its order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kt_journal::{JournalError, replay};
use kt_model::{Event, Nanos};
use kt_signals::Input;
use kt_warehouse::Client;

use super::{Progress, Request, Source, Tell};
use crate::coverage::{JournalCoverage, MarketCoverage};
use crate::error::BacktestError;
use crate::history::gather;
use crate::manifest::{Manifest, OrderStatement};
use crate::order::OrderWatch;
use crate::runner::{Ran, RowSink, Runner};
use crate::scope::Market;

/// Events between two words on the progress.
const WORD_EVERY: u64 = 1 << 18;

/// The folders of a journal's epochs, oldest first: `folder` itself where it is one.
///
/// # Errors
/// No journal there.
pub fn epochs_of(folder: &Path) -> Result<Vec<PathBuf>, BacktestError> {
    let epochs = replay::epochs(folder)?;
    if !epochs.is_empty() {
        return Ok(epochs.iter().map(|epoch| folder.join(epoch.to_string())).collect());
    }
    if folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<u32>().is_ok()) {
        return Ok(vec![folder.to_owned()]);
    }
    Err(BacktestError::Request(format!(
        "{} holds no journal; the services keep theirs below <data>/journal, for instance <data>/journal/trade",
        folder.display()
    )))
}

pub(super) async fn run(
    client: Option<&Client>,
    request: &Request,
    mut sink: Box<dyn RowSink>,
    tell: Tell,
) -> Result<(Manifest, Ran), BacktestError> {
    let Source::Journal { folder, gathered } = request.source.clone() else {
        return Err(BacktestError::Request("this is no run over a journal".to_owned()));
    };
    // The newest epoch: within one, a service goes on after a kill; between two, its state began anew.
    let newest = epochs_of(&folder)?.pop().unwrap_or(folder);
    let (tape, missing) = tape(client, &newest, &gathered).await?;
    let whole = tape.clone();
    let work = move || play(&whole, &mut *sink, &tell);
    let played = tokio::task::spawn_blocking(work).await;
    let (ran, seen) = played.map_err(|error| BacktestError::Request(format!("the replay broke off: {error}")))??;
    let (coverage, mappings) = seen.coverage.finish(seen.first, seen.last, &seen.markets);
    let mut kinds: Vec<String> =
        coverage.markets.iter().flat_map(|market| market.kinds.iter().map(|kind| kind.kind.clone())).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let everything = || coverage.markets.iter().map(MarketCoverage::market).collect();
    let markets = if seen.markets.is_empty() { everything() } else { seen.markets };
    let mut manifest = Manifest {
        source: if tape == newest { "journal" } else { "journal's order and the warehouse's rows" }.to_owned(),
        place: newest.display().to_string(),
        from: seen.first.0,
        to: seen.last.0,
        markets,
        kinds,
        strategy_file: format!("{}'s configuration", newest.display()),
        strategy_text: seen.configuration,
        mappings,
        coverage,
        order: OrderStatement {
            said: "The order is the live service's own, from its journal.".to_owned(),
            difference: Some(seen.order.difference()),
        },
        ..Manifest::default()
    };
    manifest.coverage.partial.extend(missing);
    Ok((manifest, ran))
}

/// The folder whose tape is whole: the journal's own, or one gathered from the warehouse's rows.
async fn tape(
    client: Option<&Client>,
    folder: &Path,
    gathered: &Path,
) -> Result<(PathBuf, Option<String>), BacktestError> {
    let extent = replay::extent(folder)?;
    if extent.first == 1 {
        return Ok((folder.to_owned(), None));
    }
    let Some(client) = client else {
        return Err(BacktestError::Journal(JournalError::Gone {
            path: folder.to_owned(),
            first: extent.first,
            wanted: 1,
        }));
    };
    gather(client, folder, gathered).await
}

/// What a journal showed of itself.
struct Seen {
    first: Nanos,
    last: Nanos,
    markets: Vec<Market>,
    configuration: String,
    order: OrderWatch,
    coverage: JournalCoverage,
}

fn play(folder: &Path, sink: &mut dyn RowSink, tell: &Tell) -> Result<(Ran, Seen), BacktestError> {
    let mut runner = Runner::new(sink);
    let mut seen = Seen {
        first: Nanos(i64::MAX),
        last: Nanos(0),
        markets: Vec::new(),
        configuration: String::new(),
        order: OrderWatch::default(),
        coverage: JournalCoverage::default(),
    };
    let mut failed = None;
    let all = replay::extent(folder)?.last;
    let tell = Arc::clone(tell);
    replay::replay(folder, 1, |number, input| {
        if failed.is_some() {
            return;
        }
        seen.look(input);
        if let Err(error) = runner.input(input) {
            failed = Some(error);
        }
        if number % WORD_EVERY == 0 {
            tell(Progress { done: number, all });
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if !runner.is_configured() {
        return Err(BacktestError::Empty(format!("the journal {} holds no configuration yet", folder.display())));
    }
    Ok((runner.finish(), seen))
}

impl Seen {
    fn look(&mut self, input: &Input<'_>) {
        self.order.observe(input);
        self.coverage.observe(input);
        // A service begins with definitions that the venues gave before.
        let is_old = matches!(input, Input::Event { event: Event::Instrument(_), .. });
        if let Some(at) = input.at().filter(|_| !is_old) {
            self.first = self.first.min(at);
            self.last = self.last.max(at);
        }
        if let Input::Configuration { text, .. } = input
            && !self.configuration.contains(text)
        {
            self.configuration.push_str(text);
            if let Ok(config) = kt_trading::TradingConfig::parse(text) {
                let legs = config.legs().into_iter();
                self.markets = legs.map(|leg| Market { venue: leg.venue, instrument: leg.instrument }).collect();
            }
        }
    }
}
