//! Splits a script into statements, for databases that take one statement per request.

/// Splits at semicolons outside quotes (`'`, `"`, `` ` ``), comments (`--`, `/* */`) and
/// dollar-quoted bodies (`$tag$ … $tag$`). Pieces that hold only comments are left out.
#[must_use]
pub fn split_statements(sql: &str) -> Vec<&str> {
    let bytes = sql.as_bytes();
    let (mut statements, mut start, mut at, mut code) = (Vec::new(), 0, 0, false);
    while at < bytes.len() {
        let next = skip(sql, at);
        match bytes[at] {
            b';' => {
                if code {
                    statements.push(sql[start..at].trim());
                }
                (start, code) = (at + 1, false);
            }
            b'-' | b'/' if next > at + 1 => {}
            byte => code |= !byte.is_ascii_whitespace(),
        }
        at = next;
    }
    if code {
        statements.push(sql[start..].trim());
    }
    statements
}

/// The position after the quote, comment or single byte that begins at `at`.
fn skip(sql: &str, at: usize) -> usize {
    let bytes = sql.as_bytes();
    let rest = &sql.as_bytes()[at..];
    let end = |from: usize, mark: &str| find(bytes, from, mark).map_or(bytes.len(), |found| found + mark.len());
    match rest[0] {
        quote @ (b'\'' | b'"' | b'`') => quoted(bytes, at, quote),
        b'-' if rest.starts_with(b"--") => end(at, "\n"),
        b'/' if rest.starts_with(b"/*") => end(at + 2, "*/"),
        b'$' => match dollar_tag(rest) {
            Some(tag) => end(at + tag.len(), tag),
            None => at + 1,
        },
        _ => at + 1,
    }
}

/// The position after a quoted text; a backslash escapes, a doubled quote stays inside.
fn quoted(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn dollar_tag(rest: &[u8]) -> Option<&str> {
    let inner = rest[1..].iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))?;
    let tag = &rest[..inner + 2];
    (tag.ends_with(b"$") && !rest[1].is_ascii_digit()).then(|| std::str::from_utf8(tag).ok()).flatten()
}

fn find(bytes: &[u8], from: usize, mark: &str) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(mark.len()).position(|window| window == mark.as_bytes()).map(|found| from + found)
}

#[cfg(test)]
mod tests {
    use super::split_statements;
    use proptest::prelude::*;

    #[test]
    fn splits_only_at_real_semicolons() {
        let sql = "-- one; two\nCREATE TABLE a (s String DEFAULT 'x;''y\\';');\n/* ; */ ;\n\
                   SELECT \"a;b\", `c;d`; SELECT $f$ ; $f$, a-b/c\n;-- end;";
        assert_eq!(
            split_statements(sql),
            [
                "-- one; two\nCREATE TABLE a (s String DEFAULT 'x;''y\\';')",
                "SELECT \"a;b\", `c;d`",
                "SELECT $f$ ; $f$, a-b/c",
            ]
        );
        assert!(split_statements(" ;; -- only a comment").is_empty());
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_every_plain_statement(text in "\\PC{0,60}", n in 1usize..6) {
            let _ = split_statements(&text);
            let script = vec!["SELECT 1, 'é;'"; n].join(";\n");
            prop_assert_eq!(split_statements(&script).len(), n);
        }
    }
}
