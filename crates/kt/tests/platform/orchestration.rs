//! Dagster beside the platform: it comes after the page, does its work with the real engines, and leaves with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Platform, get, run, signal, user_of, wait_for};

/// Imports of Dagster and dbt on a busy machine.
const START: Duration = Duration::from_secs(240);
const ASSETS: [&str; 12] = [
    "ref/instrument_history",
    "ops/gap_fills",
    "staging/stg_instruments",
    "staging/stg_funding_settlements",
    "staging/stg_basis_seconds",
    "staging/stg_feed_rows",
    "marts/basis_daily",
    "marts/funding_daily",
    "marts/carry_daily",
    "marts/feed_quality_daily",
    "marts/backtest_run",
    "reports/backtest",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The environment's Python, if `make setup` made it.
fn interpreter() -> Option<PathBuf> {
    let script = root().join("setup/python.py");
    let output = Command::new("python3").arg(script).args(["--interpreter", "orchestration"]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.with_file_name("../stamp.json").exists().then_some(path)
}

#[test]
fn orchestration_comes_after_the_page_does_its_work_and_leaves_with_the_platform() {
    let Some(python) = interpreter() else {
        println!("SKIP: no Python environment for the orchestration; run `make setup`");
        return;
    };
    let mut platform = Platform::new(&["orchestration.enabled=true", "sim.instruments=2", "sim.rate=100"]);
    let address = platform.up();
    let web = service(&platform, "dagster-web");
    assert!(web.is_none_or(|web| web["state"] != "healthy"), "the page does not wait for it");
    assert_eq!(get(&address, "/").0, 200);
    // A killed feed leaves a gap for the backfill.
    assert_eq!(run(&mut platform.kt(&["kill", "feed"])).0, 0);
    for name in ["dagster-code", "dagster-web", "dagster-daemon"] {
        wait_for(name, START, || service(&platform, name).filter(|service| service["state"] == "healthy"));
    }
    python_does_not_run_as_root(&platform);
    wait_for("the gap to land", Duration::from_secs(60), || {
        let (_, out, _) = run(&mut platform.kt(&["backfill", "list", "--json", "--all"]));
        serde_json::from_str::<Value>(&out)
            .ok()
            .filter(|list| list["partitions"].as_array().is_some_and(|all| !all.is_empty()))
    });

    every_asset_is_made(&platform);
    lists_of_two_dates_are_told_apart(&platform, &python);
    a_failure_is_on_the_page(&platform, &address);

    let processes = platform.processes();
    let mut supervisor = platform.supervisor.take().expect("runs");
    signal(supervisor.id(), "KILL");
    supervisor.wait().expect("ends");
    platform.assert_nothing_left(&processes, Duration::from_secs(20));

    platform.up();
    wait_for("Dagster to start", START, || {
        service(&platform, "dagster-code").filter(|service| service["pid"].is_u64())
    });
    let processes = platform.processes();
    assert_eq!(platform.terminate(), 0);
    platform.assert_nothing_left(&processes, Duration::from_secs(2));
}

/// One service's state; nothing while a busy supervisor does not answer.
fn service(platform: &Platform, name: &str) -> Option<Value> {
    let (_, out, _) = run(&mut platform.kt(&["status", "--json"]));
    let status: Value = serde_json::from_str(&out).ok()?;
    status["services"].as_array()?.iter().find(|service| service["service"] == name).cloned()
}

fn python_does_not_run_as_root(platform: &Platform) {
    let pythons: Vec<u32> = platform
        .processes()
        .into_iter()
        .map(|(pid, _)| pid)
        .filter(|pid| {
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.to_string_lossy().contains("python"))
        })
        .collect();
    assert!(pythons.len() >= 3, "{pythons:?}");
    let own = user_of(std::process::id().into());
    assert!(own != 0 || pythons.iter().all(|pid| user_of(u64::from(*pid)) != 0), "some of {pythons:?} run as root");
}

fn every_asset_is_made(platform: &Platform) {
    let (code, out, err) = run(&mut platform.kt(&["orchestration", "materialise", "--json"]));
    let rows: Vec<Value> = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let failed: Vec<_> = rows.iter().filter(|row| row["outcome"] == "failure").collect();
    assert!(code == 0 && failed.is_empty(), "{failed:#?}\n{err}");
    let made: BTreeSet<_> =
        rows.iter().filter(|row| row["part"] == "asset").filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(made, BTreeSet::from(ASSETS));
    assert!(rows.iter().filter(|row| row["part"] == "check").count() > 30, "{rows:#?}");
    for table in ["ref.instrument_history", "marts.basis_daily", "marts.feed_quality_daily", "marts.backtest_run"] {
        let (code, out, err) =
            run(&mut platform.kt(&["query", &format!("SELECT count() > 0 FROM {table}"), "--format", "TSV"]));
        assert_eq!((code, out.trim()), (0, "1"), "{table}: {err}");
    }
}

/// The two-date lists, with this platform's warehouse and this kt.
fn lists_of_two_dates_are_told_apart(platform: &Platform, python: &Path) {
    let mut command = Command::new(python);
    command
        .args(["-B", "-W", "ignore", "-m", "unittest", "-v", "tests.test_lists"])
        .current_dir(root().join("orchestration"))
        .env("KT_PROGRAM", env!("CARGO_BIN_EXE_kt"))
        .env("KT_WAREHOUSE_URL", format!("http://127.0.0.1:{}", 8123 + platform.offset));
    let (code, out, err) = run(&mut command);
    println!("{out}");
    assert_eq!(code, 0, "{err}");
}

fn a_failure_is_on_the_page(platform: &Platform, address: &str) {
    let wrong = "INSERT INTO landing.funding (venue, instrument, writer, channel, event_ts, recv_ts, publish_ts, origin, \
                 identity, stage, interval_source, rate) VALUES ('binance_usdm', 'BTC-USDT-USDT-PERP', 'test', 'test', \
                 now64(9), now64(9), now64(9), 'correction', 'weak', 'settled', 'unknown', 7)";
    let (code, _, err) = run(&mut platform.kt(&["query", wrong]));
    assert_eq!(code, 0, "{err}");
    let (code, _, _) = run(&mut platform.kt(&["orchestration", "materialise", "transformations"]));
    assert_eq!(code, 1, "a settled rate of 700 % does not pass");
    let (status, body) = get(address, "/api/v1/orchestration?limit=20");
    let page: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status} {error}: {body}"));
    assert!(page["failures"].as_u64() > Some(0) && page["failed_checks"].as_u64() > Some(0), "{body}");
    let worst = page["outcomes"][0]["cause"].as_str().expect("a cause");
    assert!(!worst.is_empty(), "{body}");
}
