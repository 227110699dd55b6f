//! Clients that others wrote, unchanged.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Setup, directory};

const SCRIPT: &str = include_str!("clickhouse_connect.py");

/// A Python that can import clickhouse_connect: one that has it, or a fresh environment.
fn python(directory: &Path) -> Option<PathBuf> {
    let has = |python: &Path| {
        let import = Command::new(python).args(["-c", "import clickhouse_connect"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let known = std::env::var_os("KT_PYTHON").map(PathBuf::from);
    let candidates = known.into_iter().chain([root.join(".venv/bin/python"), "python3".into()]);
    if let Some(python) = candidates.into_iter().find(|python| has(python)) {
        return Some(python);
    }
    let environment = directory.join("venv");
    let python = environment.join("bin/python");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&environment).output().ok()?;
    if !made.status.success() {
        return None;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "clickhouse-connect==1.12.0"];
    Command::new(&python).args(install).output().ok()?;
    has(&python).then_some(python)
}

pub async fn clickhouse_connect() {
    let directory = directory();
    let Some(python) = python(directory.path()) else {
        println!("SKIP: clients::clickhouse_connect: clickhouse-connect is not installed and pip cannot install it");
        return;
    };
    let warehouse = Setup::new(directory.path()).start();
    let port = warehouse.url.rsplit(':').next().unwrap();
    let output = Command::new(python).args(["-c", SCRIPT, port]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("all done"), "{said}");
}
