//! The demonstration: end a service without warning, and prove by an audit that nothing was lost.
//!
//! Off unless the configuration allows it and the console listens on loopback. A request has to carry a token
//! that this console gave out a moment ago to a page of its own origin, and the service's name once more
//! as its confirmation: no other web site can read the token, and none can be used twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, header};
use kt_bus::Bus;
use kt_warehouse::audit::{AuditReport, audit};
use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::{Problem, Shared};
use crate::config::ConsoleConfig;
use crate::hot::task::wall_clock;
use crate::services;

/// Tokens that may be open at once; beyond it the oldest is forgotten.
const MOST_TOKENS: usize = 64;
/// How long the services may take to be healthy again.
const HEALTHY_WITHIN: Duration = Duration::from_secs(90);
/// How long rows that are on their way get to arrive.
const SETTLE: Duration = Duration::from_secs(30);
/// Services that may be ended: those whose end the platform promises to survive.
const SERVICES: [&str; 4] = ["feed", "load", "nats", "warehouse"];

/// How far a demonstration has come.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
enum Phase {
    /// Nothing was ended yet.
    Idle,
    /// The service was ended; waiting until all are healthy.
    Recovering { service: String, since_ms: i64 },
    /// Counting.
    Auditing { service: String, recovered_after_ms: u128 },
    /// Counted.
    Done {
        service: String,
        recovered_after_ms: u128,
        at_ms: i64,
        accepted: u64,
        landed: u64,
        lost: u64,
        duplicated: u64,
        gaps: u64,
    },
    /// It could not be carried through.
    Failed { service: String, reason: String },
}

/// State of the demonstration, shared by the handlers.
#[derive(Clone)]
pub struct Demonstration(Arc<Mutex<Inner>>);

struct Inner {
    tokens: BTreeMap<String, Instant>,
    phase: Phase,
}

impl Default for Demonstration {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Inner { tokens: BTreeMap::new(), phase: Phase::Idle })))
    }
}

impl Demonstration {
    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, phase: Phase) {
        self.with(|inner| inner.phase = phase);
    }

    fn issue(&self) -> String {
        let mut bytes = [0_u8; 16];
        rand::rng().fill_bytes(&mut bytes);
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.with(|inner| {
            if inner.tokens.len() >= MOST_TOKENS {
                let oldest = inner.tokens.iter().min_by_key(|(_, at)| **at).map(|(token, _)| token.clone());
                oldest.and_then(|token| inner.tokens.remove(&token));
            }
            inner.tokens.insert(token.clone(), Instant::now());
        });
        token
    }

    /// Takes a token back; says why when it is not good.
    fn redeem(&self, token: &str, lifetime: Duration) -> Result<(), &'static str> {
        let issued = self.with(|inner| inner.tokens.remove(token));
        match issued {
            None => Err("the token is not one of this console's, or was used before"),
            Some(at) if at.elapsed() > lifetime => Err("the token has expired"),
            Some(_) => Ok(()),
        }
    }

    /// Takes the stage; false when a demonstration is under way.
    fn begin(&self, service: &str) -> bool {
        self.with(|inner| {
            let busy = matches!(inner.phase, Phase::Recovering { .. } | Phase::Auditing { .. });
            if !busy {
                inner.phase = Phase::Recovering { service: service.to_owned(), since_ms: wall_clock().0 / 1_000_000 };
            }
            !busy
        })
    }
}

/// What the page needs to offer the demonstration.
#[derive(Serialize)]
pub struct Offer {
    now_ms: i64,
    enabled: bool,
    reason: &'static str,
    services: &'static [&'static str],
    token: Option<String>,
    state: Phase,
}

fn refusal(config: &ConsoleConfig) -> Option<&'static str> {
    if !config.demonstration {
        Some("it is switched off; start with --set console.demonstration=true")
    } else if !config.listen.ip().is_loopback() {
        Some("the console does not listen on loopback alone")
    } else if config.control_socket.is_none() {
        Some("no supervisor was named to this console")
    } else {
        None
    }
}

/// `GET /api/v1/demonstration`: whether it is allowed, how far it is, and a token for one use.
pub async fn offer(State(shared): State<Shared>) -> Json<Offer> {
    let refused = refusal(&shared.config);
    Json(Offer {
        now_ms: wall_clock().0 / 1_000_000,
        enabled: refused.is_none(),
        reason: refused.unwrap_or_default(),
        services: &SERVICES,
        token: refused.is_none().then(|| shared.demonstration.issue()),
        state: shared.demonstration.with(|inner| inner.phase.clone()),
    })
}

/// What is to be ended.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    token: String,
    service: String,
    /// The service's name once more.
    confirm: String,
}

