//! The running one-minute candle of a book's trades.

use super::act::Fill;
use super::instrument::Scale;

/// Milliseconds of a candle.
pub(crate) const MINUTE: i64 = 60_000;

/// Prices in ticks, volumes in lots, turnover in ticks times lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candle {
    /// Begin in milliseconds since the epoch.
    pub begin: i64,
    pub open: i64,
    pub close: i64,
    pub high: i64,
    pub low: i64,
    pub volume: i64,
    pub turnover: i128,
    pub taker_volume: i64,
    pub taker_turnover: i128,
    pub first_trade: u64,
    pub trades: u64,
}

impl Candle {
    pub fn new(at: i64, trade: u64, fill: &Fill) -> Self {
        let mut candle = Self {
            begin: at - at.rem_euclid(MINUTE),
            open: fill.price,
            close: fill.price,
            high: fill.price,
            low: fill.price,
            volume: 0,
            turnover: 0,
            taker_volume: 0,
            taker_turnover: 0,
            first_trade: trade,
            trades: 0,
        };
        candle.add(fill);
        candle
    }

    pub fn add(&mut self, fill: &Fill) {
        let turnover = i128::from(fill.price) * i128::from(fill.lots);
        self.close = fill.price;
        self.high = self.high.max(fill.price);
        self.low = self.low.min(fill.price);
        self.volume += fill.lots;
        self.turnover += turnover;
        if !fill.buyer_is_maker {
            self.taker_volume += fill.lots;
            self.taker_turnover += turnover;
        }
        self.trades += 1;
    }

    /// A turnover in units of the given decimals, cut where the venue cuts.
    pub fn turnover_units(turnover: i128, scale: &Scale, decimals: u8) -> i64 {
        let exact = turnover * i128::from(scale.tick) * i128::from(scale.lot);
        let have = u32::from(scale.price_decimals + scale.quantity_decimals);
        let wanted = u32::from(decimals);
        let units = match have >= wanted {
            true => exact / 10i128.pow(have - wanted),
            false => exact * 10i128.pow(wanted - have),
        };
        i64::try_from(units).unwrap_or(i64::MAX)
    }
}
