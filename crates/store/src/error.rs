//! Errors, worded from PostgreSQL's own answer.

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("cannot connect to PostgreSQL at {address} as {user}: {reason}")]
    Connect {
        /// Host and port.
        address: String,
        /// The database user.
        user: String,
        /// The server's or the system's reason.
        reason: String,
    },
    /// A statement failed.
    #[error("{doing} failed: {reason}")]
    Query {
        /// What was being done.
        doing: &'static str,
        /// The server's reason.
        reason: String,
    },
}

impl Error {
    pub(crate) fn query(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |error| Self::Query { doing, reason: reason(&error) }
    }
}

/// The server's message with its hint; the driver's own text says only "db error".
pub(crate) fn reason(error: &tokio_postgres::Error) -> String {
    let Some(server) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        return format!("{error}{}", cause.unwrap_or_default());
    };
    let mut text = format!("{} (SQLSTATE {})", server.message(), server.code().code());
    for part in [server.detail(), server.hint()].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(part);
    }
    if let Some(tokio_postgres::error::ErrorPosition::Original(position)) = server.position() {
        text.push_str(&format!("; at character {position}"));
    }
    text
}
