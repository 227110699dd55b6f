//! Levels of a frame, read and applied.

use super::Book;
use crate::levels::{BookSide, LevelText, NumberText};
use crate::numbers::{Misfit, mantissa};
use crate::program::{Found, RawLevel};

/// Mantissas and text of one level of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit {
    pub(crate) side: BookSide,
    pub(crate) price: i128,
    pub(crate) quantity: i128,
    pub(crate) text: Option<LevelText>,
}

impl Book {
    /// Reads a row's levels into `edits`, at the book's digits, which grow where a number needs
    /// more. Nothing is applied yet: a bad number must not leave half a frame in the book.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        found: &Found,
        row: usize,
        edits: &mut Vec<Edit>,
    ) -> Result<(), &'static str> {
        loop {
            edits.clear();
            let mut needed = (self.levels.price_digits, self.levels.quantity_digits);
            for (side, number) in [(BookSide::Bid, 0u8), (BookSide::Ask, 1)] {
                for level in found.levels(row, number) {
                    match self.edit(bytes, side, level, &mut needed)? {
                        Some(edit) => edits.push(edit),
                        None => break,
                    }
                }
            }
            if needed == (self.levels.price_digits, self.levels.quantity_digits) {
                return Ok(());
            }
            self.levels.widen(needed.0, needed.1);
        }
    }

    /// One level; `None` where more digits are needed, which `needed` then says.
    #[inline]
    fn edit(
        &self,
        bytes: &[u8],
        side: BookSide,
        level: &RawLevel,
        needed: &mut (u8, u8),
    ) -> Result<Option<Edit>, &'static str> {
        let (price, quantity) = (level.price.of(bytes), level.quantity.of(bytes));
        let price_units = match mantissa(price, self.levels.price_digits) {
            Ok(units) => units,
            Err(Misfit::Finer(digits)) => {
                needed.0 = needed.0.max(digits);
                return Ok(None);
            }
            Err(Misfit::Invalid) => return Err("price"),
        };
        let quantity_units = match mantissa(quantity, self.levels.quantity_digits) {
            Ok(units) => units,
            Err(Misfit::Finer(digits)) => {
                needed.1 = needed.1.max(digits);
                return Ok(None);
            }
            Err(Misfit::Invalid) => return Err("quantity"),
        };
        let text = match self.levels.keep_text {
            true => Some((NumberText::new(price).ok_or("price")?, NumberText::new(quantity).ok_or("quantity")?)),
            false => None,
        };
        Ok(Some(Edit { side, price: price_units, quantity: quantity_units, text }))
    }

    /// On a channel of the best level alone, a level that is set replaces the one before.
    pub(crate) fn forget_replaced(&mut self, edits: &[Edit]) {
        for side in [BookSide::Bid, BookSide::Ask] {
            if edits.iter().any(|edit| edit.side == side && edit.quantity != 0) {
                self.levels.clear_side(side);
            }
        }
    }

    /// Applies what [`Self::read`] read.
    pub(crate) fn apply(&mut self, edits: &[Edit]) {
        for edit in edits {
            self.levels.set(edit.side, edit.price, edit.quantity, edit.text);
        }
    }
}
