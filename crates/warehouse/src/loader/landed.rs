//! Which blocks of a writer, epoch and kind have landed.

use std::collections::BTreeMap;

/// Block numbers from 1 on: a contiguous beginning and ranges behind holes.
///
/// A block behind a hole is landed like any other (landing has no order); only the watermark, by
/// which the writer trims its spool, waits for the hole to be filled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LandedBlocks {
    watermark: u64,
    /// Ranges behind the watermark's hole: first → last, apart by at least one number.
    ahead: BTreeMap<u64, u64>,
}

impl LandedBlocks {
    /// All blocks up to `watermark` have landed.
    #[must_use]
    pub fn through(watermark: u64) -> Self {
        Self { watermark, ahead: BTreeMap::new() }
    }

    /// The last block up to which all have landed; 0 when block 1 has not.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        self.watermark
    }

    /// Whether the block has landed.
    #[must_use]
    pub fn contains(&self, block: u64) -> bool {
        block <= self.watermark || self.ahead.range(..=block).next_back().is_some_and(|(_, &last)| block <= last)
    }

    /// Notes a block; says whether it is new.
    pub fn insert(&mut self, block: u64) -> bool {
        if self.contains(block) {
            return false;
        }
        let before = self.ahead.range(..block).next_back().filter(|&(_, &last)| last + 1 == block);
        let first = before.map_or(block, |(&first, _)| first);
        let last = self.ahead.remove(&(block + 1)).unwrap_or(block);
        self.ahead.insert(first, last);
        if first == self.watermark + 1 {
            self.watermark = last;
            self.ahead.remove(&first);
        }
        true
    }

    /// Notes several.
    pub fn extend(&mut self, blocks: &[u64]) {
        for &block in blocks {
            self.insert(block);
        }
    }

    /// Blocks between the watermark and the last block that landed which have not.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let Some((_, &last)) = self.ahead.last_key_value() else { return 0 };
        let landed: u64 = self.ahead.iter().map(|(first, last)| last - first + 1).sum();
        last - self.watermark - landed
    }

    /// How many ranges lie behind holes: what this set costs in memory.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.ahead.len()
    }
}

#[cfg(test)]
mod tests {
    use super::LandedBlocks;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set_of_numbers(blocks in proptest::collection::vec(1u64..60, 0..120)) {
            let (mut landed, mut model) = (LandedBlocks::default(), BTreeSet::new());
            for block in blocks {
                prop_assert_eq!(landed.insert(block), model.insert(block));
                let watermark = (1..).take_while(|number| model.contains(number)).last().unwrap_or(0);
                prop_assert_eq!(landed.watermark(), watermark);
                let highest = model.last().copied().unwrap_or(0);
                let missing = (1..=highest).filter(|number| !model.contains(number)).count() as u64;
                prop_assert_eq!(landed.missing(), missing);
                for number in 1..=61 {
                    prop_assert_eq!(landed.contains(number), model.contains(&number));
                }
            }
        }
    }
}
