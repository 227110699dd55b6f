//! Joining the parts of a streamed result.
//!
//! The engine formats every part as a document of its own. For formats that are a plain sequence
//! of rows or blocks the parts can be put one after another; where each begins with the same
//! header, all but the first header must go. Every other format is not streamed.

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
    pub(super) fn join(&mut self, mut part: Vec<u8>) -> Vec<u8> {
        if self.kind == Header::None {
            return part;
        }
        let Some(header) = &self.header else {
            let length = match self.kind {
                Header::None => 0,
                Header::Lines { lines, quotes } => line_header(&part, lines, quotes),
                Header::Binary(lists) => binary_header(&part, lists).unwrap_or(0),
            };
            self.header = Some(part[..length].to_vec());
            return part;
        };
        if part.starts_with(header) {
            part.drain(..header.len());
        }
        part
    }
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
            pieces.iter().flat_map(|piece| parts.join(piece.to_vec())).collect::<Vec<u8>>()
        };
        assert_eq!(
            join("CSVWithNames", &[b"\"a\nb\",\"c\"\n1,2\n", b"\"a\nb\",\"c\"\n3,4\n"]),
            b"\"a\nb\",\"c\"\n1,2\n3,4\n"
        );
        assert_eq!(join("TSVWithNames", &[b"a\"b\n1\n", b"a\"b\n2\n"]), b"a\"b\n1\n2\n");
        let binary: &[&[u8]] = &[b"\x01\x01a\x05UInt8\x07", b"\x01\x01a\x05UInt8\x08", b""];
        assert_eq!(join("RowBinaryWithNamesAndTypes", binary), b"\x01\x01a\x05UInt8\x07\x08");
        assert_eq!(join("TSV", &[b"1\n", b"1\n"]), b"1\n1\n");
        assert!(Parts::of("JSON", "", &[]).is_none() && Parts::of("Parquet", "", &[]).is_none());
    }
}
