//! The compiled form of a channel: which values of a frame to keep, found in one pass.
//!
//! All paths of a channel form a tree of keys. The scan walks the frame's text along that tree,
//! notes the spans of the wanted values in slots and steps over everything else.

use crate::error::{Fault, VenueError};
use crate::path::{Path, Step};
use crate::scan::{Cursor, Span};

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

/// Text spans of a level's price and quantity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RawLevel {
    pub(crate) price: Span,
    pub(crate) quantity: Span,
}

/// What a scan found. Kept between frames so that nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct Found {
    root: Vec<Span>,
    rows: Vec<Span>,
    row_stride: usize,
    row_count: usize,
    levels: Vec<RawLevel>,
    /// (row, side, from, to) of each level list.
    lists: Vec<(u32, u8, u32, u32)>,
    /// Array within the current row whose elements are rows of their own: its offset and node.
    nested: Option<(usize, u16)>,
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

    /// Scans the payload that begins at `at`; returns the offset after it.
    #[inline]
    pub(crate) fn scan(&self, bytes: &[u8], at: usize, found: &mut Found) -> Result<usize, Fault> {
        found.root.clear();
        found.root.resize(usize::from(self.root_slots), Span::ABSENT);
        found.rows.clear();
        found.row_stride = usize::from(self.row_slots);
        found.row_count = 0;
        found.levels.clear();
        found.lists.clear();
        found.nested = None;
        let mut cursor = Cursor::new(bytes, at);
        self.value(&mut cursor, &self.root, None, found)?;
        Ok(cursor.at)
    }

    fn value(&self, cursor: &mut Cursor<'_>, target: &Target, row: Option<usize>, found: &mut Found) -> Result<(), Fault> {
        let first = cursor.peek()?;
        let start = cursor.at;
        match first {
            b'{' | b'[' => {
                if target.rows && row.is_none() {
                    // Payload values beside or around the rows are found by a walk of their own.
                    if target.node.is_some() || target.slot.is_some() {
                        let plain = Target { rows: false, ..*target };
                        self.value(&mut cursor.clone(), &plain, None, found)?;
                    }
                    self.rows(cursor, first, found)?;
                } else if let Some(side) = target.levels {
                    self.levels(cursor, side, row.unwrap_or(0), found)?;
                } else if let Some(node) = target.node.filter(|node| self.nodes[usize::from(*node)].each.is_some()) {
                    found.nested = Some((start, node));
                    cursor.skip()?;
                } else if let Some(node) = target.node {
                    self.container(cursor, first, &self.nodes[usize::from(node)], row, found)?;
                } else {
                    cursor.skip()?;
                }
                if let Some(slot) = target.slot {
                    store(found, slot, row, Span::new(start, cursor.at));
                }
            }
            _ => {
                let span = cursor.scalar()?;
                if let Some(slot) = target.slot {
                    store(found, slot, row, span);
                }
            }
        }
        Ok(())
    }

    fn rows(&self, cursor: &mut Cursor<'_>, first: u8, found: &mut Found) -> Result<(), Fault> {
        // Without paths into an array row, an array is a list of rows; positional rows are one row
        // unless their first element is itself a container.
        let positional = self.row.node.is_some_and(|node| {
            let node = &self.nodes[usize::from(node)];
            !node.indexes.is_empty() || !node.from_end.is_empty()
        });
        let is_list = first == b'[' && (!positional || holds_containers(cursor)?);
        if !is_list {
            return self.one_row(cursor, found);
        }
        if cursor.enter(b'[', b']')? {
            loop {
                self.one_row(cursor, found)?;
                if !cursor.more(b']')? {
                    break;
                }
            }
        }
        Ok(())
    }

    fn one_row(&self, cursor: &mut Cursor<'_>, found: &mut Found) -> Result<(), Fault> {
        let row = found.row_count;
        found.row_count += 1;
        found.rows.resize((row + 1) * found.row_stride, Span::ABSENT);
        self.value(cursor, &self.row, Some(row), found)?;
        match found.nested.take() {
            Some((at, node)) => self.nested_rows(&mut Cursor::new(cursor.bytes, at), node, row, found),
            None => Ok(()),
        }
    }

    /// Turns the row into one row for each element of its inner array.
    fn nested_rows(&self, cursor: &mut Cursor<'_>, node: u16, row: usize, found: &mut Found) -> Result<(), Fault> {
        let Some(target) = self.nodes[usize::from(node)].each else { return Ok(()) };
        let stride = found.row_stride;
        found.row_count = row;
        if cursor.enter(b'[', b']')? {
            loop {
                let at = found.row_count;
                found.row_count += 1;
                // Values of an element before stay out: each element sets the same slots or none.
                if at > row {
                    found.rows.extend_from_within(row * stride..(row + 1) * stride);
                    self.blank(&target, at, found);
                }
                self.value(cursor, &target, Some(at), found)?;
                if !cursor.more(b']')? {
                    break;
                }
            }
        }
        found.rows.truncate(found.row_count * stride);
        Ok(())
    }

    /// Empties the slots that `target` fills.
    fn blank(&self, target: &Target, row: usize, found: &mut Found) {
        if let Some(slot) = target.slot {
            store(found, slot, Some(row), Span::ABSENT);
        }
        if let Some(node) = target.node.map(|node| &self.nodes[usize::from(node)]) {
            let inner = node.keys.iter().map(|entry| &entry.target);
            for inner in inner.chain(node.indexes.iter().chain(&node.from_end).map(|(_, target)| target)) {
                self.blank(inner, row, found);
            }
        }
    }

    #[inline]
    fn container(
        &self,
        cursor: &mut Cursor<'_>,
        first: u8,
        node: &Node,
        row: Option<usize>,
        found: &mut Found,
    ) -> Result<(), Fault> {
        if first == b'{' {
            return self.object(cursor, node, row, found);
        }
        let start = *cursor;
        let mut index = 0usize;
        if cursor.enter(b'[', b']')? {
            loop {
                match node.indexes.iter().find(|entry| entry.0 == index) {
                    Some((_, target)) => self.value(cursor, target, row, found)?,
                    None => cursor.skip()?,
                }
                index += 1;
                if !cursor.more(b']')? {
                    break;
                }
            }
        }
        for (back, target) in &node.from_end {
            if let Some(position) = index.checked_sub(*back) {
                let mut again = start;
                again.enter(b'[', b']')?;
                for _ in 0..position {
                    again.skip()?;
                    again.more(b']')?;
                }
                self.value(&mut again, target, row, found)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn object(&self, cursor: &mut Cursor<'_>, node: &Node, row: Option<usize>, found: &mut Found) -> Result<(), Fault> {
        if !cursor.enter(b'{', b'}')? {
            return Ok(());
        }
        loop {
            let name = cursor.string()?;
            cursor.expect(b':')?;
            let name = name.of(cursor.bytes);
            let wanted = head(name);
            let hit = node.keys.iter().find(|entry| entry.head == wanted && (name.len() < 8 || *entry.key == *name));
            match hit {
                Some(entry) => self.value(cursor, &entry.target, row, found)?,
                None => cursor.skip()?,
            }
            if !cursor.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn levels(&self, cursor: &mut Cursor<'_>, side: u8, row: usize, found: &mut Found) -> Result<(), Fault> {
        let from = found.levels.len() as u32;
        if cursor.enter(b'[', b']')? {
            loop {
                let level = match self.level_shape.positions {
                    Some(positions) => positional_level(cursor, positions)?,
                    None => {
                        cursor.peek()?;
                        let price = self.level_shape.price.find(cursor.bytes, cursor.at)?;
                        let quantity = self.level_shape.quantity.find(cursor.bytes, cursor.at)?;
                        cursor.skip()?;
                        RawLevel { price, quantity }
                    }
                };
                found.levels.push(level);
                if !cursor.more(b']')? {
                    break;
                }
            }
        }
        found.lists.push((row as u32, side, from, found.levels.len() as u32));
        Ok(())
    }
}

/// Reads `["price","quantity",…]`.
#[inline]
fn positional_level(cursor: &mut Cursor<'_>, positions: (usize, usize)) -> Result<RawLevel, Fault> {
    let mut level = RawLevel::default();
    if cursor.enter(b'[', b']')? {
        let mut index = 0;
        loop {
            if index == positions.0 {
                level.price = cursor.scalar()?;
            } else if index == positions.1 {
                level.quantity = cursor.scalar()?;
            } else {
                cursor.skip()?;
            }
            index += 1;
            if !cursor.more(b']')? {
                break;
            }
        }
    }
    Ok(level)
}

fn holds_containers(cursor: &Cursor<'_>) -> Result<bool, Fault> {
    let mut probe = *cursor;
    Ok(!probe.enter(b'[', b']')? || matches!(probe.peek()?, b'[' | b'{'))
}

#[inline]
fn store(found: &mut Found, slot: u16, row: Option<usize>, span: Span) {
    let at = usize::from(slot);
    let place = match row {
        Some(row) => found.rows.get_mut(row * found.row_stride + at),
        None => found.root.get_mut(at),
    };
    if let Some(place) = place {
        *place = span;
    }
}

/// Up to seven bytes of a key and its length in one word; longer keys are compared in full.
#[inline]
fn head(key: &[u8]) -> u64 {
    let mut word = (key.len() as u64) << 56;
    for (index, &byte) in key.iter().take(7).enumerate() {
        word |= u64::from(byte) << (8 * index);
    }
    word
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
