//! What the server must know of a statement before the engine parses it: where an INSERT's text
//! ends and its data begins, which format a result will have, and which names it uses.

use super::lexer::{Kind, Lexer, Token, identifier, unquote};
use crate::exception::Exception;

/// How a request's text is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// An INSERT with data: `statement` is the text without `FORMAT`, the data begins at `data`.
    Insert { statement: String, format: String, data: usize },
    /// An INSERT whose text names neither source nor format (yet).
    InsertOpen,
    /// Anything else; the whole text goes to the engine.
    Other,
}

/// Looks at the beginning of a request's text, data possibly included.
///
/// # Errors
/// For the INSERTs that a server cannot do: from a file of the client, and `FROM input(…)`, which
/// the engine would acknowledge without inserting a row.
pub(super) fn shape(text: &[u8]) -> Result<Shape, Exception> {
    let mut tokens = Lexer::new(text).peekable();
    let word = |token: &Token, wanted: &str| {
        token.kind == Kind::Word && text[token.start..token.end].eq_ignore_ascii_case(wanted.as_bytes())
    };
    let first = tokens.next();
    match first {
        Some(token) if word(&token, "insert") => {}
        Some(token) if token.kind == Kind::Open => return Ok(Shape::InsertOpen),
        _ => return Ok(Shape::Other),
    }
    if tokens.peek().is_some_and(|token| word(token, "into")) {
        tokens.next();
    }
    let function = tokens.peek().is_some_and(|token| word(token, "function"));
    if function || tokens.peek().is_some_and(|token| word(token, "table")) {
        tokens.next();
    }
    skip_name(text, &mut tokens);
    let mut depth = 0_u32;
    while let Some(token) = tokens.next() {
        match text[token.start] {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            // INSERT INTO t (SELECT …) has its SELECT inside.
            _ if word(&token, "select") || (depth == 0 && (word(&token, "with") || word(&token, "watch"))) => {
                return refuse_input(text, tokens).map(|()| Shape::Other);
            }
            _ if depth > 0 => {}
            _ if word(&token, "from") => {
                return Err(Exception::new(
                    48,
                    "NOT_IMPLEMENTED",
                    "INSERT FROM INFILE reads the client's files; send the data in the body",
                ));
            }
            _ if word(&token, "values") => {
                return Ok(Shape::Insert {
                    statement: prefix(text, token.start)?,
                    format: "Values".to_owned(),
                    data: token.end,
                });
            }
            _ if word(&token, "format") => {
                let Some(name) = tokens.next() else { break };
                // A name at the very end may go on in the next piece of the text.
                return Ok(Shape::Insert {
                    statement: prefix(text, token.start)?,
                    format: identifier(text, name)
                        .ok_or_else(|| Exception::new(62, "SYNTAX_ERROR", "FORMAT needs a name"))?,
                    data: data_start(text, name.end),
                });
            }
            _ => {}
        }
    }
    Ok(Shape::InsertOpen)
}

/// Skips `name` or `database.name`, so that a table called `values` is no keyword.
fn skip_name(text: &[u8], tokens: &mut std::iter::Peekable<Lexer<'_>>) {
    tokens.next();
    while tokens.peek().is_some_and(|token| text[token.start] == b'.') {
        tokens.next();
        tokens.next();
    }
}

fn refuse_input(text: &[u8], tokens: impl Iterator<Item = Token>) -> Result<(), Exception> {
    let mut tokens = tokens.peekable();
    while let Some(token) = tokens.next() {
        let called = tokens.peek().is_some_and(|next| text[next.start] == b'(');
        if called && identifier(text, token).is_some_and(|name| name.eq_ignore_ascii_case("input")) {
            return Err(Exception::new(
                48,
                "NOT_IMPLEMENTED",
                "INSERT … SELECT … FROM input(…) is not supported in-process; insert the data first, then INSERT … SELECT from that table",
            ));
        }
    }
    Ok(())
}

fn prefix(text: &[u8], end: usize) -> Result<String, Exception> {
    String::from_utf8(text[..end].to_vec())
        .map_err(|_| Exception::new(62, "SYNTAX_ERROR", "the statement is not UTF-8"))
}

/// Data begins after the blanks that follow the format's name and one line break.
fn data_start(text: &[u8], end: usize) -> usize {
    let mut at = end;
    while matches!(text.get(at), Some(b' ' | b'\t' | 0x0c)) {
        at += 1;
    }
    if text.get(at) == Some(&b'\r') {
        at += 1;
    }
    if text.get(at) == Some(&b'\n') {
        at += 1;
    }
    at
}

