//! The object store and the tiers through the command line: kills, a store that is down, full or wrongly keyed.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Platform, run, wait_for};

/// Rows of each day that a test writes.
const ROWS: u64 = 400_000;

fn query(platform: &Platform, sql: &str) -> String {
    let (code, out, err) = run(&mut platform.kt(&["query", sql, "--csv"]));
    assert_eq!(code, 0, "{sql}: {err}");
    out.lines().nth(1).unwrap_or_default().to_owned()
}

/// Writes one old day of quotes whose values hardly compress.
fn fill(platform: &Platform, day: &str) {
    query_nothing(
        platform,
        &format!(
            "INSERT INTO landing.quote (publish_ts, counter, epoch, writer, venue, instrument, channel, event_ts, recv_ts,
                origin, connection, line, mapping, identity, occurrence, bid_price, bid_quantity)
             SELECT now64(9), number, 1, 'test', 'venue', 'BTC-USDT-SPOT', 'c',
                toDateTime64('{day} 00:00:00', 9, 'UTC') + toIntervalMillisecond(number), now64(9),
                'live', 1, 0, 1, 'weak', 0,
                toDecimal128(sipHash64(number) % 1000000007, 6), toDecimal128(sipHash64(number + 7) % 1000000007, 6)
             FROM numbers({ROWS})"
        ),
    );
}

fn query_nothing(platform: &Platform, sql: &str) {
    let (code, _, err) = run(&mut platform.kt(&["query", sql]));
    assert_eq!(code, 0, "{sql}: {err}");
}

/// What every row says, in one number.
fn digest(platform: &Platform) -> String {
    query(
        platform,
        "SELECT count(), sum(cityHash64(counter, event_ts, bid_price, bid_quantity)) FROM landing.quote WHERE writer = 'test'",
    )
}

fn cold_bytes(platform: &Platform) -> u64 {
    let (code, out, err) = run(&mut platform.kt(&["tiers", "--json"]));
    assert_eq!(code, 0, "{err}");
    let rows: Vec<Value> = serde_json::from_str(&out).expect("JSON");
    rows.iter().filter(|row| row["tier"] == "cold").filter_map(|row| row["bytes"].as_u64()).sum()
}

/// Lets a move run for a while and kills a service in its midst; answers whether the move had ended before.
fn kill_in_the_midst(platform: &Platform, words: &[&str], service: &str, after: Duration) -> bool {
    let mut child =
        platform.kt(words).stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().expect("kt");
    std::thread::sleep(after);
    let before = platform.service(service)["pid"].clone();
    run(&mut platform.kt(&["kill", service, "--signal", "9"]));
    let status = child.wait().expect("ends");
    wait_for(&format!("{service} to come back"), Duration::from_secs(90), || {
        Some(platform.service(service)).filter(|now| now["state"] == "healthy" && now["pid"] != before)
    });
    status.success()
}

#[test]
fn moves_survive_kills_and_a_store_that_fails() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut platform = Platform::new(&["console.enabled=false", "trade.enabled=false"]);
    platform.up();
    for day in ["2023-01-01", "2023-01-02", "2023-01-03"] {
        fill(&platform, day);
    }
    let whole = digest(&platform);
    assert!(whole.starts_with(&format!("{}", 3 * ROWS)), "{whole}");

    let (code, out, err) = run(&mut platform.kt(&["tiers", "move", "--before", "2023-01-02"]));
    assert!(code == 0 && out.contains("1 days") && out.contains("are cold"), "{out}{err}");
    assert!(cold_bytes(&platform) > 1_000_000);
    assert_eq!(digest(&platform), whole, "read from the store");

    for round in 0..6_u64 {
        let service = if (seed + round) % 2 == 0 { "warehouse" } else { "s3" };
        let words = if round % 2 == 0 { "move" } else { "fetch" };
        let pause = Duration::from_millis(40 + (seed * 31 + round * 97) % 500);
        kill_in_the_midst(&platform, &["tiers", words, "--before", "2023-01-04"], service, pause);
        assert_eq!(digest(&platform), whole, "after killing {service} in a {words}, {pause:?} into it");
    }
    let (code, _, err) = run(&mut platform.kt(&["tiers", "move", "--before", "2023-01-04"]));
    assert_eq!(code, 0, "{err}");
    orphans_are_found_and_removed(&platform, &whole);
    the_store_fails(&platform, &whole);
    costs_are_told(&platform);
    assert_eq!(platform.terminate(), 0);
}

