//! The generated market: both venues' books of all instruments, stepped through time.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Side;
use super::act::{Fill, Traders};
use super::batch::Batch;
use super::book::Book;
use super::depth::DepthStream;
use super::fundamental::Fundamentals;
use super::funding::Funding;
use super::instrument::{Instrument, instruments};
use super::listing::{Listing, Place};
use super::past::Settlements;
use super::streams::{Slot, Streams};
use super::tape::Tape;
use crate::config::GeneratedConfig;

/// Futures count update ids over all instruments of a matching engine, so one book's have holes.
const LONGEST_FUTURES_STEP: u64 = 13;
/// Share of all acts that happen on the perpetual.
const PERPETUAL_SHARE: f64 = 0.6;
/// An act that shows nowhere still costs this share of a frame, so that every step ends.
const LEAST_COST: f64 = 0.002;
/// One in so many acts on a perpetual that trade is a liquidation.
const LIQUIDATIONS: u32 = 400;

/// A market of spot and perpetual books, deterministic by its seed.
///
/// The owner steps it and tells it the time; what is published between two steps depends on
/// the seed and the number of steps alone, except for the times in it.
pub struct Market {
    random: ChaCha8Rng,
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) fundings: Vec<Funding>,
    pub(super) settlements: Vec<Settlements>,
    pub(super) seed: u64,
    fundamentals: Fundamentals,
    /// Spot listings, then the perpetual ones.
    pub(super) listings: Vec<Listing>,
    /// Cumulated shares of the instruments in all acts.
    shares: Vec<f64>,
    pub(crate) streams: Streams,
    pub(crate) batch: Batch,
    pub(super) fills: Vec<Fill>,
    pub(super) step: u64,
    pub(super) rhythm: Rhythm,
    credit: f64,
}

/// What happens every how many steps.
pub(super) struct Rhythm {
    frames_per_step: f64,
    walk: u64,
    walk_seconds: f64,
    quarter_second: u64,
    pub(super) second: u64,
}

impl Rhythm {
    fn new(config: &GeneratedConfig) -> Self {
        let steps = |millis: u128| {
            u64::try_from((millis * 1_000_000).div_ceil(config.tick.as_nanos().max(1))).unwrap_or(1).max(1)
        };
        Self {
            frames_per_step: f64::from(config.frames_per_second()) * config.tick.as_secs_f64(),
            walk: steps(10),
            walk_seconds: config.tick.as_secs_f64() * steps(10) as f64,
            quarter_second: steps(250),
            second: steps(1000),
        }
    }
}

