//! Prometheus' own tool on the platform's rules file.

use std::path::PathBuf;
use std::process::Command;

/// `promtool` beside the other tools, or on the path.
fn promtool() -> Option<PathBuf> {
    let tools = std::env::var_os("KT_TOOLS").map_or_else(|| PathBuf::from("/var/lib/kubetrader/tools"), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::iter::once(tools.join("bin")).chain(std::env::split_paths(&path));
    places.map(|folder| folder.join("promtool")).find(|file| file.exists())
}

#[test]
fn prometheus_takes_the_rules_file() {
    let Some(promtool) = promtool() else {
        println!("SKIP: no promtool; put it on the path or into KT_TOOLS/bin");
        return;
    };
    let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../alerts/kubetrader.rules.yml");
    let output = Command::new(promtool).args(["check", "rules"]).arg(rules).output().expect("promtool runs");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.contains("rules found"), "{said}");
}
