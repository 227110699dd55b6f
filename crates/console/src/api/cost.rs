//! What the data costs per month: counted once in a while, however many pages ask.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use kt_warehouse::tiers::{self, Prices, VenueCost};
use serde::Serialize;
use tokio::sync::Mutex;

use super::{Problem, Shared};
use crate::config::CostConfig;
use crate::hot::task::wall_clock;

/// A count goes over every part of landing: it is done anew after this long.
const KEEP: Duration = Duration::from_secs(60);
/// How long a count may take.
const COUNT_WITHIN: Duration = Duration::from_secs(20);

/// What was counted last.
pub type Counted = Arc<Mutex<Option<(Instant, Arc<Cost>)>>>;

/// Landing's cost by venue.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    now_ms: i64,
    /// When it was counted, ms UTC.
    counted_ms: i64,
    currency: String,
    hot_price: f64,
    cold_price: f64,
    hot_days: Option<u32>,
    venues: Vec<VenueCost>,
}

/// `GET /api/v1/cost`
pub async fn cost(State(shared): State<Shared>) -> Result<Json<Cost>, Problem> {
    let Some(config) = &shared.config.cost else {
        return Err(Problem::not_found("this console knows no prices", "`kt cost` counts with those of `tiers`"));
    };
    // One count at a time; who comes meanwhile waits for it and takes its result.
    let mut held = shared.cost.lock().await;
    if let Some((at, counted)) = held.as_ref().filter(|(at, _)| at.elapsed() < KEEP) {
        tracing::trace!(age = ?at.elapsed(), "the last count is given");
        return Ok(Json(Cost { now_ms: wall_clock().0 / 1_000_000, ..Cost::clone(counted) }));
    }
    let counted = Arc::new(count(&shared, config).await?);
    *held = Some((Instant::now(), Arc::clone(&counted)));
    Ok(Json(Cost::clone(&counted)))
}

async fn count(shared: &Shared, config: &CostConfig) -> Result<Cost, Problem> {
    let prices = Prices { hot: config.hot_price, cold: config.cold_price, hot_days: config.hot_days };
    let counting = tokio::time::timeout(COUNT_WITHIN, tiers::cost(shared.warehouse.client(), &prices));
    let (outcome, answer) = match counting.await {
        Ok(Ok(venues)) => ("ok", Ok(venues)),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the cost cannot be counted");
            ("error", Err(Problem::behind("the warehouse did not count what is stored", "see the console's log")))
        }
        Err(_) => ("timeout", Err(Problem::late("the warehouse took too long to count what is stored"))),
    };
    shared.metrics.query(outcome);
    let now_ms = wall_clock().0 / 1_000_000;
    Ok(Cost {
        now_ms,
        counted_ms: now_ms,
        currency: config.currency.clone(),
        hot_price: config.hot_price,
        cold_price: config.cold_price,
        hot_days: config.hot_days,
        venues: answer?,
    })
}