impl Market {
    /// A market at its beginning.
    pub fn new(config: &GeneratedConfig) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(config.seed);
        let instruments = instruments(config.instruments, &mut random);
        let steps = |millis: u128| {
            u64::try_from((millis * 1_000_000).div_ceil(config.tick.as_nanos().max(1))).unwrap_or(1).max(1)
        };
        let mut listings = Vec::with_capacity(2 * instruments.len());
        for side in Side::BOTH {
            for (index, instrument) in instruments.iter().enumerate() {
                let place = Place { side, instrument: index };
                let tape_bytes = config.history_bytes / (2 * config.instruments.max(1));
                listings.push(listing(instrument, place, &steps, &mut random, tape_bytes));
            }
        }
        let mut total = 0.0;
        let weights = (0..instruments.len()).map(|index| 1.0 / (1.0 + 0.35 * index as f64));
        let shares = weights
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        let funding =
            |instrument: &Instrument| Funding::new(instrument.funding_hours, instrument.price, instrument.basis);
        Self {
            fundamentals: Fundamentals::new(&instruments),
            fundings: instruments.iter().map(funding).collect(),
            settlements: instruments.iter().map(|_| Settlements::default()).collect(),
            seed: config.seed,
            streams: Streams::new(&instruments),
            random,
            instruments,
            listings,
            shares,
            batch: Batch::default(),
            fills: Vec::new(),
            step: 0,
            rhythm: Rhythm::new(config),
            credit: 0.0,
        }
    }

    /// Number of steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Wants a stream from now on; `false` if the venue has none of that name.
    pub fn subscribe(&mut self, venue: &str, stream: &str) -> bool {
        let number = Side::of_venue(venue).and_then(|side| self.streams.find(side, stream));
        number.map(|number| self.want(number)).is_some()
    }

    /// One more client wants a stream.
    pub(crate) fn want(&mut self, number: u32) {
        self.streams.all[number as usize].wanted += 1;
        if self.streams.all[number as usize].wanted > 1 {
            return;
        }
        let streams = &self.streams;
        for listing in &mut self.listings {
            let Place { side, instrument } = listing.place;
            for depth in
                listing.depths.iter_mut().filter(|depth| streams.number(side, instrument, depth.slot) == number)
            {
                depth.restart(listing.book.update);
            }
        }
    }

    /// One client less wants a stream.
    pub(crate) fn unwant(&mut self, number: u32) {
        self.streams.all[number as usize].wanted -= 1;
    }

    /// The frames of the last step: venue, stream and event.
    pub fn frames(&self) -> impl Iterator<Item = (&'static str, &str, &[u8])> {
        self.batch.frames.iter().map(|frame| {
            let stream = &self.streams.all[frame.stream as usize];
            (stream.side.venue(), stream.name.as_str(), self.batch.payload(frame))
        })
    }

    /// Takes one step. `now` is its time in nanoseconds since the epoch.
    pub fn step(&mut self, now: i64) {
        let now = now / 1_000_000;
        self.batch.clear();
        if self.step.is_multiple_of(self.rhythm.walk) {
            self.fundamentals.step(self.rhythm.walk_seconds, &mut self.random);
        }
        self.credit += self.rhythm.frames_per_step;
        while self.credit >= 1.0 {
            let frames = self.act(now);
            self.credit -= f64::from(frames).max(LEAST_COST);
        }
        for listing in &mut self.listings {
            let counted = listing.end_step(self.step, now, &self.streams, &mut self.batch);
            self.credit -= f64::from(counted);
        }
        self.step += 1;
        let slow = self.rhythm.quarter_second * 8;
        for listing in &mut self.listings {
            let every = if listing.place.side == Side::Spot { slow } else { self.rhythm.quarter_second };
            if self.step.is_multiple_of(every) {
                listing.publish_candle(now, &self.streams, &mut self.batch);
            }
        }
        if self.step.is_multiple_of(self.rhythm.second) {
            self.publish_marks(now);
        }
    }

    fn act(&mut self, now: i64) -> u32 {
        let total = self.shares.last().copied().unwrap_or_default();
        let drawn = self.random.random::<f64>() * total;
        let instrument = self.shares.partition_point(|share| *share < drawn).min(self.shares.len() - 1);
        let perpetual = self.random.random::<f64>() < PERPETUAL_SHARE;
        let side = if perpetual { Side::Perpetual } else { Side::Spot };
        let worth = self.fundamentals.worth(instrument);
        let worth = if perpetual { worth.perpetual() } else { worth.spot };
        let listing = &mut self.listings[side as usize * self.instruments.len() + instrument];
        let fair = (worth / listing.scale.tick_size()) as i64;
        let before = listing.book.top();
        self.fills.clear();
        listing.traders.act(&mut listing.book, fair, &mut self.random, &mut self.fills);
        let mut frames = listing.publish_act(before, &self.fills, now, &self.streams, &mut self.batch);
        if perpetual && !self.fills.is_empty() && self.random.random_range(0..LIQUIDATIONS) == 0 {
            self.publish_liquidation(instrument, now);
            frames += 1;
        }
        frames
    }

    /// An instrument's listing at a venue.
    pub(crate) fn listing(&self, side: Side, symbol: &str) -> Option<&Listing> {
        let mut listings = self.listings.iter();
        listings.find(|listing| listing.place.side == side && listing.symbol.eq_ignore_ascii_case(symbol))
    }
}

fn listing(
    instrument: &Instrument,
    place: Place,
    steps: &impl Fn(u128) -> u64,
    random: &mut impl Rng,
    tape_bytes: usize,
) -> Listing {
    let scale = instrument.scale(place.side);
    let (first_update, longest_step) = match place.side {
        Side::Spot => (random.random_range(1_000_000_000..60_000_000_000), 1),
        Side::Perpetual => (random.random_range(1_000_000_000_000..6_000_000_000_000), LONGEST_FUTURES_STEP),
    };
    let traders = Traders::new(&scale, instrument.price, longest_step);
    let mut book = Book::new(first_update);
    let basis = if place.side == Side::Perpetual { instrument.basis } else { 0.0 };
    let fair = (instrument.price * (1.0 + basis) / scale.tick_size()) as i64;
    traders.open(&mut book, fair, random);
    book.changes.clear();
    let intervals: &[(Slot, u128)] = match place.side {
        Side::Spot => &[(Slot::Depth100, 100), (Slot::Depth, 1000)],
        Side::Perpetual => &[(Slot::Depth100, 100), (Slot::Depth, 250), (Slot::Depth500, 500), (Slot::Depth0, 0)],
    };
    let depths = intervals.iter().map(|(slot, millis)| DepthStream::new(*slot, steps(*millis), book.update)).collect();
    let first_trade = random.random_range(100_000_000..4_000_000_000);
    Listing::new(place, instrument.symbol.clone(), scale, book, traders, depths, (first_trade, Tape::new(tape_bytes)))
}
