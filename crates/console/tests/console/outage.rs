//! What the page says when something behind it is gone, and that it comes back.

use std::time::Duration;

use serde_json::Value;

use crate::http::{Live, ask, client, until};
use crate::stage::Stage;

const SOON: Duration = Duration::from_secs(20);

/// Without the warehouse the live part goes on, questions are answered with a hint, and all comes back.
pub async fn warehouse_gone(stage: &mut Stage) {
    let path = "/api/v1/candles?venue=binance&instrument=BTC-USDT-SPOT";
    stage.engines.stop_warehouse();
    until(&stage.url, "/api/v1/platform", SOON, |body| body["warehouse"]["ok"] == false).await;
    let (status, body) = ask(&stage.url, path).await;
    assert!((502..=504).contains(&status), "{status} {body}");
    assert!(body["hint"].as_str().unwrap().contains("kt status"), "{body}");
    let mut live = Live::open(&stage.url, "").await;
    let before = live.next().await.unwrap()["common"]["totals"]["events"].as_u64().unwrap();
    let moved = async { while live.next().await.unwrap()["common"]["totals"]["events"].as_u64().unwrap() <= before {} };
    tokio::time::timeout(Duration::from_secs(5), moved).await.expect("the hot path does not wait for the warehouse");
    stage.engines.start_warehouse();
    stage.engines.until_warehouse_answers().await;
    until(&stage.url, "/api/v1/platform", SOON, |body| body["warehouse"]["ok"] == true).await;
    assert_eq!(ask(&stage.url, path).await.0, 200);
}

/// Without messaging the console is not ready and everything grows stale; it connects again by itself.
pub async fn messaging_gone(stage: &mut Stage) {
    stage.stop_market();
    stage.engines.stop_nats();
    let told = |body: &Value| body["bus"]["ok"] == false;
    until(&stage.url, "/api/v1/platform", SOON, told).await;
    let health = client().get(format!("{}/health", stage.url)).send().await.unwrap();
    assert_eq!(health.status(), 503);
    assert!(health.text().await.unwrap().contains("messaging"), "the reason is told");
    let stale = |body: &Value| body["venues"].as_array().unwrap().iter().all(|venue| venue["stale"] == true);
    until(&stage.url, "/api/v1/feeds", SOON, stale).await;
    stage.engines.start_nats();
    until(&stage.url, "/api/v1/platform", SOON, |body| body["bus"]["ok"] == true).await;
    assert_eq!(client().get(format!("{}/health", stage.url)).send().await.unwrap().status(), 200);
}

/// An open stream does not hold up the end of the console; the client sees the stream end.
pub async fn stops_with_clients_connected(stage: Stage) {
    let mut live = Live::open(&stage.url, "").await;
    live.next().await.expect("a snapshot");
    let (ended, took) = stage.stop().await;
    ended.expect("a clean end");
    assert!(took < Duration::from_millis(2_500), "took {took:?}");
    let ended = tokio::time::timeout(Duration::from_secs(2), async { while live.next().await.is_some() {} });
    ended.await.expect("the stream ends");
}
