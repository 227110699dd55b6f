//! Live equals replay: signals of a seeded flow, with kills in the middle, against the journal's replay.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Platform, get, run, wait_for};

/// Every column that follows from the inputs, as text.
type Rows = BTreeMap<(String, u64, u64), String>;

fn landed(platform: &Platform) -> Rows {
    let sql = "SELECT writer, epoch, counter, venue, instrument, toUnixTimestamp64Nano(event_ts), name, feature, \
               other_venue, other_instrument, ifNull(toString(reinterpretAsUInt64(value)), 'null'), validity, reason, \
               ifNull(toString(age), 'null'), ifNull(toString(other_age), 'null'), input, cause_writer, cause_epoch, \
               cause_counter, configuration FROM landing.signal FINAL";
    let (code, out, err) = run(&mut platform.kt(&["query", sql, "--format", "TSV"]));
    assert_eq!(code, 0, "{err}");
    let row = |line: &str| {
        let (writer, rest) = line.split_once('\t').expect("columns");
        let mut numbers = rest.split('\t').take(2).map(|number| number.parse().expect("a number"));
        let key = (writer.to_owned(), numbers.next().expect("epoch"), numbers.next().expect("counter"));
        (key, rest.splitn(3, '\t').nth(2).expect("columns").to_owned())
    };
    out.lines().map(row).collect()
}

fn replayed(platform: &Platform) -> Rows {
    let (code, out, err) = run(&mut platform.kt(&["signals", "replay"]));
    assert_eq!(code, 0, "{err}");
    const COLUMNS: [&str; 17] = [
        "venue",
        "instrument",
        "event_ts",
        "name",
        "feature",
        "other_venue",
        "other_instrument",
        "bits",
        "validity",
        "reason",
        "age",
        "other_age",
        "input",
        "cause_writer",
        "cause_epoch",
        "cause_counter",
        "configuration",
    ];
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
        let number = |name: &str| row[name].as_u64().expect("a number");
        ((text("writer"), number("epoch"), number("counter")), COLUMNS.map(text).join("\t"))
    };
    out.lines().map(row).collect()
}

#[test]
fn signals_equal_their_replay_across_kills() {
    let mut platform = Platform::new(&[
        "sim.rate=1200",
        "sim.seed=20261122",
        "signals.snapshot_s=2",
        "supervisor.restart_initial_ms=50",
    ]);
    platform.up_with(&["--no-console"]);
    let metrics = format!("127.0.0.1:{}", 9203 + platform.offset);
    for round in 1..=2 {
        std::thread::sleep(Duration::from_secs(5));
        let (code, _, err) = run(&mut platform.kt(&["kill", "signals", "--signal", "9"]));
        assert_eq!(code, 0, "{err}");
        wait_for("signals to be back", Duration::from_secs(60), || {
            let service = platform.service("signals");
            (service["restarts"].as_u64() >= Some(round) && service["state"] == "healthy").then_some(())
        });
        let page = get(&metrics, "/metrics").1;
        assert!(page.contains("kt_signals_journal_restarts_total 0"), "the journal goes on: {page}");
    }
    std::thread::sleep(Duration::from_secs(4));

    let audit: Value = wait_for("every signal to land", Duration::from_secs(60), || {
        let (_, out, _) = run(&mut platform.kt(&["audit", "--json", "--settle", "10"]));
        let audit: Value = serde_json::from_str(&out).ok()?;
        (audit["lost"] == 0).then_some(audit)
    });
    assert_eq!(audit["duplicated"], 0, "{audit}");
    let writers = audit["writers"].as_array().expect("writers");
    let own: Vec<_> =
        writers.iter().filter(|row| row["writer"].as_str().is_some_and(|w| w.starts_with("signals-"))).collect();
    assert_eq!(own.len(), 2, "one writer a venue, and one epoch in spite of the kills: {audit}");

    let landed = landed(&platform);
    let replayed = replayed(&platform);
    let valid = landed.values().filter(|row| row.contains("\tvalid\t")).count();
    assert!(landed.len() > 300 && valid > 200, "{} rows landed, {valid} valid", landed.len());
    let different: Vec<_> = landed.iter().filter(|(key, row)| replayed.get(*key) != Some(*row)).take(3).collect();
    for (key, row) in &different {
        println!("{key:?}\n  live   {row}\n  replay {:?}", replayed.get(*key));
    }
    assert!(different.is_empty(), "live and replay differ");
    // Nothing between two landed rows was stated by the replay alone.
    for writer in ["signals-binance", "signals-binance_usdm"] {
        let last = landed.keys().filter(|key| key.0 == writer).map(|key| key.2).max().expect("rows");
        let count = landed.keys().filter(|key| key.0 == writer).count() as u64;
        assert_eq!(count, last, "{writer}: counters are contiguous from 1");
    }
    // What came while the service was down was taken from the log: the order has no hole.
    let (code, out, err) = run(&mut platform.kt(&["signals", "order"]));
    assert_eq!(code, 0, "{err}");
    assert_eq!(out.matches("CatchUp").count(), 3, "a start and two more after the kills");
    assert!(!out.contains("Dropped"), "{}", out.lines().filter(|line| line.contains("Dropped")).collect::<String>());
    assert_eq!(platform.terminate(), 0);
}
