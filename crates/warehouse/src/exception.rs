//! ClickHouse's errors: a code and a message, as text on the wire.

use std::fmt;

/// An error that ClickHouse reported (or that the server reports in its manner).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// ClickHouse's error code, for instance 60 for an unknown table; 0 when the text had none.
    pub code: i32,
    /// The text as ClickHouse writes it, `Code: N. DB::Exception: …`.
    pub message: String,
}

impl Exception {
    /// An exception raised by the server itself, in ClickHouse's form.
    pub fn new(code: i32, name: &str, what: impl fmt::Display) -> Self {
        Self { code, message: format!("Code: {code}. DB::Exception: {what} ({name})") }
    }

    /// Parses the text of an error as the engine or a server wrote it.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let code = text
            .find("Code: ")
            .and_then(|at| {
                let digits = &text[at + 6..];
                let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                digits[..end].parse().ok()
            })
            .unwrap_or(0);
        Self { code, message: text.to_owned() }
    }

    /// The text with the server's version at its end, where ClickHouse's clients expect it.
    pub fn with_version(&self, version: &str) -> String {
        if self.message.ends_with(')') && self.message.contains(" (version ") {
            return self.message.clone();
        }
        format!("{} (version {version} (official build))", self.message)
    }

    /// The HTTP status that ClickHouse gives this code.
    pub fn http_status(&self) -> u16 {
        match self.code {
            // REQUIRED_PASSWORD
            194 => 401,
            // READONLY, UNKNOWN_USER, WRONG_PASSWORD, ACCESS_DENIED, AUTHENTICATION_FAILED
            164 | 192 | 193 | 497 | 516 => 403,
            // Parsing and typing: BAD_ARGUMENTS, CANNOT_PARSE_*, SYNTAX_ERROR, TYPE_MISMATCH,
            // INCORRECT_DATA, CANNOT_READ_ALL_DATA, CANNOT_DECOMPRESS, CHECKSUM_DOESNT_MATCH,
            // UNKNOWN_QUERY_PARAMETER and their kin.
            6 | 25 | 26 | 27 | 32 | 33 | 34 | 36 | 38 | 40 | 41 | 42 | 43 | 53 | 62 | 69 | 70 | 72 | 117 | 130
            | 131 | 190 | 271 | 302 | 354 | 386 | 456 | 457 | 477 | 626 | 636 => 400,
            // UNKNOWN_*: table, function, identifier, type, storage, database, setting, format
            16 | 46 | 47 | 50 | 56 | 60 | 63 | 73 | 81 | 115 | 372 => 404,
            // TIMEOUT_EXCEEDED
            159 => 408,
            // QUERY_IS_TOO_LARGE
            161 => 413,
            // NOT_IMPLEMENTED
            48 => 501,
            // TOO_MANY_SIMULTANEOUS_QUERIES, CANNOT_SCHEDULE_TASK: clients retry on 503
            202 | 439 => 503,
            _ => 500,
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Exception {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_from_nested_texts() {
        let one = Exception::parse("Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE)");
        assert_eq!((one.code, one.http_status()), (60, 404));
        assert!(one.with_version("26.7.2.1").ends_with("(version 26.7.2.1 (official build))"));
        assert_eq!(Exception::parse("Poco::Exception: nothing").code, 0);
    }
}
