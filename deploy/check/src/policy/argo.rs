//! What Argo CD would look for: folders and values files that exist, exact versions, projects that permit it.

use std::path::Path;

use serde_json::Value;

use crate::Finding;
use crate::document::Document;

/// Holds every Application against the repository and its project.
pub fn check(root: &Path, sources: &[Document]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let of = |kind: &'static str| sources.iter().filter(move |document| document.text("/kind") == kind);
    let projects: Vec<&Document> = of("AppProject").collect();
    for application in of("Application") {
        for (pointer, path) in own_paths(application) {
            if !root.join("..").join(&path).join("kustomization.yaml").exists() {
                findings.push(application.finding(&pointer, format!("there is no {path}/kustomization.yaml")));
            }
        }
        for (pointer, file) in value_files(application) {
            if !root.join("..").join(&file).exists() {
                findings.push(application.finding(&pointer, format!("there is no {file}")));
            }
        }
        for (pointer, revision) in revisions(application) {
            if let Err(problem) = exact(&revision) {
                findings.push(application.finding(&pointer, format!("targetRevision {revision:?} {problem}")));
            }
        }
        findings.extend(permitted(application, &projects));
    }
    findings
}

/// The sources of an Application: one or several.
fn sources_of(application: &Document) -> Vec<(String, &Value)> {
    let several = application.value.pointer("/spec/sources").and_then(Value::as_array);
    let several =
        several.into_iter().flatten().enumerate().map(|(index, source)| (format!("/spec/sources/{index}"), source));
    let one = application.value.pointer("/spec/source").map(|source| ("/spec/source".to_owned(), source));
    several.chain(one).collect()
}

fn text<'a>(source: &'a Value, key: &str) -> &'a str {
    source.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_own(source: &Value) -> bool {
    text(source, "repoURL").ends_with("/kubetrader/platform.git")
}

fn own_paths(application: &Document) -> Vec<(String, String)> {
    let sources =
        sources_of(application).into_iter().filter(|(_, source)| is_own(source) && source.get("path").is_some());
    sources.map(|(at, source)| (format!("{at}/path"), text(source, "path").to_owned())).collect()
}

/// Pointer and path of every values file, in the repository.
#[must_use]
pub fn value_files(application: &Document) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, source) in sources_of(application) {
        let files = source.pointer("/helm/valueFiles").and_then(Value::as_array);
        for (index, file) in files.into_iter().flatten().enumerate() {
            let file = file.as_str().unwrap_or_default();
            let file = file.strip_prefix("$values/").unwrap_or(file);
            found.push((format!("{at}/helm/valueFiles/{index}"), file.to_owned()));
        }
    }
    found
}

fn revisions(application: &Document) -> Vec<(String, String)> {
    let foreign = sources_of(application).into_iter().filter(|(_, source)| !is_own(source));
    foreign.map(|(at, source)| (format!("{at}/targetRevision"), text(source, "targetRevision").to_owned())).collect()
}

/// Others' charts come at exact versions: a range would change the cluster without a commit.
fn exact(revision: &str) -> Result<(), &'static str> {
    let version = revision.trim_start_matches('v');
    let parts: Vec<&str> = version.split('.').collect();
    let whole =
        parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if whole { Ok(()) } else { Err("is no exact version; write one such as 1.2.3") }
}

/// Whether the Application's project exists and permits its sources and destination.
fn permitted(application: &Document, projects: &[&Document]) -> Vec<Finding> {
    let name = application.text("/spec/project");
    if name == "default" {
        return Vec::new();
    }
    let Some(project) = projects.iter().find(|project| project.text("/metadata/name") == name) else {
        return vec![application.finding("/spec/project", format!("there is no AppProject {name:?}"))];
    };
    let mut findings = Vec::new();
    let allowed = project.value.pointer("/spec/sourceRepos").and_then(Value::as_array).cloned().unwrap_or_default();
    for (at, source) in sources_of(application) {
        let repository = text(source, "repoURL");
        if !allowed.iter().any(|entry| entry == repository) {
            let message = format!("project {name} does not permit the source {repository}");
            findings.push(application.finding(&format!("{at}/repoURL"), message));
        }
    }
    let namespace = application.text("/spec/destination/namespace");
    let places = project.value.pointer("/spec/destinations").and_then(Value::as_array).cloned().unwrap_or_default();
    if !places.iter().any(|place| matches!(text(place, "namespace"), "*") || text(place, "namespace") == namespace) {
        let message = format!("project {name} does not permit the namespace {namespace}");
        findings.push(application.finding("/spec/destination/namespace", message));
    }
    findings
}
