//! Trading on the generated market, killed in the midst: no order doubled, no fill lost, and PostgreSQL, the
//! log and the journal say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Platform, run, wait_for};

/// The built-in strategies made impatient: short windows, no wish for profit, short holding.
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

fn json(platform: &Platform, arguments: &[&str]) -> Value {
    let (code, out, err) = run(&mut platform.kt(arguments));
    assert_eq!(code, 0, "{arguments:?}: {err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
}

fn orders(platform: &Platform) -> Vec<Value> {
    json(platform, &["order", "list", "--limit", "100000", "--json"]).as_array().cloned().unwrap_or_default()
}

fn fills(platform: &Platform) -> usize {
    orders(platform).iter().filter(|order| order["filled"] != "0").count()
}

/// Steps by number, each as the fields that both sides have.
fn steps(lines: &str) -> BTreeMap<u64, Vec<Option<String>>> {
    const FIELDS: [&str; 18] = [
        "writer",
        "epoch",
        "counter",
        "venue",
        "instrument",
        "step",
        "strategy",
        "client_order_id",
        "venue_order_id",
        "fill_id",
        "limit_price",
        "quantity",
        "filled",
        "fill_price",
        "fill_quantity",
        "fee",
        "cash",
        "position",
    ];
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let mut steps = BTreeMap::new();
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).expect("a row");
        let sequence = text(&row["sequence"]).and_then(|text| text.parse().ok()).expect("a number");
        let known = steps.insert(sequence, FIELDS.iter().map(|field| text(&row[*field])).collect());
        assert!(known.is_none(), "step {sequence} twice: {line}");
    }
    steps
}

fn landed(platform: &Platform) -> BTreeMap<u64, Vec<Option<String>>> {
    // Without FINAL: a step that was written twice would show.
    let sql = "SELECT * FROM landing.order ORDER BY sequence";
    let (code, out, err) = run(&mut platform.kt(&["query", sql, "--format", "JSONEachRow"]));
    assert_eq!(code, 0, "{err}");
    steps(&out)
}

/// Kills the service; a supervisor that is short of time is asked again.
fn kill(platform: &Platform) {
    wait_for("the kill", Duration::from_secs(60), || {
        (run(&mut platform.kt(&["kill", "trade", "--signal", "9"])).0 == 0).then_some(())
    });
}

/// The same steps, derived again from the journal.
fn replayed(platform: &Platform) -> BTreeMap<u64, Vec<Option<String>>> {
    let (code, out, err) = run(&mut platform.kt(&["trade", "replay"]));
    assert_eq!(code, 0, "{err}");
    steps(&out)
}

/// State and traded quantity of an order.
fn standing(order: &Value) -> (String, (String, String)) {
    let text = |field: &str| order[field].as_str().unwrap_or_default().to_owned();
    (text("client_order_id"), (text("state"), text("filled")))
}

fn in_log(platform: &Platform) -> BTreeMap<String, (String, String)> {
    let sql = "SELECT client_order_id, state, filled FROM marts.order_life";
    let (code, out, err) = run(&mut platform.kt(&["query", sql, "--format", "JSONEachRow"]));
    assert_eq!(code, 0, "{err}");
    out.lines().map(|line| standing(&serde_json::from_str(line).expect("a row"))).collect()
}

