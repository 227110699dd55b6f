//! The generated market keeps the rules a feed handler checks on the real exchange.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test")]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use common::{Client, Running};
use kt_sim::{GeneratedConfig, Market, Pace, SimConfig};
use serde_json::Value;

fn generated(market: GeneratedConfig) -> SimConfig {
    SimConfig { generated: Some(market), ..SimConfig::default() }
}

/// A market that stops after some steps and is wholly determined by its seed.
fn bounded(ticks: u64) -> GeneratedConfig {
    GeneratedConfig {
        pace: Pace::Max,
        start_time: Some(1_785_000_000_000_000_000),
        ticks: Some(ticks),
        rate: Some(6_000),
        ..GeneratedConfig::default()
    }
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// A book rebuilt the way the venue's documentation says, levels by price text.
#[derive(Default)]
struct Rebuilt {
    sides: [BTreeMap<i64, (String, String)>; 2],
    last: u64,
}

impl Rebuilt {
    fn from_snapshot(snapshot: &Value) -> Self {
        let mut book = Self { last: snapshot["lastUpdateId"].as_u64().unwrap(), ..Self::default() };
        book.apply(&snapshot["bids"], &snapshot["asks"]);
        book
    }

    fn apply(&mut self, bids: &Value, asks: &Value) {
        for (side, levels) in self.sides.iter_mut().zip([bids, asks]) {
            for level in levels.as_array().unwrap() {
                let key = (number(&level[0]) * 1e8).round() as i64;
                match number(&level[1]) == 0.0 {
                    true => side.remove(&key),
                    false => side.insert(key, (level[0].as_str().unwrap().into(), level[1].as_str().unwrap().into())),
                };
            }
        }
    }

    fn top(&self) -> [&str; 4] {
        let (_, bid) = self.sides[0].last_key_value().unwrap();
        let (_, ask) = self.sides[1].first_key_value().unwrap();
        [&bid.0, &bid.1, &ask.0, &ask.1]
    }
}

/// Reads everything a bounded market sends on some streams.
async fn all(sim: &Running, client: &mut Client, venue: &str) -> Vec<Value> {
    let sent = sim.finished().await["venues"][venue]["frames_sent"].as_u64().unwrap();
    let texts = client.texts(usize::try_from(sent).unwrap()).await;
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn rebuild(venue: &str, api: &str, depth: &str) {
    // Real pace, so that the snapshot is taken in the middle of the flow.
    let config = GeneratedConfig { instruments: 3, rate: Some(3_000), ..GeneratedConfig::default() };
    let sim = Running::start(generated(config)).await;
    let mut client = sim.connect(&format!("/{venue}/stream?streams=ethusdt@{depth}/ethusdt@bookTicker")).await;
    let mut frames: Vec<Value> = client.texts(60).await.iter().map(|text| text.parse().unwrap()).collect();
    let snapshot = sim.get(&format!("/{venue}{api}/depth?symbol=ETHUSDT&limit=1000")).await;
    for text in client.texts(1500).await {
        frames.push(text.parse().unwrap());
    }
    let mut book = Rebuilt::from_snapshot(&snapshot);
    let (mut chain, mut compared, mut bridged) = (None::<u64>, 0, false);
    let mut quote: HashMap<u64, Value> = HashMap::new();
    for frame in &frames {
        let event = &frame["data"];
        if frame["stream"] == "ethusdt@bookTicker" {
            quote.insert(event["u"].as_u64().unwrap(), event.clone());
            continue;
        }
        let (first, last) = (event["U"].as_u64().unwrap(), event["u"].as_u64().unwrap());
        assert!(first <= last);
        if let Some(before) = chain {
            match event.get("pu") {
                Some(previous) => assert_eq!(previous.as_u64(), Some(before), "a hole in the chain"),
                None => assert_eq!(first, before + 1, "a hole in the chain"),
            }
        }
        chain = Some(last);
        if last <= book.last {
            continue;
        }
        let bridges = if event.get("pu").is_some() {
            first <= book.last && last >= book.last || bridged
        } else {
            first <= book.last + 1
        };
        assert!(
            bridges || event["pu"].as_u64().is_some_and(|previous| previous <= book.last),
            "the snapshot does not bridge"
        );
        bridged = true;
        book.apply(&event["b"], &event["a"]);
        book.last = last;
        // The latest quote up to this update is the top of the book.
        if let Some((_, quote)) = quote.iter().filter(|(update, _)| **update <= last).max_by_key(|(update, _)| **update)
        {
            let quoted = ["b", "B", "a", "A"].map(|key| quote[key].as_str().unwrap());
            assert_eq!(book.top(), quoted, "{venue}: top after update {last}");
            compared += 1;
        }
    }
    assert!(compared >= 20, "only {compared} comparisons");
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_and_deltas_rebuild_the_quoted_book() {
    rebuild("binance", "/api/v3", "depth@100ms").await;
    rebuild("binance_usdm", "/fapi/v1", "depth@100ms").await;
    rebuild("binance_usdm", "/fapi/v1", "depth@0ms").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trades_are_contiguous_and_aggregates_hold_the_same_executions() {
    for venue in ["binance", "binance_usdm"] {
        let sim = Running::start(generated(bounded(2_000))).await;
        let mut client =
            sim.connect(&format!("/{venue}/stream?streams=btcusdt@trade/btcusdt@aggTrade/btcusdt@kline_1m")).await;
        let frames = all(&sim, &mut client, venue).await;
        let of = |stream: &str| {
            frames.iter().filter(|frame| frame["stream"] == stream).map(|frame| &frame["data"]).collect::<Vec<_>>()
        };
        let (trades, aggregates) = (of("btcusdt@trade"), of("btcusdt@aggTrade"));
        assert!(
            trades.len() > 300 && aggregates.len() < trades.len(),
            "{} trades, {} aggregates",
            trades.len(),
            aggregates.len()
        );
        assert!(trades.windows(2).all(|pair| pair[1]["t"].as_u64() == pair[0]["t"].as_u64().map(|id| id + 1)));
        assert!(aggregates.windows(2).all(|pair| pair[1]["f"].as_u64() == pair[0]["l"].as_u64().map(|id| id + 1)));
        let mut trades_left = trades.iter();
        for aggregate in &aggregates {
            let count = aggregate["l"].as_u64().unwrap() - aggregate["f"].as_u64().unwrap() + 1;
            let mut quantity = 0.0;
            for _ in 0..count {
                let trade = trades_left.next().unwrap();
                assert_eq!((&trade["p"], &trade["m"]), (&aggregate["p"], &aggregate["m"]));
                quantity += number(&trade["q"]);
            }
            assert!((quantity - number(&aggregate["q"])).abs() < 1e-9);
        }
        let candle = &of("btcusdt@kline_1m").last().copied().unwrap().clone()["k"];
        assert!(number(&candle["l"]) <= number(&candle["o"]) && number(&candle["c"]) <= number(&candle["h"]));
        assert!(candle["n"].as_u64().unwrap() > 100);
    }
}

/// All events of a market in the process itself.
fn history(seed: u64, streams: &[(&str, &str)], steps: u64) -> Vec<String> {
    let mut market = Market::new(&GeneratedConfig { seed, ..bounded(steps) });
    assert!(streams.iter().all(|(venue, stream)| market.subscribe(venue, stream)));
    let mut events = Vec::new();
    for step in 0..steps {
        market.step(1_785_000_000_000_000_000 + i64::try_from(step).unwrap() * 5_000_000);
        events.extend(
            market
                .frames()
                .map(|(venue, stream, event)| format!("{venue} {stream} {}", std::str::from_utf8(event).unwrap())),
        );
    }
    events
}

#[test]
fn the_seed_alone_decides() {
    let both = [("binance", "solusdt@depth@100ms"), ("binance_usdm", "solusdt@bookTicker")];
    let one = history(42, &both, 2_000);
    assert!(one.len() > 500);
    assert_eq!(one, history(42, &both, 2_000));
    assert_ne!(one, history(43, &both, 2_000));
    // Who listens changes nothing in the market.
    let alone: Vec<String> = one.iter().filter(|event| event.starts_with("binance_usdm")).cloned().collect();
    assert_eq!(alone, history(42, &both[1..], 2_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_see_the_same_and_formats_are_the_venues_own() {
    let sim = Running::start(generated(GeneratedConfig { rate: Some(3_000), ..GeneratedConfig::default() })).await;
    let mut one = sim.connect("/binance_usdm/ws").await;
    let mut two = sim.connect("/binance_usdm/stream?streams=btcusdt@bookTicker").await;
    one.say(r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker","btcusdt@nonsense"],"id":5}"#).await;
    assert_eq!(one.text().await, r#"{"result":null,"id":5}"#);
    one.say(r#"{"method":"LIST_SUBSCRIPTIONS","id":6}"#).await;
    let raw = one.texts(300).await;
    assert!(raw.contains(&r#"{"result":["btcusdt@bookTicker"],"id":6}"#.to_owned()));
    let combined = two.texts(400).await;
    let open = |text: &String| {
        text.strip_prefix(r#"{"stream":"btcusdt@bookTicker","data":"#).unwrap().strip_suffix('}').unwrap().to_owned()
    };
    let combined: Vec<String> = combined.iter().map(open).collect();
    let raw: Vec<String> = raw.into_iter().filter(|text| !text.contains("result")).collect();
    let begin = combined.iter().position(|text| *text == raw[0]).expect("the first raw frame among the combined ones");
    let shared = raw.len().min(combined.len() - begin);
    assert!(shared > 50);
    assert_eq!(raw[..shared], combined[begin..begin + shared]);
    let quote: Value = raw[0].parse().unwrap();
    assert_eq!(quote.as_object().unwrap().keys().collect::<Vec<_>>(), ["e", "u", "s", "b", "B", "a", "A", "T", "E"]);
    // Perpetual BTC: two decimals, tick 0.10; three decimals of quantity.
    assert!(
        quote["b"].as_str().unwrap().ends_with('0')
            && quote["b"].as_str().unwrap().split_once('.').unwrap().1.len() == 2
    );
    assert_eq!(quote["B"].as_str().unwrap().split_once('.').unwrap().1.len(), 3);
    let mut spot = sim.connect("/binance/ws/btcusdt@bookTicker").await;
    let quote = spot.json().await;
    assert_eq!(quote.as_object().unwrap().keys().collect::<Vec<_>>(), ["u", "s", "b", "B", "a", "A"]);
    assert_eq!(quote["a"].as_str().unwrap().split_once('.').unwrap().1.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_funding_and_reference_data_agree() {
    let sim = Running::start(generated(GeneratedConfig { instruments: 40, ..bounded(2_000) })).await;
    let mut client =
        sim.connect("/binance_usdm/stream?streams=!markPrice@arr@1s/dogeusdt@markPrice@1s/!forceOrder@arr").await;
    let frames = all(&sim, &mut client, "binance_usdm").await;
    let marks: Vec<&Value> = frames.iter().filter(|frame| frame["stream"] == "!markPrice@arr@1s").collect();
    assert_eq!(marks.len(), 10, "2000 steps of 5 ms are ten seconds");
    assert_eq!(marks[0]["data"].as_array().unwrap().len(), 40);
    let doge = frames.iter().rfind(|frame| frame["stream"] == "dogeusdt@markPrice@1s").unwrap()["data"].clone();
    assert_eq!(doge.as_object().unwrap().keys().collect::<Vec<_>>(), ["e", "E", "s", "p", "P", "i", "r", "T"]);
    let funding = sim.get("/binance_usdm/fapi/v1/fundingInfo").await;
    let funding = funding.as_array().unwrap().iter().find(|entry| entry["symbol"] == "DOGEUSDT").unwrap().clone();
    assert_eq!(funding["fundingIntervalHours"], 4);
    assert_eq!(doge["T"].as_i64().unwrap() % (4 * 3_600_000), 0);
    assert!(doge["T"].as_i64() > doge["E"].as_i64());
    let premium = sim.get("/binance_usdm/fapi/v1/premiumIndex?symbol=DOGEUSDT").await;
    assert_eq!((&premium["lastFundingRate"], &premium["nextFundingTime"]), (&doge["r"], &doge["T"]));
    // DOGE trades at a premium above the clamp, XRP at a discount below it.
    assert!(number(&doge["r"]) > 0.0001 && number(&doge["p"]) > number(&doge["i"]));
    let xrp = sim.get("/binance_usdm/fapi/v1/premiumIndex?symbol=XRPUSDT").await;
    assert!(number(&xrp["markPrice"]) < number(&xrp["indexPrice"]));
    let info = sim.get("/binance_usdm/fapi/v1/exchangeInfo").await;
    let bitcoin = &info["symbols"][0];
    assert_eq!((&bitcoin["contractType"], &bitcoin["marginAsset"]), (&"PERPETUAL".into(), &"USDT".into()));
    assert_eq!(bitcoin["filters"][0]["tickSize"], "0.10");
    let spot = sim.get("/binance/api/v3/exchangeInfo").await;
    assert_eq!(spot["symbols"].as_array().unwrap().len(), 40);
    assert_eq!(spot["symbols"][0]["filters"][0]["tickSize"], "0.01000000");
    assert_eq!(sim.get("/binance/api/v3/depth?symbol=NONE").await["code"], -1121);
}

/// Not a test of speed by itself: prints how fast the market runs and how fast it is served.
/// The benchmark's aim of 100,000 frames a second is for release builds.
#[tokio::test(flavor = "multi_thread")]
async fn rates() {
    let streams =
        |instrument: &str| ["depth@100ms", "bookTicker", "trade"].map(|stream| format!("{instrument}@{stream}"));
    let names: Vec<String> =
        ["btcusdt", "ethusdt", "solusdt", "bnbusdt", "xrpusdt", "dogeusdt"].into_iter().flat_map(streams).collect();
    let config = GeneratedConfig { rate: Some(100_000), tick: Duration::from_millis(1), ..bounded(3_000) };
    let mut market = Market::new(&config);
    for venue in ["binance", "binance_usdm"] {
        assert!(names.iter().all(|name| market.subscribe(venue, name)));
    }
    let (began, mut frames) = (Instant::now(), 0);
    for step in 0..3_000 {
        market.step(step * 1_000_000);
        frames += market.frames().count();
    }
    println!("generated alone: {:.0} frames/s ({frames} frames)", frames as f64 / began.elapsed().as_secs_f64());
    assert!((frames as f64 / 300_000.0 - 1.0).abs() < 0.02, "{frames} frames in three seconds at 100,000 a second");

    let sim = Running::start(generated(config)).await;
    let joined = names.join("/");
    let (mut spot, mut futures) = (
        sim.connect(&format!("/binance/stream?streams={joined}")).await,
        sim.connect(&format!("/binance_usdm/stream?streams={joined}")).await,
    );
    let began = Instant::now();
    let read = async |client: &mut Client| {
        while client.next().await.is_some() {}
    };
    let status = tokio::select! {
        status = sim.finished() => status,
        _ = futures::future::join(read(&mut spot), read(&mut futures)) => panic!("a client was cut off"),
    };
    let sent: u64 =
        ["binance", "binance_usdm"].iter().map(|venue| status["venues"][venue]["frames_sent"].as_u64().unwrap()).sum();
    println!(
        "served to two clients in this process: {:.0} frames/s ({sent} frames)",
        sent as f64 / began.elapsed().as_secs_f64()
    );
    assert!(sent > 290_000, "{status}");
}
