//! The past gives what the present gave: a service killed in the midst, its journal replayed, every signal, order
//! and fill equal bit for bit to what it logged. And a run over the warehouse, its report and its rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Platform, run, wait_for};

/// The built-in strategies made impatient, so that seconds give fills.
fn impatient() -> String {
    include_str!("../../../../strategies/basis.toml")
        .replace("min_samples = 60", "min_samples = 10")
        .replace("sample_ms = 500", "sample_ms = 100")
        .replace("entry_z = 1.5", "entry_z = 0.6")
        .replace("min_edge_bps = 0.5", "min_edge_bps = -100.0")
        .replace("max_holding_s = 120", "max_holding_s = 2")
        .replace("cooldown_ms = 2000", "cooldown_ms = 100")
        .replace("maker_timeout_ms = 3000", "maker_timeout_ms = 500")
}

fn fills(platform: &Platform) -> u64 {
    let sql = "SELECT count() FROM landing.order FINAL WHERE step = 'fill'";
    let (_, out, _) = run(&mut platform.kt(&["query", sql, "--format", "TSV"]));
    out.trim().parse().unwrap_or(0)
}

/// A copy of the newest epoch of a service's journal, as it is at this moment.
fn copied(platform: &Platform, service: &str, into: &Path) -> PathBuf {
    let journal = platform.data().join("journal").join(service);
    let epochs = fs::read_dir(&journal).expect("a journal").flatten();
    let newest =
        epochs.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max().expect("an epoch").to_string();
    let copy = into.join(service).join(&newest);
    fs::create_dir_all(&copy).expect("a folder");
    for entry in fs::read_dir(journal.join(newest)).expect("readable").flatten() {
        fs::copy(entry.path(), copy.join(entry.file_name())).expect("copied");
    }
    copy
}

/// Replays a journal until everything that it gives has landed, and answers the run.
fn parity(platform: &Platform, journal: &Path, further: &[&str]) -> Value {
    let folder = journal.to_str().expect("UTF-8");
    wait_for(&format!("the rows of {folder} to land"), Duration::from_secs(60), || {
        let arguments = [&["backtest", "--journal", folder, "--parity", "--no-store", "--json"], further].concat();
        let (code, out, err) = run(&mut platform.kt(&arguments));
        let ran: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        let different: u64 =
            ran["parity"].as_array().expect("a list").iter().filter_map(|writer| writer["different"].as_u64()).sum();
        assert_eq!(different, 0, "rows differ: {}", ran["parity"]);
        (code == 0).then_some(ran)
    })
}

/// Rows of a kind that were compared.
fn compared(ran: &Value, kind: &str) -> u64 {
    let writers = ran["parity"].as_array().expect("a list").iter().filter(|writer| writer["kind"] == kind);
    writers.filter_map(|writer| writer["equal"].as_u64()).sum()
}

#[test]
fn a_journal_gives_again_what_the_killed_service_gave() {
    let folder = tempfile::tempdir().expect("directory");
    let file = folder.path().join("strategies.toml");
    fs::write(&file, impatient()).expect("written");
    let strategies = format!("trade.strategies={}", file.display());
    let mut platform = Platform::new(&[
        &strategies,
        "sim.rate=1200",
        "orchestration.enabled=false",
        "supervisor.restart_initial_ms=50",
    ]);
    platform.up_with(&["--no-console"]);
    wait_for("the first fills", Duration::from_secs(120), || (fills(&platform) >= 2).then_some(()));
    for victim in ["trade", "signals"] {
        let before = platform.service(victim)["restarts"].as_u64().unwrap_or(0);
        let (code, _, err) = run(&mut platform.kt(&["kill", victim, "--signal", "9"]));
        assert_eq!(code, 0, "{err}");
        wait_for(&format!("{victim} to be back"), Duration::from_secs(60), || {
            let service = platform.service(victim);
            (service["restarts"].as_u64() > Some(before) && service["state"] == "healthy").then_some(())
        });
    }
    let before = fills(&platform);
    wait_for("fills after the kill", Duration::from_secs(90), || (fills(&platform) > before).then_some(()));

    let trade = copied(&platform, "trade", folder.path());
    let signals = copied(&platform, "signals", folder.path());
    let ran = parity(&platform, &trade, &[]);
    assert!(compared(&ran, "order") > 10 && ran["counts"]["fills"].as_u64() >= Some(2), "{}", ran["parity"]);
    let text = ran["manifest"]["strategy_text"].as_str().expect("the configuration is in the journal");
    assert_eq!(text, impatient());
    covers(&ran["manifest"]);
    let computed = parity(&platform, &signals, &[]);
    assert!(compared(&computed, "signal") > 100, "{}", computed["parity"]);

    // Its rows gone, the journal's order and the warehouse's rows give the same.
    for entry in fs::read_dir(&trade).expect("readable").flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("tape-")) {
            fs::remove_file(entry.path()).expect("removed");
        }
    }
    let tape = folder.path().join("tape");
    let gathered = parity(&platform, &trade, &["--tape", tape.to_str().expect("UTF-8")]);
    assert_eq!(gathered["manifest"]["source"], "journal's order and the warehouse's rows");
    assert!(compared(&gathered, "order") > 10, "{}", gathered["parity"]);
    over_the_warehouse(&platform, &file, folder.path(), &ran);
}

