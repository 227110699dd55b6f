//! What traders do to a book: orders, cancellations, trades. One act is one event of the
//! venue's matching engine.

use rand::Rng;

use super::book::{Book, BookSide};
use super::instrument::Scale;

/// Levels per side between which a book is kept.
const FEWEST_LEVELS: usize = 50;
const MOST_LEVELS: usize = 200;
/// Levels per side at the start.
const INITIAL_LEVELS: usize = 100;
/// When the worth leaves the book, so many levels are traded through; further ones are cancelled.
const TRADED_THROUGH: usize = 3;

/// How far behind the best a side is extended, in typical distances between orders.
const FARTHEST: i64 = 4 * MOST_LEVELS as i64;

/// A trade between one taker and one maker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    pub price: i64,
    pub lots: i64,
    pub buyer_is_maker: bool,
}

/// How one book's traders behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traders {
    typical_lots: i64,
    /// Typical distance between orders in ticks.
    width: i64,
    /// Largest distance between two update ids; 1 where a venue counts without holes.
    longest_step: u64,
}

impl Traders {
    pub fn new(scale: &Scale, price: f64, longest_step: u64) -> Self {
        let width = (price / scale.tick_size() * 2e-4) as i64;
        Self { typical_lots: scale.typical_lots, width: width.max(2), longest_step }
    }

    /// Fills an empty book around a worth in ticks.
    pub fn open(&self, book: &mut Book, fair: i64, random: &mut impl Rng) {
        for side in [BookSide::Bid, BookSide::Ask] {
            let mut price = side.behind(fair, if side == BookSide::Ask { 1 } else { 0 });
            for _ in 0..INITIAL_LEVELS {
                self.set(book, side, price, self.lots(random), random);
                price = side.behind(price, 1 + skewed(self.width / 2, random)).max(1);
            }
        }
    }

    /// One act, drawn from `random`, given the worth in ticks. Trades are appended to `fills`.
    pub fn act(&self, book: &mut Book, fair: i64, random: &mut impl Rng, fills: &mut Vec<Fill>) {
        let top = book.top();
        if fair < top.bid.price {
            return self.follow(book, BookSide::Bid, fair, random, fills);
        }
        if fair > top.ask.price {
            return self.follow(book, BookSide::Ask, fair, random, fills);
        }
        let side = if random.random::<bool>() { BookSide::Bid } else { BookSide::Ask };
        match random.random_range(0..100u32) {
            0..48 => self.place(book, side, fair, random),
            48..80 => self.withdraw(book, side, random),
            80..92 => self.take(book, side, random, fills),
            _ => {
                let best = book.best(side);
                let lots = (best.lots + random.random_range(-best.lots / 2..=best.lots / 2)).max(1);
                if lots != best.lots {
                    self.set(book, side, best.price, lots, random);
                }
            }
        }
    }

    /// The worth has moved past the best of `side`: what stands in between is traded or
    /// cancelled, and the other side closes up.
    fn follow(&self, book: &mut Book, side: BookSide, fair: i64, random: &mut impl Rng, fills: &mut Vec<Fill>) {
        let stands_in_between = |price: i64| match side {
            BookSide::Bid => price > fair,
            BookSide::Ask => price < fair,
        };
        let mut passed = 0;
        while stands_in_between(book.best(side).price) {
            let best = book.best(side);
            if book.levels(side).len() <= FEWEST_LEVELS {
                self.extend(book, side, random);
            }
            if passed < TRADED_THROUGH {
                self.fill(side, best.price, best.lots, random, fills);
            }
            self.set(book, side, best.price, 0, random);
            passed += 1;
        }
        let closing = side.other();
        let price = closing.behind(fair, 1 + skewed(2, random));
        self.add(book, closing, price, random);
    }

    fn place(&self, book: &mut Book, side: BookSide, fair: i64, random: &mut impl Rng) {
        let price = match random.random_range(0..10u32) {
            0..4 => side.behind(fair, skewed(3, random)),
            _ => side.behind(book.best(side).price, skewed(self.width, random)),
        };
        self.add(book, side, price, random);
    }

    /// Adds an order, moved back where it would meet the other side.
    fn add(&self, book: &mut Book, side: BookSide, price: i64, random: &mut impl Rng) {
        let opposite = book.best(side.other()).price;
        let price = match side {
            BookSide::Bid => price.min(opposite - 1),
            BookSide::Ask => price.max(opposite + 1),
        };
        let lots = book.lots(side, price) + self.lots(random);
        self.set(book, side, price.max(1), lots, random);
        if book.levels(side).len() > MOST_LEVELS {
            let outermost = book.levels(side)[0].price;
            self.set(book, side, outermost, 0, random);
        }
    }

