//! Keeps the invariants that ARCHITECTURE.md states.

use std::collections::BTreeMap;
use std::path::Path;

use kt_tests::{files, root};

/// Crate folder → the own crates it may depend on. The arrows point down; there is no circle because
/// each list names only crates that stand above it here.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("signals", &["model"]),
    ("trading", &["model", "signals"]),
    ("ops", &[]),
    ("migrate", &[]),
    ("s3", &["ops"]),
    ("sim", &["ops"]),
    ("venue", &["model"]),
    ("bus", &["model"]),
    ("store", &["migrate", "model"]),
    ("warehouse", &["model", "bus", "migrate", "ops"]),
    ("feed", &["model", "venue", "bus", "ops"]),
    ("journal", &["model", "signals", "bus", "ops"]),
    ("execution", &["model", "signals", "trading", "journal", "bus", "store", "ops"]),
    ("backtest", &["model", "signals", "trading", "journal", "warehouse"]),
    ("alerts", &["ops", "warehouse"]),
    ("backfill", &["model", "venue", "bus", "warehouse", "feed"]),
    ("console", &["model", "bus", "warehouse", "ops"]),
    ("research", &["ops"]),
    (
        "kt",
        &[
            "alerts",
            "research",
            "model",
            "venue",
            "feed",
            "sim",
            "store",
            "bus",
            "warehouse",
            "migrate",
            "backfill",
            "console",
            "ops",
            "backtest",
            "s3",
            "signals",
            "journal",
            "trading",
            "execution",
        ],
    ),
];

/// External crate → the only own crates that may use it.
const OWNERS: &[(&str, &[&str])] = &[
    ("async-nats", &["bus"]),
    ("tokio-postgres", &["store"]),
    ("s3s", &["s3"]),
    ("s3s-fs", &["s3"]),
    ("rusty-s3", &["s3"]),
    ("libloading", &["warehouse"]),
    ("cityhash-rs", &["warehouse"]),
    ("tokio-tungstenite", &["feed", "sim"]),
    ("clap", &["kt"]),
];

/// Crates without I/O, clock and random source, and what would bring one in.
const PURE: &[&str] = &["model", "venue", "signals", "trading"];
const IMPURE: &[&str] =
    &["std::fs", "std::net", "std::env", "std::process", "SystemTime", "Instant::now", "tokio", "rand::", "reqwest"];

type Manifest = toml::Table;

fn manifests() -> BTreeMap<String, Manifest> {
    let crates = root().join("crates");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(crates).expect("crates/ is there").flatten() {
        let text = std::fs::read_to_string(entry.path().join("Cargo.toml")).expect("every crate has a manifest");
        found.insert(entry.file_name().to_string_lossy().into_owned(), text.parse().expect("a valid manifest"));
    }
    found
}

fn dependencies<'a>(manifest: &'a Manifest, section: &str) -> impl Iterator<Item = &'a str> {
    manifest.get(section).and_then(|value| value.as_table()).into_iter().flatten().map(|(name, _)| name.as_str())
}

#[test]
fn arrows_point_down() {
    let manifests = manifests();
    let known: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (name, manifest) in &manifests {
        let position = known.iter().position(|crate_name| crate_name == name);
        let position = position.unwrap_or_else(|| panic!("crate {name} has no place in the layers: add it to ARROWS"));
        let (_, allowed) = ARROWS[position];
        assert!(allowed.iter().all(|below| known[..position].contains(below)), "{name}: an arrow points up");
        for dependency in dependencies(manifest, "dependencies") {
            if let Some(own) = dependency.strip_prefix("kt-") {
                assert!(allowed.contains(&own), "{name} must not depend on {own}");
            }
        }
    }
}

#[test]
fn engines_are_known_in_one_place() {
    for (name, manifest) in manifests() {
        for dependency in dependencies(&manifest, "dependencies") {
            if let Some((_, owners)) = OWNERS.iter().find(|(external, _)| *external == dependency) {
                assert!(owners.contains(&name.as_str()), "{name} must not use {dependency}; only {owners:?} may");
            }
        }
    }
}

/// Source lines of a crate with their place; comments, test modules and `testing.rs` (what starts
/// engines for tests) left out.
fn code_lines(crate_name: &str) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for path in files(&root().join("crates").join(crate_name).join("src"), "rs") {
        if path.ends_with("testing.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (index, line) in code.lines().enumerate() {
            let bare = line.split("//").next().unwrap_or_default();
            lines.push((format!("{}:{}", path.display(), index + 1), bare.to_owned()));
        }
    }
    lines
}

#[test]
fn pure_crates_touch_nothing() {
    for crate_name in PURE {
        for (place, line) in code_lines(crate_name) {
            for word in IMPURE {
                assert!(!line.contains(word), "{place}: `{word}` in the pure crate {crate_name}");
            }
        }
    }
}

#[test]
fn only_kt_reads_the_environment() {
    for (crate_name, _) in ARROWS.iter().filter(|(name, _)| *name != "kt") {
        for (place, line) in code_lines(crate_name) {
            assert!(!line.contains("env::var"), "{place}: only kt reads the environment");
        }
    }
}

#[test]
fn a_venue_is_only_a_mapping() {
    let venues: Vec<String> = files(&root().join("venues"), "toml")
        .iter()
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    assert!(venues.len() >= 4, "the mappings are in venues/");
    for (place, line) in code_lines("venue").into_iter().chain(code_lines("feed")) {
        for venue in &venues {
            assert!(!line.contains(venue.as_str()), "{place}: names the venue {venue}; it belongs into its mapping");
        }
    }
}

#[test]
fn the_map_names_every_room() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    for name in manifests().keys() {
        assert!(map.contains(&format!("`crates/{name}`")), "ARCHITECTURE.md does not name crates/{name}");
    }
    let invariants = map.lines().filter(|line| line.contains("Architecture invariant:")).count();
    assert!(invariants >= 8, "ARCHITECTURE.md states only {invariants} invariants");
}

#[test]
fn every_dependency_is_justified() {
    let page = std::fs::read_to_string(root().join("docs/dependencies.md")).expect("docs/dependencies.md is there");
    let manifest: Manifest =
        std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest").parse().expect("a valid manifest");
    let workspace = manifest["workspace"]["dependencies"].as_table().expect("a table");
    for name in workspace.keys().filter(|name| !name.starts_with("kt-")) {
        assert!(page.contains(&format!("`{name}`")), "docs/dependencies.md does not say why `{name}` is used");
    }
}

#[test]
fn files_fit_in_a_head() {
    let long: Vec<String> = ["crates", "tests"]
        .iter()
        .flat_map(|folder| files(&root().join(folder), "rs"))
        .filter_map(|path| {
            let lines = std::fs::read_to_string(&path).ok()?.lines().count();
            (lines > 450).then(|| format!("{} has {lines} lines", relative(&path)))
        })
        .collect();
    assert!(long.is_empty(), "too long to read in one go: {long:#?}");
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
