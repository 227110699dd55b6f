//! What a scan found.

use super::Slot;
use crate::scan::Span;

/// Text spans of a level's price and quantity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RawLevel {
    pub(crate) price: Span,
    pub(crate) quantity: Span,
}

/// What a scan found. Kept between frames so that nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(super) root: Vec<Span>,
    pub(super) rows: Vec<Span>,
    pub(super) row_stride: usize,
    pub(super) row_count: usize,
    pub(super) levels: Vec<RawLevel>,
    /// (row, side, from, to) of each level list.
    pub(super) lists: Vec<(u32, u8, u32, u32)>,
    /// Array within the current row whose elements are rows of their own: its offset and node.
    pub(super) nested: Option<(usize, u16)>,
}

impl Found {
    #[inline]
    pub(crate) fn get(&self, slot: Slot, row: usize) -> Span {
        match slot {
            Slot::Root(index) => self.root.get(usize::from(index)).copied().unwrap_or_default(),
            Slot::Row(index) => self.rows.get(row * self.row_stride + usize::from(index)).copied().unwrap_or_default(),
        }
    }

    /// One row with one value, found by other means.
    pub(crate) fn single(span: Span) -> Self {
        Self { rows: vec![span], row_stride: 1, row_count: 1, ..Self::default() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.row_count
    }

    /// All slots of a row.
    pub(crate) fn row(&self, row: usize) -> &[Span] {
        self.rows.get(row * self.row_stride..(row + 1) * self.row_stride).unwrap_or_default()
    }

    /// Levels of one side (0 bids, 1 asks) of a row.
    pub(crate) fn levels(&self, row: usize, side: u8) -> impl Iterator<Item = &RawLevel> {
        let wanted = self.lists.iter().filter(move |list| list.0 as usize == row && list.1 == side);
        wanted.flat_map(|list| self.levels.get(list.2 as usize..list.3 as usize).unwrap_or_default())
    }
}
