//! Paths into JSON text: `data.k.t`, `1`, `-2`, `filters[filterType=PRICE_FILTER].tickSize`.

use crate::error::{Fault, VenueError};
use crate::scan::{Cursor, Span};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Value of an object's key.
    Key(Box<[u8]>),
    /// Element of an array, counted from its start, or the key of these digits.
    Index(usize),
    /// Element counted from the end: 1 is the last.
    FromEnd(usize),
    /// Every element of an array within a row: each becomes a row of its own.
    Each,
    /// First element of an array of objects whose key has this text.
    Where(Box<[u8]>, Box<[u8]>),
}

/// A way from a value to a value within it; empty means the value itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    /// Reads a path.
    pub(crate) fn parse(text: &str) -> Result<Self, VenueError> {
        let bad = || VenueError::mapping(format!("`{text}` is not a path"));
        let mut steps = Vec::new();
        for part in text.split('.').filter(|_| !text.is_empty()) {
            let (name, filter) = match part.split_once('[') {
                Some((name, rest)) => (name, Some(rest.strip_suffix(']').ok_or_else(bad)?)),
                None => (part, None),
            };
            if name.is_empty() && filter.is_none() {
                return Err(bad());
            }
            if name == "*" {
                steps.push(Step::Each);
            } else if let Ok(index) = name.parse::<usize>() {
                steps.push(Step::Index(index));
            } else if let Some(Ok(index)) = name.strip_prefix('-').map(str::parse::<usize>) {
                steps.push(Step::FromEnd(index.max(1)));
            } else if !name.is_empty() {
                steps.push(Step::Key(name.as_bytes().into()));
            }
            if let Some(filter) = filter {
                let (key, value) = filter.split_once('=').ok_or_else(bad)?;
                steps.push(Step::Where(key.as_bytes().into(), value.as_bytes().into()));
            }
        }
        Ok(Self(steps))
    }

    /// The span of the value at this path below the value at `at`: a scalar's text, or a
    /// container with its brackets. Absent where it is not there or `null`.
    pub(crate) fn find(&self, bytes: &[u8], at: usize) -> Result<Span, Fault> {
        find(&self.0, bytes, at)
    }
}

/// As [`Path::find`], for part of a path.
pub(crate) fn find(steps: &[Step], bytes: &[u8], at: usize) -> Result<Span, Fault> {
    let mut cursor = Cursor::new(bytes, at);
    for step in steps {
        if !descend(&mut cursor, step)? {
            return Ok(Span::ABSENT);
        }
    }
    match cursor.peek()? {
        b'{' | b'[' => {
            let start = cursor.at;
            cursor.skip()?;
            Ok(Span::new(start, cursor.at))
        }
        _ => cursor.scalar(),
    }
}

/// Moves the cursor to the value that `step` names within the value it stands at.
fn descend(cursor: &mut Cursor<'_>, step: &Step) -> Result<bool, Fault> {
    match (cursor.peek()?, step) {
        (b'{', Step::Key(key)) => find_key(cursor, key),
        (b'{', Step::Index(index)) => find_key(cursor, index.to_string().as_bytes()),
        (b'[', Step::Index(index)) => find_index(cursor, *index),
        (b'[', Step::FromEnd(back)) => {
            let mut probe = *cursor;
            let mut count = 0usize;
            if probe.enter(b'[', b']')? {
                loop {
                    probe.skip()?;
                    count += 1;
                    if !probe.more(b']')? {
                        break;
                    }
                }
            }
            match count.checked_sub(*back) {
                Some(index) => find_index(cursor, index),
                None => Ok(false),
            }
        }
        (b'[', Step::Where(key, value)) => find_where(cursor, key, value),
        _ => Ok(false),
    }
}

fn find_key(cursor: &mut Cursor<'_>, key: &[u8]) -> Result<bool, Fault> {
    if cursor.enter(b'{', b'}')? {
        loop {
            let name = cursor.string()?;
            cursor.expect(b':')?;
            if name.of(cursor.bytes) == key {
                return Ok(true);
            }
            cursor.skip()?;
            if !cursor.more(b'}')? {
                break;
            }
        }
    }
    Ok(false)
}

fn find_index(cursor: &mut Cursor<'_>, index: usize) -> Result<bool, Fault> {
    if cursor.enter(b'[', b']')? {
        let mut count = 0;
        loop {
            if count == index {
                return Ok(true);
            }
            cursor.skip()?;
            count += 1;
            if !cursor.more(b']')? {
                break;
            }
        }
    }
    Ok(false)
}

fn find_where(cursor: &mut Cursor<'_>, key: &[u8], value: &[u8]) -> Result<bool, Fault> {
    if cursor.enter(b'[', b']')? {
        loop {
            cursor.peek()?;
            let element = *cursor;
            let mut probe = element;
            if probe.peek()? == b'{' && find_key(&mut probe, key)? {
                if matches!(probe.peek()?, b'{' | b'[') {
                    probe.skip()?;
                } else if probe.scalar()?.of(cursor.bytes) == value {
                    *cursor = element;
                    return Ok(true);
                }
            }
            cursor.skip()?;
            if !cursor.more(b']')? {
                break;
            }
        }
    }
    Ok(false)
}

/// Calls `each` with the offset of every element of the array at `path`.
pub(crate) fn for_each_element(
    bytes: &[u8],
    path: &Path,
    mut each: impl FnMut(usize) -> Result<(), Fault>,
) -> Result<bool, Fault> {
    let span = path.find(bytes, 0)?;
    if bytes.get(span.start as usize) != Some(&b'[') {
        return Ok(false);
    }
    let mut cursor = Cursor::new(bytes, span.start as usize);
    if cursor.enter(b'[', b']')? {
        loop {
            cursor.peek()?;
            each(cursor.at)?;
            cursor.skip()?;
            if !cursor.more(b']')? {
                break;
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let text = br#"{"a":{"1":"x","b":[1,{"k":"p","v":"2.50"},null]},"e":[]}"#;
        for (path, wanted) in [
            ("a.1", "x"),
            ("a.b.0", "1"),
            ("a.b.-2.v", "2.50"),
            ("a.b[k=p].v", "2.50"),
            ("a.b.2", ""),
            ("a.b.-4", ""),
            ("e", "[]"),
            ("a.c.d", ""),
        ] {
            let path = Path::parse(path).expect("a path");
            assert_eq!(path.find(text, 0).expect("valid").of(text), wanted.as_bytes());
        }
    }
}
