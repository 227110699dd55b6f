//! The HTTP server: routes, and a request's way to a worker and back.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use tokio::sync::oneshot;

use super::body::Source;
use super::connection::Flushes;
use super::encoding::Encoder;
use super::metrics::Metrics;
use super::output::Output;
use super::reply::{Reply, error_response};
use super::request::Request;
use super::run::Job;
use super::session::Sessions;
use super::settings;
use super::users::{Turns, User, Users};
use crate::accounts::Accounts;
use crate::config::WarehouseConfig;
use crate::engine::{Engine, Workers};
use crate::exception::Exception;

/// What every request needs.
pub(super) struct Shared {
    pub(super) config: WarehouseConfig,
    pub(super) engine: Engine,
    pub(super) sessions: Sessions,
    pub(super) metrics: Metrics,
    turns: Turns,
    running: Mutex<HashSet<String>>,
    workers: Workers,
    // Kills must not queue behind what they are to kill.
    control: Workers,
    sandbox: String,
}

/// The server over an opened engine.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

impl Server {
    /// Starts the workers. `sandbox` is told on `/health`.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(config: WarehouseConfig, engine: Engine, sandbox: String) -> std::io::Result<Self> {
        let shared = Shared {
            engine,
            sessions: Sessions::new(config.sessions),
            metrics: Metrics::new(),
            // The other half of the workers is the platform's own.
            turns: Turns::new(config.workers / 2),
            running: Mutex::new(HashSet::new()),
            workers: Workers::start("statement", config.workers, config.queue)?,
            control: Workers::start("control", 1, 256)?,
            sandbox,
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The routes of the platform's address.
    pub fn router(&self) -> Router {
        Self::statements(Users::platform(self.shared.config.users.clone()))
            .route("/health", get(health))
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(&self.shared))
    }

    /// The routes of the address for research.
    pub fn research_router(&self) -> Router {
        Self::statements(Users::Research(accounts(&self.shared.config))).with_state(Arc::clone(&self.shared))
    }

    fn statements(users: Users) -> Router<Arc<Shared>> {
        Router::new()
            .route("/", any(statement))
            .route("/query", any(statement))
            .route("/ping", get(|| async { "Ok.\n" }))
            .layer(Extension(Arc::new(users)))
    }

    /// Closes sessions that nobody used for their timeout; to be called now and then.
    pub fn expire_sessions(&self) {
        let shared = Arc::clone(&self.shared);
        // A full control queue only delays this to the next time.
        let _ = self.shared.control.submit(move || shared.sessions.expire());
    }

    /// Asks the engine to stop every statement that still runs.
    pub fn kill_all(&self) {
        for id in self.shared.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            self.shared.kill(id.clone());
        }
    }

    /// Waits for the workers and closes every connection. Returns how many could not be closed
    /// because something still uses the server.
    pub fn close(self) -> usize {
        match Arc::try_unwrap(self.shared) {
            Ok(shared) => {
                shared.workers.stop();
                shared.control.stop();
                shared.sessions.clear();
                shared.engine.close()
            }
            Err(shared) => shared.engine.open_connections(),
        }
    }
}

impl Shared {
    /// Stops a statement by its query id, on the control thread.
    fn kill(self: &Arc<Self>, id: String) {
        let shared = Arc::clone(self);
        let queued = self.control.submit(move || {
            let killed = shared
                .engine
                .connect()
                .and_then(|mut connection| connection.execute(&settings::kill(&id), "Null", &[]));
            if let Err(exception) = killed {
                tracing::warn!(query_id = %id, error = %exception, "a statement could not be killed");
            }
        });
        if queued.is_err() {
            self.metrics.drop_statement("kill_queue_full");
            tracing::warn!("a statement without a client runs on: the control queue is full");
        }
    }
}

/// A statement that runs for a client. Dropped before the answer is complete, it kills a
/// statement that only reads.
pub(super) struct Running {
    shared: Arc<Shared>,
    id: String,
    killable: Arc<AtomicBool>,
    finished: bool,
}

