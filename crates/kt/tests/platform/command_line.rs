//! Help and configuration errors: texts that people and scripts rely on.

use std::fs;

use crate::support::{Platform, kt, run};

#[test]
fn help_is_as_documented() {
    let commands = [
        "",
        "up",
        "down",
        "status",
        "logs",
        "restart",
        "kill",
        "doctor",
        "query",
        "migrate",
        "config",
        "warehouse",
        "sim",
        "console",
        "signals",
        "trade",
        "order",
        "orchestration",
        "research",
        "research token",
        "research tokens",
        "research revoke",
        "research up",
        "backfill",
        "backfill gaps",
        "backfill list",
        "backfill trades",
        "backfill candles",
        "backfill funding",
    ];
    for command in commands {
        let arguments: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let (code, out, err) = run(&mut kt(&arguments));
        assert_eq!((code, err.as_str()), (0, ""), "{command}");
        assert!(command.is_empty() || out.contains("Example"), "{command} shows an example");
        let name = if command.is_empty() { "help" } else { command };
        insta::assert_snapshot!(format!("help_{}", name.replace(' ', "_")), out);
    }
}

#[test]
fn wrong_command_line_is_a_usage_error() {
    for arguments in [&["nosuch"][..], &["up", "--speed", "2"], &["query"], &["kill", "nats", "--signal", "99"]] {
        let (code, _, err) = run(&mut kt(arguments));
        assert!(code == 2 && err.contains("Usage:") || err.contains("invalid value"), "{arguments:?}: {err}");
    }
}

/// What `kt config --effective` says about a configuration file.
fn complaint(text: &str) -> String {
    let platform = Platform::new(&[]);
    let file = platform.directory.path().join("kubetrader.toml");
    fs::write(&file, text).expect("write");
    let mut command = platform.kt(&["config", "--effective"]);
    let (code, _, err) = run(command.arg("--config").arg(&file));
    assert_eq!(code, 2, "{err}");
    err.replace(&platform.directory.path().display().to_string(), "DIR")
}

#[test]
fn configuration_errors_name_file_line_and_key() {
    insta::assert_snapshot!(complaint("[nats]\n# comment\nprot = 1\n"), @r#"error: DIR/kubetrader.toml:3: unknown key "nats.prot"; did you mean "nats.port"?"#);
    insta::assert_snapshot!(complaint("[natz]\nport = 1\n"), @r#"error: DIR/kubetrader.toml:2: unknown key "natz.port"; did you mean "nats.port"?"#);
    insta::assert_snapshot!(complaint("\nmonitor_port = 1\n"), @r#"error: DIR/kubetrader.toml:2: unknown key "monitor_port"; did you mean "nats.monitor_port"?"#);
    insta::assert_snapshot!(complaint("[nats]\nport = \"x\"\n"), @r#"error: DIR/kubetrader.toml:2: nats.port: expected an integer such as 4222, found string "x""#);
    insta::assert_snapshot!(complaint("[nats]\nport = 70000\n"), @"error: DIR/kubetrader.toml:2: nats.port: invalid value: integer `70000`, expected u16");
    insta::assert_snapshot!(complaint("[nats]\nport = 8123\n"), @"error: DIR/kubetrader.toml:2: nats.port: port 8123 is also warehouse.port's; choose another");
    insta::assert_snapshot!(complaint("[warehouse]\nmemory_limit = \"2 gigs\"\n"), @r#"error: DIR/kubetrader.toml:2: warehouse.memory_limit: invalid value: string "2 gigs", expected a size such as "512MiB", "2GiB" or a number of bytes"#);
    insta::assert_snapshot!(complaint("[warehouse]\nsandbox = \"of\"\n"), @"error: DIR/kubetrader.toml:2: warehouse.sandbox: unknown variant `of`, expected one of `required`, `best_effort`, `off`");
    insta::assert_snapshot!(complaint("[nats\n"), @"error: DIR/kubetrader.toml:1: unclosed table, expected `]`");
}

#[test]
fn overrides_are_checked_like_the_file() {
    let (code, _, err) = run(&mut kt(&["doctor", "--set", "nats.prot=1"]));
    assert_eq!(code, 2);
    assert!(err.contains("--set nats.prot=1: unknown key \"nats.prot\"; did you mean \"nats.port\"?"), "{err}");
    let (code, _, err) = run(&mut kt(&["doctor", "--port-offset", "60000"]));
    assert_eq!(code, 2);
    assert!(err.contains("with offset 60000 is not between 1 and 65535"), "{err}");
    let (code, out, _) = run(&mut kt(&["config", "--effective", "--set", "warehouse.memory_limit=1GiB"]));
    assert_eq!(code, 0);
    assert!(out.contains("memory_limit = \"1GiB\""), "{out}");
}

#[test]
fn printed_defaults_are_a_valid_file() {
    let platform = Platform::new(&[]);
    let (_, defaults, _) = run(&mut kt(&["config"]));
    let file = platform.directory.path().join("kubetrader.toml");
    fs::write(&file, &defaults).expect("write");
    let effective = |extra: &[&str]| {
        let mut arguments = vec!["config", "--effective"];
        arguments.extend(extra);
        let (code, out, err) = run(&mut platform.kt(&arguments));
        assert_eq!(code, 0, "{err}");
        out
    };
    assert_eq!(effective(&["--config", file.to_str().expect("UTF-8")]), effective(&[]));
    let lines: Vec<&str> = defaults.lines().filter(|line| !line.trim().is_empty()).collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
        let (before, line) = (pair[0], pair[1]);
        assert!(before.starts_with('#') || before.contains(" = "), "{line} is not explained");
    }
}