    /// Cancels or shrinks an order, more often near the top.
    fn withdraw(&self, book: &mut Book, side: BookSide, random: &mut impl Rng) {
        let levels = book.levels(side);
        let depth = skewed(levels.len() as i64 / 3, random) as usize;
        let level = levels[levels.len() - 1 - depth.min(levels.len() - 1)];
        let whole = random.random::<bool>() || level.lots == 1;
        if whole && levels.len() <= FEWEST_LEVELS {
            return self.extend(book, side, random);
        }
        let lots = if whole { 0 } else { random.random_range(1..level.lots) };
        self.set(book, side, level.price, lots, random);
    }

    /// A market order against the best level of `side`.
    fn take(&self, book: &mut Book, side: BookSide, random: &mut impl Rng, fills: &mut Vec<Fill>) {
        if book.levels(side).len() <= FEWEST_LEVELS {
            self.extend(book, side, random);
        }
        let best = book.best(side);
        let lots = self.lots(random).min(best.lots);
        self.fill(side, best.price, lots, random, fills);
        self.set(book, side, best.price, best.lots - lots, random);
    }

    /// Splits what is taken at one price into the trades of one to three makers.
    fn fill(&self, side: BookSide, price: i64, lots: i64, random: &mut impl Rng, fills: &mut Vec<Fill>) {
        let mut left = lots;
        for _ in 0..random.random_range(0..3u32) {
            if left > 1 {
                let lots = random.random_range(1..left);
                fills.push(Fill { price, lots, buyer_is_maker: side == BookSide::Bid });
                left -= lots;
            }
        }
        fills.push(Fill { price, lots: left, buyer_is_maker: side == BookSide::Bid });
    }

    /// Adds a level behind the outermost; where that is far away already, somewhere in between. Else the side of a book that is
    /// eaten from the front for hours would wander off, bids down to nothing.
    fn extend(&self, book: &mut Book, side: BookSide, random: &mut impl Rng) {
        let (best, outermost) = (book.best(side).price, book.levels(side)[0].price);
        let mut price = side.behind(outermost, 1 + skewed(self.width, random));
        let reach = self.width * FARTHEST;
        if price <= 0 || (best - price).abs() > reach {
            price = side.behind(best, random.random_range(1..=reach)).max(1);
        }
        if book.lots(side, price) == 0 {
            self.set(book, side, price, self.lots(random), random);
        }
    }

    fn set(&self, book: &mut Book, side: BookSide, price: i64, lots: i64, random: &mut impl Rng) {
        let step = match self.longest_step {
            1 => 1,
            longest => random.random_range(1..=longest),
        };
        book.set(side, price, lots, step);
    }

    fn lots(&self, random: &mut impl Rng) -> i64 {
        1 + skewed(self.typical_lots, random)
    }
}

/// A whole number from 0 up to three times `mean`, small ones more often.
fn skewed(mean: i64, random: &mut impl Rng) -> i64 {
    let uniform: f64 = random.random();
    (uniform * uniform * 3.0 * mean as f64) as i64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::generated::instrument::instruments;

    #[test]
    fn a_book_stays_whole_whatever_happens_to_it() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let instrument = &instruments(1, &mut random)[0];
        let traders = Traders::new(&instrument.scales[0], instrument.price, 1);
        let mut fair = (instrument.price / instrument.scales[0].tick_size()) as i64;
        let (mut book, mut fills) = (Book::new(1), Vec::new());
        traders.open(&mut book, fair, &mut random);
        for step in 0..50_000 {
            // Jumps far beyond anything a walk does, every so often.
            fair += if step % 1000 == 0 { random.random_range(-50_000..50_000) } else { random.random_range(-20..=20) };
            traders.act(&mut book, fair, &mut random, &mut fills);
            let top = book.top();
            assert!(top.bid.price < top.ask.price, "crossed at step {step}: {top:?}");
            assert!(fills.drain(..).all(|fill| fill.lots > 0));
            for side in [BookSide::Bid, BookSide::Ask] {
                let levels = book.levels(side);
                assert!((10..=MOST_LEVELS).contains(&levels.len()), "{} levels at step {step}", levels.len());
                assert!(levels.iter().all(|level| level.lots > 0));
            }
        }
        assert_eq!(book.update, 1 + book.changes.len() as u64);
    }

    #[test]
    fn a_side_does_not_wander_off_in_the_course_of_days() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let traders = Traders { typical_lots: 20, width: 2, longest_step: 1 };
        let (mut fair, mut fills) = (10_000_i64, Vec::new());
        let mut book = Book::new(1);
        traders.open(&mut book, fair, &mut random);
        for step in 0..600_000 {
            // Down and up again, for ever.
            fair = (fair + random.random_range(-3..=3)).clamp(9_000, 11_000);
            traders.act(&mut book, fair, &mut random, &mut fills);
            fills.clear();
            book.changes.clear();
            let outermost = book.levels(BookSide::Bid)[0].price;
            assert!(outermost > 9_000 - 3 * traders.width * FARTHEST, "at step {step} the last bid is {outermost}");
        }
    }
}
