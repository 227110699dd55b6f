//! A scanner over JSON text that finds values without building a tree.
//!
//! Numbers and strings stay where they are in the frame: exact decimals and checksums need the
//! text as the exchange printed it. Only what the mapping names is looked at; all else is skipped
//! by bracket matching.

use crate::error::Fault;

/// A value's text within a frame; for strings without the quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// No such value. No real value ends at 0.
    pub(crate) const ABSENT: Self = Self { start: 0, end: 0 };

    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    #[inline]
    pub(crate) fn is_absent(self) -> bool {
        self.end == 0
    }

    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Longest frame the scanner takes: offsets are 32 bits wide.
pub(crate) const MAXIMUM_FRAME: usize = u32::MAX as usize;
/// Deepest nesting that is followed.
const MAXIMUM_DEPTH: usize = 64;

/// A position in JSON text.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

type Scan<T> = Result<T, Fault>;

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    #[cold]
    pub(crate) fn fault(&self) -> Fault {
        Fault::Syntax { at: self.at }
    }

    /// The next byte that is not white space, not consumed.
    #[inline]
    pub(crate) fn peek(&mut self) -> Scan<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(self.fault()),
            }
        }
    }

    /// Consumes `expected`.
    #[inline]
    pub(crate) fn expect(&mut self, expected: u8) -> Scan<()> {
        if self.peek()? == expected {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    /// After an element: true where another follows, false where `close` ended the container.
    #[inline]
    pub(crate) fn more(&mut self, close: u8) -> Scan<bool> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            Ok(true)
        } else if byte == close {
            Ok(false)
        } else {
            self.at -= 1;
            Err(self.fault())
        }
    }

    /// Enters a container: true unless it is empty, in which case it is consumed.
    #[inline]
    pub(crate) fn enter(&mut self, open: u8, close: u8) -> Scan<bool> {
        self.expect(open)?;
        if self.peek()? == close {
            self.at += 1;
            Ok(false)
        } else {
            Ok(true)
        }
    }

    /// Reads a string; the span excludes its quotes. Escapes are stepped over, not resolved.
    #[inline]
    pub(crate) fn string(&mut self) -> Scan<Span> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            // Eight bytes at once: a byte equal to `"` or `\` leaves a zero byte after the xor.
            while let Some(chunk) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
                let word = u64::from_le_bytes(*chunk);
                let hit = zero_bytes(word ^ 0x2222_2222_2222_2222) | zero_bytes(word ^ 0x5c5c_5c5c_5c5c_5c5c);
                if hit != 0 {
                    self.at += (hit.trailing_zeros() / 8) as usize;
                    break;
                }
                self.at += 8;
            }
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let span = Span::new(start, self.at);
                    self.at += 1;
                    return Ok(span);
                }
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.fault()),
            }
        }
    }

    /// Reads a number, `true`, `false` or `null`.
    #[inline]
    pub(crate) fn literal(&mut self) -> Scan<Span> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| !IN_LITERAL[usize::from(*byte)]).unwrap_or(rest.len());
        self.at = start + length;
        if self.at == start { Err(self.fault()) } else { Ok(Span::new(start, self.at)) }
    }

    /// Reads a string, number, `true` or `false`; `null` is absent. Containers are an error.
    #[inline]
    pub(crate) fn scalar(&mut self) -> Scan<Span> {
        if self.peek()? == b'"' {
            return self.string();
        }
        let span = self.literal()?;
        Ok(if span.of(self.bytes) == b"null" { Span::ABSENT } else { span })
    }

    /// Steps over any value.
    #[inline]
    pub(crate) fn skip(&mut self) -> Scan<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.skip_container(),
            _ => self.literal().map(|_| ()),
        }
    }

    fn skip_container(&mut self) -> Scan<()> {
        // One bit per level tells objects from arrays, so that `[}` is refused.
        let mut kinds: u64 = 0;
        let mut depth = 0usize;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(&open @ (b'{' | b'[')) => {
                    depth += 1;
                    if depth >= MAXIMUM_DEPTH {
                        return Err(self.fault());
                    }
                    kinds = kinds << 1 | u64::from(open == b'{');
                }
                Some(&close @ (b'}' | b']')) => {
                    if (kinds & 1 == 1) != (close == b'}') {
                        return Err(self.fault());
                    }
                    kinds >>= 1;
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                Some(_) => {}
                None => return Err(self.fault()),
            }
            self.at += 1;
        }
    }
}

/// Bytes of numbers and of `true`, `false`, `null`.
static IN_LITERAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'.' | b'-' | b'+');
        byte += 1;
    }
    table
};

/// A mask with the high bit of each zero byte set (exact for the lowest such byte).
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_the_first_bare_quote() {
        for text in [r#""a""#, r#""abcdefgh""#, r#""abcdefg\"hijklmnop""#, r#""\\""#, r#""""#] {
            let mut cursor = Cursor::new(text.as_bytes(), 0);
            let span = cursor.string().expect("a whole string");
            assert_eq!(span.of(text.as_bytes()), &text.as_bytes()[1..text.len() - 1]);
            assert_eq!(cursor.at, text.len());
        }
    }

    #[test]
    fn broken_text_is_refused() {
        for text in ["", "{", "[1,2", "[}", "{]", "\"abc", "\"abc\\", "{\"a\":[}", ",", "{\"a\":\"}"] {
            assert!(Cursor::new(text.as_bytes(), 0).skip().is_err(), "{text}");
        }
    }
}
