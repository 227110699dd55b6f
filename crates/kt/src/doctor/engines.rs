//! Are the pinned engines installed, whole, and of the right version?

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::Finding;
use crate::config::Config;

/// The pins that `make setup` installs.
const PINS: &str = include_str!("../../../../setup/engines.json");
const MEND: &str = "run `make setup`, or set KT_ENGINES to where the engines are";

#[derive(Deserialize)]
struct Pins {
    engines: Vec<Engine>,
}

#[derive(Deserialize)]
struct Engine {
    name: String,
    version: String,
    main_file: String,
    platforms: BTreeMap<String, Pin>,
}

#[derive(Deserialize)]
struct Pin {
    archive_sha256: String,
}

/// What `make setup` recorded about an engine.
#[derive(Deserialize)]
struct Stamp {
    version: String,
    archive_sha256: String,
    main_file_bytes: u64,
}

fn pins() -> Vec<Engine> {
    let pins: Pins = serde_json::from_str(PINS).expect("setup/engines.json is valid, kept so by a test");
    pins.engines
}

/// Compares the engines directory with the pins, reading no more than its stamp.
pub(super) fn installed(config: &Config) -> Vec<Finding> {
    let directory = &config.platform.engines_dir;
    let stamp = std::fs::read(directory.join("stamp.json")).unwrap_or_default();
    let stamps: BTreeMap<String, Stamp> = serde_json::from_slice(&stamp).unwrap_or_default();
    pins().iter().filter_map(|engine| compare(directory, engine, stamps.get(&engine.name))).collect()
}

fn compare(directory: &Path, engine: &Engine, stamp: Option<&Stamp>) -> Option<Finding> {
    let file = directory.join(&engine.main_file);
    let Ok(metadata) = std::fs::metadata(&file) else {
        return Some(Finding::error(
            format!("{} {} is not installed: {} is missing", engine.name, engine.version, file.display()),
            MEND,
        ));
    };
    let Some(stamp) = stamp else {
        let problem = format!("{} was not installed by `make setup`: its version is not known", file.display());
        return Some(Finding::warning(problem, MEND));
    };
    if metadata.len() != stamp.main_file_bytes {
        let problem =
            format!("{} is damaged: {} bytes instead of {}", file.display(), metadata.len(), stamp.main_file_bytes);
        return Some(Finding::error(problem, MEND));
    }
    let pinned = engine.platforms.values().any(|pin| pin.archive_sha256 == stamp.archive_sha256);
    if pinned {
        return None;
    }
    let problem = format!("{} {} is installed, {} is wanted", engine.name, stamp.version, engine.version);
    Some(Finding::error(problem, MEND))
}

/// Asks the programs themselves.
pub(super) fn versions(config: &Config) -> Vec<Finding> {
    pins().iter().filter(|engine| engine.main_file.contains("bin/")).filter_map(|engine| ask(config, engine)).collect()
}

fn ask(config: &Config, engine: &Engine) -> Option<Finding> {
    let program = config.engine(&engine.main_file);
    if !program.exists() {
        // Reported as missing already.
        return None;
    }
    let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
    let text = match &output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => return Some(Finding::error(format!("{} does not run: {error}", program.display()), MEND)),
    };
    let matches = text.split_whitespace().any(|word| word.trim_start_matches('v') == engine.version);
    (!matches).then(|| {
        let problem = format!("{} says {:?}, version {} is wanted", program.display(), text.trim(), engine.version);
        Finding::error(problem, MEND)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_complete() {
        let pins = pins();
        assert_eq!(pins.len(), 3);
        for engine in pins {
            assert!(engine.platforms.contains_key("linux-x86_64"), "{}", engine.name);
            assert!(engine.platforms.values().all(|pin| pin.archive_sha256.len() == 64), "{}", engine.name);
        }
    }

    #[test]
    fn tells_missing_damaged_and_old_apart() {
        let directory = tempfile::tempdir().expect("directory");
        let mut engine = pins().remove(0);
        engine.main_file = "engine".into();
        let pinned = engine.platforms["linux-x86_64"].archive_sha256.clone();
        let stamp = |sha256: &str| Stamp { version: "1".into(), archive_sha256: sha256.into(), main_file_bytes: 3 };
        let problem = |stamp: Option<&Stamp>| compare(directory.path(), &engine, stamp).map(|finding| finding.problem);
        assert!(problem(Some(&stamp(&pinned))).is_some_and(|text| text.contains("is missing")));
        std::fs::write(directory.path().join("engine"), "abc").expect("write");
        assert_eq!(problem(Some(&stamp(&pinned))), None);
        assert!(problem(Some(&stamp("other"))).is_some_and(|text| text.contains("is wanted")));
        assert!(problem(None).is_some_and(|text| text.contains("not known")));
        std::fs::write(directory.path().join("engine"), "ab").expect("write");
        assert!(problem(Some(&stamp(&pinned))).is_some_and(|text| text.contains("damaged")));
    }
}
