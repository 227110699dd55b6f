//! What every service shows to its operator: `GET /metrics` and `GET /health` on its own port.
//!
//! A service keeps a [`Readiness`] and a [`prometheus_client`] registry; [`serve`] answers for it.

#![forbid(unsafe_code)]

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;

/// Media type of the text that `prometheus_client` encodes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The operator's port could not be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not allowed.
    #[error("cannot listen on {address} for /metrics and /health: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The server stopped working.
    #[error("the /metrics and /health server stopped: {0}")]
    Serve(std::io::Error),
}

/// Whether a service can do its work, and if not, why. Clones share one state.
#[derive(Clone)]
pub struct Readiness(Arc<Mutex<Result<(), String>>>);

impl Readiness {
    /// Not ready, for the reason given.
    #[must_use]
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self(Arc::new(Mutex::new(Err(reason.into()))))
    }

    /// From now on ready.
    pub fn set_ready(&self) {
        self.replace(Ok(()));
    }

    /// From now on not ready; `/health` answers 503 with the reason.
    pub fn set_not_ready(&self, reason: impl Into<String>) {
        self.replace(Err(reason.into()));
    }

    /// The state now: `Err` holds the reason.
    ///
    /// # Errors
    /// The reason why the service is not ready.
    pub fn get(&self) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, state: Result<(), String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.get()).finish()
    }
}

/// Serves `/metrics` and `/health` until `stop` completes.
///
/// # Errors
/// [`Error::Bind`] at once if the address cannot be had, [`Error::Serve`] later.
pub async fn serve(
    address: SocketAddr,
    registry: Arc<Registry>,
    readiness: Readiness,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })?;
    let app = router(registry, readiness);
    axum::serve(listener, app).with_graceful_shutdown(stop).await.map_err(Error::Serve)
}

/// The two routes, for a service that has an HTTP server of its own.
pub fn router(registry: Arc<Registry>, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(move || metrics(Arc::clone(&registry))))
        .route("/health", get(move || health(readiness.clone())))
}

async fn metrics(registry: Arc<Registry>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], text),
        Err(error) => {
            tracing::error!(%error, "cannot encode metrics");
            let plain = [(header::CONTENT_TYPE, "text/plain")];
            (StatusCode::INTERNAL_SERVER_ERROR, plain, format!("cannot encode metrics: {error}\n"))
        }
    }
}

async fn health(readiness: Readiness) -> (StatusCode, String) {
    match readiness.get() {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = loop {
            match tokio::net::TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("send");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("receive");
        answer
    }

    #[tokio::test]
    async fn shows_metrics_and_readiness_and_refuses_a_taken_port() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = free.local_addr().expect("address");
        drop(free);
        let mut registry = Registry::default();
        let counter = Counter::<u64>::default();
        registry.register("kt_test_things", "Things counted", counter.clone());
        counter.inc_by(3);
        let readiness = Readiness::not_ready("no connection yet");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = serve(address, Arc::new(registry), readiness.clone(), async { drop(stopped.await) });
        let server = tokio::spawn(served);

        assert!(fetch(address, "/metrics").await.contains("kt_test_things_total 3"));
        let answer = fetch(address, "/health").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("no connection yet"), "{answer}");
        readiness.set_ready();
        assert!(fetch(address, "/health").await.starts_with("HTTP/1.1 200"));

        let second = serve(address, Arc::default(), readiness, std::future::pending()).await;
        let text = second.expect_err("taken").to_string();
        assert!(text.contains(&address.to_string()), "{text}");
        stop.send(()).expect("server runs");
        server.await.expect("no panic").expect("stops cleanly");
    }
}
