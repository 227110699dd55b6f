//! Requests to one venue: within its allowance, tried again where that may help.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use kt_venue::RestLimit;
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{BackfillError, ErrorKind};

/// Largest answer that is read; instrument lists take a few megabytes.
const LARGEST_BODY: usize = 64 << 20;
const MINUTE: Duration = Duration::from_secs(60);
/// Share of the venue's allowance that backfills take: the feeds need the rest for their books.
const SHARE: f64 = 0.8;

/// Bounds of a source's patience.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How long one request may take.
    pub timeout: Duration,
    /// How often it is tried.
    pub attempts: u32,
    /// Longest pause that a venue may ask for; beyond it the backfill gives up.
    pub longest_pause: Duration,
}

/// One venue's REST service. Belongs to one thread.
pub(crate) struct Source {
    client: reqwest::Client,
    patience: Patience,
    limit: RestLimit,
    /// Weights of the requests of the last minute.
    spent: RefCell<VecDeque<(Instant, u32)>>,
    hold_until: Cell<Option<Instant>>,
}

struct Failure {
    kind: ErrorKind,
    cause: String,
    is_final: bool,
    wait: Duration,
}

impl Source {
    pub fn new(limit: RestLimit, patience: Patience) -> Result<Self, BackfillError> {
        let client = reqwest::Client::builder()
            .timeout(patience.timeout)
            .connect_timeout(patience.timeout.min(Duration::from_secs(5)))
            .user_agent(concat!("kubetrader/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| BackfillError::new(ErrorKind::Platform, format!("no HTTP client: {error}")))?;
        Ok(Self { client, patience, limit, spent: RefCell::default(), hold_until: Cell::new(None) })
    }

    /// The body behind `url`, a request of this weight.
    pub async fn get(&self, url: &str, weight: u32) -> Result<Bytes, BackfillError> {
        let mut pause = Duration::from_millis(300);
        for attempt in 1.. {
            self.wait_for_turn(weight).await;
            let failure = match self.attempt(url).await {
                Ok(body) => return Ok(body),
                Err(failure) => failure,
            };
            let is_last = failure.is_final || attempt >= self.patience.attempts;
            if is_last || failure.wait > self.patience.longest_pause {
                let tries = if attempt == 1 { String::new() } else { format!(" ({attempt} tries)") };
                return Err(BackfillError::new(
                    failure.kind,
                    format!("{}: GET {url}: {}{tries}", word(failure.kind), failure.cause),
                ));
            }
            tracing::warn!(url, cause = failure.cause, "request failed, it is tried again");
            sleep(failure.wait.max(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(30));
        }
        unreachable!("the loop ends by returning")
    }

    async fn attempt(&self, url: &str) -> Result<Bytes, Failure> {
        let response = self.client.get(url).send().await.map_err(|error| self.failed(&error))?;
        self.note_usage(&response);
        let status = response.status();
        if !status.is_success() {
            return Err(refused(status, response).await);
        }
        let (mut body, mut pieces) = (Vec::new(), response.bytes_stream());
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(|error| self.failed(&error))?);
            if body.len() > LARGEST_BODY {
                let cause = format!("more than {LARGEST_BODY} bytes");
                return Err(Failure { kind: ErrorKind::Wrong, cause, is_final: true, wait: Duration::ZERO });
            }
        }
        Ok(body.into())
    }

    fn failed(&self, error: &reqwest::Error) -> Failure {
        let (kind, cause) = if error.is_timeout() {
            (ErrorKind::Slow, format!("no answer within {:?}", self.patience.timeout))
        } else {
            (ErrorKind::Down, innermost(error))
        };
        Failure { kind, cause, is_final: false, wait: Duration::ZERO }
    }

    /// Where the venue says how much of its allowance is used, by whomever, it is believed.
    fn note_usage(&self, response: &Response) {
        let Some(name) = &self.limit.used_header else { return };
        let used = response.headers().get(name.as_str()).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        if used.is_some_and(|used| f64::from(used) > f64::from(self.limit.weight_per_minute) * 0.95) {
            tracing::warn!(?used, limit = self.limit.weight_per_minute, "the venue's allowance is nearly used up");
            self.hold_until.set(Some(Instant::now() + MINUTE / 4));
        }
    }

    /// Returns when the allowance of the last minute has room for this weight.
    async fn wait_for_turn(&self, weight: u32) {
        if let Some(until) = self.hold_until.take() {
            sleep_until(until).await;
        }
        let allowed = (f64::from(self.limit.weight_per_minute) * SHARE).max(f64::from(weight));
        loop {
            let now = Instant::now();
            let wait = {
                let mut spent = self.spent.borrow_mut();
                while spent.front().is_some_and(|(at, _)| now - *at >= MINUTE) {
                    spent.pop_front();
                }
                let used: u32 = spent.iter().map(|(_, weight)| *weight).sum();
                if f64::from(used + weight) <= allowed {
                    spent.push_back((now, weight));
                    return;
                }
                spent.front().map(|(at, _)| *at + MINUTE)
            };
            if let Some(until) = wait {
                sleep_until(until).await;
            }
        }
    }
}

async fn refused(status: StatusCode, response: Response) -> Failure {
    let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let text = response.text().await.unwrap_or_default();
    let cause = format!("{status}: {}", text.chars().take(200).collect::<String>());
    let kind = match status.as_u16() {
        // 418 is Binance's ban for too many requests; it names its end like 429.
        429 | 418 => ErrorKind::Limited,
        408 | 500..=599 => ErrorKind::Down,
        _ => ErrorKind::Refused,
    };
    Failure { kind, cause, is_final: kind == ErrorKind::Refused, wait: Duration::from_secs(wait.unwrap_or(0)) }
}

fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Down => "source down",
        ErrorKind::Slow => "source slow",
        ErrorKind::Limited => "rate limited",
        ErrorKind::Wrong => "source wrong",
        _ => "source refuses",
    }
}

/// The innermost cause: the outer ones only repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_allowance_of_a_minute_is_kept() {
        let limit = RestLimit { weight_per_minute: 100, used_header: None };
        let patience = Patience { timeout: MINUTE, attempts: 1, longest_pause: MINUTE };
        let source = Source::new(limit, patience).expect("a client");
        let begun = Instant::now();
        let mut turns = Vec::new();
        for _ in 0..40 {
            source.wait_for_turn(4).await;
            turns.push(begun.elapsed().as_secs());
        }
        // 80 of 100 a minute: twenty requests at once, twenty a minute later.
        assert_eq!((turns[19], turns[20], turns[39]), (0, 60, 60));
        let windows = turns.windows(21);
        assert!(windows.into_iter().all(|window| window[20] - window[0] >= 60));
    }
}
