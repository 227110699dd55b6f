//! Large results fast: asked for in ClickHouse's `Native` format, which is its own layout in memory and costs it
//! next to nothing, and put together here to rows of `RowBinary`.
//!
//! Format reference: ClickHouse documentation, "Native"; LowCardinality as `SerializationLowCardinality` writes it.
//! Covered are the column types of our tables; another one is an error that names it.

use super::{ClientError, RowsReader};

/// Bytes at which a block that is not whole is looked at for the first time.
const FIRST_LOOK: usize = 64 << 10;

/// A result whose rows are read block by block.
pub struct NativeReader {
    reader: RowsReader,
    /// What has come and is not yet a whole block.
    pending: Vec<u8>,
    /// Looking earlier is in vain.
    look_at: usize,
    ended: bool,
}

impl NativeReader {
    pub(super) fn new(reader: RowsReader) -> Self {
        Self { reader, pending: Vec::new(), look_at: FIRST_LOOK, ended: false }
    }

    /// Appends the rows of the next block to `out` in `RowBinary`; how many there were, `None` at the end.
    ///
    /// # Errors
    /// An exception of the warehouse, a broken connection, or a column of a type that is not covered.
    pub async fn next_rows(&mut self, out: &mut Vec<u8>) -> Result<Option<usize>, ClientError> {
        loop {
            if !self.pending.is_empty() && (self.pending.len() >= self.look_at || self.ended) {
                match read_block(&self.pending) {
                    Ok((block, length)) => {
                        let rows = block.rows;
                        block.append(out);
                        self.pending.drain(..length);
                        self.look_at = 0;
                        return Ok(Some(rows));
                    }
                    Err(Refusal::Incomplete) if !self.ended => {
                        self.look_at = (self.pending.len() * 3 / 2).max(FIRST_LOOK);
                    }
                    Err(refusal) => return Err(ClientError::Decode(refusal.to_string())),
                }
            }
            if self.ended {
                return Ok(None);
            }
            match self.reader.next_piece().await? {
                Some(piece) => self.pending.extend_from_slice(&piece),
                None => self.ended = true,
            }
        }
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("a Native block ends in its midst")]
    Incomplete,
    #[error("a Native block that does not hold together: {0}")]
    Wrong(&'static str),
    #[error("column {name} has the type {of}, which is not read as Native")]
    Type { name: String, of: String },
}

/// One block: columns of equal length.
struct Block<'a> {
    rows: usize,
    columns: Vec<Cells<'a>>,
}

/// A column's values, found but not copied. Texts keep their length in front.
enum Cells<'a> {
    Fixed(usize, &'a [u8]),
    Nullable(usize, &'a [u8], &'a [u8]),
    Texts(Vec<&'a [u8]>),
    /// Width of an index, indexes, and what they stand for.
    Labels(usize, &'a [u8], Vec<&'a [u8]>),
    /// Where each row's values end, and 8 bytes for each value.
    Integers(Vec<usize>, &'a [u8]),
    TextLists(Vec<usize>, Vec<&'a [u8]>),
}

impl Block<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        for row in 0..self.rows {
            for column in &self.columns {
                column.append(row, out);
            }
        }
    }
}

impl Cells<'_> {
    #[inline]
    fn append(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Fixed(width, bytes) => fixed(*width, bytes, row, out),
            Self::Nullable(width, nulls, bytes) => {
                let null = nulls[row];
                out.push(null);
                if null == 0 {
                    fixed(*width, bytes, row, out);
                }
            }
            Self::Texts(texts) => out.extend_from_slice(texts[row]),
            Self::Labels(width, indexes, keys) => out.extend_from_slice(keys[index(*width, indexes, row)]),
            Self::Integers(ends, values) => {
                let (from, to) = extent(ends, row);
                kt_model::codec::write_length(to - from, out);
                out.extend_from_slice(&values[from * 8..to * 8]);
            }
            Self::TextLists(ends, texts) => {
                let (from, to) = extent(ends, row);
                kt_model::codec::write_length(to - from, out);
                texts[from..to].iter().for_each(|text| out.extend_from_slice(text));
            }
        }
    }
}

