//! Looks at all kernels again and again: ends those that idle, never end, are too old or are known to one side only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::http::{Method, StatusCode};
use kt_ops::Readiness;
use serde_json::Value;

use crate::config::Rules;
use crate::kernels::Kernel;
use crate::service::Shared;

/// How long the gateway may take to list a kernel whose start was allowed.
const LISTED: Duration = Duration::from_secs(60);
/// How long an interrupted kernel gets to become free.
const AFTER_INTERRUPT: Duration = Duration::from_secs(10);

/// What is to be done about a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    Interrupt,
    End(&'static str),
}

/// Keeps the rules until the service ends.
pub(crate) async fn keep(shared: Arc<Shared>, gateway: Readiness) {
    loop {
        tokio::time::sleep(shared.config.rules.look).await;
        if gateway.get().is_err() {
            continue;
        }
        match shared.gateway.call(Method::GET, "/api/kernels", None).await {
            Ok(answer) if answer.status == StatusCode::OK => look(&shared, &answer.json()),
            Ok(answer) => tracing::warn!(status = %answer.status, "the gateway does not list its kernels"),
            Err(error) => tracing::warn!(%error, "the gateway does not list its kernels"),
        }
    }
}

fn look(shared: &Arc<Shared>, listed: &Value) {
    let listed: BTreeMap<&str, &Value> =
        listed.as_array().into_iter().flatten().filter_map(|kernel| Some((kernel["id"].as_str()?, kernel))).collect();
    let now = (Instant::now(), SystemTime::now());
    for kernel in shared.kernels.all() {
        let (known, verdict) = judge(&kernel, listed.get(kernel.id.as_str()).copied(), &shared.config.rules, now);
        if kernel.ending.is_some() {
            continue;
        }
        shared.kernels.update(&kernel.id, |kernel| {
            (kernel.listed, kernel.busy_since, kernel.interrupted) =
                (known.listed, known.busy_since, known.interrupted);
            if let Verdict::End(cause) = verdict {
                kernel.ending = Some(cause);
            }
        });
        let shared = Arc::clone(shared);
        match verdict {
            Verdict::Keep => {}
            Verdict::Interrupt => {
                tokio::spawn(async move {
                    tracing::warn!(kernel = kernel.id, user = kernel.user, "busy for too long: interrupting");
                    let path = format!("/api/kernels/{}/interrupt", kernel.id);
                    if let Err(error) = shared.gateway.call(Method::POST, &path, None).await {
                        tracing::warn!(%error, kernel = kernel.id, "cannot be interrupted");
                    }
                });
            }
            Verdict::End(cause) => {
                tokio::spawn(async move {
                    tracing::info!(kernel = kernel.id, user = kernel.user, cause, "ending a kernel");
                    shared.end(&kernel.id).await;
                });
            }
        }
    }
    let ours = |id: &str| shared.kernels.all().iter().any(|kernel| kernel.id == id);
    for id in listed.keys().filter(|id| crate::admit::is_id(id) && !ours(id)) {
        let (shared, path) = (Arc::clone(shared), format!("/api/kernels/{id}"));
        tokio::spawn(async move { shared.gateway.call(Method::DELETE, &path, None).await.map(drop) });
    }
}

/// What the gateway says about a kernel, with what was known before: the kernel as known now, and what to do.
fn judge(kernel: &Kernel, listed: Option<&Value>, rules: &Rules, now: (Instant, SystemTime)) -> (Kernel, Verdict) {
    let mut known = kernel.clone();
    let age = now.0.duration_since(kernel.started);
    let Some(listed) = listed else {
        let gone = kernel.listed || age > LISTED;
        return (known, if gone { Verdict::End("gone") } else { Verdict::Keep });
    };
    known.listed = true;
    if age > rules.life {
        return (known, Verdict::End("life"));
    }
    let state = listed["execution_state"].as_str().unwrap_or_default();
    if state == "dead" {
        return (known, Verdict::End("dead"));
    }
    if state == "busy" {
        let since = *known.busy_since.get_or_insert(now.0);
        let verdict = match known.interrupted {
            Some(then) if now.0.duration_since(then) > AFTER_INTERRUPT => Verdict::End("busy"),
            Some(_) => Verdict::Keep,
            None if now.0.duration_since(since) > rules.busy => {
                known.interrupted = Some(now.0);
                Verdict::Interrupt
            }
            None => Verdict::Keep,
        };
        return (known, verdict);
    }
    (known.busy_since, known.interrupted) = (None, None);
    let active = listed["last_activity"].as_str().and_then(crate::time::parse);
    let silent = active.and_then(|active| now.1.duration_since(active).ok()).unwrap_or(Duration::ZERO).min(age);
    (known, if silent > rules.idle { Verdict::End("idle") } else { Verdict::Keep })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::{Limits, Size, Sizes};
    use serde_json::json;

    fn rules() -> Rules {
        let limits = Limits { cpus: 1.0, memory: 1 << 30, processes: 10 };
        let seconds = Duration::from_secs;
        let sizes = Sizes { s: limits, m: limits, l: limits };
        Rules {
            per_user: 1,
            total: 1,
            idle: seconds(100),
            busy: seconds(50),
            life: seconds(1000),
            look: seconds(1),
            sizes,
        }
    }

    fn kernel(started: Instant) -> Kernel {
        Kernel {
            id: "k".into(),
            user: "alice".into(),
            size: Size::S,
            ticket: String::new(),
            started,
            listed: true,
            busy_since: None,
            interrupted: None,
            ending: None,
        }
    }

    #[test]
    fn a_busy_kernel_is_interrupted_and_then_ended() {
        let started = Instant::now();
        let at = |second: u64| (started + Duration::from_secs(second), SystemTime::now() + Duration::from_secs(second));
        let busy = json!({"execution_state": "busy", "last_activity": crate::time::text(SystemTime::now())});
        let mut known = kernel(started);
        for (second, expected) in [
            (1, Verdict::Keep),
            (40, Verdict::Keep),
            (52, Verdict::Interrupt),
            (58, Verdict::Keep),
            (63, Verdict::End("busy")),
        ] {
            let verdict;
            (known, verdict) = judge(&known, Some(&busy), &rules(), at(second));
            assert_eq!(verdict, expected, "second {second}");
        }
        let idle = json!({"execution_state": "idle", "last_activity": crate::time::text(at(64).1)});
        let (known, verdict) = judge(&known, Some(&idle), &rules(), at(65));
        assert_eq!((known.busy_since, known.interrupted, verdict), (None, None, Verdict::Keep));
        assert_eq!(judge(&known, Some(&idle), &rules(), at(165)).1, Verdict::End("idle"));
        assert_eq!(judge(&known, Some(&busy), &rules(), at(1001)).1, Verdict::End("life"));
        assert_eq!(judge(&known, None, &rules(), at(2)).1, Verdict::End("gone"));
        assert_eq!(judge(&known, Some(&json!({"execution_state": "dead"})), &rules(), at(2)).1, Verdict::End("dead"));
        let new = Kernel { listed: false, ..kernel(started) };
        assert_eq!(judge(&new, None, &rules(), at(2)).1, Verdict::Keep);
        assert_eq!(judge(&new, None, &rules(), at(61)).1, Verdict::End("gone"));
    }
}
