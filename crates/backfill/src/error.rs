//! The crate's one error type.

use kt_bus::BusError;
use kt_feed::FeedError;
use kt_venue::VenueError;
use kt_warehouse::client::ClientError;

/// What a [`BackfillError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The source does not answer, or says that it cannot.
    Down,
    /// The source takes longer than it may.
    Slow,
    /// The source refuses because of too many requests.
    Limited,
    /// The source refuses the request itself.
    Refused,
    /// The source's answer cannot be right.
    Wrong,
    /// The source no longer has, or never had, what is asked for.
    Beyond,
    /// What was asked of this command cannot be done.
    Request,
    /// Another backfill works on the venue.
    InUse,
    /// The platform's own services.
    Platform,
}

/// An error of this crate: what happened, to what, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct BackfillError {
    /// What it is about.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
}

impl BackfillError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether the source, not the platform, is the cause: the gap stays open and others can still be filled.
    #[must_use]
    pub fn is_of_source(&self) -> bool {
        !matches!(self.kind, ErrorKind::InUse | ErrorKind::Platform)
    }
}

impl From<VenueError> for BackfillError {
    fn from(error: VenueError) -> Self {
        let kind = match error.kind {
            kt_venue::ErrorKind::Busy => ErrorKind::Limited,
            kt_venue::ErrorKind::Beyond | kt_venue::ErrorKind::Unknown => ErrorKind::Beyond,
            kt_venue::ErrorKind::Malformed => ErrorKind::Wrong,
            kt_venue::ErrorKind::Mapping | kt_venue::ErrorKind::Recording => ErrorKind::Request,
        };
        let message = if kind == ErrorKind::Wrong { format!("source wrong: {error}") } else { error.message };
        Self { kind, message }
    }
}

impl From<ClientError> for BackfillError {
    fn from(error: ClientError) -> Self {
        Self::new(ErrorKind::Platform, format!("the warehouse: {error}; `kt status` shows whether it runs"))
    }
}

impl From<FeedError> for BackfillError {
    fn from(error: FeedError) -> Self {
        Self::new(ErrorKind::Platform, error.to_string())
    }
}

impl From<BusError> for BackfillError {
    fn from(error: BusError) -> Self {
        Self::new(ErrorKind::Platform, format!("messaging: {error}; `kt status` shows whether it runs"))
    }
}
