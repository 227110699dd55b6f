//! What keeps the platform from starting is named, with its mend, before anything is written.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Platform, kt, run};

/// The engines of this machine: where `make setup` put them, or KT_ENGINES.
fn engines() -> PathBuf {
    let (code, out, err) = run(&mut kt(&["config", "--effective"]));
    assert_eq!(code, 0, "{err}");
    let line = out.lines().find_map(|line| line.strip_prefix("engines_dir = ")).expect("engines_dir");
    PathBuf::from(line.trim_matches(['"', '\'']))
}

#[test]
fn taken_port_names_its_holder() {
    let platform = Platform::new(&[]);
    let holder = TcpListener::bind(("127.0.0.1", 4222 + platform.offset)).expect("free");
    let me = format!("process {} (", std::process::id());
    for arguments in [&["doctor"][..], &["up"], &["up", "--detach"]] {
        let (code, out, err) = run(&mut platform.kt_with_settings(arguments));
        let text = format!("{out}{err}");
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("(nats.port) is held by") && text.contains(&me), "{arguments:?}: {text}");
        assert!(text.contains("--port-offset"), "says how to mend it: {text}");
    }
    assert!(!platform.data().exists(), "nothing was written");
    drop(holder);
    let (_, out, _) = run(&mut platform.kt_with_settings(&["doctor", "--json"]));
    let findings: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    assert!(findings.iter().all(|finding| finding["severity"] == "warning"), "{findings:?}");
}

#[test]
fn missing_engines_are_one_clear_error_each() {
    let platform = Platform::new(&[]);
    let empty = platform.directory.path().join("empty");
    let (code, _, err) = run(platform.kt_with_settings(&["up"]).env("KT_ENGINES", &empty));
    assert_eq!(code, 1);
    for file in ["bin/nats-server", "postgres/bin/postgres", "lib/libchdb.so"] {
        let line = err.lines().filter(|line| line.contains(&empty.join(file).display().to_string()));
        let line: Vec<_> = line.collect();
        assert!(line.len() == 1 && line[0].contains("is missing; run `make setup`"), "{file}: {err}");
    }
    assert!(!platform.data().exists() && !empty.exists(), "nothing was written");
}

#[test]
fn recording_that_is_not_there_is_named() {
    let platform = Platform::new(&[]);
    let (code, _, err) = run(&mut platform.kt_with_settings(&["up", "--replay", "/no/such.jsonl.zst"]));
    assert_eq!(code, 1);
    assert!(err.contains("the recording /no/such.jsonl.zst cannot be read"), "{err}");
    assert!(!platform.data().exists());
}

#[test]
fn engine_that_does_not_start_stops_everything_with_its_own_words() {
    let platform = Platform::new(&["supervisor.restart_max_ms=200"]);
    let broken = platform.directory.path().join("engines");
    fs::create_dir_all(broken.join("bin")).expect("directory");
    for part in ["lib", "postgres"] {
        symlink(engines().join(part), broken.join(part)).expect("link");
    }
    script(&broken.join("bin/nats-server"), "#!/bin/sh\necho '[FTL] no such luck' >&2\nexit 3\n");
    let (code, _, err) = run(platform.kt_with_settings(&["up"]).env("KT_ENGINES", &broken));
    assert_eq!(code, 1, "{err}");
    let last = err.lines().last().unwrap_or_default();
    let expected = "error: nats could not be started: ended with exit code 3: [FTL] no such luck";
    assert_eq!(last, expected, "{err}");
    platform.assert_nothing_left(&[], std::time::Duration::from_secs(2));
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("write");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("mode");
}
