//! Book rows: levels as integer arrays with one exponent a row.

use crate::book::Edit;
use crate::levels::{BookSide, Levels};
use kt_model::{Book, BookAction, Header, Integers, QuantityUnit, Texts};

/// Arrays of a row, kept between rows so that nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct RowBuffers {
    /// Bid prices, bid quantities, ask prices, ask quantities.
    arrays: [Vec<i64>; 4],
    /// Numbers beyond 64 bits: array, position in it, text. Empty for every book met so far.
    escapes: Vec<(usize, String)>,
}

/// What a row says beside its levels.
#[derive(Clone, Copy)]
pub(crate) struct RowHead<'a> {
    pub(crate) header: Header<'a>,
    pub(crate) action: BookAction,
    pub(crate) book_epoch: u32,
    pub(crate) first_sequence: Option<u64>,
    pub(crate) last_sequence: u64,
    pub(crate) previous_sequence: Option<u64>,
    pub(crate) depth_limit: Option<u32>,
    pub(crate) quantity_unit: QuantityUnit,
}

impl RowBuffers {
    fn clear(&mut self) {
        self.arrays.iter_mut().for_each(Vec::clear);
        self.escapes.clear();
    }

    #[inline]
    fn push(&mut self, array: usize, mantissa: i128, text: impl FnOnce() -> String) {
        match i64::try_from(mantissa) {
            Ok(value) if value != i64::MIN => self.arrays[array].push(value),
            _ => {
                self.arrays[array].push(i64::MIN);
                self.escapes.push((array, text()));
            }
        }
    }

    /// Takes the levels of a frame.
    pub(crate) fn fill_edits(&mut self, levels: &Levels, edits: &[Edit]) {
        self.clear();
        for edit in edits {
            let base = if edit.side == BookSide::Bid { 0 } else { 2 };
            self.push(base, edit.price, || levels.price(edit.price).to_string());
            self.push(base + 1, edit.quantity, || levels.quantity(edit.quantity).to_string());
        }
    }

    /// Takes the whole book.
    pub(crate) fn fill_book(&mut self, levels: &Levels) {
        self.clear();
        for (side, base) in [(BookSide::Bid, 0), (BookSide::Ask, 2)] {
            for (price, quantity) in levels.mantissas(side) {
                self.push(base, price, || levels.price(price).to_string());
                self.push(base + 1, quantity, || levels.quantity(quantity).to_string());
            }
        }
    }

    /// Hands the row to `emit`.
    pub(crate) fn with_row(&mut self, levels: &Levels, head: RowHead<'_>, emit: impl FnOnce(&Book<'_>)) {
        self.escapes.sort_by_key(|(array, _)| *array);
        let escaped: Vec<&str> = self.escapes.iter().map(|(_, text)| text.as_str()).collect();
        let [bid_prices, bid_quantities, ask_prices, ask_quantities] = &self.arrays;
        emit(&Book {
            header: head.header,
            action: head.action,
            book_epoch: head.book_epoch,
            first_sequence: head.first_sequence,
            last_sequence: head.last_sequence,
            previous_sequence: head.previous_sequence,
            depth_limit: head.depth_limit,
            quantity_unit: head.quantity_unit,
            price_exponent: -(levels.price_digits as i8),
            quantity_exponent: -(levels.quantity_digits as i8),
            bid_prices: Integers::Slice(bid_prices),
            bid_quantities: Integers::Slice(bid_quantities),
            ask_prices: Integers::Slice(ask_prices),
            ask_quantities: Integers::Slice(ask_quantities),
            escaped: Texts::Slice(&escaped),
        });
    }
}
