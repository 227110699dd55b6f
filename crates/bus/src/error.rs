//! The crate's one error type.

use std::time::Duration;

/// What failed, on what, and why.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No server could be reached.
    #[error("no NATS server answers at {url}: {cause}; start it, or correct the address")]
    Connect {
        /// Where it was sought.
        url: String,
        /// What the client said.
        cause: String,
    },
    /// A credentials file could not be used.
    #[error("credentials for NATS: {0}; correct the file named in the configuration")]
    Credentials(String),
    /// A selection of data is not usable.
    #[error("selection {part:?}: {reason}")]
    Selection {
        /// The part that is wrong.
        part: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The durable log could not be created, changed or read.
    #[error("stream {stream}: {action} failed: {cause}")]
    Stream {
        /// Name of the stream.
        stream: &'static str,
        /// What was attempted.
        action: &'static str,
        /// What the server said.
        cause: String,
    },
    /// The landed watermark could not be read or written.
    #[error("landed watermark: {action} failed: {cause}")]
    Landed {
        /// What was attempted.
        action: &'static str,
        /// What the server said.
        cause: String,
    },
    /// A key-value bucket could not be opened, read or written.
    #[error("bucket {bucket}: {action} failed: {cause}")]
    Bucket {
        /// Its name.
        bucket: &'static str,
        /// What was attempted.
        action: &'static str,
        /// What the server said.
        cause: String,
    },
    /// A message could not be handed to the client.
    #[error("publishing on {subject} failed: {cause}")]
    Publish {
        /// Where to.
        subject: String,
        /// What the client said.
        cause: String,
    },
    /// A block or row that the server would refuse.
    #[error("{bytes} bytes on {subject} exceed the server's largest message of {limit} bytes; raise max_payload")]
    TooLarge {
        /// Where to.
        subject: String,
        /// Size of headers and payload together.
        bytes: usize,
        /// What the server accepts.
        limit: usize,
    },
    /// A subscription could not be made or ended.
    #[error("subscription to {subject}: {cause}")]
    Subscribe {
        /// The filter.
        subject: String,
        /// What happened.
        cause: String,
    },
    /// Nothing answered in time.
    #[error("{what} did not finish within {after:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The connection was closed for good.
    #[error("the connection to NATS is closed")]
    Closed,
}
