//! What can go wrong with object storage, in words that say what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An error of the server or of a request to it.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for S3: {reason}; `kt doctor` tells who holds the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        reason: io::Error,
    },
    /// The directory of the objects cannot be used.
    #[error("object directory {path} cannot be used: {reason}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server of metrics and health stopped.
    #[error(transparent)]
    Operations(#[from] kt_ops::Error),
    /// An address or a name that is none.
    #[error("object storage at {url}: {reason}")]
    Address {
        /// The address given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer.
    #[error(
        "object storage at {url} does not answer ({reason}); `kt status` shows whether s3 runs, `kt logs s3` why not"
    )]
    Unreachable {
        /// Its address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// An answer, but too late.
    #[error(
        "object storage at {url} took longer than {seconds} s; it is overloaded or its disk is slow: look at `kt logs s3`"
    )]
    Slow {
        /// Its address.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The key is unknown, its secret wrong, or it may not do this.
    #[error(
        "object storage at {url} refuses the key {key} for bucket {bucket} ({reason}): its credentials file is not the \
         one the server started with; `kt restart s3` and `kt restart warehouse` read it again"
    )]
    Denied {
        /// Its address.
        url: String,
        /// The access key.
        key: String,
        /// The bucket.
        bucket: String,
        /// The server's code and message.
        reason: String,
    },
    /// There is no room.
    #[error("object storage at {url} is full ({reason}): free some disk, or lower s3.keep_free")]
    Full {
        /// Its address.
        url: String,
        /// The server's message.
        reason: String,
    },
    /// Any other refusal.
    #[error("object storage at {url} answered {status}: {reason}")]
    Answer {
        /// Its address.
        url: String,
        /// HTTP status.
        status: u16,
        /// The server's code and message.
        reason: String,
    },
}
