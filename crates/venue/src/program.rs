//! The compiled form of a channel: which values of a frame to keep, found in one pass.
//!
//! All paths of a channel form a tree of keys. The scan walks the frame's text along that tree,
//! notes the spans of the wanted values in slots and steps over everything else.

use crate::error::VenueError;
use crate::path::{Path, Step};
use crate::scan::Span;

mod found;
mod walk;

pub(crate) use found::{Found, RawLevel};

/// Where a value is kept after the scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Once per payload.
    Root(u16),
    /// Once per row.
    Row(u16),
}

/// What is wanted at a place of the frame.
#[derive(Clone, Copy, Debug, Default)]
struct Target {
    slot: Option<u16>,
    node: Option<u16>,
    /// Book side: 0 bids, 1 asks.
    levels: Option<u8>,
    /// The array of rows.
    rows: bool,
}

#[derive(Clone, Debug)]
struct KeyTarget {
    /// First eight bytes and the length, to compare at once.
    head: u64,
    key: Box<[u8]>,
    target: Target,
}

#[derive(Clone, Debug, Default)]
struct Node {
    keys: Vec<KeyTarget>,
    indexes: Vec<(usize, Target)>,
    from_end: Vec<(usize, Target)>,
    /// What is wanted of every element, where elements are rows of their own.
    each: Option<Target>,
}

/// Where price and quantity stand in a level.
#[derive(Clone, Debug, Default)]
pub(crate) struct LevelShape {
    pub(crate) price: Path,
    pub(crate) quantity: Path,
    /// Positions, where both are plain array elements: the common shape has a fast path.
    positions: Option<(usize, usize)>,
}

impl LevelShape {
    pub(crate) fn new(price: Path, quantity: Path) -> Self {
        let positions = match (price.0.as_slice(), quantity.0.as_slice()) {
            ([Step::Index(price)], [Step::Index(quantity)]) => Some((*price, *quantity)),
            _ => None,
        };
        Self { price, quantity, positions }
    }
}

/// The tree of one channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    nodes: Vec<Node>,
    root: Target,
    row: Target,
    root_slots: u16,
    row_slots: u16,
    level_shape: LevelShape,
}

impl Program {
    /// A program whose rows are the elements of the array at `rows` (an object is one row); without
    /// it the payload is the one row.
    pub(crate) fn new(rows: Option<&Path>, level_shape: LevelShape) -> Self {
        let mut program = Self { level_shape, ..Self::default() };
        match rows {
            Some(path) => {
                let mut root = std::mem::take(&mut program.root);
                program.place(&mut root, &path.0, |target| target.rows = true);
                program.root = root;
            }
            None => program.root.rows = true,
        }
        program
    }

    /// Keeps the value at `path` of the payload.
    pub(crate) fn root_slot(&mut self, path: &Path) -> Result<Slot, VenueError> {
        let mut root = std::mem::take(&mut self.root);
        let next = self.root_slots;
        let slot = self.place(&mut root, &path.0, |target| *target.slot.get_or_insert(next));
        self.root = root;
        self.root_slots += u16::from(slot == next);
        refuse_filter(path).map(|()| Slot::Root(slot))
    }

    /// Keeps the value at `path` of each row.
    pub(crate) fn row_slot(&mut self, path: &Path) -> Result<Slot, VenueError> {
        let mut row = std::mem::take(&mut self.row);
        let next = self.row_slots;
        let slot = self.place(&mut row, &path.0, |target| *target.slot.get_or_insert(next));
        self.row = row;
        self.row_slots += u16::from(slot == next);
        refuse_filter(path).map(|()| Slot::Row(slot))
    }

    /// Keeps the levels at `path` of each row as one side of a book.
    pub(crate) fn row_levels(&mut self, path: &Path, side: u8) -> Result<(), VenueError> {
        let mut row = std::mem::take(&mut self.row);
        self.place(&mut row, &path.0, |target| target.levels = Some(side));
        self.row = row;
        refuse_filter(path)
    }

    fn place<T>(&mut self, target: &mut Target, steps: &[Step], act: impl FnOnce(&mut Target) -> T) -> T {
        let Some((step, rest)) = steps.split_first() else {
            return act(target);
        };
        let node = match target.node {
            Some(node) => node,
            None => {
                self.nodes.push(Node::default());
                *target.node.insert((self.nodes.len() - 1) as u16)
            }
        };
        // The child is taken out while the tree below it grows.
        let mut child = std::mem::take(self.child(node, step));
        let result = self.place(&mut child, rest, act);
        *self.child(node, step) = child;
        result
    }

    fn child(&mut self, node: u16, step: &Step) -> &mut Target {
        let node = &mut self.nodes[usize::from(node)];
        match step {
            Step::Key(key) | Step::Where(key, _) => {
                let at = node.keys.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
                    let target = Target::default();
                    node.keys.push(KeyTarget { head: head(key), key: key.clone(), target });
                    node.keys.len() - 1
                });
                &mut node.keys[at].target
            }
            Step::Index(index) => entry(&mut node.indexes, *index),
            Step::FromEnd(index) => entry(&mut node.from_end, *index),
            Step::Each => node.each.get_or_insert_default(),
        }
    }
}

/// Up to seven bytes of a key and its length in one word; longer keys are compared in full.
#[inline]
fn head(key: &[u8]) -> u64 {
    let mut word = 0;
    for (index, &byte) in key.iter().take(7).enumerate() {
        word |= u64::from(byte) << (8 * index);
    }
    word | (key.len().min(255) as u64) << 56
}

/// [`head`] of a key within a frame, read at once where the frame goes on long enough.
#[inline]
fn head_at(bytes: &[u8], span: Span) -> u64 {
    let length = (span.end - span.start) as usize;
    match bytes.get(span.start as usize..).and_then(|rest| rest.first_chunk::<8>()) {
        Some(chunk) => {
            let kept = length.min(7);
            u64::from_le_bytes(*chunk) & ((1u64 << (8 * kept)) - 1) | (length.min(255) as u64) << 56
        }
        None => head(span.of(bytes)),
    }
}

fn entry(list: &mut Vec<(usize, Target)>, index: usize) -> &mut Target {
    let at = list.iter().position(|entry| entry.0 == index).unwrap_or_else(|| {
        list.push((index, Target::default()));
        list.len() - 1
    });
    &mut list[at].1
}

fn refuse_filter(path: &Path) -> Result<(), VenueError> {
    if path.0.iter().any(|step| matches!(step, Step::Where(..))) {
        return Err(VenueError::mapping("`[key=value]` is for reference lists, not for channels"));
    }
    Ok(())
}
