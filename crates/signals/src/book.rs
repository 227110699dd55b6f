//! An order book from book rows: the levels, and whether they can be trusted.

use kt_model::{Book as BookRow, BookAction, Integers, Nanos};
use serde::{Deserialize, Serialize};

use crate::number::scaled;
use crate::output::Reason;

/// One price level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Price as a mantissa of the book's exponent.
    price: i64,
    /// Quantity in the book's unit.
    quantity: f64,
}

/// The book of one instrument and channel. Best levels stand at the end of each side, where almost all
/// changes happen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OrderBook {
    bids: Vec<Level>,
    asks: Vec<Level>,
    exponent: i8,
    epoch: u32,
    last_sequence: u64,
    /// When the newest row was received; `None` before the first.
    at: Option<i64>,
    /// Why it cannot be trusted; `None` when it can.
    doubt: Option<Reason>,
    whole: bool,
}

impl OrderBook {
    /// Takes a row. A snapshot or checkpoint makes the book whole; a delta changes it if it belongs to it.
    pub fn apply(&mut self, row: &BookRow<'_>) {
        self.at = Some(row.header.recv_ts.0);
        if !row.escaped.is_empty() {
            return self.doubt(Reason::Range);
        }
        match row.action {
            BookAction::Snapshot | BookAction::Checkpoint => self.load(row),
            BookAction::Delta => {
                if !self.whole || row.book_epoch != self.epoch {
                    return self.doubt(Reason::Gap);
                }
                if self.doubt.is_some() && self.continues(row) {
                    self.doubt = None; // nothing of this book was among what was lost
                }
                self.change(row);
            }
        }
        self.last_sequence = row.last_sequence;
    }

    /// From now on not to be trusted, until a snapshot comes or a delta proves that nothing is missing.
    pub fn doubt(&mut self, doubt: Reason) {
        self.doubt.get_or_insert(doubt);
        self.whole &= doubt != Reason::Range;
    }

    /// Why it cannot be trusted.
    #[must_use]
    pub fn doubted(&self) -> Option<Reason> {
        self.doubt
    }

    /// Whether a snapshot has been seen.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// When its newest row was received.
    #[must_use]
    pub fn at(&self) -> Option<Nanos> {
        self.at.map(Nanos)
    }

    /// Bids from the best: price and quantity.
    pub fn bids(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.bids.iter().rev().map(|level| (scaled(level.price, self.exponent), level.quantity))
    }

    /// Asks from the best: price and quantity.
    pub fn asks(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.asks.iter().rev().map(|level| (scaled(level.price, self.exponent), level.quantity))
    }

    fn load(&mut self, row: &BookRow<'_>) {
        self.bids.clear();
        self.asks.clear();
        self.exponent = row.price_exponent;
        self.epoch = row.book_epoch;
        self.whole = true;
        self.doubt = None;
        fill(&mut self.bids, &row.bid_prices, &row.bid_quantities, row.quantity_exponent);
        fill(&mut self.asks, &row.ask_prices, &row.ask_quantities, row.quantity_exponent);
        self.bids.sort_by_key(|level| level.price);
        self.asks.sort_by_key(|level| std::cmp::Reverse(level.price));
    }

    fn continues(&self, row: &BookRow<'_>) -> bool {
        match (row.previous_sequence, row.first_sequence) {
            (Some(previous), _) => previous == self.last_sequence,
            (None, Some(first)) => first <= self.last_sequence + 1,
            (None, None) => row.last_sequence == self.last_sequence + 1,
        }
    }

    fn change(&mut self, row: &BookRow<'_>) {
        let Some(factor) = self.align(row.price_exponent) else { return self.doubt(Reason::Range) };
        let limit = row.depth_limit.map_or(usize::MAX, |limit| limit as usize);
        let quantity = |mantissa| scaled(mantissa, row.quantity_exponent);
        let mut fits = true;
        for (price, mantissa) in row.bid_prices.iter().zip(row.bid_quantities.iter()) {
            match price.checked_mul(factor) {
                Some(price) => set(&mut self.bids, price, quantity(mantissa), |level| level.price.cmp(&price)),
                None => fits = false,
            }
        }
        for (price, mantissa) in row.ask_prices.iter().zip(row.ask_quantities.iter()) {
            match price.checked_mul(factor) {
                Some(price) => set(&mut self.asks, price, quantity(mantissa), |level| price.cmp(&level.price)),
                None => fits = false,
            }
        }
        if !fits {
            self.doubt(Reason::Range);
        }
        for side in [&mut self.bids, &mut self.asks] {
            if side.len() > limit {
                side.drain(..side.len() - limit);
            }
        }
    }

    /// Brings book and row to one exponent; what the row's prices are to be multiplied with.
    fn align(&mut self, exponent: i8) -> Option<i64> {
        if exponent < self.exponent {
            let factor = 10i64.checked_pow(u32::from(self.exponent.abs_diff(exponent)))?;
            for level in self.bids.iter_mut().chain(&mut self.asks) {
                level.price = level.price.checked_mul(factor)?;
            }
            self.exponent = exponent;
        }
        10i64.checked_pow(u32::from(exponent.abs_diff(self.exponent)))
    }
}

fn fill(side: &mut Vec<Level>, prices: &Integers<'_>, quantities: &Integers<'_>, exponent: i8) {
    let levels = prices.iter().zip(quantities.iter()).filter(|(_, quantity)| *quantity != 0);
    side.extend(levels.map(|(price, quantity)| Level { price, quantity: scaled(quantity, exponent) }));
}

/// Sets a level; a quantity of 0 removes it.
fn set(side: &mut Vec<Level>, price: i64, quantity: f64, order: impl Fn(&Level) -> std::cmp::Ordering) {
    match (side.binary_search_by(order), quantity == 0.0) {
        (Ok(at), true) => drop(side.remove(at)),
        (Ok(at), false) => side[at].quantity = quantity,
        (Err(_), true) => {}
        (Err(at), false) => side.insert(at, Level { price, quantity }),
    }
}
