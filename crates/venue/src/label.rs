//! Texts composed of a frame's keys: `{topic}/{type}`, with `[…]` around what may be missing.

use crate::error::VenueError;
use crate::fields::Keys;

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<[u8]>),
    Key(usize),
    Optional(Vec<Piece>),
}

/// A compiled template.
#[derive(Clone, Debug)]
pub(crate) struct Label(Vec<Piece>);

impl Label {
    pub(crate) fn parse(text: &str, key_names: &[String]) -> Result<Self, VenueError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '[']) {
            let (before, from) = rest.split_at(at);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.as_bytes().into()));
            }
            // JSON templates hold braces of their own: only `{key}` with a known key is a piece.
            let close = if from.starts_with('{') { '}' } else { ']' };
            let inner = from[1..].split_once(close);
            match inner {
                Some((name, after)) if close == '}' && key_names.iter().any(|key| key == name) => {
                    pieces.extend(key_names.iter().position(|key| key == name).map(Piece::Key));
                    rest = after;
                }
                Some((name, _)) if close == '}' && is_name(name) => {
                    return Err(VenueError::mapping(format!("no key `{name}` for `{text}`")));
                }
                Some((optional, after)) if close == ']' => {
                    pieces.push(Piece::Optional(Self::parse(optional, key_names)?.0));
                    rest = after;
                }
                _ => {
                    pieces.push(Piece::Text(from.as_bytes()[..1].into()));
                    rest = &from[1..];
                }
            }
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.as_bytes().into()));
        }
        Ok(Self(pieces))
    }

    /// Appends the text; false (and nothing appended) where a key that must be there is missing.
    #[inline]
    pub(crate) fn write(&self, keys: &Keys<'_>, out: &mut Vec<u8>) -> bool {
        write(&self.0, keys, out)
    }
}

fn write(pieces: &[Piece], keys: &Keys<'_>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Key(index) => match keys[*index] {
                Some(value) => out.extend_from_slice(value),
                None => {
                    out.truncate(start);
                    return false;
                }
            },
            Piece::Optional(inner) => {
                write(inner, keys, out);
            }
        }
    }
    true
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Replaces `{name}` by a text in a template that is filled at run time (`{symbol}`, `{id}`).
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::MOST_KEYS;

    #[test]
    fn optional_parts_vanish_whole() {
        let names = ["channel".to_owned(), "action".to_owned()];
        let label = Label::parse("{channel}[/{action}]", &names).expect("a label");
        let mut keys = [None; MOST_KEYS];
        let mut out = Vec::new();
        assert!(!label.write(&keys, &mut out) && out.is_empty());
        keys[0] = Some(&b"trades"[..]);
        assert!(label.write(&keys, &mut out));
        keys[1] = Some(b"update");
        assert!(label.write(&keys, &mut out));
        assert_eq!(out, b"tradestrades/update");
        assert!(Label::parse("{chanel}", &names).is_err());
        let answer = Label::parse("{\"pong\":{action}}", &names).expect("JSON around a key");
        out.clear();
        answer.write(&keys, &mut out);
        assert_eq!(out, b"{\"pong\":update}");
    }
}
