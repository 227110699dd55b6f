//! Recordings reach a real WebSocket client byte for byte, in order and complete.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test")]

mod common;

use std::time::{Duration, Instant};

use common::{Client, Recorded, Running, frames, recording, recordings};
use kt_sim::{Pace, ReplayConfig, SimConfig};
use tokio_tungstenite::tungstenite::Message;

fn at_full_speed(files: Vec<std::path::PathBuf>) -> ReplayConfig {
    ReplayConfig { files, pace: Pace::Max, ..ReplayConfig::default() }
}

fn config(replay: ReplayConfig) -> SimConfig {
    SimConfig { replay: Some(replay), ..SimConfig::default() }
}

/// Reads as many data frames as recorded and compares each.
async fn expect(client: &mut Client, recorded: &[&Recorded], clocks: bool) {
    for (number, frame) in recorded.iter().enumerate() {
        if let Some(time) = frame.time.filter(|_| clocks) {
            let clock = client.next().await;
            assert!(
                matches!(&clock, Some(Message::Pong(bytes)) if bytes[..] == time.to_be_bytes()),
                "clock of frame {number}: {clock:?}"
            );
        }
        match client.next().await {
            Some(Message::Text(text)) if !frame.binary => assert_eq!(text.as_bytes(), frame.payload, "frame {number}"),
            Some(Message::Binary(bytes)) if frame.binary => assert_eq!(bytes[..], frame.payload, "frame {number}"),
            other => panic!("frame {number} came as {other:?}"),
        }
    }
}

