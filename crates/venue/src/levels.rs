//! One order book: its levels in price order, with the text they were printed as where needed.

use crate::numbers::MOST_DIGITS;
use crate::side::Side;
use kt_model::decimal::power_of_ten;
use kt_model::{Nanos, Origin, Price, Quantity};

/// Longest number text that is kept with a level.
pub(crate) const LONGEST_NUMBER: usize = 31;

/// A number as the exchange printed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NumberText {
    length: u8,
    bytes: [u8; LONGEST_NUMBER],
}

impl NumberText {
    /// `None` beyond [`LONGEST_NUMBER`] characters.
    #[inline]
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0u8; LONGEST_NUMBER];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { length: text.len() as u8, bytes })
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// Price and quantity as printed.
pub(crate) type LevelText = (NumberText, NumberText);

/// Both sides of a book. Mantissas count `10^-digits`.
#[derive(Debug)]
pub(crate) struct Levels {
    pub(crate) bids: Side,
    pub(crate) asks: Side,
    pub(crate) price_digits: u8,
    pub(crate) quantity_digits: u8,
    pub(crate) keep_text: bool,
}

/// Which side of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BookSide {
    Bid,
    Ask,
}

impl Levels {
    pub(crate) fn new(price_digits: u8, quantity_digits: u8, keep_text: bool) -> Self {
        let (bids, asks) = (Side::default(), Side::default());
        Self { bids, asks, price_digits, quantity_digits, keep_text }
    }

    pub(crate) fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    pub(crate) fn clear_side(&mut self, side: BookSide) {
        match side {
            BookSide::Bid => self.bids.clear(),
            BookSide::Ask => self.asks.clear(),
        }
    }

    /// Sets or removes a level; `text` must be there exactly where text is kept.
    #[inline]
    pub(crate) fn set(&mut self, side: BookSide, price: i128, quantity: i128, text: Option<LevelText>) {
        match side {
            BookSide::Bid => self.bids.set(price, quantity, text),
            BookSide::Ask => self.asks.set(-price, quantity, text),
        }
    }

    /// Raises the digits kept after the point.
    #[cold]
    pub(crate) fn widen(&mut self, price_digits: u8, quantity_digits: u8) {
        let price = power_of_ten(u32::from(price_digits.saturating_sub(self.price_digits))).unwrap_or(1);
        let quantity = power_of_ten(u32::from(quantity_digits.saturating_sub(self.quantity_digits))).unwrap_or(1);
        self.bids.scale(price, quantity);
        self.asks.scale(price, quantity);
        self.price_digits = self.price_digits.max(price_digits).min(MOST_DIGITS);
        self.quantity_digits = self.quantity_digits.max(quantity_digits).min(MOST_DIGITS);
    }

    /// Mantissas of one side, best first.
    pub(crate) fn mantissas(&self, side: BookSide) -> impl Iterator<Item = (i128, i128)> {
        let (levels, sign) = self.side(side);
        levels.iter().map(move |(key, quantity, _)| (key * sign, quantity))
    }

    /// Texts of one side, best first; nothing where text is not kept.
    pub(crate) fn texts(&self, side: BookSide) -> impl Iterator<Item = &LevelText> {
        self.side(side).0.iter().filter_map(|(_, _, text)| text)
    }

    fn side(&self, side: BookSide) -> (&Side, i128) {
        match side {
            BookSide::Bid => (&self.bids, 1),
            BookSide::Ask => (&self.asks, -1),
        }
    }

    /// Best bid at or above best ask.
    #[inline]
    pub(crate) fn is_crossed(&self) -> bool {
        self.bids.best().zip(self.asks.best()).is_some_and(|(bid, ask)| bid >= -ask)
    }

    /// A mantissa as a price.
    pub(crate) fn price(&self, mantissa: i128) -> Price {
        kt_model::Decimal(rescale(mantissa, self.price_digits))
    }

    /// A mantissa as a quantity.
    pub(crate) fn quantity(&self, mantissa: i128) -> Quantity {
        kt_model::Decimal(rescale(mantissa, self.quantity_digits))
    }
}

/// To 18 digits. Every mantissa was checked to fit when it was read.
fn rescale(mantissa: i128, digits: u8) -> i128 {
    power_of_ten(u32::from(MOST_DIGITS - digits)).map_or(mantissa, |power| mantissa.saturating_mul(power))
}

/// One level of a [`BookView`].
#[derive(Clone, Copy, Debug)]
pub struct Level<'a> {
    /// Price.
    pub price: Price,
    /// Quantity in the market's unit.
    pub quantity: Quantity,
    /// Price and quantity as printed, where the session keeps text.
    pub text: Option<(&'a str, &'a str)>,
}

/// A book as it is after an event.
#[derive(Clone, Copy)]
pub struct BookView<'a> {
    pub(crate) levels: &'a Levels,
    /// Canonical instrument.
    pub instrument: &'a str,
    /// The venue's symbol.
    pub symbol: &'a str,
    /// Channel it is built from.
    pub channel: &'a str,
    /// Last update number that is in it.
    pub last_sequence: u64,
    /// `Snapshot` where a snapshot was put in place, `Live` after a delta.
    pub origin: Origin,
    /// Receive time of the event.
    pub recv_ts: Nanos,
}

impl<'a> BookView<'a> {
    /// Bids, highest first.
    pub fn bids(&self) -> impl Iterator<Item = Level<'a>> + use<'a> {
        self.side(BookSide::Bid)
    }

    /// Asks, lowest first.
    pub fn asks(&self) -> impl Iterator<Item = Level<'a>> + use<'a> {
        self.side(BookSide::Ask)
    }

    /// Number of bid and ask levels.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        (self.levels.bids.len(), self.levels.asks.len())
    }

    fn side(&self, side: BookSide) -> impl Iterator<Item = Level<'a>> + use<'a> {
        let levels = self.levels;
        let (side, sign) = levels.side(side);
        side.iter().map(move |(key, quantity, text)| Level {
            price: levels.price(key * sign),
            quantity: levels.quantity(quantity),
            text: text.and_then(|(price, quantity)| {
                let price = std::str::from_utf8(price.as_bytes()).ok()?;
                Some((price, std::str::from_utf8(quantity.as_bytes()).ok()?))
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn sides_equal_a_sorted_map(edits in proptest::collection::vec((0i128..900, 0i128..4, any::<bool>()), 0..3_000)) {
            let mut levels = Levels::new(0, 0, false);
            let (mut bids, mut asks) = (BTreeMap::new(), BTreeMap::new());
            for (price, quantity, is_bid) in edits {
                let (side, model) = if is_bid { (BookSide::Bid, &mut bids) } else { (BookSide::Ask, &mut asks) };
                levels.set(side, price, quantity, None);
                if quantity == 0 { model.remove(&price); } else { model.insert(price, quantity); }
            }
            let wanted: Vec<_> = bids.into_iter().rev().collect();
            prop_assert_eq!(levels.mantissas(BookSide::Bid).collect::<Vec<_>>(), wanted);
            let wanted: Vec<_> = asks.into_iter().collect();
            prop_assert_eq!(levels.mantissas(BookSide::Ask).collect::<Vec<_>>(), wanted);
        }
    }
}
