//! REST requests of one venue: no faster than it allows, tried again when that may help.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::FeedError;
use crate::metrics::{CauseLabel, FeedMetrics};

/// Largest response that is read; instrument lists take a few megabytes.
const LARGEST_BODY: usize = 64 << 20;
/// Requests at one time.
const CONCURRENT: usize = 4;

/// Fetches for one venue. Belongs to its thread.
pub(crate) struct Rest {
    client: reqwest::Client,
    venue: String,
    pause: Duration,
    next: Cell<Instant>,
    slots: Semaphore,
    metrics: FeedMetrics,
}

enum Failure {
    /// Worth another try after this time.
    Again(String, Duration),
    Final(String),
}

impl Rest {
    pub fn new(venue: &str, per_second: u32, metrics: FeedMetrics) -> Result<Self, FeedError> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(45))
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("kubetrader/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| FeedError::Config(format!("no HTTP client: {error}")))?;
        Ok(Self {
            client,
            venue: venue.to_owned(),
            pause: Duration::from_secs(1) / per_second.max(1),
            next: Cell::new(Instant::now()),
            slots: Semaphore::new(CONCURRENT),
            metrics,
        })
    }

    /// The body behind `url`; up to `attempts` tries.
    pub async fn fetch(&self, url: &str, attempts: u32) -> Result<Bytes, FeedError> {
        let mut pause = Duration::from_millis(500);
        let mut left = attempts;
        loop {
            left = left.saturating_sub(1);
            match self.attempt(url).await {
                Ok(body) => {
                    self.count("ok");
                    return Ok(body);
                }
                Err(Failure::Again(cause, wait)) if left > 0 => {
                    self.count("retried");
                    tracing::warn!(venue = self.venue, url, cause, "REST request failed, it is tried again");
                    tokio::time::sleep(wait.max(pause)).await;
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
                Err(Failure::Again(cause, _) | Failure::Final(cause)) => {
                    self.count("failed");
                    return Err(FeedError::Fetch { url: url.to_owned(), cause });
                }
            }
        }
    }

    async fn attempt(&self, url: &str) -> Result<Bytes, Failure> {
        let again = |cause: String| Failure::Again(cause, Duration::ZERO);
        let _slot = self.slots.acquire().await.map_err(|error| Failure::Final(error.to_string()))?;
        self.wait_for_turn().await;
        let response = self.client.get(url).send().await.map_err(|error| again(plain(&error)))?;
        let status = response.status();
        if !status.is_success() {
            let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            let wait = Duration::from_secs(wait.unwrap_or(0).min(120));
            let text = response.text().await.unwrap_or_default();
            let cause = format!("{status}: {}", text.chars().take(200).collect::<String>());
            // 418 is Binance's ban for too many requests; it names its end like 429.
            let transient = status.is_server_error() || matches!(status.as_u16(), 408 | 418 | 429);
            return Err(if transient { Failure::Again(cause, wait) } else { Failure::Final(cause) });
        }
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|error| again(plain(&error)))?);
            if body.len() > LARGEST_BODY {
                return Err(Failure::Final(format!("more than {LARGEST_BODY} bytes")));
            }
        }
        Ok(body.into())
    }

    /// Spaces the requests out.
    async fn wait_for_turn(&self) {
        let turn = self.next.get().max(Instant::now());
        self.next.set(turn + self.pause);
        tokio::time::sleep_until(turn).await;
    }

    fn count(&self, cause: &'static str) {
        self.metrics.fetches.get_or_create(&CauseLabel { venue: self.venue.clone(), cause }).inc();
    }
}

/// The innermost cause: the outer ones only repeat the address.
fn plain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
