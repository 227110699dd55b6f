//! Health checks: does a service answer?

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kt_store::{Store, StoreConfig};

use crate::http;

/// Longest answer that is read: a word or a sentence.
const LONGEST_BODY: u64 = 4096;

/// How to ask a service whether it can work.
#[derive(Debug, Clone)]
pub(crate) enum Health {
    /// `GET path` must answer 200.
    Http { address: SocketAddr, path: &'static str },
    /// The database must answer a query.
    Postgres(StoreConfig),
    /// Somebody must listen on the socket.
    Socket(PathBuf),
    /// Dagster's page, which sees its heartbeats, must call its daemon healthy.
    DagsterDaemon(SocketAddr),
    /// A one-shot service: its exit code tells.
    ExitCode,
}

/// Asks again and again, keeping what a check needs between two of them.
pub(crate) struct Probe {
    health: Health,
    timeout: Duration,
    store: Option<Store>,
}

impl Probe {
    pub(crate) fn new(health: Health, timeout: Duration) -> Self {
        Self { health, timeout, store: None }
    }

    /// One check; the error says what was wrong.
    pub(crate) async fn check(&mut self) -> Result<(), String> {
        let timeout = self.timeout;
        let checked = tokio::time::timeout(timeout, self.ask()).await;
        checked.unwrap_or_else(|_| {
            self.store = None;
            Err(format!("no answer within {} ms", timeout.as_millis()))
        })
    }

    async fn ask(&mut self) -> Result<(), String> {
        match &self.health {
            Health::ExitCode => Ok(()),
            Health::Http { address, path } => {
                let (status, body) =
                    http::get(*address, path, LONGEST_BODY).await.map_err(|error| format!("{address}: {error}"))?;
                if status == 200 { Ok(()) } else { Err(format!("{path} answered {status}: {}", body.trim())) }
            }
            Health::Socket(path) => match tokio::net::UnixStream::connect(path).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{}: {error}", path.display())),
            },
            Health::DagsterDaemon(web) => dagster_daemon(*web).await,
            Health::Postgres(config) => {
                // Logging in costs a few milliseconds of processor: keep the connection.
                let store = match self.store.take() {
                    Some(store) => store,
                    None => Store::connect(config).await.map_err(|error| error.to_string())?,
                };
                store.ping().await.map_err(|error| error.to_string())?;
                self.store = Some(store);
                Ok(())
            }
        }
    }
}

/// Asks Dagster's page for the heartbeats of its daemon.
async fn dagster_daemon(web: SocketAddr) -> Result<(), String> {
    const QUESTION: &str =
        "/graphql?query=%7Binstance%7BdaemonHealth%7BallDaemonStatuses%7BdaemonType%20required%20healthy%7D%7D%7D%7D";
    let (status, body) = http::get(web, QUESTION, LONGEST_BODY).await.map_err(|error| format!("{web}: {error}"))?;
    let answer: serde_json::Value =
        serde_json::from_str(&body).map_err(|error| format!("{web} answered {status}: {error}"))?;
    let daemons = answer.pointer("/data/instance/daemonHealth/allDaemonStatuses").and_then(|all| all.as_array());
    let daemons = daemons.ok_or_else(|| format!("{web} answered {status} without its daemons"))?;
    let ill = daemons.iter().find(|daemon| daemon["required"] == true && daemon["healthy"] != true);
    ill.map_or(Ok(()), |daemon| Err(format!("no heartbeat of its part {}", daemon["daemonType"])))
}
