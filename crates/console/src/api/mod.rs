//! The API under `/api/v1`: what the page asks for.

mod cost;
mod demonstration;
mod live;
mod market;
mod operations;
mod orchestration;
pub mod panel;
mod problem;
mod query;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::sync::{Semaphore, watch};

use crate::config::ConsoleConfig;
use crate::hot::snapshot::Snapshot;
use crate::hot::task::BusState;
use crate::metrics::Metrics;

pub use cost::Counted;
pub use demonstration::Demonstration;
pub use problem::Problem;
pub use query::Warehouse;

/// What the handlers share.
#[derive(Clone)]
pub struct Shared {
    /// Configuration.
    pub config: Arc<ConsoleConfig>,
    /// Newest snapshot of the hot path.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Connection to the messaging server.
    pub bus: watch::Receiver<BusState>,
    /// Whether the warehouse answers.
    pub warehouse_state: watch::Receiver<BusState>,
    /// Questions to the warehouse.
    pub warehouse: Warehouse,
    /// Counters.
    pub metrics: Metrics,
    /// Places for live streams.
    pub places: Arc<Semaphore>,
    /// When the console started, ms UTC.
    pub started_ms: i64,
    /// Ending a service for show.
    pub demonstration: Demonstration,
    /// What the data costs, as counted last.
    pub cost: Counted,
}

impl Shared {
    /// The end of what the warehouse holds, ms UTC: the newest second of its marts, or the present when they are
    /// empty. In a replay it is not today.
    ///
    /// # Errors
    /// As [`Warehouse::rows`].
    pub async fn newest(&self) -> Result<i64, Problem> {
        #[derive(serde::Deserialize)]
        struct Newest {
            at_ms: i64,
        }
        const SQL: &str = "SELECT greatest((SELECT toUnixTimestamp(max(ts)) FROM marts.quote_1s), \
            (SELECT toUnixTimestamp(max(ts)) FROM marts.candle_1s)) * 1000 AS at_ms";
        let rows: Vec<Newest> = self.warehouse.rows(SQL, kt_warehouse::client::Options::new()).await?;
        let now = crate::hot::task::wall_clock().0 / 1_000_000;
        Ok(rows.first().map(|row| row.at_ms + 1000).filter(|at| *at > 1000).map_or(now, |at| at.min(now)))
    }
}

/// The API's routes.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/candles", get(market::candles))
        .route("/basis", get(market::basis))
        .route("/instruments", get(market::instruments))
        .route("/scanner", get(market::scanner))
        .route("/history", get(operations::history))
        .route("/feeds", get(operations::feeds))
        .route("/gaps", get(operations::gaps))
        .route("/orchestration", get(orchestration::orchestration))
        .route("/quarantine", get(operations::quarantine))
        .route("/platform", get(operations::platform))
        .route("/panels/{panel}", get(panel::panel))
        .route("/cost", get(cost::cost))
        .route("/demonstration", get(demonstration::offer).post(demonstration::start))
        .route("/live", get(live::live))
        .fallback(|| async { Problem::not_found("there is no such question", "see docs/reference/console.md") })
        .method_not_allowed_fallback(|| async { Problem::method("the API only answers GET") })
        .with_state(shared)
}
