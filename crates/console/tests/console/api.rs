//! What the API answers while a market runs, and what it refuses.

use std::time::{Duration, Instant};

use kt_warehouse::client::Options;
use serde::Deserialize;
use serde_json::Value;

use crate::http::{Live, ask, client, get, raw, until};
use crate::stage::Stage;

const BTC: &str = "venue=binance_usdm&instrument=BTC-USDT-USDT-PERP";

/// Wrong questions get a 400 with a hint, and none of them reaches the warehouse as text.
pub async fn refuses_wrong_questions(stage: &Stage) {
    let wrong = [
        "candles?venue=binance",
        "candles?venue=&instrument=BTC-USDT-SPOT",
        "candles?venue=binance&instrument=x'%20OR%201=1",
        "candles?venue=binance&instrument=a%00b",
        &format!("candles?{BTC}&interval=2s"),
        &format!("candles?{BTC}&limit=0"),
        &format!("candles?{BTC}&limit=1000000"),
        &format!("candles?{BTC}&limit=-1"),
        &format!("candles?{BTC}&to_ms=-5"),
        &format!("basis?{BTC}&to_ms=99999999999999999"),
        "history?seconds=0",
        "gaps?limit=100000",
        "live?watch=binance",
        "live?watch=bin%20ance/BTC",
        &format!("live?watch={}", ["a/b"; 25].join(",")),
    ];
    for path in wrong {
        let (status, body) = ask(&stage.url, &format!("/api/v1/{path}")).await;
        let told = |key: &str| body[key].as_str().is_some_and(|text| text.len() > 5);
        assert!(status == 400 && told("error") && told("hint"), "{path}: {status} {body}");
    }
    let (status, body) = ask(&stage.url, "/api/v1/nothing").await;
    assert!(status == 404 && body["hint"].is_string(), "{status} {body}");
    let answer = client().post(format!("{}/api/v1/scanner", stage.url)).send().await.unwrap();
    assert_eq!(answer.status(), 405);
}

