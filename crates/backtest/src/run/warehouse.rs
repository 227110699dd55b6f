//! A run over the warehouse's rows.

use std::collections::BTreeSet;

use kt_model::{Event, Kind, Nanos, Reader};
use kt_signals::{Input, definition};
use kt_trading::TradingConfig;
use kt_warehouse::Client;
use tokio::sync::mpsc;
use xxhash_rust::xxh3::xxh3_64;

use super::{Progress, Request, Source, Tell, Text};
use crate::coverage::Coverage;
use crate::error::BacktestError;
use crate::history::{self, Plan, WINDOWS_IN_MEMORY, WindowRows, merge};
use crate::manifest::{Manifest, OrderStatement};
use crate::order::difference_from;
use crate::runner::{Ran, RowSink, Runner};
use crate::scope::{INPUT_KINDS, Market, Scope};

const SAID: &str = "Rows are ordered by when we received them, then by writer, epoch and counter; never by the exchanges' \
                    clocks. Ticks stand at whole multiples of their interval. A live service takes rows in as they reach \
                    it over the network, which can differ: replay its journal for the exact order.";

/// The times and texts of a request to the warehouse.
struct Asked {
    from: Nanos,
    to: Nanos,
    warm_up: Nanos,
    tick: Nanos,
    strategy: Text,
    signals: Option<Text>,
}

pub(super) async fn run(
    client: &Client,
    request: &Request,
    sink: Box<dyn RowSink>,
    tell: Tell,
) -> Result<(Manifest, Ran), BacktestError> {
    let Source::Warehouse { from, to, warm_up, tick, strategy, signals } = request.source.clone() else {
        return Err(BacktestError::Request("this is no run over the warehouse".to_owned()));
    };
    let asked = Asked { from, to, warm_up, tick, strategy, signals };
    let scope = scope(&asked)?;
    let plan = Plan::make(client, &scope, request.memory / WINDOWS_IN_MEMORY).await?;
    if plan.windows.is_empty() {
        let markets: Vec<String> =
            scope.markets.iter().map(|market| format!("{} {}", market.venue, market.instrument)).collect();
        return Err(BacktestError::Empty(format!(
            "the warehouse has no rows of {} received between {} and {}",
            markets.join(", "),
            crate::coverage::spoken(scope.begin()),
            crate::coverage::spoken(scope.to)
        )));
    }
    let coverage = Coverage::of(client, &scope, &plan).await?;
    let definitions = history::definitions_before(client, &scope).await?;
    let mappings = history::mappings(client, &scope).await?;
    let windows = history::fetch(client.clone(), scope.clone(), &plan);
    let mut manifest = Manifest {
        source: "warehouse".to_owned(),
        place: request.place.clone(),
        from: from.0,
        to: to.0,
        warm_up: warm_up.0,
        markets: scope.markets.clone(),
        kinds: scope.kinds.iter().map(ToString::to_string).collect(),
        strategy_file: asked.strategy.file.clone(),
        strategy_text: asked.strategy.text.clone(),
        mappings,
        coverage,
        order: OrderStatement { said: SAID.to_owned(), difference: None },
        ..Manifest::default()
    };
    let rows = plan.rows();
    // The replay computes without pause, so it has a thread of its own.
    let journal = request.live_journal.clone();
    let work = move || {
        let ran = replay(&asked, &definitions, windows, sink, &tell, rows)?;
        let difference = journal.map(|journal| difference_from(&journal, from, to)).transpose()?.flatten();
        Ok::<_, BacktestError>((ran, difference))
    };
    let replayed = tokio::task::spawn_blocking(work).await;
    let (ran, difference) =
        replayed.map_err(|error| BacktestError::Request(format!("the replay broke off: {error}")))??;
    manifest.order.difference = difference;
    Ok((manifest, ran))
}

