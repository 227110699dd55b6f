//! How the orchestration's jobs, assets and checks ended last.

use axum::Json;
use axum::extract::State;
use kt_warehouse::client::Options;
use serde::{Deserialize, Serialize};

use super::query::{Asked, bounded};
use super::{Problem, Shared};
use crate::hot::task::wall_clock;

/// How many are listed.
#[derive(Deserialize)]
pub struct Listed {
    limit: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Outcome {
    part: String,
    name: String,
    partition: String,
    outcome: String,
    cause: String,
    run_id: String,
    started_ms: i64,
    ended_ms: i64,
    trigger: String,
}

/// The last outcome of each part, what went wrong first.
#[derive(Serialize)]
pub struct Orchestration {
    now_ms: i64,
    /// Jobs and assets whose last outcome is a failure.
    failures: usize,
    /// Checks whose last outcome is not success.
    failed_checks: usize,
    parts: usize,
    outcomes: Vec<Outcome>,
}

/// `GET /api/v1/orchestration?limit`
pub async fn orchestration(
    State(shared): State<Shared>,
    Asked(listed): Asked<Listed>,
) -> Result<Json<Orchestration>, Problem> {
    // Some hundred parts at most: assets, checks and jobs.
    const SQL: &str = "SELECT toString(part) AS part, name, partition, toString(outcome) AS outcome, cause, run_id, \
        toUnixTimestamp64Milli(started_at) AS started_ms, toUnixTimestamp64Milli(ended_at) AS ended_ms, trigger \
        FROM ops.pipeline_latest \
        ORDER BY multiIf(outcome = 'failure', 0, outcome = 'warning', 1, outcome = 'canceled', 2, 3), \
            part, ended_at DESC, name";
    let limit = bounded("limit", listed.limit.unwrap_or(100), 1_000)? as usize;
    let mut outcomes: Vec<Outcome> = shared.warehouse.rows(SQL, Options::new()).await?;
    let count = |wanted: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let failures = count(&|outcome| outcome.part != "check" && outcome.outcome == "failure");
    let failed_checks = count(&|outcome| outcome.part == "check" && outcome.outcome != "success");
    let parts = outcomes.len();
    outcomes.truncate(limit);
    Ok(Json(Orchestration { now_ms: wall_clock().0 / 1_000_000, failures, failed_checks, parts, outcomes }))
}
