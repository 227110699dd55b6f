//! `Native` for clients that state a protocol version (`client_protocol_version`), as the Go client and with it Grafana's data source do.
//!
//! To them ClickHouse puts block information before each block (since any version) and, since 54454, a mark before each column's data
//! that says whether it is of a special serialization. The engine in this process always writes without; what is missing is put in here.
//! Format: ClickHouse's `NativeWriter` and `BlockInfo`; LowCardinality as `SerializationLowCardinality` writes it.

use crate::exception::Exception;

/// From this version on every column says whether its serialization is a special one.
const WITH_SERIALIZATION: u64 = 54_454;
/// Field 1: no overflow row; field 2: bucket -1; end.
const BLOCK_INFO: [u8; 8] = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0];

/// Whole blocks without a version as a client of this version reads them.
pub(super) fn for_version(plain: &[u8], version: u64) -> Result<Vec<u8>, Exception> {
    let mut out = Vec::with_capacity(plain.len() + 64);
    let mut reader = Reader { bytes: plain, at: 0 };
    while reader.at < plain.len() {
        out.extend_from_slice(&BLOCK_INFO);
        let from = reader.at;
        let (columns, rows) = (reader.number()?, reader.number()?);
        out.extend_from_slice(&plain[from..reader.at]);
        for _ in 0..columns {
            let from = reader.at;
            reader.string()?;
            let kind = reader.string()?;
            out.extend_from_slice(&plain[from..reader.at]);
            if version >= WITH_SERIALIZATION {
                out.push(0);
            }
            let from = reader.at;
            if rows > 0 {
                reader.prefix(kind)?;
                reader.column(kind, rows)?;
            }
            out.extend_from_slice(&plain[from..reader.at]);
        }
    }
    Ok(out)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn cut() -> Exception {
    Exception::new(33, "CANNOT_READ_ALL_DATA", "a block of the result ends before its time")
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Exception> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or_else(cut)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// `count` values of `width` bytes.
    fn skip(&mut self, count: usize, width: usize) -> Result<(), Exception> {
        self.take(count.checked_mul(width).ok_or_else(cut)?).map(drop)
    }

    /// LEB128.
    fn number(&mut self) -> Result<usize, Exception> {
        let mut value = 0_usize;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(cut())
    }

    fn word(&mut self) -> Result<u64, Exception> {
        let bytes = self.take(8)?.try_into().map_err(|_| cut())?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn string(&mut self) -> Result<&'a str, Exception> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| cut())
    }

    /// What stands before a column's data: the version of each dictionary within it.
    fn prefix(&mut self, kind: &str) -> Result<(), Exception> {
        let (name, inner) = parts(kind);
        match name {
            "LowCardinality" => self.skip(1, 8),
            "Array" | "Nullable" | "Map" | "Tuple" => inner.into_iter().try_for_each(|kind| self.prefix(kind)),
            "SimpleAggregateFunction" => self.prefix(inner.last().copied().unwrap_or_default()),
            _ => Ok(()),
        }
    }

    fn column(&mut self, kind: &str, rows: usize) -> Result<(), Exception> {
        let (name, inner) = parts(kind);
        match (name, inner.as_slice()) {
            ("String", _) => (0..rows).try_for_each(|_| {
                let length = self.number()?;
                self.skip(1, length)
            }),
            ("Nullable", [of]) => {
                self.skip(rows, 1)?;
                self.column(of, rows)
            }
            ("Array", [of]) => {
                let elements = self.offsets(rows)?;
                self.column(of, elements)
            }
            ("Map", [key, value]) => {
                let elements = self.offsets(rows)?;
                self.column(key, elements)?;
                self.column(value, elements)
            }
            ("Tuple", elements) if !elements.is_empty() => {
                elements.iter().try_for_each(|element| self.column(element, rows))
            }
            ("LowCardinality", [of]) => self.dictionary(of, rows),
            ("SimpleAggregateFunction", [.., of]) => self.column(of, rows),
            _ => {
                let width = width(name, &inner).ok_or_else(|| {
                    let why =
                        format!("a column of type {kind} cannot be sent as Native to a client that states its version");
                    Exception::new(48, "NOT_IMPLEMENTED", why)
                })?;
                self.skip(rows, width)
            }
        }
    }

    /// Ends of the arrays; how many elements they have together.
    fn offsets(&mut self, rows: usize) -> Result<usize, Exception> {
        let mut last = 0;
        for _ in 0..rows {
            last = self.word()?;
        }
        usize::try_from(last).map_err(|_| cut())
    }

    fn dictionary(&mut self, of: &str, rows: usize) -> Result<(), Exception> {
        if rows == 0 {
            return Ok(());
        }
        let flags = self.word()?;
        let keys = usize::try_from(self.word()?).map_err(|_| cut())?;
        let (name, inner) = parts(of);
        let plain = if name == "Nullable" { inner.first().copied().unwrap_or_default() } else { of };
        self.column(plain, keys)?;
        let count = usize::try_from(self.word()?).map_err(|_| cut())?;
        self.skip(count, 1 << (flags & 0xff).min(3))
    }
}

/// Bytes of a value of a type of fixed width.
fn width(name: &str, inner: &[&str]) -> Option<usize> {
    let number = |at: usize| inner.get(at)?.trim().parse::<usize>().ok();
    Some(match name {
        "UInt8" | "Int8" | "Bool" | "Enum8" | "Nothing" => 1,
        "UInt16" | "Int16" | "BFloat16" | "Date" | "Enum16" => 2,
        "UInt32" | "Int32" | "Float32" | "Date32" | "DateTime" | "Time" | "IPv4" | "Decimal32" => 4,
        "UInt64" | "Int64" | "Float64" | "DateTime64" | "Time64" | "Decimal64" => 8,
        _ if name.starts_with("Interval") => 8,
        "UInt128" | "Int128" | "UUID" | "IPv6" | "Decimal128" => 16,
        "UInt256" | "Int256" | "Decimal256" => 32,
        "FixedString" => number(0)?,
        "Decimal" => match number(0)? {
            0..=9 => 4,
            10..=18 => 8,
            19..=38 => 16,
            _ => 32,
        },
        _ => return None,
    })
}

/// A type's name and what stands in its brackets, parted at commas; names of a tuple's elements left out.
fn parts(kind: &str) -> (&str, Vec<&str>) {
    let Some((name, rest)) = kind.trim().split_once('(') else { return (kind.trim(), Vec::new()) };
    let body = rest.strip_suffix(')').unwrap_or(rest);
    let (mut found, mut depth, mut quoted, mut begin) = (Vec::new(), 0_usize, false, 0);
    let mut escaped = false;
    for (at, letter) in body.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                found.push(body[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.push(body[begin..].trim());
    if name == "Tuple" {
        for element in &mut found {
            let head = element.split('(').next().unwrap_or_default();
            if let Some((_, of)) = head.split_once(' ') {
                *element = &element[element.len() - of.len() - (element.len() - head.len())..];
            }
        }
    }
    (name, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Vec<u8> {
        [&[value.len() as u8], value.as_bytes()].concat()
    }

    #[test]
    fn types_are_taken_apart() {
        assert_eq!(parts("DateTime64(9, 'UTC')"), ("DateTime64", vec!["9", "'UTC'"]));
        assert_eq!(parts("Enum8('a,(' = 1, 'b' = 2)"), ("Enum8", vec!["'a,(' = 1", "'b' = 2"]));
        assert_eq!(
            parts("Tuple(a Array(String), Nullable(Decimal(38, 18)))").1,
            ["Array(String)", "Nullable(Decimal(38, 18))"]
        );
        assert_eq!(parts("Tuple(a UInt8, b DateTime64(3, 'UTC'))").1, ["UInt8", "DateTime64(3, 'UTC')"]);
    }

    #[test]
    fn information_and_marks_are_put_in_and_nothing_else_changes() {
        // Two rows: an array of low-cardinality strings, and a nullable number.
        let lowered = [
            &1_u64.to_le_bytes()[..],                             // version
            &[2_u64.to_le_bytes(), 3_u64.to_le_bytes()].concat(), // offsets
            &0x600_u64.to_le_bytes(),                             // additional keys, indexes of a byte
            &2_u64.to_le_bytes(),
            &text("x"),
            &text("yz"),
            &3_u64.to_le_bytes(),
            &[0, 1, 1],
        ]
        .concat();
        let nullable = [&[0_u8, 1][..], &7_u32.to_le_bytes(), &0_u32.to_le_bytes()].concat();
        let (a, b) = (
            [text("a"), text("Array(LowCardinality(String))")].concat(),
            [text("b"), text("Nullable(UInt32)")].concat(),
        );
        let block = [&[2_u8, 2][..], &a, &lowered, &b, &nullable].concat();
        let plain = [block.clone(), block].concat();
        let expected = [&BLOCK_INFO[..], &[2, 2], &a, &[0], &lowered, &b, &[0], &nullable].concat();
        let expected = [expected.clone(), expected].concat();
        assert_eq!(for_version(&plain, 54_460).ok(), Some(expected));
        let without = [&BLOCK_INFO[..], &plain[..plain.len() / 2]].concat();
        assert_eq!(for_version(&plain[..plain.len() / 2], 54_000).ok(), Some(without));
        for length in 1..plain.len() / 2 {
            assert!(for_version(&plain[..length], 54_460).is_err(), "cut at {length}");
        }
        let odd = [&[1_u8, 1][..], &text("a"), &text("JSON"), &[0]].concat();
        assert!(for_version(&odd, 54_460).is_err_and(|error| error.message.contains("JSON")));
    }
}
