//! The platform's page and its API.
//!
//! One task owns what the hot path tells and gives out snapshots ([`hot`]); a watcher times the way to
//! the warehouse; handlers answer from a snapshot or ask the warehouse with bound values. The page
//! itself is built from `web/` into the program.

#![forbid(unsafe_code)]

mod api;
mod assets;
mod config;
mod error;
pub mod hot;
mod metrics;
mod panels;
mod security;
mod seed;
mod services;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use kt_ops::Readiness;
use kt_warehouse::client::Client;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch as channel};
use tokio::task::JoinSet;
use tower_http::compression::CompressionLayer;

pub use config::{ConsoleConfig, CostConfig, Source};
pub use error::ConsoleError;
pub use hot::scanner::AgeLimits;

use hot::snapshot::Snapshot;
use hot::state::HotState;
use hot::task::{BusState, HotTask, Landing, Wires, wall_clock};
use metrics::Metrics;

/// How long open connections may take to end when the console stops.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// Serves the page until `shutdown` completes. Ready (`/health` 200) as soon as it receives the hot path.
///
/// # Errors
/// [`ConsoleError::Bind`] when the port is taken, [`ConsoleError::Warehouse`] for an address that is
/// none. Messaging and warehouse may come and go later: the page says so.
pub async fn serve(
    config: ConsoleConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ConsoleError> {
    let address = config.listen;
    let bind_error = |source| ConsoleError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(bind_error)?;
    serve_on(listener, config, shutdown).await
}

/// As [`serve`], on a listener that the caller opened.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(
    listener: TcpListener,
    config: ConsoleConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ConsoleError> {
    let config = Arc::new(config);
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let readiness = Readiness::not_ready("not connected to the hot path yet");
    let mut tasks = JoinSet::new();
    let shared = start(&config, &metrics, &readiness, &mut tasks)?;
    let app = Router::new()
        .nest("/api/v1", api::router(shared))
        .merge(kt_ops::router(Arc::new(registry), readiness))
        .fallback(assets::asset)
        .layer(CompressionLayer::new());
    let app = security::guard(app, &config);
    tracing::info!(address = %config.listen, "console listens");
    let (stop, stopped) = channel::channel(false);
    let mut served = tokio::spawn(async move {
        let mut stopped = stopped;
        let graceful = async move { drop(stopped.wait_for(|stop| *stop).await) };
        axum::serve(listener, app).with_graceful_shutdown(graceful).await
    });
    tokio::select! {
        () = shutdown => {}
        ended = &mut served => return ended.map_or(Ok(()), |result| result.map_err(ConsoleError::Serve)),
    }
    stop.send_replace(true);
    // With the tasks the live streams end; without that they would keep the server alive.
    tasks.shutdown().await;
    match tokio::time::timeout(STOP_WITHIN, &mut served).await {
        Ok(ended) => ended.map_or(Ok(()), |result| result.map_err(ConsoleError::Serve)),
        Err(_) => {
            served.abort();
            tracing::warn!("clients held their connections; cut them");
            Ok(())
        }
    }
}

/// Starts the tasks behind the handlers.
fn start(
    config: &Arc<ConsoleConfig>,
    metrics: &Metrics,
    readiness: &Readiness,
    tasks: &mut JoinSet<()>,
) -> Result<api::Shared, ConsoleError> {
    let mut client = Client::new(&config.warehouse_url)?;
    if let Some((user, password)) = &config.warehouse_user {
        client = client.with_user(user, password);
    }
    let stale_after_ms = u64::try_from(config.stale_after.as_millis()).unwrap_or(u64::MAX);
    let nothing = Snapshot::take(&HotState::default(), 0, wall_clock(), Arc::default(), config.limits, stale_after_ms);
    let unknown = |detail: &str| BusState { ok: false, detail: detail.to_owned() };
    let (snapshots, snapshots_seen) = channel::channel(Arc::new(nothing));
    let (bus, bus_seen) = channel::channel(unknown("connecting"));
    let (health, health_seen) = channel::channel(unknown("not asked yet"));
    let (landing, landing_seen) = channel::channel(Landing::default());
    let (samples, samples_wanted) = mpsc::channel(1);
    let (seeds_sent, seeds) = mpsc::channel(1);
    let wires = Wires { snapshots, bus, samples, landing: landing_seen, seeds, metrics: metrics.clone() };
    tasks.spawn(HotTask::new(wires, config.limits, config.stale_after).run(config.bus.clone()));
    tasks.spawn(watch::count(client.clone(), landing.clone(), health, seeds_sent, metrics.clone()));
    tasks.spawn(watch::probe(client.clone(), samples_wanted, landing, metrics.clone()));
    tasks.spawn(follow_readiness(bus_seen.clone(), readiness.clone()));
    Ok(api::Shared {
        config: Arc::clone(config),
        snapshots: snapshots_seen,
        bus: bus_seen,
        warehouse_state: health_seen,
        warehouse: api::Warehouse::new(client, metrics.clone()),
        metrics: metrics.clone(),
        places: Arc::new(Semaphore::new(config.max_clients)),
        started_ms: wall_clock().0 / 1_000_000,
        demonstration: api::Demonstration::default(),
        cost: api::Counted::default(),
    })
}

async fn follow_readiness(mut bus: channel::Receiver<BusState>, readiness: Readiness) {
    while bus.changed().await.is_ok() {
        let state = bus.borrow_and_update().clone();
        if state.ok { readiness.set_ready() } else { readiness.set_not_ready(state.detail) }
    }
}