fn orphans_are_found_and_removed(platform: &Platform, whole: &str) {
    // One that certainly nobody refers to, beside what the kills left.
    let forgotten = platform.data().join("s3/cold/warehouse/zzz/forgotten");
    fs::create_dir_all(forgotten.parent().expect("a folder")).expect("folder");
    fs::write(&forgotten, "x").expect("object");
    let orphans = |words: &[&str]| {
        let (code, out, err) = run(&mut platform.kt(&[&["tiers", "orphans", "--json"], words].concat()));
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<Value>(&out).expect("JSON")
    };
    assert_eq!(orphans(&[])["orphans"].as_array().map(Vec::len), Some(0), "none is old enough");
    let found = orphans(&["--older-than", "0"]);
    let keys = found["orphans"].as_array().expect("keys");
    assert!(keys.iter().any(|key| key == "warehouse/zzz/forgotten"), "{found}");
    assert!(found["referenced"].as_u64() > Some(0), "{found}");
    println!("kills left {} objects of {}", keys.len() - 1, found["objects"]);
    orphans(&["--older-than", "0", "--remove"]);
    assert!(!forgotten.exists());
    assert_eq!(orphans(&["--older-than", "0"])["orphans"].as_array().map(Vec::len), Some(0));
    assert_eq!(digest(platform), whole, "nothing that a part refers to was removed");
}

fn the_store_fails(platform: &Platform, whole: &str) {
    let refused = |words: &[&str], says: &[&str]| {
        let (code, _, err) = run(&mut platform.kt(words));
        assert!(code == 1 && says.iter().all(|text| err.contains(text)), "{words:?}: {code} {err}");
    };
    // A key that is not the server's.
    let file = platform.data().join("secrets/s3/warehouse.credentials");
    let key = fs::read_to_string(&file).expect("credentials");
    fs::write(&file, key.replace("aws_secret_access_key = ", "aws_secret_access_key = 0")).expect("write");
    refused(&["tiers", "fetch", "--before", "2023-01-04"], &["refuses the key warehouse", "nothing was moved"]);
    fs::write(&file, key).expect("write");
    // Frozen.
    let pid = platform.service("s3")["pid"].as_u64().expect("runs");
    crate::support::signal(u32::try_from(pid).expect("a pid"), "STOP");
    refused(&["tiers", "fetch", "--before", "2023-01-04"], &["took longer than", "nothing was moved"]);
    crate::support::signal(u32::try_from(pid).expect("a pid"), "CONT");
    platform.wait_for_state("s3", "healthy");
    assert_eq!(digest(platform), whole);
}

fn costs_are_told(platform: &Platform) {
    let (code, out, err) = run(&mut platform.kt(&["cost", "--json"]));
    assert_eq!(code, 0, "{err}");
    let cost: Value = serde_json::from_str(&out).expect("JSON");
    let venues = cost["venues"].as_array().expect("venues");
    let venue = venues.iter().find(|venue| venue["venue"] == "venue").expect("the test's venue");
    assert!(venue["cold_bytes"].as_u64() > Some(1_000_000) && venue["hot_bytes"] == 0, "{venue}");
    assert!(venue["monthly"].as_f64() > Some(0.0), "{venue}");
    let sum: f64 = venues.iter().filter_map(|venue| venue["monthly"].as_f64()).sum();
    assert!((cost["together"]["monthly"].as_f64().expect("a sum") - sum).abs() < 1e-9, "{cost}");
}

#[test]
fn a_full_store_says_so() {
    let mut platform = Platform::new(&["console.enabled=false", "trade.enabled=false", "s3.keep_free=100TiB"]);
    platform.up();
    fill(&platform, "2023-01-01");
    let whole = digest(&platform);
    let (code, _, err) = run(&mut platform.kt(&["tiers", "move", "--before", "2023-01-02"]));
    assert!(code == 1 && err.contains("is full") && err.contains("s3.keep_free"), "{err}");
    assert_eq!(digest(&platform), whole);
    assert_eq!(platform.terminate(), 0);
}
