//! Conditions on a frame's keys.

use crate::error::VenueError;
use crate::fields::Keys;
use crate::spec::{OneOrMany, WhenSpec};

/// A text that a key must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Absent,
    Present,
    Equals(Box<[u8]>),
    Begins(Box<[u8]>),
    Ends(Box<[u8]>),
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let bytes = |text: &str| -> Box<[u8]> { text.as_bytes().into() };
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            _ if text.is_empty() => Pattern::Absent,
            _ if text == "*" => Pattern::Present,
            (_, Some(begin)) => Pattern::Begins(bytes(begin)),
            (Some(end), None) => Pattern::Ends(bytes(end)),
            (None, None) => Pattern::Equals(bytes(text)),
        }
    }

    #[inline]
    fn holds(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Pattern::Absent, value) => value.is_none(),
            (_, None) => false,
            (Pattern::Present, Some(_)) => true,
            (Pattern::Equals(text), Some(value)) => **text == *value,
            (Pattern::Begins(text), Some(value)) => value.starts_with(text),
            (Pattern::Ends(text), Some(value)) => value.ends_with(text),
        }
    }
}

/// Alternatives of conditions on a frame's keys.
#[derive(Clone, Debug)]
pub(crate) struct When(Vec<Vec<(usize, Pattern)>>);

impl When {
    pub(crate) fn compile(spec: &OneOrMany<WhenSpec>, key_names: &[String]) -> Result<Self, VenueError> {
        let alternative = |when: &WhenSpec| -> Result<Vec<(usize, Pattern)>, VenueError> {
            let condition = |(name, text): (&String, &String)| {
                let key = key_names.iter().position(|other| other == name);
                let key = key.ok_or_else(|| VenueError::mapping(format!("`when` names no key: `{name}`")))?;
                Ok((key, Pattern::parse(text)))
            };
            when.iter().map(condition).collect()
        };
        spec.to_vec().iter().map(alternative).collect::<Result<_, _>>().map(Self)
    }

    #[inline]
    pub(crate) fn holds(&self, keys: &Keys<'_>) -> bool {
        self.0.iter().any(|all| all.iter().all(|(key, pattern)| pattern.holds(keys[*key])))
    }
}
