//! A copy of the tree that a test may spoil, and the tools.

use std::path::{Path, PathBuf};

use kt_deploy_check::schema::Schemas;
use kt_deploy_check::tools::{Tools, default_folder};
use kt_deploy_check::{Finding, Report, check};
use tempfile::TempDir;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// The tools of this machine.
pub fn tools() -> Tools {
    let variable = |name: &str| std::env::var(name).ok();
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
    Tools::in_folder(&default_folder(variable("KT_TOOLS").as_deref(), is_root, variable("HOME").as_deref()))
}

/// Says that something is skipped; where everything is meant to be reachable, that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var("KT_DEPLOY_CHECK").as_deref() != Ok("require"), "KT_DEPLOY_CHECK=require, but {why}");
    println!("SKIP: {why}");
}

pub fn schemas() -> Schemas {
    Schemas::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")).expect("the committed schemas are whole")
}

/// A copy of `deploy/`.
pub struct Copy {
    folder: TempDir,
}

impl Copy {
    pub fn of_deploy() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&root().join("deploy"), &folder.path().join("deploy"));
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("deploy")
    }

    /// Replaces a text that stands once in a file; answers the line where it stood.
    pub fn replace(&self, file: &str, old: &str, new: &str) -> usize {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).expect("the file to spoil is there");
        assert!(text.contains(old), "{file} does not hold {old:?}");
        let at = text.find(old).unwrap_or(0);
        std::fs::write(&path, text.replacen(old, new, 1)).expect("write");
        text[..at].lines().count() + usize::from(text[..at].ends_with('\n') || at == 0)
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(path, text).expect("write");
    }

    pub fn check(&self, schemas: &Schemas, tools: &Tools) -> Report {
        check(&self.path(), schemas, tools).expect("the check runs")
    }

    /// Findings with the file relative to the copy.
    pub fn findings(&self, schemas: &Schemas, tools: &Tools) -> Vec<Finding> {
        let mut findings = self.check(schemas, tools).findings;
        for finding in &mut findings {
            finding.file = finding.file.strip_prefix(self.path()).unwrap_or(&finding.file).to_owned();
        }
        findings
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            if entry.file_name() != "check" && entry.file_name() != ".terraform" {
                copy(&source, &target);
            }
        } else {
            std::fs::copy(&source, &target).expect("a copy");
        }
    }
}
