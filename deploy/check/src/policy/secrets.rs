//! Every secret that a pod asks for is made by something, with the key that is asked for.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Finding;
use crate::document::{Document, step};
use crate::overlay::Rendered;

/// A secret's keys; `None`: what makes it decides them, and any may be asked for.
type Keys = Option<Vec<String>>;

/// (environment, namespace, name) → keys.
type Made = BTreeMap<(String, String, String), Keys>;

pub(super) fn check(all: &[Rendered], sources: &[Document]) -> Vec<Finding> {
    let made = made(all);
    let mut findings = Vec::new();
    for rendered in all {
        for (pointer, name, key) in references(&rendered.object.value) {
            let place = |message| rendered.finding(&pointer, message);
            let environment = rendered.environment();
            findings.extend(missing(&made, environment, rendered.namespace(), &name, key.as_deref()).map(place));
        }
    }
    for (document, namespace, environments) in values(sources) {
        for (pointer, name, key) in references(&document.value) {
            for environment in environments {
                let problem = missing(&made, environment, namespace, &name, key.as_deref());
                findings.extend(problem.map(|message| document.finding(&pointer, message)));
            }
        }
    }
    findings
}

/// What the manifests make: secrets by name, and those of the External Secrets Operator.
fn made(all: &[Rendered]) -> Made {
    let mut made = Made::new();
    for rendered in all {
        let value = &rendered.object.value;
        let (name, keys) = match rendered.kind() {
            "ExternalSecret" => {
                let target = rendered.object.text("/spec/target/name");
                let name = if target.is_empty() { rendered.name() } else { target };
                (name, external_keys(value))
            }
            "Secret" => (rendered.name(), None),
            _ => continue,
        };
        let place = (rendered.environment().to_owned(), rendered.namespace().to_owned(), name.to_owned());
        made.insert(place, keys);
    }
    made
}

fn external_keys(value: &Value) -> Keys {
    if let Some(Value::Object(template)) = value.pointer("/spec/target/template/data") {
        return Some(template.keys().cloned().collect());
    }
    if value.pointer("/spec/dataFrom").is_some() {
        return None;
    }
    let data = value.pointer("/spec/data").and_then(Value::as_array)?;
    Some(data.iter().filter_map(|entry| entry.get("secretKey")?.as_str()).map(str::to_owned).collect())
}

/// Pointer, name and key of every secret that a value asks for.
fn references(value: &Value) -> Vec<(String, String, Option<String>)> {
    let mut found = Vec::new();
    walk(value, &mut String::new(), &mut found);
    found
}

fn walk(value: &Value, at: &mut String, found: &mut Vec<(String, String, Option<String>)>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                let length = at.len();
                at.push('/');
                at.push_str(&step(key));
                let name = match key.as_str() {
                    "secretKeyRef" | "secretRef" => text(below.get("name")),
                    "secret" => text(below.get("secretName")),
                    "existingSecret" | "postgresqlSecretName" => text(Some(below)),
                    _ => None,
                };
                if let Some(name) = name.filter(|name| !name.is_empty()) {
                    found.push((at.clone(), name, text(below.get("key")).filter(|_| key == "secretKeyRef")));
                } else if key == "envSecrets" {
                    let items = below.as_array().map(Vec::as_slice).unwrap_or_default();
                    let name =
                        |(index, item): (usize, &Value)| Some((format!("{at}/{index}"), text(item.get("name"))?, None));
                    found.extend(items.iter().enumerate().filter_map(name));
                }
                walk(below, at, found);
                at.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let length = at.len();
                at.push_str(&format!("/{index}"));
                walk(item, at, found);
                at.truncate(length);
            }
        }
        _ => {}
    }
}

/// Why a secret cannot be had; `None`: it can.
fn missing(made: &Made, environment: &str, namespace: &str, name: &str, key: Option<&str>) -> Option<String> {
    let place = (environment.to_owned(), namespace.to_owned(), name.to_owned());
    match (made.get(&place), key) {
        (None, _) => Some(format!(
            "secret {name:?} is made by nothing in namespace {namespace} of {environment}; add an ExternalSecret of that name"
        )),
        (Some(Some(keys)), Some(key)) if !keys.iter().any(|known| known == key) => {
            Some(format!("secret {name:?} of {namespace} has no key {key:?}; it has {}", keys.join(", ")))
        }
        _ => None,
    }
}

/// Values files of charts with the namespace that their Application goes to, and the environments that use them.
fn values(sources: &[Document]) -> Vec<(&Document, &str, &'static [&'static str])> {
    let mut found = Vec::new();
    for application in sources.iter().filter(|document| document.text("/kind") == "Application") {
        let namespace = application.text("/spec/destination/namespace");
        // What stands among the tools is brought by production's root alone.
        let both: &[&str] =
            if application.file.iter().any(|part| part == "tools") { &["prod"] } else { &["prod", "test"] };
        for (_, file) in super::argo::value_files(application) {
            let own = |file: &str| sources.iter().filter(|document| document.file.ends_with(file)).collect::<Vec<_>>();
            if file.contains("/prod/") {
                found.extend(own(&file).into_iter().map(|document| (document, namespace, &["prod"][..])));
                let test = file.replace("/prod/", "/test/");
                found.extend(own(&test).into_iter().map(|document| (document, namespace, &["test"][..])));
            } else {
                found.extend(own(&file).into_iter().map(|document| (document, namespace, both)));
            }
        }
    }
    found
}
