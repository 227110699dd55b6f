//! The WebSocket between a client and its kernel: bytes are passed on as they are, both ways.
//!
//! The gateway answers the client's own handshake, so extensions and subprotocols are theirs to agree. What this
//! service adds is the gateway's secret, and the end of the connection when the token ends or the kernel goes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::admit::Refusal;
use crate::audit::Entry;
use crate::kernels::Kernel;
use crate::service::Shared;
use crate::tokens::Token;

/// How often an open connection's right is looked at again.
const LOOK: Duration = Duration::from_secs(1);

/// Headers of the handshake that belong to client and gateway.
const PASSED: [HeaderName; 6] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];

/// Connects a client to a kernel that was found to be its own.
///
/// # Errors
/// No handshake, or a gateway that refuses it.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    token: Token,
    kernel: Kernel,
    mut request: Request<Body>,
) -> Result<Response, Refusal> {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().filter(|_| wants_websocket(request.headers()));
    let upgrade = upgrade.ok_or_else(|| {
        let message = "this address speaks WebSocket: send a handshake";
        Refusal::new(StatusCode::UPGRADE_REQUIRED, "handshake", message)
    })?;
    let mut asked = Request::builder().method(Method::GET).uri(address(&kernel.id, request.uri().query()));
    for name in PASSED {
        for value in request.headers().get_all(&name) {
            asked = asked.header(&name, value);
        }
    }
    let gone = |reason: String| Refusal::new(StatusCode::BAD_GATEWAY, "gateway", reason);
    let asked = asked.body(Body::empty()).map_err(|error| gone(error.to_string()))?;
    let (mut answer, carrier) = shared.gateway.send(asked).await.map_err(|error| gone(error.to_string()))?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        carrier.abort();
        return Err(gone(format!("the gateway answered the handshake with {}", answer.status())));
    }
    let mut response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    for (name, value) in answer.headers() {
        if *name == header::SEC_WEBSOCKET_ACCEPT || PASSED.contains(name) {
            response = response.header(name, value);
        }
    }
    let inner = hyper::upgrade::on(&mut answer);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        match tokio::try_join!(upgrade, inner) {
            Ok((client, kernel_side)) => {
                carry(&shared, &token, &kernel, TokioIo::new(client), TokioIo::new(kernel_side)).await;
            }
            Err(error) => tracing::debug!(%error, "a handshake was broken off"),
        }
    });
    response.body(Body::empty()).map_err(|error| gone(error.to_string()))
}

/// The kernel's address at the gateway; of a query only the session's name is kept, if it is plain.
fn address(id: &str, query: Option<&str>) -> String {
    let session =
        query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("session_id="));
    let plain = |text: &&str| {
        text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let session = session.filter(plain).map(|session| format!("?session_id={session}")).unwrap_or_default();
    format!("/api/kernels/{id}/channels{session}")
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let named = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    named.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// Passes bytes on until one side ends, the token ends, or the kernel is gone.
async fn carry<C, K>(shared: &Shared, token: &Token, kernel: &Kernel, mut client: C, mut inner: K)
where
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    K: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    shared.metrics.channels.inc();
    let cause = tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut inner) => "closed",
        cause = right_ends(shared, token, kernel) => cause,
    };
    shared.metrics.channels.dec();
    shared.audit.write(&Entry {
        what: "disconnect",
        verdict: if cause == "closed" { "allowed" } else { "refused" },
        user: &token.user,
        token: &token.id,
        kernel: &kernel.id,
        cause,
        ..Entry::default()
    });
}

async fn right_ends(shared: &Shared, token: &Token, kernel: &Kernel) -> &'static str {
    loop {
        tokio::time::sleep(LOOK).await;
        let tokens = shared.tokens.list();
        let same = tokens.ok().and_then(|tokens| tokens.into_iter().find(|known| known.id == token.id));
        let now = crate::time::now_seconds();
        match same {
            Some(known) if known.ended(now).is_none() => {}
            Some(known) if known.revoked.is_some() => return "revoked",
            _ => return "expired",
        }
        if shared.kernels.own(&kernel.id, &token.user).is_none() {
            return "kernel_ended";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_query_keeps_a_plain_session_only() {
        assert_eq!(address("k", Some("a=b&session_id=s-1_Z")), "/api/kernels/k/channels?session_id=s-1_Z");
        for query in [None, Some("token=x"), Some("session_id=a%20b"), Some("session_id=a/../b")] {
            assert_eq!(address("k", query), "/api/kernels/k/channels", "{query:?}");
        }
    }
}
