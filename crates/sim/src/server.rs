//! The one port: WebSocket, REST, faults, status and metrics.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::command::{Answer, COMMAND_QUEUE, Command};
use crate::config::SimConfig;
use crate::error::SimError;
use crate::faults::{Fault, FaultRequest};
use crate::generated;
use crate::metrics::Metrics;
use crate::query::Target;
use crate::recorded::{self, Player};
use crate::rest_faults::{Effect, RestFaults, spoiled};
use crate::session::{self, Session};
use crate::status::VenueStatus;
use crate::websocket;

/// Binds and serves until `shutdown` completes.
///
/// # Errors
/// When a recording cannot be read, the configuration contradicts itself, or the address
/// cannot be bound; and when serving fails.
pub async fn serve(config: SimConfig, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), SimError> {
    Sim::bind(config).await?.run(shutdown).await
}

/// A simulated exchange that listens and has not begun to serve.
pub struct Sim {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    sources: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// What the handlers share.
struct Shared {
    config: SimConfig,
    venues: BTreeMap<Arc<str>, Venue>,
    metrics: Metrics,
    next_client: AtomicU64,
    stop: watch::Receiver<bool>,
}

struct Venue {
    commands: mpsc::Sender<Command>,
    status: Arc<VenueStatus>,
    rest_faults: RestFaults,
    /// The venue's part of `GET /sim/v1/sources`.
    description: Value,
}

impl Sim {
    /// Reads the recordings, starts the sources and binds the port.
    ///
    /// # Errors
    /// As [`serve`], except those of serving itself.
    pub async fn bind(config: SimConfig) -> Result<Self, SimError> {
        let metrics = Metrics::new();
        let mut venues = BTreeMap::new();
        let mut sources = JoinSet::new();
        if let Some(replay) = &config.replay {
            add_recordings(replay.clone(), &metrics, &mut venues, &mut sources).await?;
        }
        if let Some(market) = &config.generated {
            let (sender, receiver) = mpsc::channel(COMMAND_QUEUE);
            let (engine, parts) = generated::Engine::new(market.clone(), &metrics)?;
            for (status, description) in parts {
                let rest_faults = RestFaults::default();
                let venue = Venue { commands: sender.clone(), status: status.clone(), rest_faults, description };
                if venues.insert(status.venue.clone(), venue).is_some() {
                    return Err(SimError::Config(format!("{} cannot be both replayed and generated", status.venue)));
                }
            }
            let past = tokio::task::spawn_blocking(move || engine.live_through_the_past()).await;
            let engine = past.map_err(|error| SimError::Config(format!("the market's past was cut off: {error}")))?;
            sources.spawn(engine.run(receiver));
        }
        if venues.is_empty() {
            return Err(SimError::Config("there is neither a recording nor generated flow to serve".to_owned()));
        }
        let bind_error = |source| SimError::Bind { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let (stop, stopped) = watch::channel(false);
        let next_client = AtomicU64::new(1);
        let shared = Arc::new(Shared { config, venues, metrics, next_client, stop: stopped });
        Ok(Self { listener, address, shared, sources, stop })
    }

    /// The address that was bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` completes; then cuts all connections.
    ///
    /// # Errors
    /// When the listening socket fails.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), SimError> {
        let router = Router::new()
            .route("/health", get(async || "ok\n"))
            .route("/metrics", get(metrics))
            .route("/sim/v1/sources", get(sources))
            .route("/sim/v1/status", get(status))
            .route("/sim/v1/faults", post(faults))
            .fallback(venue)
            .with_state(self.shared.clone());
        let listener = self.listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::warn!(%error, "a client's connection keeps Nagle's algorithm");
            }
        });
        tracing::info!(address = %self.address, venues = ?self.shared.venues.keys(), "simulated exchange listens");
        let stop = self.stop.clone();
        let signal = async move {
            shutdown.await;
            stop.send_replace(true);
        };
        let mut stopped = self.stop.subscribe();
        let mut serving = std::pin::pin!(axum::serve(listener, router).with_graceful_shutdown(signal).into_future());
        let early = tokio::select! {
            served = &mut serving => Some(served),
            _ = stopped.wait_for(|stop| *stop) => None,
        };
        // Requests that wait for a source are answered by its end.
        self.sources.shutdown().await;
        let served = match early {
            Some(served) => served,
            None => serving.await,
        };
        served.map_err(SimError::Serve)
    }
}

async fn add_recordings(
    replay: crate::config::ReplayConfig,
    metrics: &Metrics,
    venues: &mut BTreeMap<Arc<str>, Venue>,
    sources: &mut JoinSet<()>,
) -> Result<(), SimError> {
    let settings = replay.clone();
    let reading = move || recorded::load(&settings.files, settings.recorded_clock, settings.memory_limit);
    let recordings = tokio::task::spawn_blocking(reading).await;
    let recordings =
        recordings.map_err(|error| SimError::Config(format!("reading the recordings was cut off: {error}")))??;
    for recording in recordings {
        let connections = recording.connections.iter().map(|connection| connection.id.clone()).collect();
        let frames = recording.frames.len() as u64;
        let venue = recording.venue.clone();
        let status = VenueStatus::new(venue.clone(), "recorded", metrics.venue(&venue), connections, frames);
        let status = Arc::new(status);
        let description = recording.describe();
        let (sender, receiver) = mpsc::channel(COMMAND_QUEUE);
        let rest_faults = RestFaults::default();
        venues.insert(venue, Venue { commands: sender, status: status.clone(), rest_faults, description });
        sources.spawn(Player::new(Arc::new(recording), &replay, status).run(receiver));
    }
    Ok(())
}

type Shares = State<Arc<Shared>>;

