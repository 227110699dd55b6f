//! An order book in whole ticks and lots.

/// A side of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BookSide {
    Bid = 0,
    Ask = 1,
}

impl BookSide {
    pub fn other(self) -> Self {
        match self {
            BookSide::Bid => BookSide::Ask,
            BookSide::Ask => BookSide::Bid,
        }
    }

    /// The price `distance` ticks behind `price`, away from the other side.
    pub fn behind(self, price: i64, distance: i64) -> i64 {
        match self {
            BookSide::Bid => price - distance,
            BookSide::Ask => price + distance,
        }
    }
}

/// Price in ticks and quantity in lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub price: i64,
    pub lots: i64,
}

/// Best bid and ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Top {
    pub bid: Level,
    pub ask: Level,
}

/// A price level that changed, at the update id that changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub update: u64,
    pub side: BookSide,
    pub price: i64,
}

/// Both sides with the best level last, and what has changed since the changes were taken.
pub(crate) struct Book {
    sides: [Vec<Level>; 2],
    /// Id of the last change.
    pub update: u64,
    pub changes: Vec<Change>,
}

impl Book {
    pub fn new(first_update: u64) -> Self {
        Self { sides: [Vec::with_capacity(256), Vec::with_capacity(256)], update: first_update, changes: Vec::new() }
    }

    /// The levels of a side, best last.
    pub fn levels(&self, side: BookSide) -> &[Level] {
        &self.sides[side as usize]
    }

    pub fn best(&self, side: BookSide) -> Level {
        *self.levels(side).last().expect("a side of a generated book never runs empty")
    }

    pub fn top(&self) -> Top {
        Top { bid: self.best(BookSide::Bid), ask: self.best(BookSide::Ask) }
    }

    /// Lots at a price, 0 where there is no level.
    pub fn lots(&self, side: BookSide, price: i64) -> i64 {
        let found = self.find(side, price);
        found.map_or(0, |index| self.sides[side as usize][index].lots)
    }

    /// Sets the lots at a price under the update id `self.update + step`; 0 removes the level.
    pub fn set(&mut self, side: BookSide, price: i64, lots: i64, step: u64) {
        let found = self.find(side, price);
        let levels = &mut self.sides[side as usize];
        match (found, lots) {
            (Ok(index), 0) => {
                levels.remove(index);
            }
            (Ok(index), _) => levels[index].lots = lots,
            (Err(_), 0) => return,
            (Err(index), _) => levels.insert(index, Level { price, lots }),
        }
        self.update += step;
        self.changes.push(Change { update: self.update, side, price });
    }

    fn find(&self, side: BookSide, price: i64) -> Result<usize, usize> {
        let levels = &self.sides[side as usize];
        match side {
            BookSide::Bid => levels.binary_search_by(|level| level.price.cmp(&price)),
            BookSide::Ask => levels.binary_search_by(|level| price.cmp(&level.price)),
        }
    }
}
