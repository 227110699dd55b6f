//! Faults do what they say, are counted, and leave everything else alone.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test")]

mod common;

use common::{Client, Running, frames, recording};
use kt_sim::{GeneratedConfig, Pace, ReplayConfig, SimConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

async fn market() -> Running {
    let generated = GeneratedConfig { instruments: 2, rate: Some(2_000), ..GeneratedConfig::default() };
    Running::start(SimConfig { generated: Some(generated), ..SimConfig::default() }).await
}

async fn updates(client: &mut Client, count: usize) -> Vec<Value> {
    client.texts(count).await.iter().map(|text| text.parse::<Value>().unwrap()["data"].clone()).collect()
}

fn holes(updates: &[Value]) -> usize {
    updates.windows(2).filter(|pair| pair[1]["U"].as_u64() != pair[0]["u"].as_u64().map(|last| last + 1)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_frames_leave_one_gap_in_their_stream_alone() {
    let sim = market().await;
    let mut bitcoin = sim.connect("/binance/stream?streams=btcusdt@depth@100ms").await;
    let mut ether = sim.connect("/binance/stream?streams=ethusdt@depth@100ms").await;
    let mut seen = updates(&mut bitcoin, 2).await;
    let answer = sim
        .fault(json!({"fault": "drop", "venue": "binance", "symbol": "BTCUSDT", "stream": "depth", "frames": 3}))
        .await;
    assert_eq!((&answer["accepted"], &answer["pending"]), (&true.into(), &3.into()));
    seen.extend(updates(&mut bitcoin, 15).await);
    assert_eq!(holes(&seen), 1);
    assert_eq!(holes(&updates(&mut ether, 20).await), 0);
    let metrics = sim.get_text("/metrics").await;
    assert!(metrics.contains(r#"kt_sim_faults_total{venue="binance",fault="drop"} 3"#), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reordered_crossed_and_garbage_frames() {
    let sim = market().await;
    let mut client = sim.connect("/binance/stream?streams=btcusdt@depth@100ms").await;
    let mut seen = updates(&mut client, 2).await;
    sim.fault(json!({"fault": "reorder", "venue": "binance", "stream": "depth", "symbol": "btcusdt"})).await;
    seen.extend(updates(&mut client, 15).await);
    let back = seen.windows(2).filter(|pair| pair[1]["u"].as_u64() < pair[0]["U"].as_u64()).count();
    assert_eq!((back, holes(&seen)), (1, 3), "two neighbours exchanged");

    let mut quotes = sim.connect("/binance_usdm/stream?streams=btcusdt@bookTicker").await;
    sim.fault(json!({"fault": "crossed", "venue": "binance_usdm", "frames": 3})).await;
    let quotes = updates(&mut quotes, 60).await;
    let price = |quote: &Value, key: &str| quote[key].as_str().unwrap().parse::<f64>().unwrap();
    let crossed = quotes.iter().filter(|quote| price(quote, "b") > price(quote, "a")).count();
    assert!((1..=3).contains(&crossed), "{crossed} crossed quotes");

    let answer = sim.fault(json!({"fault": "garbage", "venue": "binance", "text": "{broken"})).await;
    assert_eq!(answer["applied"], 1);
    let found = async { while client.text().await != "{broken" {} };
    tokio::time::timeout(Duration::from_secs(5), found).await.unwrap();
    updates(&mut client, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_loses_pause_delays_and_disconnect_cuts() {
    let sim = market().await;
    let mut client = sim.connect("/binance/stream?streams=btcusdt@depth@100ms").await;
    let mut seen = updates(&mut client, 2).await;
    for (fault, expected) in [("pause", 0), ("stale", 1)] {
        sim.fault(json!({"fault": fault, "venue": "binance", "ms": 700})).await;
        let mut longest = Duration::ZERO;
        for _ in 0..15 {
            let began = Instant::now();
            seen.extend(updates(&mut client, 1).await);
            longest = longest.max(began.elapsed());
        }
        assert!(longest > Duration::from_millis(500), "{fault}: the longest silence was {longest:?}");
        assert_eq!(holes(&seen), expected, "{fault}");
    }
    let mut other = sim.connect("/binance_usdm/stream?streams=btcusdt@trade").await;
    assert_eq!(sim.fault(json!({"fault": "disconnect", "venue": "binance"})).await["applied"], 1);
    let end = async { while client.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the connection to be cut");
    assert!(matches!(other.next().await, Some(Message::Text(_))));
    updates(&mut sim.connect("/binance/stream?streams=btcusdt@depth@100ms").await, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_reach_recorded_frames_and_unknown_ones_are_refused() {
    let Some(file) = recording("okx/20220513") else { return };
    let recorded = frames(&file);
    let replay = ReplayConfig { files: vec![file], pace: Pace::Max, ..ReplayConfig::default() };
    let sim = Running::start(SimConfig { replay: Some(replay), ..SimConfig::default() }).await;
    let answer = sim
        .fault(json!({"fault": "drop", "venue": "okx", "symbol": "BTC-USDT", "stream": "\"books\"", "frames": 3}))
        .await;
    assert_eq!(answer["pending"], 3);
    let refused = sim.fault(json!({"fault": "crossed", "venue": "okx"})).await;
    assert_eq!(refused["accepted"], false);
    assert_eq!(sim.fault(json!({"fault": "drop", "venue": "nowhere", "frames": 1})).await["accepted"], false);
    assert_eq!(sim.fault(json!({"fault": "unheard of", "venue": "okx"})).await["accepted"], false);
    let mut client = sim.connect("/okx/ws/v5/public").await;
    client.say(r#"{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}"#).await;
    let got = client.texts(recorded.len() - 3).await;
    let wanted = |text: &str| text.contains("\"books\"") && text.contains("BTC-USDT");
    let lost = recorded.iter().filter(|frame| wanted(std::str::from_utf8(&frame.payload).unwrap())).count()
        - got.iter().filter(|text| wanted(text)).count();
    assert_eq!(lost, 3);
    let status = sim.finished().await;
    assert_eq!(status["venues"]["okx"]["frames_sent"], recorded.len() - 3);
    assert_eq!(status["venues"]["okx"]["frames_played"], recorded.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_cut_off_and_counted() {
    let generated = GeneratedConfig { rate: Some(20_000), ..GeneratedConfig::default() };
    let config = SimConfig { generated: Some(generated), client_queue_bytes: 2 << 20, ..SimConfig::default() };
    let sim = Running::start(config).await;
    let streams: Vec<String> =
        ["btc", "eth", "sol", "bnb"].map(|base| format!("{base}usdt@bookTicker/{base}usdt@trade")).into();
    let path = format!("/binance_usdm/stream?streams={}", streams.join("/"));
    // One client reads, the other does not; the system's own buffers take the first megabytes.
    let (_sleeping, mut reading) = (sim.connect(&path).await, sim.connect(&path).await);
    let cut = async {
        while !sim.get_text("/metrics").await.contains(r#"kt_sim_slow_clients_cut_total{venue="binance_usdm"} 1"#) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        cut = tokio::time::timeout(common::PATIENCE, cut) => cut.expect("the sleeping client to be cut off"),
        () = async { while reading.next().await.is_some() {} } => panic!("the reading client was cut off"),
    }
    assert_eq!(sim.get("/sim/v1/status").await["venues"]["binance_usdm"]["clients"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_connections_and_waiting_requests() {
    let Some(file) = recording("binance/20211012") else { return };
    let replay = ReplayConfig { files: vec![file], ..ReplayConfig::default() };
    let mut sim = Running::start(SimConfig { replay: Some(replay), ..SimConfig::default() }).await;
    let mut client = sim.connect("/binance/stream").await;
    // The recording never starts, so that this request waits.
    let url = format!("http://{}/binance/api/v3/depth?symbol=NKNUSDT", sim.base);
    let waiting = tokio::spawn(async move { reqwest::get(url).await.unwrap().status() });
    tokio::time::sleep(Duration::from_millis(200)).await;
    sim.stop().await;
    assert_eq!(waiting.await.unwrap(), 503);
    assert!(client.next().await.is_none());
}