impl Running {
    fn register(shared: &Arc<Shared>, id: &str, killable: &Arc<AtomicBool>) -> Result<Self, Exception> {
        let mut running = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(id.to_owned()) {
            return Err(Exception::new(
                216,
                "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
                format!("Query with id = {id} is already running."),
            ));
        }
        shared.metrics.running.inc();
        Ok(Self { shared: Arc::clone(shared), id: id.to_owned(), killable: Arc::clone(killable), finished: false })
    }

    /// The answer is complete.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.shared.metrics.running.dec();
        if !self.finished && self.killable.load(Ordering::SeqCst) {
            self.shared.kill(self.id.clone());
        }
    }
}

/// The accounts of a warehouse.
pub(crate) fn accounts(config: &WarehouseConfig) -> Accounts {
    Accounts::new(config.data_directory.join("accounts"))
}

async fn statement(
    State(shared): State<Arc<Shared>>,
    Extension(users): Extension<Arc<Users>>,
    http: HttpRequest,
) -> Response {
    let (parts, body) = http.into_parts();
    let version = shared.engine.version().to_owned();
    let request = match Request::parse(&parts.method, &parts.uri, &parts.headers) {
        Ok(request) => request,
        Err(exception) => return error_response(&exception, "", &version, None),
    };
    if request.readonly && request.query.is_none() {
        return "Ok.\n".into_response();
    }
    let id = request.query_id.clone().unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let framed = request.reply_framed;
    let multipart =
        parts.headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"multipart/"));
    let answered = if multipart {
        Err(Exception::new(48, "NOT_IMPLEMENTED", "multipart bodies (external data) are not supported"))
    } else {
        let flushes = parts.extensions.get::<ConnectInfo<Flushes>>().map(|info| info.0.clone());
        match users.authenticate(&request.credentials) {
            Ok(user) => answer(&shared, (request, user), body, (&id, flushes)).await,
            Err(exception) => Err(exception),
        }
    };
    answered.unwrap_or_else(|exception| error_response(&exception, &id, &version, framed))
}

async fn answer(
    shared: &Arc<Shared>,
    (request, user): (Request, User),
    body: Body,
    (id, flushes): (&str, Option<Flushes>),
) -> Result<Response, Exception> {
    let turn = shared.turns.take(&user).inspect_err(|_| shared.metrics.drop_statement("quota"))?;
    let killable = Arc::new(AtomicBool::new(false));
    let running = Running::register(shared, id, &killable)?;
    let idle = shared.config.idle_timeout;
    let source = Source::open(body, idle).await;
    let tag: Arc<str> = format!("{:016x}", rand::random::<u64>()).into();
    let encoder = Encoder::new(request.reply_encoding, request.reply_framed)
        .map_err(|error| Exception::new(1001, "STD_EXCEPTION", error))?;
    let (output, receiver) = Output::new(encoder, Arc::clone(&tag), idle);
    let reply = Reply::new(shared, &request, id, &tag, flushes);
    let job = Job { shared: Arc::clone(shared), request, user, id: id.to_owned(), source, output, killable, turn };
    if shared.workers.submit(move || job.run()).is_err() {
        shared.metrics.drop_statement("queue_full");
        return Err(Exception::new(
            202,
            "TOO_MANY_SIMULTANEOUS_QUERIES",
            "all workers are busy and the queue is full; try again",
        ));
    }
    reply.build(receiver, running).await
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let (sender, receiver) = oneshot::channel();
    let probe = Arc::clone(&shared);
    let queued = shared.workers.submit(move || {
        let answer = probe.engine.connect().and_then(|mut connection| connection.execute("SELECT 1", "Null", &[]));
        // A caller that gave up needs no answer.
        let _ = sender.send(answer.map(|_| ()));
    });
    let answer = match queued {
        Ok(()) => tokio::time::timeout(Duration::from_secs(5), receiver).await,
        Err(full) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{full}\n")).into_response(),
    };
    match answer {
        Ok(Ok(Ok(()))) => {
            let body =
                serde_json::json!({ "status": "ok", "version": shared.engine.version(), "sandbox": shared.sandbox });
            ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
        Ok(Ok(Err(exception))) => (StatusCode::SERVICE_UNAVAILABLE, format!("{exception}\n")).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the engine did not answer in 5 s\n").into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let metrics = &shared.metrics;
    metrics.sessions.set(shared.sessions.len() as i64);
    metrics.connections.set(shared.engine.open_connections() as i64);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.text()).into_response()
}
