//! The panels: rows, statement and file agree; nothing a client says becomes part of a statement.

use std::time::Duration;

use kt_warehouse::client::Options;
use serde_json::Value;

use crate::http::{ask, client, patient, until};
use crate::stage::Stage;

const BTC: &str = "venue=binance_usdm&instrument=BTC-USDT-USDT-PERP";
/// Panels and what they need to be asked.
const PANELS: [(&str, &str); 22] = [
    ("basis_scanner", ""),
    ("basis_series", BTC),
    ("basis_histogram", BTC),
    ("basis_term", "instrument=BTC-USDT-USDT-PERP"),
    ("book_depth", BTC),
    ("funding_heat", ""),
    ("funding_series", BTC),
    ("funding_carry", BTC),
    ("coverage_calendar", "range_s=172800"),
    ("audit_history", ""),
    ("pipeline_rows", ""),
    ("storage_tables", ""),
    ("storage_disks", ""),
    ("storage_tiers", ""),
    ("gap_ledger", ""),
    ("orders_blotter", ""),
    ("order_steps", "id=none"),
    ("order_markout", "id=none"),
    ("backtest_runs", ""),
    ("backtest_equity", "id=none&other=none"),
    ("backtest_legs", "id=none&other=none"),
    ("alerts_active", ""),
];

/// A warehouse without a row answers with no rows, not with an error; so does a range without data.
pub async fn empty_is_an_answer(stage: &Stage) {
    for (panel, question) in PANELS {
        let body = patient(&stage.url, &format!("/api/v1/panels/{panel}?{question}")).await;
        let rows = body["answer"]["rows"].as_u64().expect("a count");
        assert!(rows == 0 || panel.starts_with("storage"), "{panel}: {body}");
    }
    let body =
        patient(&stage.url, &format!("/api/v1/panels/basis_series?{BTC}&to_ms=1000000000000&range_s=86400")).await;
    assert_eq!((body["answer"]["rows"].as_u64(), body["to_ms"].as_i64()), (Some(0), Some(1_000_000_080_000)));
}

/// Wrong questions are told apart in words; paths, SQL and unknown values reach nothing.
pub async fn refuses_wrong_questions(stage: &Stage) {
    for (path, status) in [
        ("panels/basis_series", 400),
        ("panels/basis_series?venue=okx", 400),
        (&format!("panels/basis_series?{BTC}&range_s=0"), 400),
        (&format!("panels/basis_series?{BTC}&range_s=99999999999"), 400),
        (&format!("panels/basis_series?{BTC}&to_ms=-1"), 400),
        (&format!("panels/basis_series?{BTC}&known_ms=yesterday"), 400),
        (&format!("panels/basis_series?{BTC}&as=xml"), 400),
        (&format!("panels/basis_series?{BTC}&sql=SELECT%201"), 400),
        ("panels/basis_series?venue=okx&instrument=x'%20UNION%20ALL%20SELECT%201--", 400),
        ("panels/basis_series?venue=okx%27&instrument=BTC", 400),
        ("panels/audit_history?known_ms=1700000000000", 400),
        ("panels/..%2f..%2fpackage", 404),
        ("panels/%2e%2e%2fsql%2fbasis_series?venue=a&instrument=b", 404),
        ("panels/basis_series.sql", 404),
        ("panels/none", 404),
    ] {
        let (found, body) = ask(&stage.url, &format!("/api/v1/{path}")).await;
        let told = |key: &str| body[key].as_str().is_some_and(|text| text.len() > 5);
        assert!(found == status && told("error") && told("hint"), "{path}: {found} {body}");
    }
}

