//! The engine: inputs in, signals out.

mod activate;
mod events;
mod settle;

use std::collections::HashMap;

use kt_model::Nanos;
use serde::{Deserialize, Serialize};

use self::settle::Emit;
use crate::book::OrderBook;
use crate::definition::{self, Definition};
use crate::error::SignalError;
use crate::input::{Input, InputClock};
use crate::instance::Instance;
use crate::market::Market;
use crate::output::Output;

/// Takes what the engine emits.
pub trait Sink {
    /// One signal's new state. Borrowed for the call only; outputs come in a fixed order for each input.
    fn signal(&mut self, output: &Output<'_>);
}

impl<F: FnMut(&Output<'_>)> Sink for F {
    fn signal(&mut self, output: &Output<'_>) {
        self(output);
    }
}

/// All declared signals and their state.
///
/// Nothing is allocated for an event once its instrument is known and its book has grown to its size.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Engine {
    clock: InputClock,
    inputs: u64,
    configuration: u64,
    definitions: Vec<Definition>,
    markets: Vec<Market>,
    instances: Vec<Instance>,
    /// Instances that take samples.
    sampled: Vec<usize>,
    #[serde(skip)]
    places: HashMap<String, HashMap<String, usize>>,
}

impl Engine {
    /// An engine with these declarations (TOML). Without them, [`Engine::default`] waits for an
    /// [`Input::Configuration`].
    ///
    /// # Errors
    /// [`SignalError`] names the line of the declaration that cannot work.
    pub fn configured(text: &str) -> Result<Self, SignalError> {
        let mut engine = Self::default();
        engine.configure(text)?;
        Ok(engine)
    }

    /// Consumes one input; what changed goes to `sink`.
    pub fn on_input(&mut self, input: &Input<'_>, sink: &mut impl Sink) {
        self.inputs += 1;
        let now = self.clock.observe(input);
        let cause = match input {
            Input::Event { position, .. } => Some(*position),
            _ => None,
        };
        let mut emit = Emit { input: self.inputs, now, cause, configuration: self.configuration, sink };
        self.take_samples(&mut emit);
        match input {
            Input::Event { position, event } => self.on_event(*position, event, &mut emit),
            Input::Tick(_) | Input::CatchUp(_) => self.settle_all(&mut emit),
            Input::Dropped { writer, .. } => self.on_dropped(writer, &mut emit),
            Input::Configuration { hash, text, .. } if *hash != self.configuration => {
                // Whoever journals a configuration has read it first; one that cannot work changes nothing.
                let _ = self.configure(text);
            }
            Input::Configuration { .. } | Input::Start(_) | Input::Stop(_) => {}
            Input::KillSwitch { .. } | Input::Report { .. } => {}
        }
    }

    /// How many inputs it has consumed.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// The time of the newest input.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Hash (xxh3-64) of the declarations' text.
    #[must_use]
    pub fn configuration(&self) -> u64 {
        self.configuration
    }

    /// What is declared.
    #[must_use]
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// How many signals there are: one for each declaration and instrument that fits it.
    #[must_use]
    pub fn signals(&self) -> usize {
        self.instances.len()
    }

    /// The order book of an instrument, for whoever decides on it.
    #[must_use]
    pub fn book(&self, venue: &str, instrument: &str) -> Option<&OrderBook> {
        self.place(venue, instrument).map(|place| self.markets[place].book())
    }

    /// An instrument's market.
    #[must_use]
    pub fn market(&self, venue: &str, instrument: &str) -> Option<&Market> {
        self.place(venue, instrument).map(|place| &self.markets[place])
    }

    /// The whole state, bit for bit.
    ///
    /// # Errors
    /// [`SignalError::State`] when memory runs out.
    pub fn save(&self) -> Result<Vec<u8>, SignalError> {
        postcard::to_stdvec(self).map_err(|error| SignalError::State(error.to_string()))
    }

    /// The state that [`Engine::save`] gave.
    ///
    /// # Errors
    /// [`SignalError::State`] for bytes of another program version.
    pub fn restore(bytes: &[u8]) -> Result<Self, SignalError> {
        let mut engine: Self = postcard::from_bytes(bytes).map_err(|error| SignalError::State(error.to_string()))?;
        for (place, market) in engine.markets.iter().enumerate() {
            engine.places.entry(market.venue.clone()).or_default().insert(market.instrument.clone(), place);
        }
        Ok(engine)
    }

    fn configure(&mut self, text: &str) -> Result<(), SignalError> {
        self.definitions = definition::parse(text)?;
        self.configuration = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        self.instances.clear();
        self.sampled.clear();
        self.markets.clear();
        self.places.clear();
        Ok(())
    }

    fn place(&self, venue: &str, instrument: &str) -> Option<usize> {
        self.places.get(venue)?.get(instrument).copied()
    }
}
