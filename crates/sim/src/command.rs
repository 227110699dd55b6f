//! What the server asks of a venue's source of frames. A source (a recording's player or
//! the generated market) is one task that owns its state; nothing is shared by locks.

use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::client::Client;
use crate::faults::FaultRequest;
use crate::query::Target;

/// Commands that may wait for a source; more make the asking request wait.
pub(crate) const COMMAND_QUEUE: usize = 1024;

/// Where a source takes its commands from.
pub(crate) type Commands = mpsc::Receiver<Command>;

/// One request to a source.
pub(crate) enum Command {
    /// A client has connected.
    Attach(Client),
    /// A client has sent a text message.
    Text { client: u64, text: String },
    /// A client has gone.
    Detach { client: u64 },
    /// A REST request.
    Get { venue: Arc<str>, target: Target, reply: oneshot::Sender<Answer> },
    /// A fault to inject.
    Fault { request: FaultRequest, reply: oneshot::Sender<Result<FaultAnswer, String>> },
}

/// What came of a fault request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultAnswer {
    /// Done at once: frames sent, connections closed.
    pub applied: u64,
    /// Still to come: frames to drop, to swap, to cross.
    pub pending: u64,
}

/// The answer to a REST request. All bodies are JSON.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Answer {
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: body.into() }
    }

    /// A refusal in the exchanges' common shape `{"code":…,"msg":…}`.
    pub fn refuse(status: StatusCode, code: i64, message: &str) -> Self {
        let body = serde_json::json!({"code": code, "msg": message}).to_string();
        Self { status, body: body.into() }
    }
}
