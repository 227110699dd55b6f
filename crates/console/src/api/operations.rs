//! Rates, feeds, gaps, quarantine and the state of the platform.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kt_model::schema::Kind;
use kt_warehouse::client::Options;
use serde::{Deserialize, Serialize};

use super::query::{Asked, bounded};
use super::{Problem, Shared};
use crate::config::Source;
use crate::hot::tally::{HISTORY_SECONDS, Second};
use crate::hot::task::{BusState, wall_clock};
use crate::services::{self, Service};

/// Which seconds are wanted.
#[derive(Deserialize)]
pub struct Newest {
    seconds: Option<u32>,
}

/// Finished seconds of the hot path.
#[derive(Serialize)]
pub struct History {
    now_ms: i64,
    kinds: Vec<&'static str>,
    seconds: Vec<Arc<Second>>,
}

/// `GET /api/v1/history?seconds`
pub async fn history(State(shared): State<Shared>, Asked(newest): Asked<Newest>) -> Result<Json<History>, Problem> {
    let most = HISTORY_SECONDS as u32;
    let wanted = bounded("seconds", newest.seconds.unwrap_or(most), most)? as usize;
    let snapshot = shared.snapshots.borrow().clone();
    let from = snapshot.history.len().saturating_sub(wanted);
    Ok(Json(History {
        now_ms: snapshot.now.0 / 1_000_000,
        kinds: Kind::ALL.iter().map(|kind| kind.as_str()).collect(),
        seconds: snapshot.history[from..].to_vec(),
    }))
}

/// `GET /api/v1/feeds`: the common part of the live stream, once.
pub async fn feeds(State(shared): State<Shared>) -> Response {
    let snapshot = shared.snapshots.borrow().clone();
    ([(header::CONTENT_TYPE, "application/json")], snapshot.common().to_owned()).into_response()
}

/// How many gaps are listed.
#[derive(Deserialize)]
pub struct Listed {
    limit: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Gap {
    venue: String,
    instrument: String,
    kind: String,
    cause: String,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    missing: Option<u64>,
    detail: String,
}

#[derive(Deserialize)]
struct Total {
    total: u64,
}

/// The gap ledger: open gaps, newest first.
#[derive(Serialize)]
pub struct Gaps {
    now_ms: i64,
    open: u64,
    gaps: Vec<Gap>,
}

/// `GET /api/v1/gaps?limit`
pub async fn gaps(State(shared): State<Shared>, Asked(listed): Asked<Listed>) -> Result<Json<Gaps>, Problem> {
    let limit = bounded("limit", listed.limit.unwrap_or(100), 1_000)?;
    let list = "SELECT venue, instrument, toString(kind) AS kind, toString(cause) AS cause, \
        toUnixTimestamp64Milli(from_ts) AS from_ms, toUnixTimestamp64Milli(to_ts) AS to_ms, missing, detail \
        FROM ops.gaps WHERE state = 'open' ORDER BY event_ts DESC, counter DESC LIMIT {limit:UInt32}";
    let total: Vec<Total> =
        shared.warehouse.rows("SELECT count() AS total FROM ops.gaps WHERE state = 'open'", Options::new()).await?;
    let gaps = shared.warehouse.rows(list, Options::new().param("limit", limit)).await?;
    let open = total.first().map_or(0, |row| row.total);
    Ok(Json(Gaps { now_ms: wall_clock().0 / 1_000_000, open, gaps }))
}

#[derive(Serialize, Deserialize)]
struct Refused {
    kind: String,
    venue: String,
    cause: String,
    count: u64,
    last_ms: i64,
    detail: String,
}

/// What was refused or looked wrong in the last day.
#[derive(Serialize)]
pub struct Quarantine {
    now_ms: i64,
    hours: u32,
    rows: Vec<Refused>,
}

/// `GET /api/v1/quarantine`
pub async fn quarantine(State(shared): State<Shared>) -> Result<Json<Quarantine>, Problem> {
    const HOURS: u32 = 24;
    const SQL: &str = "SELECT * FROM ( \
        SELECT 'quarantine' AS kind, venue, toString(reason) AS cause, count() AS count, \
            toUnixTimestamp64Milli(max(recv_ts)) AS last_ms, substringUTF8(argMax(detail, recv_ts), 1, 240) AS detail \
        FROM ops.quarantine FINAL WHERE recv_ts > now64(9) - toIntervalHour({hours:UInt32}) GROUP BY venue, reason \
        UNION ALL \
        SELECT 'suspect' AS kind, venue, toString(cause) AS cause, count() AS count, \
            toUnixTimestamp64Milli(max(recv_ts)) AS last_ms, substringUTF8(argMax(detail, recv_ts), 1, 240) AS detail \
        FROM landing.status FINAL WHERE state = 'suspect' AND recv_ts > now64(9) - toIntervalHour({hours:UInt32}) \
        GROUP BY venue, cause \
        ) ORDER BY count DESC LIMIT 200";
    let rows = shared.warehouse.rows(SQL, Options::new().param("hours", HOURS)).await?;
    Ok(Json(Quarantine { now_ms: wall_clock().0 / 1_000_000, hours: HOURS, rows }))
}

#[derive(Serialize)]
struct Part {
    ok: bool,
    detail: String,
}

/// The platform as a whole.
#[derive(Serialize)]
pub struct Platform {
    now_ms: i64,
    started_ms: i64,
    source: Source,
    bus: Part,
    warehouse: Part,
    services: Option<Vec<Service>>,
    services_problem: Option<String>,
}

/// `GET /api/v1/platform`
pub async fn platform(State(shared): State<Shared>) -> Json<Platform> {
    let part = |state: &BusState| Part { ok: state.ok, detail: state.detail.clone() };
    let (services, services_problem) = match &shared.config.control_socket {
        None => (None, Some("No supervisor was named to this console.".to_owned())),
        Some(socket) => match services::ask(socket).await {
            Ok(services) => (Some(services), None),
            Err(problem) => (None, Some(problem)),
        },
    };
    Json(Platform {
        now_ms: wall_clock().0 / 1_000_000,
        started_ms: shared.started_ms,
        source: shared.config.source,
        bus: part(&shared.bus.borrow()),
        warehouse: part(&shared.warehouse_state.borrow()),
        services,
        services_problem,
    })
}
