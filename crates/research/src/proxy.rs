//! What users reach: Jupyter's kernel interface, each for their own kernels.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::admit::{self, LARGEST_BODY, Refusal};
use crate::audit::Entry;
use crate::kernels::Kernel;
use crate::service::Shared;
use crate::size::Size;
use crate::tokens::{self, Token};

type Proxy = State<Arc<Shared>>;
type From = ConnectInfo<SocketAddr>;

/// The routes. Whatever is not here does not reach the gateway.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api", get(version))
        .route("/api/kernelspecs", get(specs))
        .route("/api/kernelspecs/{name}", get(spec))
        .route("/api/kernels", get(list).post(start))
        .route("/api/kernels/{id}", get(look).delete(stop))
        .route("/api/kernels/{id}/interrupt", post(interrupt))
        .route("/api/kernels/{id}/restart", post(restart))
        .route("/api/kernels/{id}/channels", any(channels))
        .fallback(nothing)
        .with_state(shared)
}

/// One request on its way: who asks what, for the audit log.
struct Asked<'a> {
    shared: &'a Shared,
    what: &'static str,
    from: SocketAddr,
    token: Option<Token>,
    kernel: String,
    size: Option<Size>,
}

impl<'a> Asked<'a> {
    fn new(shared: &'a Shared, what: &'static str, from: SocketAddr) -> Self {
        Self { shared, what, from, token: None, kernel: String::new(), size: None }
    }

    /// Who asks, by the token in the header. A token in the address would end up in logs.
    fn authenticate(&mut self, headers: &HeaderMap) -> Result<Token, Refusal> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let text = value.and_then(|value| {
            let (scheme, text) = value.split_once(' ')?;
            (scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer")).then_some(text.trim())
        });
        let (refusal, token) = match self.shared.tokens.check(text) {
            Ok(token) => {
                self.token = Some(token.clone());
                return Ok(token);
            }
            Err(refused) => refused,
        };
        self.token = token;
        let user = self.token.as_ref().map_or("USER", |token| &token.user);
        let (cause, message) = match refusal {
            tokens::Refusal::Missing => ("no_token", "send a token: the header `Authorization: token …`".to_owned()),
            tokens::Refusal::Unknown => ("wrong_token", "this token is not known here".to_owned()),
            tokens::Refusal::Expired => (
                "expired_token",
                format!("this token has expired; whoever runs the platform makes another: kt research token {user}"),
            ),
            tokens::Refusal::Revoked => ("revoked_token", "this token was revoked".to_owned()),
        };
        Err(Refusal::new(StatusCode::UNAUTHORIZED, cause, message))
    }

    /// The asking user's own kernel.
    fn own(&mut self, token: &Token, id: &str) -> Result<Kernel, Refusal> {
        let absent = || Refusal::new(StatusCode::NOT_FOUND, "no_kernel", format!("{} has no such kernel", token.user));
        if !admit::is_id(id) {
            return Err(absent());
        }
        self.kernel = id.to_owned();
        let kernel = self.shared.kernels.own(id, &token.user).ok_or_else(absent)?;
        self.size = Some(kernel.size);
        Ok(kernel)
    }

    /// Writes the outcome to the audit log and turns it into an answer.
    fn answer(self, outcome: Result<Response, Refusal>) -> Response {
        let refusal = outcome.as_ref().err();
        self.shared.audit.write(&Entry {
            what: self.what,
            verdict: if refusal.is_some() { "refused" } else { "allowed" },
            user: self.token.as_ref().map_or("", |token| &token.user),
            token: self.token.as_ref().map_or("", |token| &token.id),
            kernel: &self.kernel,
            size: self.size,
            cause: refusal.map_or("", |refusal| refusal.cause),
            detail: refusal.map_or("", |refusal| &refusal.message),
            from: &self.from.to_string(),
        });
        match outcome {
            Ok(response) => {
                self.shared.metrics.allowed();
                response
            }
            Err(refusal) => {
                self.shared.metrics.refused(refusal.cause);
                // `reason` and `message` are what Jupyter's clients show.
                let body = json!({"error": refusal.cause, "reason": refusal.message, "message": refusal.message});
                (refusal.status, Json(body)).into_response()
            }
        }
    }
}

