//! Joining the parts of a streamed result.
//!
//! The engine formats every part as a document of its own. For formats that are a plain sequence
//! of rows or blocks the parts can be put one after another; where each begins with the same
//! header, all but the first header must go, and where each has an end, all but the last. Every other format is not
//! streamed.

use crate::exception::Exception;

/// Formats whose documents can be concatenated.
const PLAIN: &[&str] = &[
    "Native",
    "RowBinary",
    "TabSeparated",
    "TSV",
    "TabSeparatedRaw",
    "TSVRaw",
    "CSV",
    "TSKV",
    "JSONEachRow",
    "JSONLines",
    "NDJSON",
    "JSONStringsEachRow",
    "JSONCompactEachRow",
    "JSONCompactStringsEachRow",
    "LineAsString",
    "Null",
];

/// Formats that begin with so many lines of names and types.
const LINES: &[(&str, usize)] = &[
    ("TabSeparatedWithNames", 1),
    ("TSVWithNames", 1),
    ("TabSeparatedWithNamesAndTypes", 2),
    ("TSVWithNamesAndTypes", 2),
    ("CSVWithNames", 1),
    ("CSVWithNamesAndTypes", 2),
    ("JSONCompactEachRowWithNames", 1),
    ("JSONCompactEachRowWithNamesAndTypes", 2),
    ("JSONCompactStringsEachRowWithNames", 1),
    ("JSONCompactStringsEachRowWithNamesAndTypes", 2),
];

/// Settings that make a sequence of rows one document.
const WRAPPING: &[&str] = &["output_format_json_array_of_rows"];

/// The end of an Arrow stream: the mark of a message, and a length of 0 (Arrow's "IPC streaming format").
const ARROW_END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    None,
    /// A line break inside double quotes is none where `quotes`.
    Lines {
        lines: usize,
        quotes: bool,
    },
    /// RowBinaryWithNames (1) and …AndTypes (2): a count, then so many lists of strings.
    Binary(usize),
    /// ArrowStream: the schema's message, and an end.
    Arrow,
}

/// Joins the parts of one result.
pub(super) struct Parts {
    kind: Header,
    header: Option<Vec<u8>>,
}

impl Parts {
    /// How to join parts of `format`; `None` when it cannot be done.
    pub(super) fn of(format: &str, sql: &str, settings: &[(String, String)]) -> Option<Self> {
        let wrapped =
            WRAPPING.iter().any(|name| sql.contains(name) || settings.iter().any(|(setting, _)| setting == name));
        if wrapped {
            return None;
        }
        let kind = match format {
            "ArrowStream" => Header::Arrow,
            "RowBinaryWithNames" => Header::Binary(1),
            "RowBinaryWithNamesAndTypes" => Header::Binary(2),
            _ if PLAIN.contains(&format) => Header::None,
            _ => Header::Lines {
                lines: LINES.iter().find(|(name, _)| *name == format)?.1,
                quotes: format.starts_with("CSV"),
            },
        };
        Some(Self { kind, header: None })
    }

    /// The part as it stands in the whole result.
    ///
    /// # Errors
    /// Code 1001 for an Arrow part of another schema than the first.
    pub(super) fn join(&mut self, mut part: Vec<u8>) -> Result<Vec<u8>, Exception> {
        if self.kind == Header::None || part.is_empty() {
            return Ok(part);
        }
        if self.kind == Header::Arrow {
            if part.ends_with(&ARROW_END) {
                part.truncate(part.len() - ARROW_END.len());
            }
            let is_other = self.header.as_ref().is_some_and(|header| !part.starts_with(header));
            if is_other || arrow_schema(&part).is_none() {
                return Err(Exception::new(1001, "STD_EXCEPTION", "the engine's Arrow parts do not fit together"));
            }
        }
        let Some(header) = &self.header else {
            let length = match self.kind {
                Header::None => 0,
                Header::Lines { lines, quotes } => line_header(&part, lines, quotes),
                Header::Binary(lists) => binary_header(&part, lists).unwrap_or(0),
                Header::Arrow => arrow_schema(&part).unwrap_or(0),
            };
            self.header = Some(part[..length].to_vec());
            return Ok(part);
        };
        if part.starts_with(header) {
            part.drain(..header.len());
        }
        Ok(part)
    }

    /// What stands after the last part.
    pub(super) fn end(&self) -> Vec<u8> {
        if self.kind == Header::Arrow && self.header.is_some() { ARROW_END.to_vec() } else { Vec::new() }
    }
}

/// Length of the message that an Arrow stream begins with. A schema's message has no body.
fn arrow_schema(part: &[u8]) -> Option<usize> {
    let length = part.strip_prefix(&ARROW_END[..4])?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))?;
    let end = usize::try_from(length).ok()?.checked_add(ARROW_END.len())?;
    (length > 0 && end <= part.len()).then_some(end)
}

/// Length of the first `lines` lines.
fn line_header(part: &[u8], lines: usize, quotes: bool) -> usize {
    let mut quoted = false;
    let mut left = lines;
    for (at, byte) in part.iter().enumerate() {
        match byte {
            b'"' => quoted = quotes && !quoted,
            b'\n' if !quoted => {
                left -= 1;
                if left == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    part.len()
}

fn binary_header(part: &[u8], lists: usize) -> Option<usize> {
    let mut at = 0;
    let columns = variable_length(part, &mut at)?;
    for _ in 0..columns.checked_mul(lists)? {
        let length = variable_length(part, &mut at)?;
        at = at.checked_add(length)?;
    }
    (at <= part.len()).then_some(at)
}

fn variable_length(part: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *part.get(*at)?;
        *at += 1;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_appear_once() {
        let join = |format: &str, pieces: &[&[u8]]| {
            let mut parts = Parts::of(format, "", &[]).unwrap();
            let mut whole: Vec<u8> = pieces.iter().flat_map(|piece| parts.join(piece.to_vec()).unwrap()).collect();
            whole.extend(parts.end());
            whole
        };
        assert_eq!(
            join("CSVWithNames", &[b"\"a\nb\",\"c\"\n1,2\n", b"\"a\nb\",\"c\"\n3,4\n"]),
            b"\"a\nb\",\"c\"\n1,2\n3,4\n"
        );
        assert_eq!(join("TSVWithNames", &[b"a\"b\n1\n", b"a\"b\n2\n"]), b"a\"b\n1\n2\n");
        let binary: &[&[u8]] = &[b"\x01\x01a\x05UInt8\x07", b"\x01\x01a\x05UInt8\x08", b""];
        assert_eq!(join("RowBinaryWithNamesAndTypes", binary), b"\x01\x01a\x05UInt8\x07\x08");
        let (schema, end) = (b"\xff\xff\xff\xff\x04\0\0\0abcd", ARROW_END);
        let arrow = |rows: &[u8]| [schema.as_slice(), rows, &end].concat();
        assert_eq!(join("ArrowStream", &[&arrow(b"1"), &arrow(b"2"), &arrow(b"")]), arrow(b"12"));
        assert_eq!(join("ArrowStream", &[&arrow(b"")]), arrow(b""));
        let mut parts = Parts::of("ArrowStream", "", &[]).unwrap();
        parts.join(arrow(b"1")).unwrap();
        assert!(parts.join([b"\xff\xff\xff\xff\x04\0\0\0abce", end.as_slice()].concat()).is_err());
        assert_eq!(join("TSV", &[b"1\n", b"1\n"]), b"1\n1\n");
        assert!(Parts::of("JSON", "", &[]).is_none() && Parts::of("Parquet", "", &[]).is_none());
    }
}
