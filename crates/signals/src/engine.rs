//! The engine: inputs in, signals out.

use std::collections::HashMap;

use kt_model::{Event, Nanos};
use serde::{Deserialize, Serialize};

use crate::book::OrderBook;
use crate::definition::{self, Definition};
use crate::error::SignalError;
use crate::feature::Feature;
use crate::input::{Input, InputClock, Position};
use crate::instance::Instance;
use crate::market::Market;
use crate::output::{Output, Reason};

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

    fn on_event<S: Sink>(&mut self, position: Position<'_>, event: &Event<'_>, emit: &mut Emit<'_, S>) {
        let header = event.header();
        if let Event::Status(row) = event
            && row.header.instrument.is_empty()
        {
            return self.on_venue_status(row, emit);
        }
        if header.instrument.is_empty() {
            return;
        }
        let place = self.place_or_new(header.venue.0, header.instrument.0);
        let is_data = !matches!(event, Event::Instrument(_) | Event::Status(_) | Event::Quarantine(_));
        if is_data {
            self.markets[place].touch(header.recv_ts, position.writer);
            if !self.markets[place].is_active {
                self.activate(place, emit.now);
            }
        }
        let change = self.change(place, event, emit.now);
        for index in 0..self.markets[place].listeners.len() {
            let instance = self.markets[place].listeners[index];
            self.update(instance, place, event, change, emit);
        }
    }

    /// Brings the market up to date; says what that means for its signals.
    fn change(&mut self, place: usize, event: &Event<'_>, now: Nanos) -> Change {
        let market = &mut self.markets[place];
        match event {
            Event::Quote(row) => {
                market.take_quote(row);
                Change::Quote
            }
            Event::Book(row) => {
                if market.take_book(row) {
                    Change::Book
                } else {
                    Change::Nothing
                }
            }
            Event::Trade(_) => Change::Trade,
            Event::Funding(row) => {
                market.take_funding(row);
                Change::Other
            }
            Event::Instrument(row) => {
                market.take_definition(row);
                Change::Other
            }
            Event::Status(row) => {
                if market.take_status(row, now) {
                    Change::Lost
                } else {
                    Change::Other
                }
            }
            _ => Change::Nothing,
        }
    }

    fn update<S: Sink>(&mut self, at: usize, place: usize, event: &Event<'_>, change: Change, emit: &mut Emit<'_, S>) {
        let instance = &mut self.instances[at];
        let declared = &self.definitions[instance.definition];
        let is_first_leg = instance.legs[0] == place;
        match (change, event) {
            (Change::Nothing, _) => return,
            (Change::Trade, Event::Trade(row)) => {
                if !matches!(declared.feature, Feature::TradeImbalance | Feature::Vwap) {
                    return;
                }
                instance.traded(declared, row, emit.now);
            }
            (Change::Quote | Change::Book, _) => {
                let uses_book =
                    declared.feature == Feature::BookImbalance || self.markets[place].uses_book(declared.top);
                let is_rolling = declared.feature.is_rolling();
                if uses_book != (change == Change::Book) && !is_rolling {
                    return;
                }
                instance.quotes_changed(declared, &self.markets, emit.now);
            }
            (Change::Lost, _) if is_first_leg => instance.lost(emit.now),
            _ => {}
        }
        self.settle(at, emit);
    }

    fn on_venue_status<S: Sink>(&mut self, row: &kt_model::Status<'_>, emit: &mut Emit<'_, S>) {
        for place in 0..self.markets.len() {
            if self.markets[place].venue == row.header.venue.0 && self.markets[place].take_status(row, emit.now) {
                self.lost(place, emit.now);
            }
        }
        self.settle_all(emit);
    }

    fn on_dropped<S: Sink>(&mut self, writer: &str, emit: &mut Emit<'_, S>) {
        for place in 0..self.markets.len() {
            if self.markets[place].writer == writer && self.markets[place].doubt(Reason::Dropped, None, emit.now) {
                self.lost(place, emit.now);
            }
        }
        self.settle_all(emit);
    }

    fn lost(&mut self, place: usize, now: Nanos) {
        for at in &self.markets[place].listeners {
            let instance = &mut self.instances[*at];
            if instance.legs[0] == place {
                instance.lost(now);
            }
        }
    }

    fn settle_all<S: Sink>(&mut self, emit: &mut Emit<'_, S>) {
        for at in 0..self.instances.len() {
            self.settle(at, emit);
        }
    }

    /// Samples whose interval has ended, before the input takes effect.
    fn take_samples<S: Sink>(&mut self, emit: &mut Emit<'_, S>) {
        for index in 0..self.sampled.len() {
            let at = self.sampled[index];
            let definition = self.instances[at].definition;
            if self.instances[at].is_due(&self.definitions[definition], emit.now) {
                let of = self.value_of(at, emit.now);
                self.instances[at].sample(&self.definitions[definition], &self.markets, of, emit.now);
                self.settle(at, emit);
            }
        }
    }

    /// The value of the signal that another is computed from.
    fn value_of(&mut self, at: usize, now: Nanos) -> Option<crate::Computed> {
        let of = self.instances[at].of?;
        let before = self.value_of(of, now);
        let base = &mut self.instances[of];
        let declared = &self.definitions[base.definition];
        Some(base.compute(declared, &self.markets, before, now))
    }

    /// Computes a signal and states it when the policy says so: at once when its validity or reason
    /// changes, and at most every `every_ms` while only its value does.
    fn settle<S: Sink>(&mut self, at: usize, emit: &mut Emit<'_, S>) {
        let of = self.value_of(at, emit.now);
        let instance = &mut self.instances[at];
        let declared = &self.definitions[instance.definition];
        let computed = instance.compute(declared, &self.markets, of, emit.now);
        let is_news = match (&instance.stated, &computed) {
            (None, _) => true,
            (Some(Ok(before)), Ok(value)) => {
                before.to_bits() != value.to_bits() && emit.now.0 - instance.stated_at >= declared.every
            }
            (Some(Err(before)), Err(reason)) => before != reason,
            _ => true,
        };
        if !is_news {
            return;
        }
        instance.stated = Some(computed);
        instance.stated_at = emit.now.0;
        let [first, second] = instance.legs.map(|leg| &self.markets[leg]);
        let has_second = instance.legs[0] != instance.legs[1];
        emit.sink.signal(&Output {
            instance: at,
            name: &declared.name,
            feature: declared.feature.as_str(),
            leg: (&first.venue, &first.instrument),
            other: if has_second { (&second.venue, &second.instrument) } else { ("", "") },
            at: emit.now,
            input: emit.input,
            cause: emit.cause,
            computed,
            ages: [age(first, declared, emit.now), has_second.then(|| age(second, declared, emit.now)).flatten()],
            configuration: emit.configuration,
        });
    }

    fn place_or_new(&mut self, venue: &str, instrument: &str) -> usize {
        if let Some(place) = self.place(venue, instrument) {
            return place;
        }
        let place = self.markets.len();
        self.markets.push(Market::new(venue, instrument));
        self.places.entry(venue.to_owned()).or_default().insert(instrument.to_owned(), place);
        place
    }

    /// The first market data of an instrument: its signals come to be, in the order of their declaration.
    fn activate(&mut self, place: usize, now: Nanos) {
        self.markets[place].is_active = true;
        let (venue, instrument) = (self.markets[place].venue.clone(), self.markets[place].instrument.clone());
        // Of declarations with one name the first that fits counts.
        let mut made: Vec<(usize, usize)> = Vec::new();
        for number in 0..self.definitions.len() {
            let declared = &self.definitions[number];
            let is_taken = made.iter().any(|(other, _)| self.definitions[*other].name == declared.name);
            if is_taken || !declared.matches(&venue, &instrument) {
                continue;
            }
            let of = made.iter().find(|(other, _)| declared.of.contains(other)).map(|(_, at)| *at);
            if declared.feature.is_rolling() && of.is_none() {
                continue; // the signal it is computed from does not exist for this instrument
            }
            let legs = match (declared.second_leg(&venue, &instrument), of) {
                (Some((venue, instrument)), _) => [place, self.place_or_new(&venue, &instrument)],
                (None, Some(of)) => self.instances[of].legs,
                (None, None) => [place, place],
            };
            let instance = Instance::new(number, &self.definitions[number], legs, of, now);
            let at = self.instances.len();
            if instance.is_sampled() {
                self.sampled.push(at);
            }
            self.instances.push(instance);
            self.markets[place].listeners.push(at);
            if legs[1] != place {
                self.markets[legs[1]].listeners.push(at);
            }
            made.push((number, at));
        }
    }
}

/// What an event means for the signals of its market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Quote,
    Book,
    Trade,
    Other,
    Lost,
}

/// What all outputs of one input have in common, and where they go.
struct Emit<'a, S> {
    input: u64,
    now: Nanos,
    cause: Option<Position<'a>>,
    configuration: u64,
    sink: &'a mut S,
}

fn age(market: &Market, declared: &Definition, now: Nanos) -> Option<u64> {
    match declared.feature {
        Feature::BookImbalance => market.age_of_book(now),
        Feature::TradeImbalance | Feature::Vwap => market.age(now),
        Feature::FundingApr => market.age_of_funding(now),
        _ => market.age_of_best(declared.top, now),
    }
}
