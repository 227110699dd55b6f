//! Checks what `deploy/` would bring to a cluster, without one.
//!
//! Every file is read with the lines of its values; every overlay is rendered by the real Kustomize.
//! Objects are held against strict schemas ([`schema`]) and against the platform's own rules ([`policy`]).
//! What is refused is named with the file and line that a person has to change, not with the rendered one.
#![forbid(unsafe_code)]

pub mod document;
pub mod generate;
pub mod nats;
pub mod overlay;
pub mod policy;
pub mod schema;
pub mod tools;

use std::fmt;
use std::path::{Path, PathBuf};

use document::Document;
use overlay::{Overlay, Rendered};
use schema::Schemas;
use tools::Tools;

/// Something that must not reach a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file to change.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// What is wrong, with what, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// What a check found, and what it could not look at.
#[derive(Debug, Default)]
pub struct Report {
    /// What is refused, sorted, each once.
    pub findings: Vec<Finding>,
    /// What was not checked, and why.
    pub skipped: Vec<String>,
    /// How many objects of Kubernetes were looked at.
    pub objects: usize,
    /// How many overlays were rendered.
    pub overlays: usize,
}

/// Why a check could not run at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder that the check itself needs.
    #[error("{path}: {problem}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    /// A file that cannot be used.
    pub fn file(path: &Path, problem: impl fmt::Display) -> Self {
        Self::File { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// Checks the `deploy` folder at `root`.
///
/// # Errors
/// Schemas that cannot be read. What is wrong with the checked files themselves stands in the report.
pub fn check(root: &Path, schemas: &Schemas, tools: &Tools) -> Result<Report, Error> {
    let mut report = Report::default();
    let sources = sources(root, &mut report)?;
    // A patch is a part of an object: it is judged in what is rendered with it.
    let patches = overlay::patch_files(&sources);
    let whole = |document: &&Document| !is_kustomization(document) && !patches.contains(&document.file);
    for document in sources.iter().filter(|document| document.kind().is_some()).filter(whole) {
        report.objects += 1;
        report.findings.extend(schemas.check(document));
    }
    report.findings.extend(policy::argo::check(root, &sources));
    report.findings.extend(policy::values::check(root, &sources));
    match &tools.kustomize {
        Some(kustomize) => render(root, kustomize, schemas, &sources, &mut report)?,
        None => report.skipped.push("overlays: kustomize is not installed; run `python3 setup/delivery.py`".into()),
    }
    report.findings.sort();
    report.findings.dedup();
    Ok(report)
}

fn render(
    root: &Path,
    kustomize: &Path,
    schemas: &Schemas,
    sources: &[Document],
    report: &mut Report,
) -> Result<(), Error> {
    let mut all = Vec::new();
    for folder in overlay::roots(root, sources) {
        let overlay = Overlay::read(&folder, sources);
        match overlay.build(kustomize) {
            Ok(rendered) => {
                all.extend(rendered.into_iter().map(|object| Rendered { overlay: overlay.clone(), object }))
            }
            Err(finding) => report.findings.push(finding),
        }
        report.overlays += 1;
    }
    for rendered in &all {
        report.objects += 1;
        for (pointer, message) in schemas.problems(&rendered.object) {
            report.findings.push(rendered.finding(&pointer, message));
        }
    }
    report.findings.extend(policy::check(&all, sources));
    Ok(())
}

fn is_kustomization(document: &Document) -> bool {
    document.text("/apiVersion").starts_with("kustomize.config.k8s.io/")
}

/// Every YAML document below the folder; what is no YAML is a finding.
fn sources(root: &Path, report: &mut Report) -> Result<Vec<Document>, Error> {
    let mut files = Vec::new();
    yaml_files(root, &mut files)?;
    files.sort();
    let mut documents = Vec::new();
    for file in files {
        match Document::read(&file) {
            Ok(found) => documents.extend(found),
            Err(finding) => report.findings.push(finding),
        }
    }
    Ok(documents)
}

fn yaml_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::file(folder, error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        // The check's own folder holds schemas and fixtures; Terraform keeps its providers in a hidden one.
        let name = entry.file_name();
        if path.is_dir() && name != "check" && !name.to_string_lossy().starts_with('.') {
            yaml_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}
