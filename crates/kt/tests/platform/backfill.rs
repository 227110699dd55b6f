//! Gaps are filled exactly: what the simulated exchange sent while nobody listened is there afterwards, once.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Platform, get, run, wait_for};

const LIMIT: Duration = Duration::from_secs(180);

/// The platform, and the questions of this test.
struct Stage {
    platform: Platform,
    sim: String,
}

impl Stage {
    fn up() -> Self {
        let mut platform = Platform::new(&[
            "sim.instruments=1",
            "sim.rate=400",
            "sim.tick_ms=100",
            "sim.history_hours=1",
            "backfill.attempts=2",
            "backfill.timeout_s=2",
            "backfill.longest_pause_s=3",
            "backfill.margin_ms=2000",
        ]);
        platform.up_with(&["--no-console"]);
        let sim = format!("127.0.0.1:{}", 9100 + platform.offset);
        Self { platform, sim }
    }

    /// Injects a fault.
    fn fault(&self, body: &str) {
        let mut stream = TcpStream::connect(&self.sim).expect("the simulated exchange");
        let length = body.len();
        write!(
            stream,
            "POST /sim/v1/faults HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        assert!(answer.contains("\"accepted\":true"), "{body}: {answer}");
    }

    /// The rows of a query, tab-separated.
    fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let (code, out, err) = run(&mut self.platform.kt(&["query", sql, "--format", "TSV"]));
        assert_eq!(code, 0, "{sql}: {err}");
        out.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    fn number(&self, sql: &str) -> u64 {
        self.rows(sql)[0][0].parse().expect("a number")
    }

    /// `kt backfill … --json`: exit code and report.
    fn backfill(&self, arguments: &[&str]) -> (i32, Value) {
        let all = [&["backfill"], arguments, &["--json"]].concat();
        let (code, out, err) = run(&mut self.platform.kt(&all));
        let report =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?} ({code}): {error}: {out}{err}"));
        (code, report)
    }

    /// What the exchange says it traded from one trade to another: id → time, price, quantity.
    fn truth(&self, from: u64, to: u64) -> BTreeMap<u64, (String, String, String)> {
        let mut truth = BTreeMap::new();
        let mut next = from;
        while next <= to {
            let (status, body) =
                get(&self.sim, &format!("/binance/api/v3/aggTrades?symbol=BTCUSDT&fromId={next}&limit=1000"));
            assert_eq!(status, 200, "{body}");
            let rows: Vec<Value> = serde_json::from_str(&body).expect("a list");
            assert!(!rows.is_empty(), "the exchange has no trade {next}");
            for row in rows {
                let id = row["a"].as_u64().expect("an id");
                let text = |name: &str| {
                    row[name].as_str().expect("text").trim_end_matches('0').trim_end_matches('.').to_owned()
                };
                truth.insert(id, (row["T"].to_string(), text("p"), text("q")));
                next = id + 1;
            }
        }
        truth.split_off(&(to + 1));
        truth
    }

    /// The landed trades of spot between two ids, as `truth` states them; every id once.
    fn landed(&self, from: u64, to: u64) -> BTreeMap<u64, (String, String, String)> {
        let rows = self.rows(&format!(
            "SELECT toUInt64(trade_id) AS id, toUnixTimestamp64Milli(event_ts), toString(price), toString(quantity) \
             FROM landing.trade FINAL WHERE venue = 'binance' AND id BETWEEN {from} AND {to} ORDER BY id"
        ));
        let count = rows.len();
        let landed: BTreeMap<_, _> = rows
            .into_iter()
            .map(|row| (row[0].parse().expect("an id"), (row[1].clone(), row[2].clone(), row[3].clone())))
            .collect();
        assert_eq!(landed.len(), count, "an id stands there twice");
        landed
    }

    /// Lowest and highest landed id of spot since a time.
    fn ids(&self, condition: &str) -> (u64, u64) {
        let sql = format!(
            "SELECT min(toUInt64(trade_id)), max(toUInt64(trade_id)) FROM landing.trade WHERE venue = 'binance' AND {condition}"
        );
        let row = &self.rows(&sql)[0];
        (row[0].parse().expect("an id"), row[1].parse().expect("an id"))
    }

    /// Whether seconds of the candles hold as many trades as landing.
    fn candles_agree(&self) -> bool {
        // Seconds that are over for a while: nothing of them is on its way.
        let sql = "SELECT count() FROM (SELECT instrument, toDateTime(event_ts, 'UTC') AS ts, sum(trade_count) AS n \
            FROM landing.trade FINAL WHERE event_ts < now64(9) - INTERVAL 10 SECOND GROUP BY instrument, ts) AS t \
            LEFT JOIN (SELECT instrument, ts, trade_count AS n FROM marts.candle_1s FINAL) AS c \
            ON t.instrument = c.instrument AND t.ts = c.ts WHERE t.n != c.n";
        self.number(sql) == 0
    }
}