/// `POST /api/v1/demonstration`
pub async fn start(
    State(shared): State<Shared>,
    headers: HeaderMap,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Json<&'static str>, Problem> {
    if let Some(reason) = refusal(&shared.config) {
        return Err(Problem::forbidden(format!("the demonstration is not allowed: {reason}"), "see docs/console.md"));
    }
    same_origin(&headers)?;
    let Json(order) =
        order.map_err(|rejection| Problem::bad_request(rejection.body_text(), "send token, service, confirm"))?;
    let lifetime = shared.config.token_lifetime;
    shared
        .demonstration
        .redeem(&order.token, lifetime)
        .map_err(|why| Problem::forbidden(why, "reload the page and try again"))?;
    if !SERVICES.contains(&order.service.as_str()) {
        return Err(Problem::bad_request("that service is not part of the demonstration", SERVICES.join(", ")));
    }
    if order.confirm != order.service {
        return Err(Problem::bad_request("the confirmation does not repeat the service's name", "type it once more"));
    }
    if !shared.demonstration.begin(&order.service) {
        return Err(Problem::busy("a demonstration is under way"));
    }
    tracing::warn!(service = order.service, "the page ends a service for a demonstration");
    tokio::spawn(async move {
        let phase = carry_through(&shared, &order.service).await.unwrap_or_else(|reason| {
            tracing::warn!(service = order.service, reason, "the demonstration failed");
            Phase::Failed { service: order.service.clone(), reason }
        });
        shared.demonstration.set(phase);
    });
    Ok(Json("begun"))
}

/// A browser states the origin of every POST; another one than ours is refused.
fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (origin, host) = (text(header::ORIGIN), text(header::HOST));
    if origin.split_once("://").is_some_and(|(_, named)| named == host) {
        return Ok(());
    }
    Err(Problem::forbidden(format!("the request comes from {origin:?}, not from this page"), "use the page itself"))
}

async fn carry_through(shared: &Shared, service: &str) -> Result<Phase, String> {
    let socket = shared.config.control_socket.as_deref().ok_or("no supervisor")?;
    let before = restarts(socket, service).await?;
    services::kill(socket, service).await?;
    let start = Instant::now();
    while !recovered(socket, service, before).await {
        if start.elapsed() > HEALTHY_WITHIN {
            return Err(format!("the services are not healthy {} s later", HEALTHY_WITHIN.as_secs()));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let recovered_after_ms = start.elapsed().as_millis();
    shared.demonstration.set(Phase::Auditing { service: service.to_owned(), recovered_after_ms });
    let report = count(shared).await?;
    Ok(Phase::Done {
        service: service.to_owned(),
        recovered_after_ms,
        at_ms: wall_clock().0 / 1_000_000,
        accepted: report.accepted,
        landed: report.landed,
        lost: report.lost,
        duplicated: report.duplicated,
        gaps: report.gaps,
    })
}

/// Audits; what has just been started may need a few attempts to answer.
async fn count(shared: &Shared) -> Result<AuditReport, String> {
    let start = Instant::now();
    loop {
        match audited(shared).await {
            Err(reason) if start.elapsed() < HEALTHY_WITHIN => {
                tracing::warn!(reason, "the audit of the demonstration failed; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            ended => return ended,
        }
    }
}

async fn audited(shared: &Shared) -> Result<AuditReport, String> {
    let bus = Bus::connect(&shared.config.bus).await.map_err(|error| error.to_string())?;
    audit(shared.warehouse.client(), Some(&bus), SETTLE).await.map_err(|error| error.to_string())
}

async fn restarts(socket: &std::path::Path, service: &str) -> Result<u32, String> {
    let all = services::ask(socket).await?;
    let found = all.iter().find(|one| one.name == service);
    found.map(|one| one.restarts).ok_or_else(|| format!("the supervisor knows no service {service}"))
}

/// Whether the service has been started anew and all are healthy.
async fn recovered(socket: &std::path::Path, service: &str, before: u32) -> bool {
    services::ask(socket)
        .await
        .is_ok_and(|all| all.iter().all(|one| one.healthy && (one.name != service || one.restarts > before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_and_for_a_while() {
        let state = Demonstration::default();
        let token = state.issue();
        assert!(state.redeem(&token, Duration::from_secs(60)).is_ok());
        assert!(state.redeem(&token, Duration::from_secs(60)).expect_err("used").contains("used before"));
        let late = state.issue();
        std::thread::sleep(Duration::from_millis(2));
        assert!(state.redeem(&late, Duration::from_millis(1)).expect_err("late").contains("expired"));
        let first = state.issue();
        for _ in 0..MOST_TOKENS {
            state.issue();
        }
        assert!(state.redeem(&first, Duration::from_secs(60)).is_err(), "the oldest gave way");
    }

    #[test]
    fn only_a_page_of_this_console_may_ask() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:8080".parse().expect("a value"));
        assert!(same_origin(&headers).is_err(), "without an origin");
        headers.insert(header::ORIGIN, "http://evil.example".parse().expect("a value"));
        assert!(same_origin(&headers).is_err());
        headers.insert(header::ORIGIN, "http://localhost:8080".parse().expect("a value"));
        assert!(same_origin(&headers).is_ok());
    }
}