/// Every panel has rows of the running market where it can, the statement that is copied gives the same columns
/// elsewhere, and the file has as many lines.
pub async fn rows_statement_and_file_agree(stage: &Stage) {
    let filled = |body: &Value| body["answer"]["rows"].as_u64().is_some_and(|rows| rows > 0);
    // Nothing is dated, settles or is traded while the test runs, and no audit has been made.
    let may_be_empty = |panel: &str| {
        let others = ["basis_term", "book_depth", "funding_carry", "audit_history", "gap_ledger", "alerts_active"];
        others.contains(&panel) || panel.starts_with("order") || panel.starts_with("backtest")
    };
    for (panel, question) in PANELS {
        let path = format!("/api/v1/panels/{panel}?{question}");
        if !may_be_empty(panel) {
            until(&stage.url, &path, Duration::from_secs(60), filled).await;
        }
        // An end in the past: the rows do not change between the three questions, late ones aside.
        let to = patient(&stage.url, &path).await["to_ms"].as_i64().unwrap() - 10_000;
        let at = format!("{path}{}to_ms={to}", if question.is_empty() { "" } else { "&" });
        let body = patient(&stage.url, &at).await;
        let text = client().get(format!("{}{at}&as=sql", stage.url)).send().await.unwrap().text().await.unwrap();
        assert!(!text.contains("{from_ms") && !text.contains("{venue"), "{panel}: values are written in: {text}");
        let options = Options::new().format("CSVWithNames");
        let bytes =
            stage.engines.client.query_bytes(&text, &options).await.unwrap_or_else(|e| panic!("{panel}: {e}\n{text}"));
        let answer = client().get(format!("{}{at}&as=csv", stage.url)).send().await.unwrap();
        assert!(answer.headers()["content-disposition"].to_str().unwrap().contains(&format!("{panel}.csv")));
        let file = answer.text().await.unwrap();
        let copied = String::from_utf8(bytes.to_vec()).unwrap();
        let names = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        assert_eq!(names(&file), names(&copied), "{panel}");
        let columns = body["answer"]["meta"].as_array().unwrap().len();
        assert_eq!(names(&file).split(',').count(), columns, "{panel}: {}", names(&file));
        if panel == "basis_series" {
            assert_eq!(file.lines().count() as u64, body["answer"]["rows"].as_u64().unwrap() + 1, "{file}");
        }
    }
}

/// What is shown as known then leaves out what came later, and says for the past what the marts say now.
pub async fn knowledge_has_a_moment(stage: &Stage) {
    let path = format!("/api/v1/panels/basis_series?{BTC}&range_s=60");
    let many = |body: &Value| body["answer"]["rows"].as_u64().is_some_and(|rows| rows >= 12);
    let now = until(&stage.url, &path, Duration::from_secs(60), many).await;
    let times: Vec<i64> = serde_json::from_value(now["answer"]["data"]["at_ms"].clone()).unwrap();
    let then = times[times.len() / 2];
    let to = now["to_ms"].as_i64().unwrap();
    let body = patient(&stage.url, &format!("{path}&to_ms={to}&known_ms={then}")).await;
    assert_eq!(body["known_ms"].as_i64(), Some(then));
    let known: Vec<i64> = serde_json::from_value(body["answer"]["data"]["at_ms"].clone()).unwrap();
    assert!(!known.is_empty() && known.iter().all(|at| *at <= then), "{known:?} against {then}");
    let whole = known[known.len() - 2];
    let value = |of: &Value, at: i64| {
        let row =
            of["answer"]["data"]["at_ms"].as_array().unwrap().iter().position(|t| t.as_i64() == Some(at)).unwrap();
        of["answer"]["data"]["basis_bps"][row].as_f64()
    };
    let (one, other) = (value(&now, whole), value(&body, whole));
    assert!(one.is_some() && (one.unwrap() - other.unwrap()).abs() < 1e-6, "{one:?} against {other:?}");
    let heat = patient(&stage.url, &format!("/api/v1/panels/funding_heat?known_ms={then}")).await;
    let received: Vec<i64> = serde_json::from_value(heat["answer"]["data"]["recv_ms"].clone()).unwrap_or_default();
    assert!(received.iter().all(|at| *at <= then), "{received:?}");
}
