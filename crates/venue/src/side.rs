//! One side of an order book: levels in price order, in blocks.
//!
//! Liquid books hold thousands of levels and change far from the top as well. Blocks bound what an
//! inserted level moves; emptied blocks are kept for later, so that a warmed-up book allocates nothing.

use crate::levels::LevelText;

/// Most levels of a block.
const BLOCK: usize = 128;

/// Neighbouring levels, ascending by key.
#[derive(Debug, Default)]
struct Block {
    keys: Vec<i128>,
    quantities: Vec<i128>,
    /// Parallel to `keys` where text is kept, else empty.
    texts: Vec<LevelText>,
}

impl Block {
    fn clear(&mut self) {
        self.keys.clear();
        self.quantities.clear();
        self.texts.clear();
    }
}

/// One side, the best level last. Keys are price mantissas, negated on the ask side.
#[derive(Debug, Default)]
pub(crate) struct Side {
    /// No block is empty.
    blocks: Vec<Block>,
    spare: Vec<Block>,
    length: usize,
}

impl Side {
    pub(crate) fn clear(&mut self) {
        self.blocks.iter_mut().for_each(Block::clear);
        self.spare.append(&mut self.blocks);
        self.length = 0;
    }

    /// Sets, replaces or (quantity 0) removes a level.
    #[inline]
    pub(crate) fn set(&mut self, key: i128, quantity: i128, text: Option<LevelText>) {
        let Some(at) = self.block_of(key) else {
            if quantity != 0 {
                let mut block = self.spare.pop().unwrap_or_default();
                push(&mut block, 0, key, quantity, text);
                self.blocks.push(block);
                self.length += 1;
            }
            return;
        };
        let block = &mut self.blocks[at];
        let within = block.keys.partition_point(|&other| other < key);
        let present = block.keys.get(within) == Some(&key);
        match (present, quantity == 0) {
            (true, true) => self.remove(at, within),
            (true, false) => {
                block.quantities[within] = quantity;
                if let (Some(held), Some(text)) = (block.texts.get_mut(within), text) {
                    *held = text;
                }
            }
            (false, true) => {}
            (false, false) => {
                push(block, within, key, quantity, text);
                self.length += 1;
                if block.keys.len() > BLOCK {
                    self.split(at);
                }
            }
        }
    }

    /// The block that holds `key` or takes it: the first whose last key is not below it, else the
    /// last. Most changes are near the top, so the search begins there.
    #[inline]
    fn block_of(&self, key: i128) -> Option<usize> {
        let last = self.blocks.len().checked_sub(1)?;
        let begins = |at: usize| self.blocks[at].keys.first().is_some_and(|first| *first <= key);
        if begins(last) || last == 0 {
            return Some(last);
        }
        let ends_below = |block: &Block| block.keys.last().is_some_and(|last| *last < key);
        Some(self.blocks.partition_point(ends_below).min(last))
    }

    fn remove(&mut self, at: usize, within: usize) {
        let block = &mut self.blocks[at];
        block.keys.remove(within);
        block.quantities.remove(within);
        if within < block.texts.len() {
            block.texts.remove(within);
        }
        self.length -= 1;
        if block.keys.is_empty() {
            let block = self.blocks.remove(at);
            self.spare.push(block);
        }
    }

    fn split(&mut self, at: usize) {
        let mut upper = self.spare.pop().unwrap_or_default();
        let block = &mut self.blocks[at];
        let half = block.keys.len() / 2;
        upper.keys.extend(block.keys.drain(half..));
        upper.quantities.extend(block.quantities.drain(half..));
        upper.texts.extend(block.texts.drain(half.min(block.texts.len())..));
        self.blocks.insert(at + 1, upper);
    }

    /// Multiplies all keys and quantities.
    pub(crate) fn scale(&mut self, keys_by: i128, quantities_by: i128) {
        for block in &mut self.blocks {
            block.keys.iter_mut().for_each(|key| *key = key.saturating_mul(keys_by));
            block.quantities.iter_mut().for_each(|quantity| *quantity = quantity.saturating_mul(quantities_by));
        }
    }

    /// How many levels.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Key of the best level.
    #[inline]
    pub(crate) fn best(&self) -> Option<i128> {
        self.blocks.last()?.keys.last().copied()
    }

    /// Levels from the best on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i128, i128, Option<&LevelText>)> {
        self.blocks.iter().rev().flat_map(|block| {
            let texts = block.texts.iter().rev().map(Some).chain(std::iter::repeat(None));
            let levels = block.keys.iter().rev().zip(block.quantities.iter().rev()).zip(texts);
            levels.map(|((&key, &quantity), text)| (key, quantity, text))
        })
    }
}

#[inline]
fn push(block: &mut Block, at: usize, key: i128, quantity: i128, text: Option<LevelText>) {
    block.keys.insert(at, key);
    block.quantities.insert(at, quantity);
    if let Some(text) = text {
        block.texts.insert(at, text);
    }
}
