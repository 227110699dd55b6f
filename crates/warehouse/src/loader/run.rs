//! Starts the loader's parts and ends them together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kt_bus::Bus;
use kt_model::Nanos;
use kt_ops::Readiness;
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::LoaderConfig;
use super::batch::{Insert, Recovered};
use super::coordinate::Coordinator;
use super::error::LoaderError;
use super::fetch::{Room, fetch};
use super::insert::Inserter;
use super::lease::{Lease, LeaseState};
use super::metrics::LoaderMetrics;
use super::plan::Planner;
use super::recover::recover;
use super::watermarks::Watermarks;
use crate::client::Client;
use crate::marts::MartsMetrics;

/// Name of the loaders' lease.
const LEASE: &str = "loader";
/// Fetched blocks between the reader and the coordinator; their bytes are bounded by the room.
const FETCHED: usize = 1_024;

/// Loads until `shutdown` completes, then lands what it holds and gives the lease back.
///
/// # Errors
/// [`LoaderError`]: the log or tables are not usable, or another loader took over. A warehouse that is
/// down or full is waited for, with nothing acknowledged meanwhile.
pub async fn run(config: LoaderConfig, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), LoaderError> {
    let stop = CancellationToken::new();
    let mut registry = Registry::default();
    let metrics = LoaderMetrics::register(&mut registry);
    let marts_metrics = MartsMetrics::register(&mut registry);
    let readiness = Readiness::not_ready("waiting for messaging, warehouse and lease");
    let operations = tokio::spawn(kt_ops::serve(
        config.metrics,
        Arc::new(registry),
        readiness.clone(),
        stop.clone().cancelled_owned(),
    ));
    let stopping = stop.clone();
    let waiting = tokio::spawn(async move {
        shutdown.await;
        stopping.cancel();
    });
    let outcome = tokio::select! {
        outcome = load(&config, metrics, marts_metrics, &readiness, stop.clone()) => outcome,
        served = operations => served.unwrap_or(Ok(())).map_err(LoaderError::from),
    };
    stop.cancel();
    waiting.abort();
    outcome
}

