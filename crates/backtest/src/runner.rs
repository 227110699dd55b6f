//! Drives the live code over a past and keeps account of what goes in and comes out.

use kt_journal::entry;
use kt_model::{Nanos, Order, Price, Row, Signal};
use kt_signals::{Engine, Input, Output, definition};
use kt_trading::{Desk, TradingConfig};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::BacktestError;
use crate::ledger::Ledger;
use crate::outcome::{Counts, Outcome};

/// Takes the rows that a replay gives, in order: as the live service would have logged them, but without a
/// position in the log.
pub trait RowSink: Send {
    /// An order event.
    ///
    /// # Errors
    /// What keeps it from being taken.
    fn order(&mut self, order: &Order<'_>) -> Result<(), BacktestError>;

    /// A signal's new state.
    ///
    /// # Errors
    /// What keeps it from being taken.
    fn signal(&mut self, signal: &Signal<'_>) -> Result<(), BacktestError>;
}

/// Takes nothing.
impl RowSink for () {
    fn order(&mut self, _: &Order<'_>) -> Result<(), BacktestError> {
        Ok(())
    }

    fn signal(&mut self, _: &Signal<'_>) -> Result<(), BacktestError> {
        Ok(())
    }
}

/// The code that runs live, with books of what it did.
pub struct Runner<'s> {
    /// What trades; `None` until a configuration of strategies comes.
    desk: Option<Desk>,
    /// What computes signals; `None` until declarations come.
    engine: Option<Engine>,
    /// The start that a desk or engine has to see first.
    started: Nanos,
    now: Nanos,
    ledger: Ledger,
    counts: Counts,
    hashes: Hashes,
    scratch: Vec<u8>,
    sink: &'s mut dyn RowSink,
    /// Profit is sampled from here on; `None` until the past has been caught up with.
    live: bool,
}

/// Running hashes over everything that went in and came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hashes {
    /// Inputs: events by their position and receive time, everything else whole.
    pub inputs: u64,
    /// Order events, whole.
    pub outputs: u64,
}

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    /// The figures.
    pub outcome: Outcome,
    /// The hashes.
    pub hashes: Hashes,
}

impl<'s> Runner<'s> {
    /// Waits for configurations, which come as inputs: of strategies, of signals, or both.
    #[must_use]
    pub fn new(sink: &'s mut dyn RowSink) -> Self {
        Self {
            desk: None,
            engine: None,
            started: Nanos(0),
            now: Nanos(0),
            ledger: Ledger::default(),
            counts: Counts::default(),
            hashes: Hashes::default(),
            scratch: Vec::with_capacity(1024),
            sink,
            live: false,
        }
    }

    /// Replays one input.
    ///
    /// # Errors
    /// A configuration that the desk refuses, sums beyond 128 bits, or what the sink reports.
    pub fn input(&mut self, input: &Input<'_>) -> Result<(), BacktestError> {
        self.counts.inputs += 1;
        self.note(input);
        self.now = self.now.max(input.at().unwrap_or(self.now));
        match input {
            Input::Start(at) => self.started = *at,
            Input::Configuration { text, .. } => return self.configure(input, text),
            Input::CatchUp(_) => self.live = true,
            _ => {}
        }
        self.compute(input)?;
        self.trade(input)?;
        if self.live
            && let Some(desk) = &self.desk
        {
            self.ledger.tick(desk.now(), |venue, instrument| middle(desk, venue, instrument));
        }
        Ok(())
    }

    /// A text goes to whom it is for: both would refuse the other's.
    fn configure(&mut self, input: &Input<'_>, text: &str) -> Result<(), BacktestError> {
        if definition::parse(text).is_ok_and(|declared| !declared.is_empty()) {
            if self.engine.is_none() {
                self.engine = Some(Engine::default());
                // The engine numbers its inputs, and a live one has seen those before its declarations too.
                for _ in 1..self.counts.inputs {
                    self.compute(&Input::Start(self.started))?;
                }
            }
            return self.compute(input);
        }
        TradingConfig::parse(text).map_err(|error| BacktestError::Strategy(error.to_string()))?;
        if self.desk.is_none() {
            self.desk = Some(Desk::paper());
            self.trade(&Input::Start(self.started))?;
        }
        self.trade(input)
    }

    fn compute(&mut self, input: &Input<'_>) -> Result<(), BacktestError> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let Self { counts, hashes, scratch, sink, .. } = self;
        let mut failed = None;
        engine.on_input(input, &mut |output: &Output<'_>| {
            let row = output.to_row();
            scratch.clear();
            row.encode(scratch);
            hashes.outputs = xxh3_64_with_seed(scratch, hashes.outputs);
            counts.signals += 1;
            if let Err(error) = sink.signal(&row) {
                failed.get_or_insert(error);
            }
        });
        failed.map_or(Ok(()), Err)
    }

    fn trade(&mut self, input: &Input<'_>) -> Result<(), BacktestError> {
        let Some(desk) = &mut self.desk else { return Ok(()) };
        let Self { ledger, hashes, scratch, sink, .. } = self;
        let mut failed = None;
        desk.on_input(input, &mut |record| {
            let row = record.row();
            scratch.clear();
            row.encode(scratch);
            hashes.outputs = xxh3_64_with_seed(scratch, hashes.outputs);
            let booked = ledger.book(&row).and_then(|()| sink.order(&row));
            if let Err(error) = booked {
                failed.get_or_insert(error);
            }
        });
        failed.map_or(Ok(()), Err)
    }

    fn note(&mut self, input: &Input<'_>) {
        match input {
            Input::Event { position, event } => {
                self.counts.events += 1;
                let mut place = [0_u8; 20];
                place[..8].copy_from_slice(&position.counter.to_le_bytes());
                place[8..12].copy_from_slice(&position.epoch.to_le_bytes());
                place[12..].copy_from_slice(&event.header().recv_ts.0.to_le_bytes());
                let seed = xxh3_64_with_seed(position.writer.as_bytes(), self.hashes.inputs);
                self.hashes.inputs = xxh3_64_with_seed(&place, seed);
            }
            other => {
                if let Input::Dropped { from, to, .. } = other {
                    self.counts.dropped += to - from + 1;
                }
                self.scratch.clear();
                entry::write(other, &mut self.scratch);
                self.hashes.inputs = xxh3_64_with_seed(&self.scratch, self.hashes.inputs);
            }
        }
    }

    /// The time of the newest input.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Whether anything has been configured.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.desk.is_some() || self.engine.is_some()
    }

    /// Ends the run.
    #[must_use]
    pub fn finish(mut self) -> Ran {
        if let Some(desk) = &self.desk {
            self.ledger.sample(desk.now(), |venue, instrument| middle(desk, venue, instrument));
        }
        let mut outcome = self.ledger.outcome();
        let booked = std::mem::take(&mut outcome.counts);
        outcome.counts = Counts {
            orders: booked.orders,
            refused: booked.refused,
            order_events: booked.order_events,
            fills: booked.fills,
            ..self.counts
        };
        Ran { outcome, hashes: self.hashes }
    }
}

/// The middle of a market's book as the desk sees it.
fn middle(desk: &Desk, venue: &str, instrument: &str) -> Option<Price> {
    let market = desk.markets().iter().find(|market| &*market.venue == venue && &*market.instrument == instrument)?;
    market.top().map(kt_trading::market::Top::middle)
}