/// Copies of a known length are a few instructions.
#[inline]
fn fixed(width: usize, bytes: &[u8], row: usize, out: &mut Vec<u8>) {
    match width {
        1 => out.push(bytes[row]),
        4 => out.extend_from_slice(&bytes[row * 4..row * 4 + 4]),
        8 => out.extend_from_slice(&bytes[row * 8..row * 8 + 8]),
        16 => out.extend_from_slice(&bytes[row * 16..row * 16 + 16]),
        width => out.extend_from_slice(&bytes[row * width..(row + 1) * width]),
    }
}

#[inline]
fn index(width: usize, bytes: &[u8], row: usize) -> usize {
    if width == 1 {
        return usize::from(bytes[row]);
    }
    let index =
        bytes[row * width..(row + 1) * width].iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    index as usize
}

fn extent(ends: &[usize], row: usize) -> (usize, usize) {
    (if row == 0 { 0 } else { ends[row - 1] }, ends[row])
}

/// Finds the columns of the block at the start of `bytes`, and its length. Every place that [`Block::append`]
/// reads has been checked when it answers.
fn read_block(bytes: &[u8]) -> Result<(Block<'_>, usize), Refusal> {
    let mut at = Cursor { bytes, at: 0 };
    let (columns, rows) = (at.length()?, at.length()?);
    let mut block = Block { rows, columns: Vec::with_capacity(columns.min(1_024)) };
    for _ in 0..columns {
        let (name, of) = (at.name()?, at.name()?);
        let cells = if rows == 0 { Cells::Texts(Vec::new()) } else { at.cells(name, of, rows)? };
        block.columns.push(cells);
    }
    Ok((block, at.at))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let end = self.at.checked_add(count).ok_or(Refusal::Wrong("an impossible length"))?;
        let part = self.bytes.get(self.at..end).ok_or(Refusal::Incomplete)?;
        self.at = end;
        Ok(part)
    }

    fn values(&mut self, rows: usize, width: usize) -> Result<&'a [u8], Refusal> {
        self.take(rows.checked_mul(width).ok_or(Refusal::Wrong("an impossible length"))?)
    }

    fn length(&mut self) -> Result<usize, Refusal> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).map_err(|_| Refusal::Wrong("an impossible length"));
            }
        }
        Err(Refusal::Wrong("an impossible length"))
    }

    fn number(&mut self) -> Result<u64, Refusal> {
        let bytes = self.take(8)?.first_chunk::<8>().copied().unwrap_or_default();
        Ok(u64::from_le_bytes(bytes))
    }

    fn name(&mut self) -> Result<&'a str, Refusal> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Refusal::Wrong("a name is not UTF-8"))
    }

    /// Texts with their lengths in front.
    fn texts(&mut self, count: usize) -> Result<Vec<&'a [u8]>, Refusal> {
        // Each takes a byte at least.
        let mut texts = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            let from = self.at;
            let length = self.length()?;
            self.take(length)?;
            texts.push(&self.bytes[from..self.at]);
        }
        Ok(texts)
    }

    /// Where the lists of `rows` rows end.
    fn ends(&mut self, rows: usize) -> Result<Vec<usize>, Refusal> {
        let bytes = self.values(rows, 8)?;
        let ends = bytes.as_chunks::<8>().0.iter().map(|end| u64::from_le_bytes(*end) as usize);
        let ends: Vec<usize> = ends.collect();
        if ends.is_sorted() { Ok(ends) } else { Err(Refusal::Wrong("lists that end before they begin")) }
    }

    fn cells(&mut self, name: &str, of: &str, rows: usize) -> Result<Cells<'a>, Refusal> {
        let refused = || Refusal::Type { name: name.to_owned(), of: of.to_owned() };
        Ok(match of {
            "String" => Cells::Texts(self.texts(rows)?),
            "LowCardinality(String)" => self.labels(rows)?,
            "Array(Int64)" => {
                let ends = self.ends(rows)?;
                let values = self.values(ends[rows - 1], 8)?;
                Cells::Integers(ends, values)
            }
            "Array(String)" => {
                let ends = self.ends(rows)?;
                let texts = self.texts(ends[rows - 1])?;
                Cells::TextLists(ends, texts)
            }
            _ => match of.strip_prefix("Nullable(").and_then(|rest| rest.strip_suffix(')')) {
                Some(inner) => {
                    let width = width(inner).ok_or_else(refused)?;
                    let nulls = self.values(rows, 1)?;
                    Cells::Nullable(width, nulls, self.values(rows, width)?)
                }
                None => {
                    let width = width(of).ok_or_else(refused)?;
                    Cells::Fixed(width, self.values(rows, width)?)
                }
            },
        })
    }

    /// A dictionary of the block's own, and an index for each row.
    fn labels(&mut self, rows: usize) -> Result<Cells<'a>, Refusal> {
        const OWN_KEYS: u64 = 1 << 9;
        const SHARED_DICTIONARY: u64 = 1 << 8;
        if self.number()? != 1 {
            return Err(Refusal::Wrong("an unknown version of LowCardinality"));
        }
        let kind = self.number()?;
        if kind & OWN_KEYS == 0 || kind & SHARED_DICTIONARY != 0 {
            return Err(Refusal::Wrong("a dictionary that other blocks share"));
        }
        let width = 1_usize << (kind & 3);
        let count = self.number()? as usize;
        let keys = self.texts(count)?;
        if self.number()? != rows as u64 {
            return Err(Refusal::Wrong("indexes for another number of rows"));
        }
        let indexes = self.values(rows, width)?;
        if (0..rows).any(|row| index(width, indexes, row) >= count) {
            return Err(Refusal::Wrong("an index beyond its dictionary"));
        }
        Ok(Cells::Labels(width, indexes, keys))
    }
}