#[test]
fn gaps_are_filled_exactly_and_once() {
    let stage = Stage::up();
    wait_for("trades to land", LIMIT, || {
        (stage.number("SELECT count() FROM landing.trade WHERE venue = 'binance'") > 50).then_some(())
    });
    stage.fault(r#"{"venue":"binance","fault":"outage","ms":4000}"#);
    wait_for("the gap to be announced", LIMIT, || {
        (stage
            .number("SELECT count() FROM ops.gaps WHERE venue = 'binance' AND cause = 'disconnect' AND state = 'open'")
            > 0)
        .then_some(())
    });
    std::thread::sleep(Duration::from_secs(4));
    wrong_sources_leave_the_ledger_open(&stage);

    let (code, report) = stage.backfill(&["gaps"]);
    assert_eq!((code, &report["open"]), (0, &0.into()), "{report}");
    assert!(report["inserted"].as_u64() > Some(10) && report["present"].as_u64() > Some(10), "{report}");
    let (from, to) = stage.ids("origin != 'backfill'");
    assert_eq!(stage.landed(from, to), stage.truth(from, to), "landing is not what the exchange sent");
    assert_eq!(stage.number("SELECT count() FROM ops.gaps WHERE state = 'open'"), 0);
    let books = stage.rows("SELECT DISTINCT state, reason != '' FROM ops.gap_fills FINAL WHERE kind = 'book'");
    assert_eq!(books, [["unrecoverable", "1"]], "nothing brings past books back");
    wait_for("the candles to be computed anew", LIMIT, || stage.candles_agree().then_some(()));

    two_years_of_funding_are_there(&stage);

    // A killed run goes on where it was; run again, nothing changes any more.
    a_killed_run_resumes(&stage);
    stage.fault(r#"{"venue":"binance","fault":"pause","ms":600000}"#);
    std::thread::sleep(Duration::from_secs(1));
    let before = audit(&stage);
    let (code, report) = stage.backfill(&["gaps"]);
    assert_eq!((code, &report["inserted"]), (0, &0.into()), "{report}");
    let (from, to) = hour(&stage);
    let again = ["trades", "--venue", "binance", "--instrument", "BTC-USDT-SPOT", "--from", &from, "--to", &to];
    let (code, report) = stage.backfill(&again);
    assert_eq!((code, &report["inserted"], report["present"] == report["found"]), (0, &0.into(), true), "{report}");
    // Signals and alerts go on writing: what backfills wrote, and the gaps, are as they were.
    let after = audit(&stage);
    assert_eq!((of_backfills(&after), &after["gaps"]), (of_backfills(&before), &before["gaps"]));
    assert_eq!(after["duplicated"], 0, "{after}");
    assert_eq!((before["lost"].as_u64(), before["duplicated"].as_u64()), (Some(0), Some(0)), "{before}");
}

/// Each way in which a source can fail leaves the ledger open and says why.
fn wrong_sources_leave_the_ledger_open(stage: &Stage) {
    for (fault, reason) in [
        (r#""fault":"rest_down","requests":2"#, "source down"),
        (r#""fault":"rest_slow","requests":2,"ms":6000"#, "source slow"),
        (r#""fault":"rest_limit","requests":1,"retry_after_s":600"#, "rate limited"),
        (r#""fault":"rest_wrong","requests":1,"how":"skip""#, "source wrong"),
        (r#""fault":"rest_wrong","requests":1,"how":"price""#, "source wrong"),
        (r#""fault":"rest_wrong","requests":1,"how":"short""#, "source wrong"),
        (r#""fault":"rest_wrong","requests":1,"how":"cut""#, "source wrong"),
    ] {
        stage.fault(&format!(r#"{{"venue":"binance","path":"aggTrades",{fault}}}"#));
        let (code, report) = stage.backfill(&["gaps", "--venue", "binance", "--kind", "trade"]);
        assert_eq!(code, 1, "{fault}: {report}");
        let (_, list) = stage.backfill(&["list"]);
        let open = list["partitions"].as_array().expect("partitions").iter().find(|part| part["kind"] == "trade");
        let said = open.and_then(|part| part["reason"].as_str()).unwrap_or_default().to_owned();
        assert!(said.starts_with(reason), "{fault} should be {reason}: {said}");
    }
    // The lists fail: an instrument is not guessed at.
    stage.fault(r#"{"venue":"binance","path":"exchangeInfo","fault":"rest_down","requests":2}"#);
    let (code, report) = stage.backfill(&["gaps", "--venue", "binance", "--kind", "trade"]);
    assert!(
        code == 1 && report["partitions"][0]["reason"].as_str().is_some_and(|said| said.contains("exchangeInfo")),
        "{report}"
    );
    // A pause that is short enough is kept, and the fill goes on: shown on a kind that the rest of the test leaves alone.
    stage.fault(r#"{"venue":"binance_usdm","path":"fundingRate","fault":"rest_limit","requests":1,"retry_after_s":2}"#);
    let begun = Instant::now();
    let (code, report) =
        stage.backfill(&["funding", "--venue", "binance_usdm", "--instrument", "BTC-USDT-USDT-PERP", "--since", "3d"]);
    assert!(code == 0 && report["found"] == 9 && begun.elapsed() >= Duration::from_secs(2), "{report}");
}

/// Every settlement of two years, at every venue that has them, as the exchange states it; a second time nothing is missing.
fn two_years_of_funding_are_there(stage: &Stage) {
    let before = stage.number("SELECT count() FROM landing.funding FINAL WHERE stage = 'settled'");
    let (code, report) = stage.backfill(&["funding", "--since", "2y"]);
    assert_eq!((code, &report["failed"]), (0, &0.into()), "{report}");
    let mut truth = Vec::new();
    let mut from = 0;
    for window in report["windows"].as_array().expect("windows") {
        assert_eq!((&window["venue"], &window["reason"]), (&"binance_usdm".into(), &"".into()), "{report}");
        let moment = |end: &str| {
            let text = window[end].as_str().expect("a time");
            let sql = format!("SELECT toUnixTimestamp64Milli(parseDateTime64BestEffort('{text}', 3, 'UTC'))");
            stage.number(&sql)
        };
        let to = moment("to");
        from = moment("from");
        let mut next = from;
        loop {
            let path =
                format!("/binance_usdm/fapi/v1/fundingRate?symbol=BTCUSDT&startTime={next}&endTime={to}&limit=1000");
            let (status, body) = get(&stage.sim, &path);
            assert_eq!(status, 200, "{body}");
            let rows: Vec<Value> = serde_json::from_str(&body).expect("a list");
            let Some(last) = rows.last() else { break };
            next = last["fundingTime"].as_u64().expect("a time") + 1;
            truth.extend(rows.iter().map(|row| {
                let rate = row["fundingRate"].as_str().expect("text");
                let rate = rate.trim_end_matches('0').trim_end_matches('.');
                (row["fundingTime"].as_u64().expect("a time"), if rate == "-0" { "0" } else { rate }.to_owned())
            }));
        }
    }
    assert!(truth.len() > 2_000 && report["found"] == truth.len(), "{} settlements: {report}", truth.len());
    let sql = format!(
        "SELECT toUnixTimestamp64Milli(event_ts), toString(rate) FROM landing.funding FINAL \
         WHERE stage = 'settled' AND event_ts >= fromUnixTimestamp64Milli(toInt64({from}), 'UTC') ORDER BY event_ts"
    );
    let landed: Vec<(u64, String)> =
        stage.rows(&sql).into_iter().map(|row| (row[0].parse().expect("a time"), row[1].clone())).collect();
    assert_eq!(landed, truth, "landing is not what the exchange settled; {before} were there before");
    let (code, report) = stage.backfill(&["funding", "--since", "2y"]);
    assert_eq!((code, &report["inserted"]), (0, &0.into()), "{report}");
}

/// Begin and end of the hour before the platform was started, in milliseconds.
fn hour(stage: &Stage) -> (String, String) {
    let sql =
        "SELECT toUnixTimestamp64Milli(min(event_ts)) FROM landing.trade WHERE venue = 'binance' AND origin = 'live'";
    let end = i64::try_from(stage.number(sql)).expect("a time");
    ((end - 3_500_000).to_string(), (end - 60_000).to_string())
}

fn a_killed_run_resumes(stage: &Stage) {
    let (from, to) = hour(stage);
    stage.fault(r#"{"venue":"binance","path":"aggTrades","fault":"rest_slow","requests":1000,"ms":100}"#);
    let window =
        ["backfill", "trades", "--venue", "binance", "--instrument", "BTC-USDT-SPOT", "--from", &from, "--to", &to];
    let mut child = stage.platform.kt(&window).stderr(std::process::Stdio::null()).spawn().expect("kt starts");
    let part = "SELECT count() FROM ops.backfill_progress WHERE finished = 0";
    wait_for("a part to be accepted", LIMIT, || (stage.number(part) > 0).then_some(()));
    child.kill().expect("kill");
    child.wait().expect("wait");
    let (code, report) = stage.backfill(&window[1..]);
    let resumed = &report["windows"][0];
    assert!(code == 0 && resumed["resumed"] == true, "{report}");
    let condition = format!(
        "event_ts BETWEEN fromUnixTimestamp64Milli(toInt64({from}), 'UTC') AND fromUnixTimestamp64Milli(toInt64({to}), 'UTC')"
    );
    let (first, last) = stage.ids(&condition);
    assert_eq!(stage.landed(first, last), stage.truth(first, last));
    assert_eq!(resumed["inserted"].as_u64(), Some(last - first + 1), "{report}");
}

fn audit(stage: &Stage) -> Value {
    let (_, out, err) = run(&mut stage.platform.kt(&["audit", "--json", "--settle", "30"]));
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("kt audit: {error}: {out}{err}"))
}

/// The audit's accounts of the backfills' writers.
fn of_backfills(audit: &Value) -> Vec<&Value> {
    let writers = audit["writers"].as_array().expect("writers").iter();
    writers.filter(|writer| writer["writer"].as_str().is_some_and(|name| name.starts_with("backfill-"))).collect()
}