/// Asks the gateway and passes its answer on.
async fn pass(shared: &Shared, method: Method, path: &str) -> Result<Response, Refusal> {
    let answer = shared.gateway.call(method, path, None).await.map_err(|error| unreachable(&error))?;
    let headers = [(header::CONTENT_TYPE, "application/json")];
    Ok((answer.status, headers, answer.body).into_response())
}

fn unreachable(error: &crate::error::Error) -> Refusal {
    Refusal::new(StatusCode::BAD_GATEWAY, "gateway", error.to_string())
}

async fn nothing(State(shared): Proxy, ConnectInfo(from): From, request: Request) -> Response {
    let mut asked = Asked::new(&shared, "unknown", from);
    let outcome = asked.authenticate(request.headers()).and_then(|_| {
        let message = "there is no such address here: kernels and kernel specifications are served";
        Err(Refusal::new(StatusCode::NOT_FOUND, "no_address", message))
    });
    asked.answer(outcome)
}

async fn version(State(shared): Proxy, ConnectInfo(from): From, headers: HeaderMap) -> Response {
    let mut asked = Asked::new(&shared, "look", from);
    let outcome = match asked.authenticate(&headers) {
        Ok(_) => pass(&shared, Method::GET, "/api").await,
        Err(refusal) => Err(refusal),
    };
    asked.answer(outcome)
}

async fn specs(State(shared): Proxy, ConnectInfo(from): From, headers: HeaderMap) -> Response {
    let mut asked = Asked::new(&shared, "look", from);
    let outcome = match asked.authenticate(&headers) {
        Ok(token) => usable_specs(&shared, &token).await.map(|specs| Json(specs).into_response()),
        Err(refusal) => Err(refusal),
    };
    asked.answer(outcome)
}

async fn spec(State(shared): Proxy, ConnectInfo(from): From, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let mut asked = Asked::new(&shared, "look", from);
    let outcome = match asked.authenticate(&headers) {
        Ok(token) => usable_specs(&shared, &token).await.and_then(|specs| {
            let absent = || Refusal::new(StatusCode::NOT_FOUND, "size", "there is no such kernel for this token");
            let found = specs["kernelspecs"].get(&name).ok_or_else(absent)?;
            Ok(Json(found).into_response())
        }),
        Err(refusal) => Err(refusal),
    };
    asked.answer(outcome)
}

/// The specifications of the sizes that a token allows, without the command that starts them.
async fn usable_specs(shared: &Shared, token: &Token) -> Result<Value, Refusal> {
    let answer = shared.gateway.call(Method::GET, "/api/kernelspecs", None).await;
    let mut all = answer.map_err(|error| unreachable(&error))?.json();
    if let Some(specs) = all["kernelspecs"].as_object_mut() {
        specs.retain(|name, _| Size::of_spec(name).is_some_and(|size| size <= token.size));
        for spec in specs.values_mut() {
            spec["spec"]["argv"] = json!([]);
        }
    }
    Ok(all)
}

async fn list(State(shared): Proxy, ConnectInfo(from): From, headers: HeaderMap) -> Response {
    let mut asked = Asked::new(&shared, "list", from);
    let outcome = match asked.authenticate(&headers) {
        Ok(token) => match shared.gateway.call(Method::GET, "/api/kernels", None).await {
            Ok(answer) => {
                let all = answer.json();
                let own = |kernel: &&Value| {
                    kernel["id"].as_str().is_some_and(|id| shared.kernels.own(id, &token.user).is_some())
                };
                let own: Vec<&Value> = all.as_array().into_iter().flatten().filter(own).collect();
                Ok(Json(own).into_response())
            }
            Err(error) => Err(unreachable(&error)),
        },
        Err(refusal) => Err(refusal),
    };
    asked.answer(outcome)
}

async fn start(State(shared): Proxy, ConnectInfo(from): From, request: Request) -> Response {
    let mut asked = Asked::new(&shared, "start", from);
    let outcome = start_kernel(&shared, &mut asked, request).await;
    asked.answer(outcome)
}

