//! Pages over rows whose truth is known: `tests/fixtures/rows.sql`.

use std::time::Duration;

use kt_warehouse::client::Options;
use serde_json::Value;

use crate::http::{patient, until};
use crate::stage::{Stage, now};

const ROWS: &str = include_str!("../../../../tests/fixtures/rows.sql");

/// Inserts the rows; answers the whole second, in ms, that they count from.
async fn insert(stage: &Stage) -> i64 {
    let base = (now().0 / 1_000_000_000 - 120) * 1000;
    for statement in ROWS.split("\n;\n") {
        let options = Options::new().param("base", base);
        let done = stage.engines.client.execute(statement, &options).await;
        done.unwrap_or_else(|error| panic!("{error}\n{statement}"));
    }
    base
}

/// One row of a panel's answer.
fn row(body: &Value, column: &str, value: &Value) -> usize {
    let found = body["answer"]["data"][column].as_array().expect("a column").iter().position(|held| held == value);
    found.unwrap_or_else(|| panic!("no {column} = {value}: {body}"))
}

fn near(body: &Value, column: &str, at: usize, truth: f64) {
    let found = body["answer"]["data"][column][at].as_f64();
    let close = found.is_some_and(|found| (found - truth).abs() < 1e-6 * truth.abs().max(1.0));
    assert!(close, "{column}[{at}] is {found:?}, not {truth}: {body}");
}

/// Orders, book and gaps say what the rows make.
pub async fn panels_say_what_the_rows_make(stage: &Stage) {
    let base = insert(stage).await;
    let end = format!("range_s=600&to_ms={}", base + 180_000);
    let path = format!("/api/v1/panels/orders_blotter?{end}");
    let has = |body: &Value| body["answer"]["data"]["client_order_id"].as_array().is_some_and(|ids| !ids.is_empty());
    let body = until(&stage.url, &path, Duration::from_secs(20), has).await;
    let ids = &body["answer"]["data"]["client_order_id"];
    assert_eq!(ids, &serde_json::json!(["test-refused", "test-filled"]), "newest first, none older than the range");
    let at = row(&body, "client_order_id", &"test-filled".into());
    for (column, truth) in [
        ("average_price", 100.52),
        ("filled", 0.5),
        ("fee", 0.025),
        ("arrival", 100.2),
        ("slippage_bps", (100.52 - 100.2) / 100.2 * 1e4),
        ("vwap", 100.4),
        ("slippage_vwap_bps", (100.52 - 100.4) / 100.4 * 1e4),
        ("signal_us", 5_000.0),
        ("send_us", 2_000.0),
        ("acknowledge_us", 40_000.0),
        ("fill_us", 58_000.0),
    ] {
        near(&body, column, at, truth);
    }
    let data = &body["answer"]["data"];
    assert_eq!((&data["state"][at], &data["state"][1 - at]), (&"filled".into(), &"refused".into()), "{body}");
    assert_eq!((&data["reason"][1 - at], &data["vwap"][1 - at].is_null()), (&"max_position".into(), &false), "{body}");

    let body = patient(&stage.url, &format!("/api/v1/panels/order_markout?{end}&id=test-filled")).await;
    for (seconds, middle) in [(1, 101.0), (5, 102.0), (30, 99.0), (60, 103.0)] {
        let at = row(&body, "horizon_s", &seconds.into());
        near(&body, "markout_bps", at, (middle - 100.52) / 100.52 * 1e4);
    }
    let body = patient(&stage.url, &format!("/api/v1/panels/order_steps?{end}&id=test-filled")).await;
    let steps = serde_json::json!(["decided", "passed", "sent", "acknowledged", "fill", "fill"]);
    assert_eq!(body["answer"]["data"]["step"], steps, "{body}");
    near(&body, "delay_us", 3, 40_000.0);
    near(&body, "bid", 0, 100.1);
    futures_and_funding(stage, base).await;
    depth(stage, base).await;
    gaps(stage, base).await;
}