/// Every answer carries the security headers; foreign names and paths out of the page are refused.
pub async fn keeps_strangers_out(stage: &Stage) {
    for path in ["/", "/api/v1/feeds", "/metrics", "/none", "/api/v1/candles"] {
        let answer = client().get(format!("{}{path}", stage.url)).send().await.unwrap();
        let headers = answer.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
    }
    for path in [
        "/../Cargo.toml",
        "/..%2f..%2fCargo.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets/../../package.json",
    ] {
        let answer =
            raw(&stage.url, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    let answer =
        raw(&stage.url, "GET /api/v1/scanner HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 421") && answer.contains("evil.example"), "{answer}");
}

#[derive(Deserialize)]
struct Truth {
    open_ms: i64,
    volume: f64,
    high: f64,
    low: f64,
    trades: u64,
}

/// Candles are those of the rows in landing; minutes add seconds up.
pub async fn candles_are_those_of_landing(stage: &Stage) {
    let path = format!("/api/v1/candles?{BTC}&limit=60");
    let enough = |body: &Value| body["open_ms"].as_array().is_some_and(|all| all.len() >= 6);
    let body = until(&stage.url, &path, Duration::from_secs(60), enough).await;
    assert_eq!(body["unit"], "BTC");
    let age = body["now_ms"].as_i64().unwrap() - body["newest_recv_ms"].as_i64().unwrap();
    assert!((0..30_000).contains(&age), "the age of the newest trade: {age} ms");
    // The newest seconds may still be filling; the fourth from the end is complete.
    let at = body["open_ms"].as_array().unwrap().len() - 4;
    let sql = "SELECT toUnixTimestamp(toDateTime(event_ts, 'UTC')) * 1000 AS open_ms, toFloat64(sum(quantity)) AS volume, \
        toFloat64(max(price)) AS high, toFloat64(min(price)) AS low, count() AS trades FROM landing.trade FINAL \
        WHERE venue = 'binance_usdm' AND instrument = 'BTC-USDT-USDT-PERP' GROUP BY open_ms HAVING open_ms = {at:Int64}";
    let options = Options::new().param("at", body["open_ms"][at].as_i64().unwrap());
    let truth: Truth = stage.engines.client.query_row(sql, &options).await.unwrap().expect("trades of that second");
    assert_eq!(body["open_ms"][at].as_i64(), Some(truth.open_ms));
    for (column, value) in [("volume", truth.volume), ("high", truth.high), ("low", truth.low)] {
        assert!((body[column][at].as_f64().unwrap() - value).abs() < 1e-9 * value.abs(), "{column}: {body}");
    }
    assert_eq!(body["trades"][at].as_u64(), Some(truth.trades));
    let minute = get(&stage.url, &format!("/api/v1/candles?{BTC}&interval=1m&limit=5")).await;
    assert_eq!(minute["open_ms"][0].as_i64().unwrap() % 60_000, 0);
    let older = get(&stage.url, &format!("{path}&to_ms={}", truth.open_ms)).await;
    assert_eq!(older["open_ms"].as_array().unwrap().last().unwrap().as_i64(), Some(truth.open_ms));
    let nothing = get(&stage.url, "/api/v1/candles?venue=none&instrument=NO-SUCH-SPOT").await;
    assert_eq!(nothing["open_ms"].as_array().map(Vec::len), Some(0));
}

/// Basis per second comes from the mart and meets what the hot path says now.
pub async fn basis_has_its_course_and_its_pair(stage: &Stage) {
    let some = |body: &Value| body["basis_bps"].as_array().is_some_and(|all| all.iter().any(Value::is_number));
    let body = until(&stage.url, &format!("/api/v1/basis?{BTC}&limit=30"), Duration::from_secs(60), some).await;
    assert_eq!(
        (body["reference_venue"].as_str(), body["reference_instrument"].as_str()),
        (Some("binance"), Some("BTC-USDT-SPOT"))
    );
    assert!(
        body["basis_bps"].as_array().unwrap().iter().filter_map(Value::as_f64).all(|bps| bps.abs() < 100.0),
        "{body}"
    );
}

/// The scanner holds every perpetual, annualises only with a known interval and names each reference.
pub async fn scanner_is_honest(stage: &Stage) {
    let complete = |body: &Value| {
        let funded = body["funding"].as_array().is_some_and(|all| all.iter().all(Value::is_object));
        body["venue"].as_array().is_some_and(|all| all.len() == 7) && funded
    };
    let body = until(&stage.url, "/api/v1/scanner", Duration::from_secs(30), complete).await;
    let mut references = Vec::new();
    for row in 0..7 {
        let (venue, instrument) = (body["venue"][row].as_str().unwrap(), body["instrument"][row].as_str().unwrap());
        let (basis, funding) = (&body["basis"][row], &body["funding"][row]);
        references.push((venue, basis["reference"].as_str().unwrap()));
        assert!(basis["bps"].as_f64().unwrap().abs() < 50.0, "{instrument}: a multiplier was forgotten: {basis}");
        if venue == "okx" {
            assert!(funding["apr"].is_null() && funding["refused"] == "interval unknown", "{funding}");
        } else {
            let hours = funding["interval_seconds"].as_f64().unwrap() / 3600.0;
            let apr = funding["rate"].as_f64().unwrap() * 24.0 / hours * 365.0;
            assert!((funding["apr"].as_f64().unwrap() - apr).abs() < 1e-9, "{instrument}: {funding}");
        }
    }
    references.sort_unstable();
    references.dedup();
    assert_eq!(references, [("binance_usdm", "spot"), ("bybit", "index"), ("okx", "spot")]);
}

/// The stream moves, keeps its pace, and carries exact texts of the watched instruments.
pub async fn live_stream_moves_at_its_pace(stage: &Stage) {
    let mut live = Live::open(&stage.url, "binance/BTC-USDT-SPOT,binance/NO-SUCH-SPOT").await;
    let first = live.next().await.expect("a snapshot at once");
    let start = Instant::now();
    let mut last = first.clone();
    // The market of this test moves forty times a second: what moved comes between the snapshots.
    let (mut whole, mut moves, mut newest) = (0, 0, first["common"]["now_ms"].as_i64().unwrap());
    while whole < 20 {
        let message = live.next().await.expect("a message");
        let is_whole = message["common"].is_object();
        let at = if is_whole { &message["common"]["now_ms"] } else { &message["now_ms"] };
        assert!(at.as_i64().unwrap() >= newest, "messages come in their order");
        newest = at.as_i64().unwrap();
        if is_whole {
            (whole, last) = (whole + 1, message);
        } else {
            assert_eq!(message["watch"].as_array().unwrap().len(), 1, "only what moved: {message}");
            moves += 1;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds >= 1.5, "20 snapshots in {seconds} s: at most ten a second are meant");
    assert!(f64::from(whole + moves) <= seconds * 50.0 + 2.0, "{whole} and {moves} in {seconds} s: at most fifty");
    println!("{whole} snapshots and {moves} moves in {seconds:.2} s");
    assert!(moves > 0, "nothing came between {whole} snapshots");
    let events = |of: &Value| of["common"]["totals"]["events"].as_u64().unwrap();
    assert!(events(&last) > events(&first), "events are counted");
    assert_eq!(last["common"]["totals"]["missed"], 0);
    let watched = last["watch"].as_array().unwrap();
    assert_eq!(watched.len(), 1, "an instrument that sent nothing has no row");
    let quote = &watched[0]["quote"];
    let decimals = quote["bid"].as_str().unwrap().split('.').nth(1).map_or(0, str::len);
    assert!(decimals <= 2 && quote["spread_bps"].as_f64().unwrap() > 0.0, "{quote}");
    let history = get(&stage.url, "/api/v1/history?seconds=5").await;
    assert!(history["seconds"].as_array().unwrap().iter().any(|second| second["lag_p99_us"].is_u64()), "{history}");
}

/// Delay until queryable is measured on real rows.
pub async fn delay_until_queryable_is_probed(stage: &Stage) {
    let probed = |body: &Value| {
        let seconds = body["seconds"].as_array().unwrap();
        seconds.iter().any(|second| second["queryable_ms"].as_f64().is_some_and(|ms| ms > 1.0 && ms < 30_000.0))
            && seconds.iter().any(|second| second["landed"].as_u64().is_some_and(|rows| rows > 0))
    };
    until(&stage.url, "/api/v1/history", Duration::from_secs(40), probed).await;
}

/// A feed that stops is stale after the time configured, the others are not; it recovers.
pub async fn a_silent_feed_is_stale(stage: &Stage) {
    let stale = |body: &Value| -> Vec<String> {
        let venues = body["venues"].as_array().unwrap().iter();
        venues.filter(|v| v["stale"] == true).map(|v| v["venue"].as_str().unwrap().to_owned()).collect()
    };
    stage.pause("okx");
    let body = until(&stage.url, "/api/v1/feeds", Duration::from_secs(10), |body| stale(body) == ["okx"]).await;
    let okx = body["venues"].as_array().unwrap().iter().find(|v| v["venue"] == "okx").unwrap().clone();
    assert!(okx["age_ms"].as_i64().unwrap() > 5_000 && okx["connections_live"] == 0, "{okx}");
    stage.resume();
    until(&stage.url, "/api/v1/feeds", Duration::from_secs(10), |body| stale(body).is_empty()).await;
}

/// Gaps and suspect values that a feed announces are in the ledger with cause and extent.
pub async fn gaps_and_suspects_are_told(stage: &Stage) {
    stage.trouble();
    let body = until(&stage.url, "/api/v1/gaps", Duration::from_secs(30), |body| body["open"] == 2).await;
    let gap = body["gaps"].as_array().unwrap().iter().find(|gap| gap["cause"] == "sequence").unwrap();
    assert_eq!((gap["missing"].as_u64(), gap["kind"].as_str()), (Some(412), Some("book")));
    assert_eq!(gap["to_ms"].as_i64().unwrap() - gap["from_ms"].as_i64().unwrap(), 4_200);
    let lasting = body["gaps"].as_array().unwrap().iter().find(|gap| gap["cause"] == "disconnect").unwrap();
    assert!(lasting["to_ms"].is_null() && lasting["missing"].is_null(), "unknown is not zero: {lasting}");
    let body = get(&stage.url, "/api/v1/quarantine").await;
    let mut causes: Vec<_> =
        body["rows"].as_array().unwrap().iter().map(|row| row["cause"].as_str().unwrap()).collect();
    causes.sort_unstable();
    assert_eq!(causes, ["crossed_book", "time_backwards"]);
}