/// The markets that the texts name.
fn scope(asked: &Asked) -> Result<Scope, BacktestError> {
    if asked.to <= asked.from {
        return Err(BacktestError::Request("the range ends before it begins; --from comes before --to".to_owned()));
    }
    let named = |file: &str, error: String| BacktestError::Strategy(format!("{file}: {error}"));
    let config =
        TradingConfig::parse(&asked.strategy.text).map_err(|error| named(&asked.strategy.file, error.to_string()))?;
    let mut markets: BTreeSet<Market> = BTreeSet::new();
    for leg in config.legs() {
        markets.insert(Market { venue: leg.venue, instrument: leg.instrument });
    }
    if let Some(signals) = &asked.signals {
        let declared = definition::parse(&signals.text).map_err(|error| named(&signals.file, error.to_string()))?;
        for signal in declared {
            let legs = [(signal.venue, signal.instrument), (signal.second_venue, signal.second_instrument)];
            for (venue, instrument) in legs.into_iter().filter(|(_, instrument)| !instrument.is_empty()) {
                // A pattern stands for many instruments: those that the strategies trade are among them.
                if !format!("{venue}{instrument}").contains(['*', '{']) {
                    markets.insert(Market { venue, instrument });
                }
            }
        }
    }
    if markets.is_empty() {
        return Err(BacktestError::Strategy(format!("{}: it names no market", asked.strategy.file)));
    }
    let markets = markets.into_iter().collect();
    // What `kt trade` takes in; signals may look at everything.
    let is_wanted =
        |kind: &Kind| asked.signals.is_some() || !matches!(kind, Kind::Candle | Kind::OpenInterest | Kind::Liquidation);
    let kinds = INPUT_KINDS.into_iter().filter(is_wanted).collect();
    Ok(Scope { from: asked.from, to: asked.to, warm_up: asked.warm_up, markets, kinds })
}

fn replay(
    asked: &Asked,
    definitions: &[u8],
    mut windows: mpsc::Receiver<Result<WindowRows, BacktestError>>,
    mut sink: Box<dyn RowSink>,
    tell: &Tell,
    all: u64,
) -> Result<Ran, BacktestError> {
    let mut replay = Replay::begin(asked, &mut *sink)?;
    replay.definitions(definitions)?;
    let mut done = 0;
    while let Some(window) = windows.blocking_recv() {
        done += merge(&window?, |event, _| replay.event(event))?;
        tell(Progress { done, all: all.max(done) });
    }
    replay.end()
}

/// Puts ticks and marks between the rows.
struct Replay<'r> {
    asked: &'r Asked,
    runner: Runner<'r>,
    next_tick: i64,
    live: bool,
}

impl<'r> Replay<'r> {
    fn begin(asked: &'r Asked, sink: &'r mut dyn RowSink) -> Result<Self, BacktestError> {
        let start = Nanos(asked.from.0 - asked.warm_up.0);
        let tick = asked.tick.0.max(1);
        let next_tick = start.0.div_euclid(tick) * tick + tick;
        let mut replay = Self { asked, runner: Runner::new(sink), next_tick, live: false };
        replay.runner.input(&Input::Start(start))?;
        for text in std::iter::once(&asked.strategy).chain(&asked.signals) {
            let hash = xxh3_64(text.text.as_bytes());
            replay.runner.input(&Input::Configuration { at: start, hash, text: &text.text })?;
        }
        Ok(replay)
    }

    /// What the venues had said of the instruments before the range.
    fn definitions(&mut self, rows: &[u8]) -> Result<(), BacktestError> {
        let mut reader = Reader::new(rows);
        while !reader.is_empty() {
            let event = Event::decode(Kind::Instrument, &mut reader).map_err(BacktestError::row(Kind::Instrument))?;
            self.runner.input(&Input::event(&event))?;
        }
        Ok(())
    }

    #[inline]
    fn event(&mut self, event: &Event<'_>) -> Result<(), BacktestError> {
        let received = event.header().recv_ts;
        if received.0 >= self.next_tick {
            self.ticks(received)?;
        }
        self.runner.input(&Input::event(event))
    }

    /// The ticks up to a moment, and the mark at which the past has been caught up with.
    fn ticks(&mut self, until: Nanos) -> Result<(), BacktestError> {
        while self.next_tick <= until.0 {
            if !self.live && self.next_tick >= self.asked.from.0 {
                self.live = true;
                self.runner.input(&Input::CatchUp(self.asked.from))?;
            }
            self.runner.input(&Input::Tick(Nanos(self.next_tick)))?;
            self.next_tick += self.asked.tick.0.max(1);
        }
        Ok(())
    }

    fn end(mut self) -> Result<Ran, BacktestError> {
        self.ticks(Nanos(self.asked.to.0 - 1))?;
        self.runner.input(&Input::Stop(self.asked.to))?;
        Ok(self.runner.finish())
    }
}