/// All recordings of all venues at once: one merged connection per venue gets every frame.
#[tokio::test(flavor = "multi_thread")]
async fn every_frame_of_every_venue_arrives_unchanged() {
    let venues = recordings();
    if venues.is_empty() {
        return;
    }
    let files = venues.values().flatten().cloned().collect();
    let sim = Running::start(config(ReplayConfig { recorded_clock: true, ..at_full_speed(files) })).await;
    let began = Instant::now();
    let reading = venues.iter().map(async |(venue, files)| {
        let recorded: Vec<Recorded> = files.iter().flat_map(frames).collect();
        let mut client = sim.connect(&format!("/{venue}/all/connections/merged")).await;
        client.say(r#"{"subscribe":"everything"}"#).await;
        expect(&mut client, &recorded.iter().collect::<Vec<_>>(), true).await;
        (venue, recorded.len())
    });
    let counts = futures::future::join_all(reading).await;
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    println!(
        "{total} frames of {} venues equal in {:?}, reading the files twice included",
        counts.len(),
        began.elapsed()
    );
    let status = sim.finished().await;
    for (venue, count) in counts {
        let status = &status["venues"][venue.as_str()];
        assert_eq!(
            (&status["frames_sent"], &status["frames_played"]),
            (&count.into(), &count.into()),
            "{venue}: {status}"
        );
        assert_eq!((&status["frames_unclaimed"], &status["answers_sent"]), (&0.into(), &0.into()), "{venue}");
    }
}

/// A recording without the venue's answers gets them from the simulator; one with them does not.
#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_answered_once() {
    for (name, path, subscribe, answer) in [
        (
            "binance_usdm/20230404_btcusdt_markprice",
            "/binance_usdm/ws",
            r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#,
            Some(r#"{"result":null,"id":1}"#),
        ),
        ("okx/20220513", "/okx/ws/v5/public", r#"{"op":"subscribe","args":[{"channel":"tickers"}]}"#, None),
    ] {
        let Some(file) = recording(name) else { continue };
        let recorded = frames(&file);
        let sim = Running::start(config(at_full_speed(vec![file]))).await;
        let mut client = sim.connect(path).await;
        client.say(subscribe).await;
        if let Some(answer) = answer {
            assert_eq!(client.text().await, answer);
        }
        expect(&mut client, &recorded.iter().collect::<Vec<_>>(), false).await;
        let status = sim.finished().await;
        let venue = &status["venues"][name.split_once('/').unwrap().0];
        assert_eq!(venue["answers_sent"], u64::from(answer.is_some()));
        assert_eq!(venue["connections"]["ws"], recorded.len());
    }
}

/// Clients that take one connection each get that connection's frames, and the clock waits
/// for the last of them.
#[tokio::test(flavor = "multi_thread")]
async fn connections_can_be_taken_apart_by_path_and_by_id() {
    for (name, takes) in [
        ("bybit/20260809", [("/bybit/v5/public/linear", "ws.2"), ("/bybit/v5/public/spot", "ws.3")].as_slice()),
        (
            "okx/20210722",
            &[
                ("/okx/ws/v5/public?kt_connection=ws.1", "ws.1"),
                ("/okx/ws/v5/public?kt_connection=ws.2", "ws.2"),
                ("/okx/ws/v5/public?kt_connection=ws.3", "ws.3"),
            ],
        ),
    ] {
        let Some(file) = recording(name) else { continue };
        let recorded = frames(&file);
        let sim = Running::start(config(at_full_speed(vec![file]))).await;
        let mut clients = Vec::new();
        for (path, connection) in takes {
            let mut client = sim.connect(path).await;
            client.say(r#"{"op":"subscribe","args":[]}"#).await;
            clients.push((client, *connection));
        }
        let reading = clients.iter_mut().map(async |(client, connection)| {
            let own: Vec<&Recorded> = recorded.iter().filter(|frame| frame.connection == *connection).collect();
            assert!(!own.is_empty());
            expect(client, &own, false).await;
        });
        futures::future::join_all(reading).await;
        let status = sim.finished().await;
        let venue = name.split_once('/').unwrap().0;
        assert_eq!(status["venues"][venue]["frames_sent"], recorded.len());
    }
}

/// A snapshot asked for early waits for its place in the stream; asked for again it is the
/// book as it is then.
#[tokio::test(flavor = "multi_thread")]
async fn snapshots_meet_the_stream() {
    let Some(file) = recording("binance_usdm/20240808_btcusdt") else { return };
    let depth = "/binance_usdm/fapi/v1/depth?symbol=BTCUSDT&limit=1000";
    let replay =
        ReplayConfig { wait_for_snapshots: Some(Duration::from_secs(20)), ..at_full_speed(vec![file.clone()]) };
    let sim = Running::start(config(replay)).await;
    let early = tokio::spawn({
        let url = format!("http://{}{depth}", sim.base);
        async move { reqwest::get(url).await.unwrap().json::<serde_json::Value>().await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!early.is_finished(), "the snapshot must wait for the stream");
    let mut client = sim.connect("/binance_usdm/stream?streams=btcusdt@depth@0ms").await;
    let (mut last, mut deltas) = (0, 0);
    let count = frames(&file).len();
    for text in client.texts(count).await {
        if text.contains("depthUpdate") {
            let update: serde_json::Value = text.parse().unwrap();
            last = update["data"]["u"].as_u64().unwrap();
            deltas += 1;
        }
    }
    assert_eq!(early.await.unwrap()["lastUpdateId"], 5_123_107_852_948u64);
    assert!(deltas > 1000);
    let again = sim.get(depth).await;
    assert_eq!(again["lastUpdateId"], last);
    let top = &again["bids"][0][0].as_str().unwrap().parse::<f64>().unwrap();
    assert!(*top < again["asks"][0][0].as_str().unwrap().parse::<f64>().unwrap());
}

/// Recorded gaps in time pass at the configured pace.
#[tokio::test(flavor = "multi_thread")]
async fn the_pace_is_kept() {
    let Some(file) = recording("binance/20211012") else { return };
    let recorded = frames(&file);
    let span = (recorded.last().unwrap().time.unwrap() - recorded[0].time.unwrap()) as f64 / 1e9;
    let replay = ReplayConfig { pace: Pace::Speed(20.0), ..at_full_speed(vec![file]) };
    let sim = Running::start(config(replay)).await;
    let mut client = sim.connect("/binance/stream?streams=nknusdt@depth@100ms").await;
    let began = Instant::now();
    client.texts(recorded.len()).await;
    let took = began.elapsed().as_secs_f64();
    assert!((took - span / 20.0).abs() < 0.4, "{span} s at twentyfold pace took {took} s");
}

/// The sources tell a feed where to connect, and the instrument lists are those beside the stream.
#[tokio::test(flavor = "multi_thread")]
async fn sources_and_instrument_lists() {
    let (Some(binance), Some(bybit)) = (recording("binance/20211012"), recording("bybit/20260809")) else { return };
    let sim = Running::start(config(at_full_speed(vec![binance, bybit]))).await;
    let sources = sim.get("/sim/v1/sources").await;
    let connections = &sources["venues"]["bybit"]["connections"];
    assert_eq!(connections[0]["path"], "/v5/public/linear");
    assert!(connections[0]["sent"].as_array().unwrap().len() == 17);
    assert_eq!(sources["venues"]["binance"]["channels"]["bookTicker"], 84);
    assert_eq!(sources["venues"]["bybit"]["channels"]["orderbook.200"], 2148);
    let spot = sim.get("/bybit/v5/market/instruments-info?category=spot&limit=1000").await;
    assert_eq!(spot["result"]["category"], "spot");
    let linear = sim.get("/bybit/v5/market/instruments-info?category=linear").await;
    assert_eq!(linear["result"]["category"], "linear");
    assert_eq!(sim.get("/binance/api/v3/exchangeInfo").await["symbols"].as_array().unwrap().len(), 1695);
    assert!(sim.get("/binance/api/v3/unheard").await["msg"].as_str().unwrap().contains("/api/v3/unheard"));
}
