//! Errors as the API tells them: what happened, and what to do.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An error with a way out.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    /// What happened, to what.
    pub error: String,
    /// What to do about it.
    pub hint: String,
}

impl Problem {
    fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: hint.into() }
    }

    /// The question is wrong.
    pub fn bad_request(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// There is no such thing.
    pub fn not_found(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, hint)
    }

    /// Not allowed, whatever was asked.
    pub fn forbidden(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error, hint)
    }

    /// The method is not allowed.
    pub fn method(error: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, error, "use GET")
    }

    /// Asked for under a name that is not ours.
    pub fn foreign_host(host: &str) -> Self {
        let error = format!("this console does not answer to the name {host:?}");
        let hint = "use its address or localhost, or add the name to the console's allowed hosts";
        Self::new(StatusCode::MISDIRECTED_REQUEST, error, hint)
    }

    /// Too much at once.
    pub fn busy(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, "try again in a moment, or close other tabs")
    }

    /// Something behind the console failed.
    pub fn behind(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, error, hint)
    }

    /// Something behind the console took too long.
    pub fn late(error: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, error, "ask for a shorter range")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}
