//! YAML with the line of every value.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};

use crate::Finding;

/// One YAML document: what it says, and where.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file it came from.
    pub file: PathBuf,
    /// Its content.
    pub value: Value,
    /// JSON pointer → line, counted from 1. A mapping's entry has the line of its key.
    lines: HashMap<String, usize>,
    first_line: usize,
}

impl Document {
    /// All documents of a text; `offset` lines stand before it in its file.
    ///
    /// # Errors
    /// What is wrong with the YAML, and where.
    pub fn parse(file: &Path, text: &str, offset: usize) -> Result<Vec<Self>, Finding> {
        let nodes = MarkedYaml::load_from_str(text).map_err(|error| Finding {
            file: file.to_owned(),
            line: error.marker().line() + offset,
            message: format!("not YAML: {}", error.info()),
        })?;
        Ok(nodes
            .iter()
            .map(|node| Self::new(file, node, offset))
            .filter(|document| !document.value.is_null())
            .collect())
    }

    /// The documents of a file.
    ///
    /// # Errors
    /// A file that cannot be read or is not YAML.
    pub fn read(file: &Path) -> Result<Vec<Self>, Finding> {
        let text = std::fs::read_to_string(file).map_err(|error| Finding {
            file: file.to_owned(),
            line: 1,
            message: format!("cannot be read: {error}"),
        })?;
        Self::parse(file, &text, 0)
    }

    fn new(file: &Path, node: &MarkedYaml<'_>, offset: usize) -> Self {
        let mut lines = HashMap::new();
        let value = convert(node, String::new(), offset, &mut lines);
        Self { file: file.to_owned(), value, lines, first_line: node.span.start.line() + offset }
    }

    /// The line of the value at a JSON pointer, or of the nearest one above it.
    #[must_use]
    pub fn line(&self, pointer: &str) -> usize {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(0) | None => return self.first_line,
                Some(at) => pointer = &pointer[..at],
            }
        }
    }

    /// How many steps of a JSON pointer exist here.
    #[must_use]
    pub fn depth(&self, pointer: &str) -> usize {
        let mut at = &self.value;
        let mut depth = 0;
        for step in steps(pointer) {
            let next = match at {
                Value::Object(entries) => entries.get(&step),
                Value::Array(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            at = next;
            depth += 1;
        }
        depth
    }

    /// The text at a JSON pointer; empty where there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// `apps/v1/Deployment`; none where this is no object of Kubernetes.
    #[must_use]
    pub fn kind(&self) -> Option<String> {
        let (version, kind) = (self.text("/apiVersion"), self.text("/kind"));
        (!version.is_empty() && !kind.is_empty()).then(|| format!("{version}/{kind}"))
    }

    /// A finding at a JSON pointer.
    #[must_use]
    pub fn finding(&self, pointer: &str, message: impl Into<String>) -> Finding {
        Finding { file: self.file.clone(), line: self.line(pointer), message: message.into() }
    }
}

/// The steps of a JSON pointer, unescaped.
pub fn steps(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
}

/// One step, escaped for a JSON pointer.
#[must_use]
pub fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn convert(node: &MarkedYaml<'_>, pointer: String, offset: usize, lines: &mut HashMap<String, usize>) -> Value {
    lines.entry(pointer.clone()).or_insert(node.span.start.line() + offset);
    match &node.data {
        YamlData::Value(scalar) => scalar_value(scalar),
        YamlData::Representation(text, ..) => Value::String(text.to_string()),
        YamlData::Sequence(items) => {
            let item = |(index, item)| convert(item, format!("{pointer}/{index}"), offset, lines);
            Value::Array(items.iter().enumerate().map(item).collect())
        }
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let name = match &key.data {
                    YamlData::Value(Scalar::String(text)) => text.to_string(),
                    YamlData::Value(other) => scalar_value(other).to_string(),
                    _ => continue,
                };
                let below = format!("{pointer}/{}", step(&name));
                lines.insert(below.clone(), key.span.start.line() + offset);
                map.insert(name, convert(value, below, offset, lines));
            }
            Value::Object(map)
        }
        YamlData::Tagged(_, inner) => convert(inner, pointer, offset, lines),
        YamlData::Alias(_) | YamlData::BadValue => Value::Null,
    }
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(yes) => Value::Bool(*yes),
        Scalar::Integer(number) => Value::from(*number),
        Scalar::FloatingPoint(number) => Value::from(number.into_inner()),
        Scalar::String(text) => Value::String(text.to_string()),
    }
}
