//! The levels of one order book, as far as its rows are unbroken.

use kt_model::{Book, BookAction, Price, Quantity};

/// Levels kept a side; what lies deeper is never traded against here.
const LEVELS: usize = 1_000;

/// Both sides of a book. Empty and not whole until a snapshot or checkpoint came.
#[derive(Clone, Debug, Default)]
pub struct Depth {
    /// Ascending: the best bid is last.
    bids: Vec<(Price, Quantity)>,
    /// Descending: the best offer is last.
    asks: Vec<(Price, Quantity)>,
    epoch: u32,
    last_sequence: u64,
    whole: bool,
}

impl Depth {
    /// Whether every row since the last snapshot was seen.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Rows were lost: nothing holds until the next snapshot.
    pub fn invalidate(&mut self) {
        self.whole = false;
    }

    /// Bids from the best down; nothing while the book is not whole.
    pub fn bids(&self) -> impl Iterator<Item = (Price, Quantity)> + '_ {
        self.bids.iter().rev().copied().take(if self.whole { LEVELS } else { 0 })
    }

    /// Offers from the best up; nothing while the book is not whole.
    pub fn asks(&self) -> impl Iterator<Item = (Price, Quantity)> + '_ {
        self.asks.iter().rev().copied().take(if self.whole { LEVELS } else { 0 })
    }

    /// Applies a row. A delta that does not follow the last row makes the book not whole.
    pub fn apply(&mut self, row: &Book<'_>) {
        if row.action == BookAction::Delta {
            if !self.whole || row.book_epoch != self.epoch {
                self.whole = false;
                return;
            }
            let follows = match (row.previous_sequence, row.first_sequence) {
                (Some(previous), _) => previous == self.last_sequence,
                (None, Some(first)) => first <= self.last_sequence.saturating_add(1),
                (None, None) => row.last_sequence > self.last_sequence,
            };
            if !follows && row.last_sequence > self.last_sequence {
                self.whole = false;
                return;
            }
        } else {
            self.bids.clear();
            self.asks.clear();
        }
        self.epoch = row.book_epoch;
        self.last_sequence = self.last_sequence_after(row);
        self.whole = row.escaped.is_empty() && self.levels(row).is_some();
    }

    fn last_sequence_after(&self, row: &Book<'_>) -> u64 {
        match row.action {
            BookAction::Delta => self.last_sequence.max(row.last_sequence),
            BookAction::Snapshot | BookAction::Checkpoint => row.last_sequence,
        }
    }

    /// `None` for numbers that cannot be kept.
    fn levels(&mut self, row: &Book<'_>) -> Option<()> {
        let sides = [
            (&mut self.bids, row.bid_prices, row.bid_quantities, true),
            (&mut self.asks, row.ask_prices, row.ask_quantities, false),
        ];
        for (side, prices, quantities, ascending) in sides {
            for (price, quantity) in prices.iter().zip(quantities.iter()) {
                let price = Price::from_mantissa(price, row.price_exponent).ok()?;
                let quantity = Quantity::from_mantissa(quantity, row.quantity_exponent).ok()?;
                set(side, price, quantity, ascending);
            }
        }
        Some(())
    }
}

fn set(side: &mut Vec<(Price, Quantity)>, price: Price, quantity: Quantity, ascending: bool) {
    let order = |level: &(Price, Quantity)| if ascending { level.0.cmp(&price) } else { price.cmp(&level.0) };
    match side.binary_search_by(order) {
        Ok(at) if quantity.0 <= 0 => {
            side.remove(at);
        }
        Ok(at) => side[at].1 = quantity,
        Err(_) if quantity.0 <= 0 => {}
        Err(at) => {
            side.insert(at, (price, quantity));
            if side.len() > LEVELS {
                side.remove(0); // the level farthest from the touch
            }
        }
    }
}