async fn load(
    config: &LoaderConfig,
    metrics: LoaderMetrics,
    marts_metrics: MartsMetrics,
    readiness: &Readiness,
    stop: CancellationToken,
) -> Result<(), LoaderError> {
    let started = tokio::select! {
        started = start(config, readiness) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    let Started { bus, client, mut lease, recovered } = started;
    metrics.leading.set(1);
    readiness.set_ready();
    let marts = config.marts.clone().map(|marts| {
        tokio::spawn(crate::marts::run(marts, client.clone(), lease.state(), marts_metrics, stop.clone()))
    });
    let right = Right { state: lease.state(), fence: lease.fence() };
    let outcome = tokio::select! {
        outcome = work(config, &bus, &client, right, metrics, recovered, stop.clone()) => outcome,
        lost = lease.keep() => Err(lost),
    };
    stop.cancel();
    if let Some(marts) = marts {
        // The worker ends after its round; a panic in it is an error of the service.
        marts.await.map_err(|_| LoaderError::PartEnded("marts worker"))?;
    }
    if outcome.is_ok() {
        lease.release().await;
    }
    if let Err(error) = bus.flush(Duration::from_secs(5)).await {
        tracing::warn!(%error, "the last messages may not have been sent");
    }
    outcome
}

/// What the holder of the lease may do, and under which number.
struct Right {
    state: LeaseState,
    fence: u64,
}

struct Started {
    bus: Bus,
    client: Client,
    lease: Lease,
    recovered: Recovered,
}

async fn start(config: &LoaderConfig, readiness: &Readiness) -> Result<Started, LoaderError> {
    let bus = Bus::connect(&config.bus).await?;
    bus.ensure_log(&config.log).await?;
    let warehouse = |cause| LoaderError::Warehouse { action: "opening the warehouse".to_owned(), cause };
    let mut client = Client::new(&config.warehouse_url).map_err(warehouse)?;
    if let Some((user, password)) = &config.warehouse_user {
        client = client.with_user(user, password);
    }
    readiness.set_not_ready("waiting for the lease of another loader");
    let lease = Lease::acquire(&bus, LEASE).await?;
    readiness.set_not_ready("waiting for the warehouse");
    let recovered = loop {
        match prepare(&client).await {
            Ok(recovered) => break recovered,
            Err(LoaderError::Warehouse { action, cause }) if cause.code().is_none() => {
                readiness.set_not_ready(format!("{action}: {cause}"));
                tracing::warn!(%cause, action, "waiting for the warehouse");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error),
        }
    };
    Ok(Started { bus, client, lease, recovered })
}

async fn prepare(client: &Client) -> Result<Recovered, LoaderError> {
    let differences = crate::ddl_check::check(client)
        .await
        .map_err(|cause| LoaderError::Warehouse { action: "comparing tables with events".to_owned(), cause })?;
    if !differences.is_empty() {
        return Err(LoaderError::Tables(format!("{}; run `kt migrate apply`", differences.join("; "))));
    }
    let recovered = recover(client, now()).await;
    recovered.map_err(|cause| LoaderError::Warehouse { action: "reading ops.intents".to_owned(), cause })
}

async fn work(
    config: &LoaderConfig,
    bus: &Bus,
    client: &Client,
    right: Right,
    metrics: LoaderMetrics,
    recovered: Recovered,
    stop: CancellationToken,
) -> Result<(), LoaderError> {
    let room = Room::new(config.buffer_bytes);
    let (fetched_to, fetched) = mpsc::channel(FETCHED);
    let (inserts, to_insert) = mpsc::channel::<Insert>(config.inserters.max(1));
    // Every insert in flight finds room here, so that inserters never wait for the coordinator.
    let (landed_to, landed) = mpsc::channel::<Insert>(1_024);
    let (position_to, position) = watch::channel(recovered.position);
    let reader =
        tokio::spawn(fetch(bus.clone(), recovered.position, room.clone(), metrics.clone(), fetched_to, position));
    let to_insert = Arc::new(Mutex::new(to_insert));
    let inserter = Inserter { client: client.clone(), lease: right.state, metrics: metrics.clone() };
    let inserters: Vec<_> = (0..config.inserters.max(1))
        .map(|_| tokio::spawn(keep_inserting(inserter.clone(), Arc::clone(&to_insert), landed_to.clone())))
        .collect();
    drop((to_insert, landed_to));
    let coordinator = Coordinator {
        bus: bus.clone(),
        client: client.clone(),
        metrics,
        planner: Planner::new(config.limits.clone(), recovered),
        room,
        fence: right.fence,
        inserters: config.inserters.max(1),
        inserts,
        landed_position: position_to,
        watermarks: Watermarks::new(bus.landed().await?),
        flying: HashMap::new(),
        done: Vec::new(),
        done_since: None,
        started: Instant::now(),
    };
    let coordinated = coordinator.run(fetched, landed, stop).await;
    // Inserts that did not end in time are left to the next start; the warehouse may still finish them.
    inserters.iter().for_each(tokio::task::JoinHandle::abort);
    match coordinated {
        Err(LoaderError::PartEnded(part)) => match reader.await {
            Ok(Err(error)) => Err(error),
            _ => Err(LoaderError::PartEnded(part)),
        },
        other => {
            reader.abort();
            other
        }
    }
}

async fn keep_inserting(
    inserter: Inserter,
    to_insert: Arc<Mutex<mpsc::Receiver<Insert>>>,
    landed: mpsc::Sender<Insert>,
) {
    loop {
        let next = to_insert.lock().await.recv().await;
        let Some(mut insert) = next else { return };
        inserter.land(&mut insert).await;
        if landed.send(insert).await.is_err() {
            return;
        }
    }
}

/// The clock of this machine.
pub(super) fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