/// The record says what the journal covers: each market's rows, and what decoded them.
fn covers(manifest: &Value) {
    let coverage = &manifest["coverage"];
    let markets = coverage["markets"].as_array().expect("markets");
    assert_eq!(markets.len(), 6, "{coverage}");
    for market in markets {
        let quotes = market["kinds"].as_array().and_then(|kinds| kinds.iter().find(|kind| kind["kind"] == "quote"));
        let quotes = quotes.unwrap_or_else(|| panic!("no quotes: {market}"));
        assert!(quotes["rows"].as_u64() > Some(10) && quotes["first"].as_i64() < quotes["last"].as_i64(), "{quotes}");
    }
    assert!(manifest["mappings"].as_array().is_some_and(|mappings| mappings.len() == 2), "{manifest}");
    let code = manifest["code"].as_str().unwrap_or_default();
    assert!(code.starts_with("kt ") && code.contains("(commit ") && code.contains(", build "), "{code}");
}

/// The same stretch from the warehouse: a result, a report that needs nothing but itself, and rows.
fn over_the_warehouse(platform: &Platform, strategies: &Path, folder: &Path, journal: &Value) {
    let manifest = &journal["manifest"];
    let moment = |nanos: &Value| {
        let sql = format!("SELECT fromUnixTimestamp64Nano(toInt64({nanos}), 'UTC')");
        run(&mut platform.kt(&["query", &sql, "--format", "TSV"])).1.trim().to_owned()
    };
    let (from, to) = (moment(&manifest["from"]), moment(&manifest["to"]));
    let report = folder.join("report.html");
    let file = strategies.to_str().expect("UTF-8");
    let arguments = ["backtest", "--from", &from, "--to", &to, "--json", "--warm-up", "0s", "--strategy", file];
    let once = || {
        let mut command = platform.kt(&arguments);
        let (code, out, err) = run(command.arg("--report").arg(&report));
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<Value>(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    };
    let (first, second) = (once(), once());
    for field in ["run", "counts", "accounts", "legs"] {
        assert_eq!(first[field], second[field], "the same inputs give the same result");
    }
    assert!(first["counts"]["events"].as_u64() > Some(1_000), "{}", first["counts"]);
    assert!(first["counts"]["fills"].as_u64() > Some(0), "{}", first["counts"]);
    let coverage = &first["manifest"]["coverage"];
    assert_eq!(coverage["markets"].as_array().map(Vec::len), Some(6), "{coverage}");
    assert!(coverage["writers"].as_array().is_some_and(|writers| writers.len() >= 2), "{coverage}");

    let page = fs::read_to_string(&report).expect("a report");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg class=\"chart\""), "no chart");
    for outside in ["src=", "href=", "@import", "url(", "http:", "https:", "fetch("] {
        let own = page.replace(&format!("http://127.0.0.1:{}", 8123 + platform.offset), "");
        assert!(!own.contains(outside), "the report reaches out: {outside}");
    }
    let name = first["run"].as_str().expect("a name");
    let (_, out, err) = run(&mut platform.kt(&["backtest", "list", "--json"]));
    let listed: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let runs = listed.as_array().expect("a list");
    assert_eq!(runs.len(), 1, "a run made again takes its own place: {listed}");
    assert_eq!((&runs[0]["run"], &runs[0]["fills"]), (&first["run"], &first["counts"]["fills"]));
    let (code, out, err) = run(&mut platform.kt(&["backtest", "compare", name, &name[..6]]));
    assert!(code == 0 && out.contains("profit"), "{out}{err}");
    let sql = format!("SELECT count() FROM marts.backtest_trade FINAL WHERE run = '{name}'");
    let (_, out, _) = run(&mut platform.kt(&["query", &sql, "--format", "TSV"]));
    assert_eq!(out.trim().parse(), Ok(first["counts"]["fills"].as_u64().unwrap_or(0)));
}

#[test]
fn a_wrong_request_says_what_would_be_right() {
    let folder = tempfile::tempdir().expect("directory");
    let file = folder.path().join("wrong.toml");
    fs::write(&file, impatient().replace("entry_z = 0.6", "entry_zz = 0.6")).expect("written");
    let file = file.to_str().expect("UTF-8");
    for (arguments, said) in [
        (vec!["backtest", "--from", "yesterday", "--strategy", file], "is no time; write 2026-11-22"),
        (vec!["backtest", "--from", "-1h", "--strategy", file], "unknown field `entry_zz`"),
        (vec!["backtest", "--strategy", file], "needs --from"),
        (vec!["backtest", "--journal", folder.path().to_str().expect("UTF-8")], "holds no journal"),
    ] {
        let mut command = crate::support::kt(&arguments);
        let (code, _, err) = run(command.args(["--data-dir", folder.path().to_str().expect("UTF-8")]));
        assert!(code != 0 && err.contains(said), "{arguments:?}: {code}: {err}");
    }
}