/// A future 100 basis points above spot; a settlement of 5 basis points on a mark of 100 that 4 had been predicted for.
async fn futures_and_funding(stage: &Stage, base: i64) {
    let end = format!("range_s=600&to_ms={}", base + 180_000);
    let body = patient(&stage.url, &format!("/api/v1/panels/basis_term?{end}&instrument=TEST-USDT-USDT-PERP")).await;
    let at = row(&body, "instrument", &"TEST-USD-TEST-20991225-FUT".into());
    near(&body, "basis_bps", at, 100.0);
    let days = body["answer"]["data"]["days"][at].as_f64().expect("days");
    near(&body, "annualised", at, 0.01 * 365.0 / days);
    assert_eq!(body["answer"]["data"]["reference_instrument"][at], "TEST-USD-SPOT", "{body}");

    let of = format!("{end}&venue=binance_usdm&instrument=TEST-USDT-USDT-PERP");
    let body = patient(&stage.url, &format!("/api/v1/panels/funding_carry?{of}")).await;
    assert_eq!(body["answer"]["rows"], 1, "{body}");
    near(&body, "cash", 0, 0.05);
    let data = &body["answer"]["data"];
    assert_eq!((&data["basis_of_rate"][0], &data["currency"][0]), (&"settled".into(), &"USDT".into()), "{body}");
    let body = patient(&stage.url, &format!("/api/v1/panels/funding_series?{of}")).await;
    let of_year = |column: &str| {
        let found = body["answer"]["data"][column].as_array().expect("a column").iter().filter_map(Value::as_f64);
        found.collect::<Vec<_>>()
    };
    let close = |found: Vec<f64>, truth: f64| found.len() == 1 && (found[0] - truth).abs() < 1e-9;
    assert!(close(of_year("predicted_apr"), 0.0004 * 3.0 * 365.0), "{body}");
    assert!(close(of_year("settled_apr"), 0.0005 * 3.0 * 365.0), "{body}");
}

/// Bids 99.90 × 1, 99.85 × 4 and 99.00 × 5, asks 100.10 × 2 and 100.30 × 3 are left; the middle is 100.
async fn depth(stage: &Stage, base: i64) {
    let path = format!(
        "/api/v1/panels/book_depth?venue=binance_usdm&instrument=TEST-USDT-USDT-PERP&range_s=600&to_ms={}",
        base + 180_000
    );
    let body = patient(&stage.url, &path).await;
    let data = &body["answer"]["data"];
    let value = |side: &str, within: f64| {
        let rows = data["side"].as_array().expect("rows").iter().zip(data["within_bps"].as_array().expect("rows"));
        let at = rows.enumerate().find(|(_, (of, bps))| **of == *side && bps.as_f64() == Some(within));
        data["value"][at.unwrap_or_else(|| panic!("{side} {within}: {body}")).0].as_f64()
    };
    let close = |found: Option<f64>, truth: f64| found.is_some_and(|found| (found - truth).abs() < 1e-6);
    assert!(close(value("bid", 5.0), 0.0), "nothing within 5 basis points: {body}");
    assert!(close(value("bid", 10.0), 99.9) && close(value("bid", 20.0), 99.9 + 4.0 * 99.85), "{body}");
    assert!(close(value("bid", 100.0), 99.9 + 4.0 * 99.85 + 5.0 * 99.0), "{body}");
    assert!(close(value("ask", 20.0), 2.0 * 100.1), "{body}");
    assert!(value("ask", 50.0).is_none() && value("bid", 200.0).is_none(), "beyond the last level is unknown: {body}");
}

/// Filled gaps are neither open nor lost.
async fn gaps(stage: &Stage, base: i64) {
    // The gaps of the rows began yesterday; those that other tests announce come after the end of this range.
    let to = base - 43_200_000;
    let body = patient(&stage.url, &format!("/api/v1/panels/coverage_calendar?range_s=604800&to_ms={to}")).await;
    let data = &body["answer"]["data"];
    let sum = |column: &str| -> u64 {
        let rows = data["venue"].as_array().expect("rows").iter().zip(data[column].as_array().expect("rows"));
        rows.filter(|(venue, _)| **venue == "bybit").filter_map(|(_, count)| count.as_u64()).sum()
    };
    assert_eq!((sum("gaps"), sum("lost")), (1, 1), "{body}");
}

/// What the data costs is told with the prices it is told by.
pub async fn cost_is_told(stage: &Stage) {
    let body = until(&stage.url, "/api/v1/cost", Duration::from_secs(30), |body| {
        body["venues"].as_array().is_some_and(|venues| !venues.is_empty())
    })
    .await;
    assert_eq!((body["currency"].as_str(), body["hot_price"].as_f64()), (Some("USD"), Some(0.1)), "{body}");
    let venue =
        body["venues"].as_array().unwrap().iter().find(|venue| venue["venue"] == "binance_usdm").expect("it landed");
    let (bytes, monthly) = (venue["hot_bytes"].as_f64().unwrap(), venue["monthly"].as_f64().unwrap());
    assert!(bytes > 0.0 && (monthly - bytes / 1e9 * 0.1).abs() < 1e-9, "{venue}");
}