async fn start_kernel(shared: &Arc<Shared>, asked: &mut Asked<'_>, request: Request) -> Result<Response, Refusal> {
    let token = asked.authenticate(request.headers())?;
    let body = axum::body::to_bytes(request.into_body(), LARGEST_BODY).await.map_err(|_| {
        let message = format!("a request for a kernel is at most {LARGEST_BODY} bytes long");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body", message)
    })?;
    let size = admit::size(&body, &token.user)?;
    asked.size = Some(size);
    let kernel = shared.kernels.reserve(&token, size, &shared.config.rules)?;
    asked.kernel.clone_from(&kernel.id);
    // A client that goes away in the midst of this must not leave a place taken: the task goes on without it.
    let own = Arc::clone(shared);
    let started = tokio::spawn(async move { ask_for(&own, &kernel).await }).await;
    started.unwrap_or_else(|error| Err(unreachable(&crate::error::Error::Gateway(error.to_string()))))
}

/// Asks the gateway for a kernel whose place is reserved.
async fn ask_for(shared: &Shared, kernel: &Kernel) -> Result<Response, Refusal> {
    let body = json!({
        "name": kernel.size.spec(),
        "env": {"KERNEL_USERNAME": kernel.user, "KERNEL_ID": kernel.id, "KERNEL_KT_TICKET": kernel.ticket},
    });
    let answer = {
        let _alone = shared.starts.lock().await;
        shared.gateway.call(Method::POST, "/api/kernels", Some(&body)).await
    };
    let refusal = match &answer {
        Ok(answer) if answer.status == StatusCode::CREATED && answer.json()["id"] == kernel.id.as_str() => {
            shared.kernels.update(&kernel.id, |kernel| kernel.listed = true);
            let headers = [(header::LOCATION, format!("/api/kernels/{}", kernel.id))];
            return Ok((StatusCode::CREATED, headers, Json(answer.json())).into_response());
        }
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>();
            Refusal::new(StatusCode::BAD_GATEWAY, "gateway", format!("the gateway answered {}: {said}", answer.status))
        }
        Err(error) => unreachable(error),
    };
    shared.kernels.update(&kernel.id, |kernel| kernel.ending = Some("not_started"));
    shared.end(&kernel.id).await;
    Err(refusal)
}

async fn look(State(shared): Proxy, ConnectInfo(from): From, headers: HeaderMap, Path(id): Path<String>) -> Response {
    act(&shared, "look", from, &headers, &id, Method::GET, "").await
}

async fn interrupt(
    State(shared): Proxy,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    act(&shared, "interrupt", from, &headers, &id, Method::POST, "/interrupt").await
}

async fn restart(
    State(shared): Proxy,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    act(&shared, "restart", from, &headers, &id, Method::POST, "/restart").await
}

/// What is passed on as it is, for an own kernel.
async fn act(
    shared: &Shared,
    what: &'static str,
    from: SocketAddr,
    headers: &HeaderMap,
    id: &str,
    method: Method,
    action: &str,
) -> Response {
    let mut asked = Asked::new(shared, what, from);
    let own = asked.authenticate(headers).and_then(|token| asked.own(&token, id));
    let outcome = match own {
        Ok(kernel) => pass(shared, method, &format!("/api/kernels/{}{action}", kernel.id)).await,
        Err(refusal) => Err(refusal),
    };
    asked.answer(outcome)
}

async fn stop(State(shared): Proxy, ConnectInfo(from): From, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let mut asked = Asked::new(&shared, "stop", from);
    let outcome = match asked.authenticate(&headers).and_then(|token| asked.own(&token, &id)) {
        Ok(kernel) => {
            shared.kernels.update(&kernel.id, |kernel| kernel.ending = Some("stopped"));
            let own = Arc::clone(&shared);
            let _ = tokio::spawn(async move { own.end(&kernel.id).await }).await;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Err(refusal) => Err(refusal),
    };
    asked.answer(outcome)
}

async fn channels(
    State(shared): Proxy,
    ConnectInfo(from): From,
    Path(id): Path<String>,
    request: axum::http::Request<Body>,
) -> Response {
    let mut asked = Asked::new(&shared, "connect", from);
    let own = asked.authenticate(request.headers()).and_then(|token| Ok((asked.own(&token, &id)?, token)));
    let outcome = match own {
        Ok((kernel, token)) => crate::channels::open(&shared, token, kernel, request).await,
        Err(refusal) => Err(refusal),
    };
    asked.answer(outcome)
}
