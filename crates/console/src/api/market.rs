//! Candles, basis, instruments and the scanner.

use axum::Json;
use axum::extract::State;
use kt_warehouse::client::Options;
use serde::{Deserialize, Serialize};

use super::query::{Asked, bounded, moment, name};
use super::{Problem, Shared};
use crate::hot::scanner::Scanner;
use crate::hot::task::wall_clock;

/// Most buckets of one answer.
const MOST_BUCKETS: u32 = 5_000;

/// A range of time buckets: the newest `limit`, or those before `to_ms`.
#[derive(Deserialize)]
pub struct Range {
    venue: String,
    instrument: String,
    #[serde(default)]
    interval: Interval,
    limit: Option<u32>,
    to_ms: Option<i64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum Interval {
    #[default]
    #[serde(rename = "1s")]
    Second,
    #[serde(rename = "1m")]
    Minute,
}

impl Interval {
    fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Second => "marts.candle_1s",
            Self::Minute => "marts.candle_1m",
        }
    }
}

impl Range {
    /// Bound values: names, the end (0 means the newest row) and the span in seconds.
    fn options(&self, seconds: u32) -> Result<Options, Problem> {
        name("venue", &self.venue)?;
        name("instrument", &self.instrument)?;
        let limit = bounded("limit", self.limit.unwrap_or(300), MOST_BUCKETS)?;
        let to = self.to_ms.map_or(Ok(0), |at| moment("to_ms", at))?;
        Ok(Options::new()
            .param("venue", &self.venue)
            .param("instrument", &self.instrument)
            .param("to", to)
            .param("span", limit * seconds))
    }
}

/// The buckets wanted: the end is the newest row, or what was asked for, so that a replay of an old day
/// shows its own time.
fn window(table: &str) -> String {
    format!(
        "WITH (SELECT max(ts) FROM {table} WHERE venue = {{venue:String}} AND instrument = {{instrument:String}} \
         AND ({{to:Int64}} = 0 OR ts <= toDateTime({{to:Int64}}, 'UTC'))) AS newest "
    )
}

const WITHIN: &str = "WHERE venue = {venue:String} AND instrument = {instrument:String} \
    AND ts > newest - toIntervalSecond({span:UInt32}) AND ts <= newest ORDER BY ts";

#[derive(Deserialize)]
struct CandleRow {
    open_ms: i64,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    trades: u64,
    unit: String,
    recv_ms: i64,
}

/// Candles, one array per column.
#[derive(Default, Serialize)]
pub struct Candles {
    now_ms: i64,
    unit: String,
    /// When the newest trade in it was received: its age on our clock, also in a replay of old days.
    newest_recv_ms: Option<i64>,
    open_ms: Vec<i64>,
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
    trades: Vec<u64>,
}

/// `GET /api/v1/candles?venue&instrument&interval=1s|1m&limit&to_ms`
pub async fn candles(State(shared): State<Shared>, Asked(range): Asked<Range>) -> Result<Json<Candles>, Problem> {
    let table = range.interval.table();
    let sql = format!(
        "{}SELECT toUnixTimestamp(ts) * 1000 AS open_ms, toFloat64(open) AS open, toFloat64(high) AS high, \
         toFloat64(low) AS low, toFloat64(close) AS close, toFloat64(volume) AS volume, trade_count AS trades, \
         toString(quantity_unit) AS unit, toUnixTimestamp64Milli(newest_recv_ts) AS recv_ms FROM {table} AS c FINAL {WITHIN}",
        window(table)
    );
    let rows: Vec<CandleRow> = shared.warehouse.rows(&sql, range.options(range.interval.seconds())?).await?;
    let mut answer = Candles { now_ms: wall_clock().0 / 1_000_000, ..Candles::default() };
    answer.unit = rows.last().map(|row| unit_words(&row.unit, &range.instrument)).unwrap_or_default();
    answer.newest_recv_ms = rows.iter().map(|row| row.recv_ms).max();
    for row in rows {
        answer.open_ms.push(row.open_ms);
        answer.open.push(row.open);
        answer.high.push(row.high);
        answer.low.push(row.low);
        answer.close.push(row.close);
        answer.volume.push(row.volume);
        answer.trades.push(row.trades);
    }
    Ok(Json(answer))
}

/// `base` of `BTC-USDT-SPOT` is BTC; contracts stay contracts.
fn unit_words(unit: &str, instrument: &str) -> String {
    let mut parts = instrument.split('-');
    let (base, quote) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match unit {
        "base" => base.to_owned(),
        "quote" => quote.to_owned(),
        _ => "contracts".to_owned(),
    }
}

#[derive(Deserialize)]
struct BasisRow {
    at_ms: i64,
    basis_bps: Option<f64>,
    spot_venue: String,
    spot_instrument: String,
}

/// The basis of one perpetual per second.
#[derive(Serialize)]
pub struct BasisSeries {
    now_ms: i64,
    reference_venue: Option<String>,
    reference_instrument: Option<String>,
    at_ms: Vec<i64>,
    basis_bps: Vec<Option<f64>>,
}

/// `GET /api/v1/basis?venue&instrument&limit&to_ms`
pub async fn basis(State(shared): State<Shared>, Asked(range): Asked<Range>) -> Result<Json<BasisSeries>, Problem> {
    const TABLE: &str = "marts.basis_1s";
    let sql = format!(
        "{}SELECT toUnixTimestamp(ts) * 1000 AS at_ms, basis_bps, spot_venue, spot_instrument FROM {TABLE} FINAL {WITHIN}",
        window(TABLE)
    );
    let rows: Vec<BasisRow> = shared.warehouse.rows(&sql, range.options(1)?).await?;
    let last = rows.last();
    Ok(Json(BasisSeries {
        now_ms: wall_clock().0 / 1_000_000,
        reference_venue: last.map(|row| row.spot_venue.clone()),
        reference_instrument: last.map(|row| row.spot_instrument.clone()),
        at_ms: rows.iter().map(|row| row.at_ms).collect(),
        basis_bps: rows.iter().map(|row| row.basis_bps).collect(),
    }))
}

/// Every instrument that has sent an event.
#[derive(Serialize)]
pub struct Instruments {
    now_ms: i64,
    venue: Vec<std::sync::Arc<str>>,
    instrument: Vec<std::sync::Arc<str>>,
    events: Vec<u64>,
    last_ms: Vec<Option<i64>>,
}

/// `GET /api/v1/instruments`
pub async fn instruments(State(shared): State<Shared>) -> Json<Instruments> {
    let snapshot = shared.snapshots.borrow().clone();
    let all = &snapshot.instruments;
    let last = |of: &crate::hot::market::InstrumentNow| {
        let times = [of.quote.map(|q| q.recv), of.trade.map(|t| t.recv), of.mark.mark.map(|m| m.1)];
        times.into_iter().flatten().max().map(|at| at.0 / 1_000_000)
    };
    Json(Instruments {
        now_ms: snapshot.now.0 / 1_000_000,
        venue: all.iter().map(|of| of.venue.clone()).collect(),
        instrument: all.iter().map(|of| of.instrument.clone()).collect(),
        events: all.iter().map(|of| of.events).collect(),
        last_ms: all.iter().map(|of| last(of)).collect(),
    })
}

/// `GET /api/v1/scanner`
pub async fn scanner(State(shared): State<Shared>) -> Json<Scanner> {
    let snapshot = shared.snapshots.borrow().clone();
    Json(snapshot.scanner().clone())
}
