//! A test environment on a running platform: what it gets, that it catches up, that production goes on.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Platform, kt, mode, run, signal, wait_for};

const SELECTION: &str = "trade.binance_usdm,quote.binance_usdm";
const VENUE: &str = "venue = 'binance_usdm'";

/// `kt` on production, or on the environment whose configuration is given.
struct Side<'a> {
    platform: &'a Platform,
    config: Option<PathBuf>,
}

impl Side<'_> {
    fn kt(&self, words: &[&str]) -> Command {
        match &self.config {
            None => self.platform.kt(words),
            Some(file) => {
                let mut command = kt(words);
                command.arg("--config").arg(file);
                command
            }
        }
    }

    fn number(&self, sql: &str) -> u64 {
        let (code, out, err) = run(&mut self.kt(&["query", sql, "--csv"]));
        assert_eq!(code, 0, "{sql}: {err}");
        out.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{sql}: {out}"))
    }

    fn json(&self, words: &[&str]) -> Value {
        let (code, out, err) = run(&mut self.kt(words));
        assert_eq!(code, 0, "{words:?}: {err}");
        serde_json::from_str(&out).expect("JSON")
    }
}

/// Rows of the selection that production had landed at some moment come to be in the environment too, and no others.
fn follows(production: &Side<'_>, environment: &Side<'_>) {
    let last = production.number(&format!("SELECT max(counter) FROM landing.trade WHERE {VENUE}"));
    for table in ["trade", "quote"] {
        let sql = format!(
            "SELECT uniqExact(writer, epoch, counter) FROM landing.{table} WHERE {VENUE} AND counter <= {last}"
        );
        wait_for(&format!("the environment's {table}s"), Duration::from_secs(300), || {
            // Production may still be landing some of them: it is asked again.
            let (there, here) = (environment.number(&sql), production.number(&sql));
            (here > 0 && there == here).then_some(())
        });
    }
    let others = format!(
        "SELECT (SELECT count() FROM landing.mark) + (SELECT count() FROM landing.book)
                + (SELECT count() FROM landing.trade WHERE NOT {VENUE})"
    );
    assert_eq!(environment.number(&others), 0, "only what was selected");
    assert!(production.number(&others) > 0, "there is something that was not");
}

#[test]
fn an_environment_follows_production_and_survives_a_pause() {
    let mut platform = Platform::new(&["console.enabled=false", "trade.enabled=false", "sim.rate=400"]);
    platform.up();
    let production = Side { platform: &platform, config: None };
    wait_for("trades", Duration::from_secs(60), || {
        (production.number(&format!("SELECT count() FROM landing.trade WHERE {VENUE}")) > 0).then_some(())
    });
    for (selection, code, says) in [
        ("trade.nowhere", 1, "trade.nowhere matches nothing in the log; there are"),
        ("trades.binance", 2, "there is no kind \"trades\"; there are trade"),
    ] {
        let (found, _, err) = run(&mut production.kt(&["env", "up", "test", "--select", selection]));
        assert!(found == code && err.contains(says), "{found} {err}");
    }
    let (code, out, err) = run(&mut production.kt(&["env", "up", "test", "--select", SELECTION]));
    assert!(code == 0 && out.contains("environment test gets"), "{out}{err}");
    let file = platform.data().join("env/test/kubetrader.toml");
    assert_eq!((mode(&file), mode(&platform.data().join("secrets/nats/leaf-test"))), (0o600, 0o600));
    let environment = Side { platform: &platform, config: Some(file) };
    follows(&production, &environment);
    assert_eq!(production.json(&["env", "status", "--json"])[0]["state"], "ready");

    // Its server and its warehouse stand still while production goes on.
    let status = environment.json(&["status", "--json"]);
    let services = status["services"].as_array().expect("services").iter();
    let frozen = services.filter(|service| service["service"] == "nats" || service["service"] == "warehouse");
    let pids: Vec<_> =
        frozen.map(|service| u32::try_from(service["pid"].as_u64().expect("runs")).expect("a pid")).collect();
    assert_eq!(pids.len(), 2, "{status}");
    pids.iter().for_each(|pid| signal(*pid, "STOP"));
    std::thread::sleep(Duration::from_secs(12));
    pids.iter().for_each(|pid| signal(*pid, "CONT"));
    follows(&production, &environment);

    let (code, out, err) = run(&mut production.kt(&["env", "down", "test"]));
    assert!(code == 0 && out.contains("is stopped"), "{out}{err}");
    let (code, _, err) = run(&mut production.kt(&["env", "down", "test"]));
    assert!(code == 1 && err.contains("there is no environment test"), "{err}");
    assert_eq!(production.json(&["env", "status", "--json"]), Value::Array(Vec::new()));
    let account = production.json(&["audit", "--json", "--settle", "60"]);
    assert_eq!((&account["lost"], &account["duplicated"]), (&Value::from(0), &Value::from(0)), "{account}");
    assert_eq!(platform.terminate(), 0);
}