/// The format that a query asks for in its own text (`… FORMAT Name`), if it does.
pub(super) fn output_format(sql: &str) -> Option<String> {
    let text = sql.as_bytes();
    let tokens: Vec<Token> = Lexer::new(text).collect();
    let mut depth = 0_i32;
    let mut found = None;
    for pair in tokens.windows(2) {
        match text[pair[0].start] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        let is_format = pair[0].kind == Kind::Word
            && sql[pair[0].start..pair[0].end].eq_ignore_ascii_case("format")
            && matches!(pair[1].kind, Kind::Word | Kind::Quoted);
        if is_format && depth == 0 {
            found = identifier(text, pair[1]);
        }
    }
    found
}

/// Whether `name` may be used as an identifier anywhere in the text.
///
/// Errs towards yes: it does not trust its own idea of where strings and comments begin (an
/// attacker looks for the place where two lexers differ), so the word counts anywhere, and so
/// does anything that would spell it after a quotation mark.
pub(super) fn may_use_identifier(sql: &str, name: &str) -> bool {
    let text = sql.as_bytes();
    let is_word = |at: Option<&u8>| at.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let plain = text.windows(name.len()).enumerate().any(|(at, window)| {
        window.eq_ignore_ascii_case(name.as_bytes())
            && !is_word(at.checked_sub(1).and_then(|before| text.get(before)))
            && !is_word(text.get(at + name.len()))
    });
    plain
        || text.iter().enumerate().any(|(at, byte)| {
            matches!(byte, b'`' | b'"') && unquote(&text[at..]).is_some_and(|found| found.eq_ignore_ascii_case(name))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(text: &str) -> (String, String, String) {
        match shape(text.as_bytes()) {
            Ok(Shape::Insert { statement, format, data }) => {
                (statement.trim().to_owned(), format, text[data..].to_owned())
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn inserts_are_cut_where_clickhouse_cuts_them() {
        let cases = [
            ("INSERT INTO t FORMAT RowBinary\n  x", "INSERT INTO t", "RowBinary", "  x"),
            (
                "insert into a.`values` (x, `format`) values (1)",
                "insert into a.`values` (x, `format`)",
                "Values",
                " (1)",
            ),
            (
                "/* c ' */ INSERT INTO t SETTINGS a='format x' -- y\n FORMAT\tCSV \r\n1",
                "/* c ' */ INSERT INTO t SETTINGS a='format x' -- y",
                "CSV",
                "1",
            ),
            ("INSERT INTO FUNCTION null('a Int8') FORMAT TSV 1", "INSERT INTO FUNCTION null('a Int8')", "TSV", "1"),
            (
                "INSERT INTO TABLE t(* EXCEPT(b)) FORMAT JSONEachRow{}",
                "INSERT INTO TABLE t(* EXCEPT(b))",
                "JSONEachRow",
                "{}",
            ),
        ];
        for (text, statement, format, data) in cases {
            let found = insert(text);
            assert_eq!((found.0.as_str(), found.1.as_str(), found.2.as_str()), (statement, format, data));
        }
        for other in [
            "SELECT 1",
            "INSERT INTO t SELECT 1",
            "INSERT INTO t (a) WITH 1 AS x SELECT x",
            "INSERT INTO t (SELECT 1)",
            "",
        ] {
            assert_eq!(shape(other.as_bytes()), Ok(Shape::Other), "{other}");
        }
        for open in ["INSERT INTO t", "INSERT INTO t (a, b)", "INSERT INTO t FORMAT", "INSERT INTO `t", "/* "] {
            assert_eq!(shape(open.as_bytes()), Ok(Shape::InsertOpen), "{open}");
        }
        for refused in [
            "INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV",
            "INSERT INTO t SELECT * FROM `input` ('a Int8')",
            "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        ] {
            assert_eq!(shape(refused.as_bytes()).unwrap_err().code, 48, "{refused}");
        }
    }

    #[test]
    fn names_hide_nowhere() {
        for text in [
            "select file('x')",
            "SELECT `file`('x')",
            r#"select "FI\x4cE"('x')"#,
            "select * apply(file)",
            "select 1 /* x */ , File ('x')",
            r"select `f\Ni\Nle`('x')",
            "select \u{2018}'\u{2019}, file('x'), '",
            "select 1 as a$b$, file('x') as c$b$",
            "select 1, 'file'",
            "select \u{201c}file\u{201d}('x')",
        ] {
            assert!(may_use_identifier(text, "file"), "{text}");
        }
        for text in ["select 'files'", "select files, file_name, profile", "select `my file`"] {
            assert!(!may_use_identifier(text, "file") || text.contains("my file"), "{text}");
        }
        assert_eq!(
            output_format("select 'a format b' from (select 1 format x) FORMAT `JSON` settings a=1"),
            Some("JSON".to_owned())
        );
        assert_eq!(output_format("select format('{}', 1)"), None);
    }
}
