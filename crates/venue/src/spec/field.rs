//! How a mapping names one value of a frame.

use serde::de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// Unit of a time, interval or precision.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    #[serde(rename = "ns")]
    Nanoseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "min")]
    Minutes,
    #[serde(rename = "h")]
    Hours,
    /// Text such as `2021-07-22T22:36:07.123Z`.
    #[serde(rename = "iso8601")]
    Iso8601,
}

impl TimeUnit {
    /// Length in nanoseconds; 1 for text, which states its own.
    pub(crate) fn nanoseconds(self) -> i64 {
        match self {
            TimeUnit::Nanoseconds | TimeUnit::Iso8601 => 1,
            TimeUnit::Microseconds => 1_000,
            TimeUnit::Milliseconds => 1_000_000,
            TimeUnit::Seconds => 1_000_000_000,
            TimeUnit::Minutes => 60_000_000_000,
            TimeUnit::Hours => 3_600_000_000_000,
        }
    }
}

/// A value: a path, several paths of which the first present counts, or a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldSpec {
    pub(crate) table: FieldTable,
}

/// All that can be said about a value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldTable {
    /// Alternatives, first present wins. Relative to the row; `/` starts at the payload, `@name` is
    /// a key of the frame.
    #[serde(default)]
    pub(crate) path: Paths,
    /// A fixed text.
    #[serde(rename = "const")]
    pub(crate) constant: Option<String>,
    /// Venue's text to ours.
    #[serde(default)]
    pub(crate) map: BTreeMap<String, String>,
    /// Ours for texts that `map` does not name.
    pub(crate) otherwise: Option<String>,
    /// Unit of a time or interval.
    pub(crate) unit: Option<TimeUnit>,
    /// Texts that mean "no value", beside the empty one.
    #[serde(default)]
    pub(crate) absent: Vec<String>,
    /// Separator of the parts of which `from` up to before `to` are meant.
    pub(crate) split: Option<String>,
    #[serde(default)]
    pub(crate) from: i32,
    pub(crate) to: Option<i32>,
}

/// One path or several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths(pub(crate) Vec<String>);

struct PathsVisitor;

impl<'de> Visitor<'de> for PathsVisitor {
    type Value = Paths;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a path or a list of paths")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Paths, E> {
        Ok(Paths(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Paths, A::Error> {
        let mut paths = Vec::new();
        while let Some(path) = access.next_element::<String>()? {
            paths.push(path);
        }
        Ok(Paths(paths))
    }
}

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PathsVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = FieldSpec;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a path, a list of paths, or a table such as { path = \"x\", map = { … } }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FieldSpec, E> {
        let path = Paths(vec![text.to_owned()]);
        Ok(FieldSpec { table: FieldTable { path, ..FieldTable::default() } })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<FieldSpec, A::Error> {
        let path = PathsVisitor.visit_seq(access)?;
        Ok(FieldSpec { table: FieldTable { path, ..FieldTable::default() } })
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<FieldSpec, A::Error> {
        let table = FieldTable::deserialize(MapAccessDeserializer::new(access))?;
        if table.path.0.is_empty() && table.constant.is_none() {
            return Err(de::Error::custom("a field needs `path` or `const`"));
        }
        Ok(FieldSpec { table })
    }
}

impl<'de> Deserialize<'de> for FieldSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

/// A part of a frame that says what the frame is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeySpec {
    /// Path within the frame; alternatives as a list.
    pub(crate) path: Paths,
    /// Separator of the parts of which `from` up to before `to` are meant.
    pub(crate) split: Option<String>,
    #[serde(default)]
    pub(crate) from: i32,
    pub(crate) to: Option<i32>,
    /// Texts that begin so are taken whole.
    pub(crate) whole_prefix: Option<String>,
}
