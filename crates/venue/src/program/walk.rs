//! The walk over a frame's text along a channel's tree.

use super::{Found, Node, Program, RawLevel, Target, head_at};
use crate::error::Fault;
use crate::scan::{Cursor, Span};

impl Program {
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

    fn value(
        &self,
        cursor: &mut Cursor<'_>,
        target: &Target,
        row: Option<usize>,
        found: &mut Found,
    ) -> Result<(), Fault> {
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
            let wanted = head_at(cursor.bytes, name);
            let is_short = name.end - name.start < 8;
            let hit = (node.keys.iter())
                .find(|entry| entry.head == wanted && (is_short || *entry.key == *name.of(cursor.bytes)));
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
