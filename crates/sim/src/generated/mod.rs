//! Generated flow: a seeded spot and perpetual market in the formats of Binance spot and
//! Binance USD-M futures.
//!
//! [`Market`] is the market itself: pure, stepped by its owner, deterministic by seed.
//! [`Engine`] is the task that steps it and serves its clients.

mod act;
mod batch;
mod book;
mod candle;
mod depth;
mod encode;
mod engine;
mod fundamental;
mod funding;
mod instrument;
mod listing;
mod market;
mod past;
mod perpetual;
mod rest;
mod streams;
mod subscriber;
mod tape;

pub(crate) use engine::Engine;
pub use market::Market;

/// The two venues of the generated market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Spot = 0,
    Perpetual = 1,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Spot, Side::Perpetual];

    /// The venue's name, which is also its path prefix.
    pub fn venue(self) -> &'static str {
        match self {
            Side::Spot => "binance",
            Side::Perpetual => "binance_usdm",
        }
    }

    pub fn of_venue(venue: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|side| side.venue() == venue)
    }
}
