//! Health checks: does a service answer?

use std::net::SocketAddr;
use std::time::Duration;

use kt_store::{Store, StoreConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How to ask a service whether it can work.
#[derive(Debug, Clone)]
pub(crate) enum Health {
    /// `GET path` must answer 200.
    Http { address: SocketAddr, path: &'static str },
    /// The database must answer a query.
    Postgres(StoreConfig),
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
                let (status, body) = get(*address, path).await.map_err(|error| format!("{address}: {error}"))?;
                if status == 200 { Ok(()) } else { Err(format!("{path} answered {status}: {}", body.trim())) }
            }
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

/// A plain HTTP request on loopback: status and the first part of the body.
async fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("the answer is not HTTP"))?;
    Ok((status, text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned()))
}
