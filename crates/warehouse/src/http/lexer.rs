//! ClickHouse SQL as tokens, as far as a server in front of the parser needs it.

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bare word: keyword or identifier.
    Word,
    /// Identifier in backquotes or double quotes.
    Quoted,
    /// String literal or heredoc.
    Text,
    /// Number.
    Number,
    /// Any other single character.
    Symbol,
    /// A quote or comment that the text does not close (more text may follow).
    Open,
}

/// A token and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Splits `sql` into tokens; whitespace and comments are skipped. Works on bytes, because data
/// may follow an INSERT.
pub(super) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0 }
    }

    fn byte(&self, at: usize) -> u8 {
        self.sql.get(at).copied().unwrap_or(0)
    }

    /// Skips whitespace and comments; `false` when a comment is not closed.
    fn skip_blank(&mut self) -> bool {
        loop {
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') | (b'#', b' ' | b'!') => {
                    self.at += memchr(b'\n', &self.sql[self.at..]).unwrap_or(self.sql.len() - self.at);
                }
                (b'/', b'*') => match find(&self.sql[self.at + 2..], b"*/") {
                    Some(length) => self.at += length + 4,
                    None => return false,
                },
                _ => return true,
            }
        }
    }

    fn quoted(&self, quote: u8) -> Option<usize> {
        let mut at = self.at + 1;
        while at < self.sql.len() {
            match self.sql[at] {
                b'\\' => at += 2,
                byte if byte == quote && self.byte(at + 1) == quote => at += 2,
                byte if byte == quote => return Some(at + 1),
                _ => at += 1,
            }
        }
        None
    }

    /// The end of a heredoc (`$tag$ … $tag$`) that starts here.
    fn heredoc(&self) -> Option<Option<usize>> {
        let rest = &self.sql[self.at + 1..];
        let length = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
        if rest.get(length) != Some(&b'$') {
            return None;
        }
        let tag = &self.sql[self.at..self.at + length + 2];
        let body = self.at + tag.len();
        Some(find(&self.sql[body..], tag).map(|found| body + found + tag.len()))
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        if !self.skip_blank() {
            self.at = self.sql.len();
            return Some(Token { kind: Kind::Open, start, end: self.at });
        }
        let start = self.at;
        let first = *self.sql.get(start)?;
        let (kind, end) = match first {
            b'\'' => (Kind::Text, self.quoted(first)),
            b'`' | b'"' => (Kind::Quoted, self.quoted(first)),
            b'$' => match self.heredoc() {
                Some(end) => (Kind::Text, end),
                None => (Kind::Symbol, Some(start + 1)),
            },
            byte if is_word(byte) => {
                let length = self.sql[start..].iter().position(|b| !is_word(*b));
                let kind = if byte.is_ascii_digit() { Kind::Number } else { Kind::Word };
                (kind, Some(length.map_or(self.sql.len(), |length| start + length)))
            }
            _ => (Kind::Symbol, Some(start + 1)),
        };
        let (kind, end) = match end {
            Some(end) => (kind, end.min(self.sql.len())),
            None => (Kind::Open, self.sql.len()),
        };
        self.at = end;
        Some(Token { kind, start, end })
    }
}

/// The name that an identifier token stands for, quotes and escapes resolved.
pub(super) fn identifier(sql: &[u8], token: Token) -> Option<String> {
    match token.kind {
        Kind::Word => Some(String::from_utf8_lossy(&sql[token.start..token.end]).into_owned()),
        Kind::Quoted => unquote(&sql[token.start..]),
        _ => None,
    }
}

/// The name quoted at the beginning of `text` by the character it begins with.
pub(super) fn unquote(text: &[u8]) -> Option<String> {
    let quote = *text.first()?;
    let mut name = Vec::new();
    let mut bytes = text[1..].iter().copied().peekable();
    loop {
        match bytes.next()? {
            b'\\' => match bytes.next()? {
                b'x' => {
                    let high = (bytes.next()? as char).to_digit(16)?;
                    let low = (bytes.next()? as char).to_digit(16)?;
                    name.push(u8::try_from(high * 16 + low).ok()?);
                }
                // ClickHouse reads \N as nothing.
                b'N' => {}
                other => name.push(other),
            },
            byte if byte == quote => {
                if bytes.peek() != Some(&quote) {
                    return Some(String::from_utf8_lossy(&name).into_owned());
                }
                bytes.next();
                name.push(quote);
            }
            byte => name.push(byte),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn memchr(wanted: u8, text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| *byte == wanted)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