async fn metrics(State(shared): Shares) -> Response<Body> {
    match shared.metrics.encode() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn sources(State(shared): Shares) -> Response<Body> {
    let venues = shared.venues.iter().map(|(name, venue)| (name.to_string(), venue.description.clone()));
    axum::Json(json!({"venues": Map::from_iter(venues)})).into_response()
}

async fn status(State(shared): Shares) -> Response<Body> {
    let finished = shared.venues.values().all(|venue| venue.status.finished());
    let venues = shared.venues.iter().map(|(name, venue)| (name.to_string(), venue.status.json()));
    axum::Json(json!({"finished": finished, "venues": Map::from_iter(venues)})).into_response()
}

async fn faults(State(shared): Shares, body: String) -> Response<Body> {
    let refuse = |text: String| {
        (StatusCode::BAD_REQUEST, axum::Json(json!({"accepted": false, "reason": text}))).into_response()
    };
    let request: FaultRequest = match serde_json::from_str(&body) {
        Ok(request) => request,
        Err(error) => return refuse(format!("the body is no fault request: {error}")),
    };
    let Some(venue) = shared.venues.get(request.venue.as_str()) else {
        return refuse(format!("venue {} is not simulated", request.venue));
    };
    let (name, name_of_fault) = (request.venue.clone(), request.fault.name());
    if let Some(pending) = venue.rest_faults.add(&request) {
        tracing::warn!(venue = name, fault = name_of_fault, pending, "fault on demand");
        let body = json!({"accepted": true, "venue": name, "fault": name_of_fault, "applied": 0, "pending": pending});
        return axum::Json(body).into_response();
    }
    if let Fault::Outage { ms } = request.fault {
        venue.rest_faults.close_for(Duration::from_millis(ms));
    }
    let (reply, answer) = oneshot::channel();
    if venue.commands.send(Command::Fault { request, reply }).await.is_err() {
        return refuse(format!("the source of {name} has ended"));
    }
    match answer.await {
        Ok(Ok(done)) => {
            tracing::warn!(
                venue = name,
                fault = name_of_fault,
                applied = done.applied,
                pending = done.pending,
                "fault on demand"
            );
            let body = json!({"accepted": true, "venue": name, "fault": name_of_fault, "applied": done.applied, "pending": done.pending});
            axum::Json(body).into_response()
        }
        Ok(Err(reason)) => refuse(reason),
        Err(_) => refuse(format!("the source of {name} has ended")),
    }
}

/// Everything under `/<venue>/`.
async fn venue(State(shared): Shares, request: Request) -> Response<Body> {
    let uri = request.uri().clone();
    let path = uri.path().trim_start_matches('/');
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let target = Target::new(rest, uri.query());
    let Some(venue) = shared.venues.get(name) else {
        let known: Vec<&str> = shared.venues.keys().map(|name| &**name).collect();
        let text = format!("venue {name:?} is not simulated; there are {}", known.join(", "));
        return respond(Answer::refuse(StatusCode::NOT_FOUND, -1, &text));
    };
    if !websocket::is_upgrade(request.headers()) {
        let effect = venue.rest_faults.take(&target);
        let answer = faulty_answer(venue, target, effect).await;
        venue.status.http_served(answer.status.as_u16());
        let mut response = respond(answer);
        if let Some(Effect::Limit(seconds)) = effect {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        return response;
    }
    if venue.rest_faults.is_closed() {
        return respond(Answer::refuse(StatusCode::SERVICE_UNAVAILABLE, -1, "an outage on demand"));
    }
    match websocket::accept(request) {
        Err(reason) => respond(Answer::refuse(StatusCode::BAD_REQUEST, -1, reason)),
        Ok((response, upgrade)) => {
            let session = Session {
                id: shared.next_client.fetch_add(1, Ordering::Relaxed),
                target,
                status: venue.status.clone(),
                commands: venue.commands.clone(),
                queue_bytes: shared.config.client_queue_bytes,
                ping_interval: shared.config.ping_interval,
                shutdown: shared.stop.clone(),
            };
            tokio::spawn(session::serve(upgrade, session));
            response
        }
    }
}

/// The answer to a REST request, with what a fault makes of it.
async fn faulty_answer(venue: &Venue, target: Target, effect: Option<Effect>) -> Answer {
    match effect {
        Some(Effect::Down) => {
            venue.status.metrics.fault("rest_down", 1);
            return Answer::refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                -1,
                "Service unavailable from a restricted gateway",
            );
        }
        Some(Effect::Limit(_)) => {
            venue.status.metrics.fault("rest_limit", 1);
            let text = "Too many requests; current limit is 6000 request weight per 1 MINUTE.";
            return Answer::refuse(StatusCode::TOO_MANY_REQUESTS, -1003, text);
        }
        Some(Effect::Slow(pause)) => {
            venue.status.metrics.fault("rest_slow", 1);
            tokio::time::sleep(pause).await;
        }
        Some(Effect::Wrong(_)) => venue.status.metrics.fault("rest_wrong", 1),
        None => {}
    }
    let answer = rest_answer(venue, target).await;
    match effect {
        Some(Effect::Wrong(how)) => Answer { body: spoiled(&answer.body, how).into(), ..answer },
        _ => answer,
    }
}

async fn rest_answer(venue: &Venue, target: Target) -> Answer {
    let (reply, answer) = oneshot::channel();
    let command = Command::Get { venue: venue.status.venue.clone(), target, reply };
    let ended = || Answer::refuse(StatusCode::SERVICE_UNAVAILABLE, -1, "the source has ended");
    match venue.commands.send(command).await {
        Ok(()) => answer.await.unwrap_or_else(|_| ended()),
        Err(_) => ended(),
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let kind = [(header::CONTENT_TYPE, "application/json;charset=UTF-8")];
    (answer.status, kind, answer.body).into_response()
}