/// Bytes of a value of fixed size.
fn width(of: &str) -> Option<usize> {
    let name = of.split_once('(').map_or(of, |(name, _)| name);
    Some(match name {
        "UInt8" | "Int8" | "Bool" | "Enum8" => 1,
        "UInt16" | "Int16" | "Enum16" | "Date" => 2,
        "UInt32" | "Int32" | "Float32" | "DateTime" | "Date32" => 4,
        "UInt64" | "Int64" | "Float64" | "DateTime64" => 8,
        "Int128" | "UInt128" | "UUID" => 16,
        "Decimal" => {
            let digits: u8 = of.strip_prefix("Decimal(")?.split(',').next()?.trim().parse().ok()?;
            match digits {
                1..=9 => 4,
                10..=18 => 8,
                19..=38 => 16,
                _ => return None,
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as an exchange could never send them, and cut anywhere: refused, never out of bounds.
    #[test]
    fn damaged_blocks_are_refused() {
        let mut block = vec![2, 2, 1, b'a', 5];
        block.extend_from_slice(b"Int64");
        block.extend_from_slice(&[7; 16]);
        block.extend_from_slice(&[1, b'b', 22]);
        block.extend_from_slice(b"LowCardinality(String)");
        for number in [1_u64, 1 << 9, 2] {
            block.extend_from_slice(&number.to_le_bytes());
        }
        block.extend_from_slice(&[0, 1, b'x']);
        block.extend_from_slice(&2_u64.to_le_bytes());
        block.extend_from_slice(&[1, 0]);
        let (read, length) = read_block(&block).map_err(|refusal| refusal.to_string()).expect("a block");
        let mut out = Vec::new();
        read.append(&mut out);
        assert_eq!((length, read.rows), (block.len(), 2));
        assert_eq!(out, [&[7; 8][..], &[1, b'x'], &[7; 8], &[0]].concat());
        for end in 0..block.len() {
            assert!(read_block(&block[..end]).is_err(), "{end}");
        }
        for place in 0..block.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = block.clone();
                damaged[place] = value;
                if let Ok((read, _)) = read_block(&damaged) {
                    read.append(&mut Vec::new());
                }
            }
        }
    }
}