/// Reads both sides until they are the same.
fn agree<T: PartialEq + std::fmt::Debug>(mut read: impl FnMut() -> (T, T)) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let (left, right) = read();
        if left == right {
            return left;
        }
        if std::time::Instant::now() > deadline {
            assert_eq!(left, right, "the two sides never agree");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn trading_goes_on_after_kills_without_doubling_or_losing_anything() {
    let seed = std::env::var("KT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_123_u64);
    println!("KT_SEED={seed}");
    let folder = tempfile::tempdir().expect("directory");
    let file = folder.path().join("strategies.toml");
    std::fs::write(&file, impatient()).expect("written");
    let strategies = format!("trade.strategies={}", file.display());
    let mut platform = Platform::new(&[
        &strategies,
        "sim.rate=1500",
        "orchestration.enabled=false",
        "supervisor.restart_initial_ms=50",
    ]);
    platform.up_with(&["--no-console"]);
    wait_for("the first fills", Duration::from_secs(120), || (fills(&platform) >= 4).then_some(()));

    let mut state = seed;
    for round in 0..3 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(200 + (state >> 33) % 800));
        kill(&platform);
        // What the killed process had handed over is written by now: further fills are the next one's.
        std::thread::sleep(Duration::from_millis(300));
        let before = fills(&platform);
        let what = format!("fills after kill {round}");
        wait_for(&what, Duration::from_secs(120), || (fills(&platform) > before).then_some(()));
    }

    // Forbidden, nothing more is sent; then everything comes to rest.
    let (code, out, err) = run(&mut platform.kt(&["trade", "halt"]));
    assert!(code == 0 && out.contains("trading is forbidden"), "{out}{err}");
    wait_for("open orders to end", Duration::from_secs(20), || {
        (json(&platform, &["trade", "status", "--json"])["open_orders"] == 0).then_some(())
    });
    // A strategy that still wants an order is refused once, whenever that is: both sides are read until they agree.
    let replayed = agree(|| (landed(&platform), replayed(&platform)));
    let numbers: Vec<u64> = replayed.keys().copied().collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no number is missing or used twice");
    let in_store = agree(|| (in_log(&platform), orders(&platform).iter().map(standing).collect()));
    show(&platform, &in_store);

    let audit = wait_for("the account to be whole", Duration::from_secs(120), || {
        let (_, out, _) = run(&mut platform.kt(&["audit", "--json", "--settle", "20"]));
        serde_json::from_str::<Value>(&out).ok().filter(|audit| audit["lost"] == 0)
    });
    assert_eq!((&audit["duplicated"], &audit["gaps"]), (&0.into(), &0.into()), "{audit}");

    // The kill switch outlives the service.
    kill(&platform);
    wait_for("trading to stay forbidden", Duration::from_secs(60), || {
        let (code, out, _) = run(&mut platform.kt(&["trade", "status", "--json"]));
        let answer: Value = serde_json::from_str(&out).ok().filter(|_| code == 0)?;
        assert_eq!(answer["halted"], true, "{answer}");
        Some(())
    });
}

/// One filled order's life, from the signal to the fill, with the book at each step.
fn show(platform: &Platform, orders: &BTreeMap<String, (String, String)>) {
    let (id, _) = orders.iter().find(|(_, (state, _))| state == "filled").expect("a filled order");
    let life = json(platform, &["order", "show", id, "--json"]);
    let hops = life["hops"].as_array().expect("hops");
    let names: Vec<_> = hops.iter().filter_map(|hop| hop["hop"].as_str()).collect();
    assert_eq!(names[..5], ["signal", "decided", "passed", "sent", "acknowledged"], "{life}");
    assert!(names.contains(&"fill"), "{life}");
    for hop in &hops[1..] {
        assert!(hop["delay_ns"].as_i64() >= Some(0) && hop["step"]["bid_price"].is_string(), "{hop}");
    }
    let (code, out, err) = run(&mut platform.kt(&["order", "show", id]));
    assert!(code == 0 && out.contains("acknowledged") && out.contains("fee "), "{out}{err}");
    let (code, _, err) = run(&mut platform.kt(&["order", "show", "none"]));
    assert!(code == 1 && err.contains("kt order list"), "{err}");
}

#[test]
fn a_wrong_strategy_file_names_its_line() {
    let folder = tempfile::tempdir().expect("directory");
    let file = folder.path().join("wrong.toml");
    let text = impatient().replace("slippage_bps = \"3\"", "slipage_bps = \"3\"");
    let line = text.lines().position(|line| line.starts_with("slipage_bps")).expect("there") + 1;
    std::fs::write(&file, text).expect("written");
    let (code, _, err) = run(&mut crate::support::kt(&["trade", "strategies", file.to_str().expect("UTF-8")]));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains(&format!("wrong.toml:{line}: unknown field `slipage_bps`")), "{err}");
}
