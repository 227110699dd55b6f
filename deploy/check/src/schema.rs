//! Strict schemas: a field that the API does not know is an error, not something to ignore.
//!
//! The API server drops unknown fields by default, and a misspelt limit is then no limit at all.

use std::collections::BTreeMap;
use std::path::Path;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};

use crate::document::{Document, step};
use crate::{Error, Finding};

/// The schemas of every kind that `deploy/` uses.
#[derive(Debug)]
pub struct Schemas {
    validators: BTreeMap<String, Validator>,
}

impl Schemas {
    /// Reads `*.json` of the folder: `{"kinds": {"apps/v1/Deployment": schema, …}, "definitions": {…}}`.
    /// Definitions are shared by all files.
    ///
    /// # Errors
    /// A file that is missing, no JSON, or no schema.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let mut kinds = BTreeMap::new();
        let mut definitions = Map::new();
        for path in json_files(folder)? {
            let text = std::fs::read_to_string(&path).map_err(|error| Error::file(&path, error))?;
            let mut file: Value = serde_json::from_str(&text).map_err(|error| Error::file(&path, error))?;
            if let Some(Value::Object(own)) = file.get_mut("definitions").map(Value::take) {
                definitions.extend(own);
            }
            if let Some(Value::Object(own)) = file.get_mut("kinds").map(Value::take) {
                kinds.extend(own);
            }
        }
        definitions.values_mut().for_each(make_strict);
        let mut validators = BTreeMap::new();
        for (kind, mut schema) in kinds {
            make_strict(&mut schema);
            let needed = closure(&schema, &definitions);
            let whole = json!({"allOf": [schema], "definitions": needed});
            let validator = jsonschema::draft7::options()
                .build(&whole)
                .map_err(|error| Error::file(folder, format!("{kind} is no schema: {error}")))?;
            validators.insert(kind, validator);
        }
        Ok(Self { validators })
    }

    /// The kinds there are schemas of.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.validators.keys().map(String::as_str)
    }

    /// Holds a source document against its schema.
    #[must_use]
    pub fn check(&self, document: &Document) -> Vec<Finding> {
        let problem = |(pointer, message): (String, String)| document.finding(&pointer, message);
        self.problems(document).into_iter().map(problem).collect()
    }

    /// What is wrong with an object: JSON pointer and message.
    #[must_use]
    pub fn problems(&self, document: &Document) -> Vec<(String, String)> {
        let Some(kind) = document.kind() else {
            return vec![(String::new(), "apiVersion or kind is missing".into())];
        };
        match self.validators.get(&kind) {
            Some(validator) => {
                validator.iter_errors(&document.value).flat_map(|error| explain(&kind, &error)).collect()
            }
            None => vec![("/apiVersion".into(), self.unknown_kind(&kind))],
        }
    }

    fn unknown_kind(&self, kind: &str) -> String {
        let name = kind.rsplit('/').next().unwrap_or(kind);
        let others: Vec<&str> = self.kinds().filter(|other| other.rsplit('/').next() == Some(name)).collect();
        if others.is_empty() {
            format!("no schema for {kind}; add it to deploy/check/src/generate.rs or mend apiVersion and kind")
        } else {
            format!("{kind} does not exist here; {name} is {}", others.join(" or "))
        }
    }
}

/// Pointer and message of one violation; an unknown field is pointed at itself, not at its parent.
fn explain(kind: &str, error: &jsonschema::ValidationError<'_>) -> Vec<(String, String)> {
    let at = error.instance_path().as_str().to_owned();
    let name = kind.rsplit('/').next().unwrap_or(kind);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|field| {
                (format!("{at}/{}", step(field)), format!("{name} has no field {at}/{field}; is it misspelt?"))
            })
            .collect(),
        _ => vec![(at.clone(), format!("{name}{at}: {error}"))],
    }
}

/// Fields that are not named are refused, unless the schema says that it keeps them.
fn make_strict(schema: &mut Value) {
    let Value::Object(map) = schema else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(make_strict);
        }
        return;
    };
    if map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        map.clear();
        map.insert("type".into(), json!(["integer", "string"]));
        return;
    }
    let keeps = map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if map.get("properties").is_some_and(Value::is_object) && !keeps && !map.contains_key("additionalProperties") {
        map.insert("additionalProperties".into(), Value::Bool(false));
    }
    // Formats such as int-or-string are the API's own; what it writes, `null` included, is its own affair.
    map.remove("format");
    map.remove("nullable");
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(make_strict);
    }
    // Alternatives name only a part of the fields each: what is unknown is judged outside of them.
    const LEFT: [&str; 7] = ["properties", "enum", "default", "allOf", "anyOf", "oneOf", "not"];
    for (key, below) in map.iter_mut() {
        if !LEFT.contains(&key.as_str()) {
            make_strict(below);
        }
    }
}

/// The definitions that a schema refers to, directly or through others.
fn closure(schema: &Value, definitions: &Map<String, Value>) -> Map<String, Value> {
    let mut found = Map::new();
    let mut open = vec![schema];
    while let Some(at) = open.pop() {
        match at {
            Value::Object(map) => {
                if let Some(name) =
                    map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/definitions/"))
                    && let Some(definition) = definitions.get(name)
                    && !found.contains_key(name)
                {
                    found.insert(name.to_owned(), definition.clone());
                    open.push(definition);
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

fn json_files(folder: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::file(folder, error))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}
