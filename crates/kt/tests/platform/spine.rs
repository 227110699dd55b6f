//! The whole way, from exchange frames to rows: what was received is in the warehouse exactly once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Platform, get, kt, run, wait_for};

/// Kinds whose rows a recording determines. Instruments and status rows depend on how the feed ran.
const KINDS: [&str; 6] = ["trade", "quote", "book", "candle", "mark", "funding"];

const RECORDINGS: [(&str, &str); 4] = [
    ("binance", "binance/20211012_stream.jsonl.zst"),
    ("binance_usdm", "binance_usdm/20210722_stream.jsonl.zst"),
    ("okx", "okx/20220513_stream.jsonl.zst"),
    ("bybit", "bybit/20260809_stream.jsonl.zst"),
];

type Counts = BTreeMap<(String, String), u64>;

fn recordings() -> Option<Vec<(&'static str, PathBuf)>> {
    let root = std::env::var_os("KT_RECORDINGS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let files = RECORDINGS.iter().map(|(venue, file)| (*venue, root.join("frames").join(file)));
    let files: Vec<_> = files.collect();
    files.iter().all(|(_, file)| file.exists()).then_some(files)
}

/// What the offline check of each recording says should become of it.
fn expected(files: &[(&str, PathBuf)]) -> Counts {
    let mut counts = Counts::new();
    for (venue, file) in files {
        let file = file.to_str().expect("UTF-8");
        let (code, out, err) = run(&mut kt(&["venue", "check", venue, file, "--json"]));
        assert_eq!(code, 0, "{file}: {err}");
        let report: Value = serde_json::from_str(&out).expect("JSON");
        for kind in KINDS {
            if let Some(count) = report["events"][kind].as_u64() {
                counts.insert(((*venue).to_owned(), kind.to_owned()), count);
            }
        }
    }
    counts
}

fn audit(platform: &Platform) -> Value {
    let (_, out, err) = run(&mut platform.kt(&["audit", "--json", "--settle", "20"]));
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("kt audit: {error}: {out}{err}"))
}

fn landed(platform: &Platform) -> Counts {
    let parts = KINDS.map(|kind| {
        format!(
            "SELECT venue, '{kind}' AS kind, count() AS n FROM landing.{kind} FINAL \
             WHERE origin != 'checkpoint' GROUP BY venue"
        )
    });
    let (code, out, err) = run(&mut platform.kt(&["query", &parts.join(" UNION ALL "), "--format", "TSV"]));
    assert_eq!(code, 0, "{err}");
    out.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            ((fields[0].to_owned(), fields[1].to_owned()), fields[2].parse().expect("a count"))
        })
        .collect()
}

#[test]
fn recordings_land_whole() {
    let Some(files) = recordings() else {
        println!("SKIP: no recordings; set KT_RECORDINGS");
        return;
    };
    let expected = expected(&files);
    let mut platform = Platform::new(&[]);
    let mut arguments = vec!["--speed", "max", "--no-console", "--replay"];
    arguments.extend(files.iter().map(|(_, file)| file.to_str().expect("UTF-8")));
    platform.up_with(&arguments);

    let simulated = format!("127.0.0.1:{}", 9100 + platform.offset);
    wait_for("the replay to end", Duration::from_secs(120), || {
        let status: Value = serde_json::from_str(&get(&simulated, "/sim/v1/status").1).ok()?;
        let venues = status["venues"].as_object().cloned().map_or_else(
            || status["venues"].as_array().cloned().unwrap_or_default(),
            |map| map.into_iter().map(|(_, venue)| venue).collect(),
        );
        (venues.len() == files.len() && venues.iter().all(|venue| venue["finished"] == true)).then_some(())
    });
    let found = wait_for("every row to land", Duration::from_secs(60), || {
        let found = landed(&platform);
        (found.values().sum::<u64>() >= expected.values().sum::<u64>()).then_some(found)
    });
    assert_eq!(found, expected);
    let audit = audit(&platform);
    assert_eq!((&audit["lost"], &audit["duplicated"], &audit["gaps"]), (&0.into(), &0.into(), &0.into()), "{audit}");
    assert!(audit["accepted"].as_u64() >= Some(expected.values().sum()), "{audit}");
    assert_eq!((&audit["logged"], &audit["landed"]), (&audit["accepted"], &audit["accepted"]), "{audit}");
}

#[test]
fn kills_lose_and_double_nothing() {
    // Which services are killed, when: from this seed alone.
    let seed = std::env::var("KT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_122_u64);
    println!("KT_SEED={seed}");
    let mut platform = Platform::new(&["sim.rate=3000", "supervisor.restart_initial_ms=50"]);
    platform.up_with(&["--no-console"]);
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let victims = ["feed", "load", "warehouse", "nats"];
    for round in 0..6 {
        let victim = if round < 4 { victims[round] } else { victims[next(4) as usize] };
        std::thread::sleep(Duration::from_millis(500 + next(1_500)));
        let before = platform.service(victim)["restarts"].as_u64().unwrap_or(0);
        println!("kill {victim}");
        let (code, _, err) = run(&mut platform.kt(&["kill", victim, "--signal", "9"]));
        assert_eq!(code, 0, "{err}");
        wait_for(&format!("{victim} to be back"), Duration::from_secs(60), || {
            let service = platform.service(victim);
            (service["restarts"].as_u64() > Some(before) && service["state"] == "healthy").then_some(())
        });
    }
    std::thread::sleep(Duration::from_secs(2));
    let audit = wait_for("the account to be whole", Duration::from_secs(120), || {
        let audit = audit(&platform);
        (audit["lost"] == 0 && audit["accepted"].as_u64() > Some(1_000)).then_some(audit)
    });
    assert_eq!(audit["duplicated"], 0, "{audit}");
    // The killed feed says itself that it was away.
    assert!(audit["gaps"].as_u64() > Some(0), "{audit}");
    let epochs = audit["writers"].as_array().map_or(0, Vec::len);
    assert!(epochs >= 4, "two venues, each with an epoch before and after the kill: {audit}");
}
