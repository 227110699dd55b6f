//! What can go wrong, in words that say what to do.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// An error of the research service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for research: {reason}; `kt doctor` tells who holds the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        reason: io::Error,
    },
    /// A file or folder cannot be used.
    #[error("research: {path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The gateway cannot be started or does not answer.
    #[error("Enterprise Gateway: {0}")]
    Gateway(String),
    /// A kernel cannot be started.
    #[error("kernel: {0}")]
    Kernel(String),
    /// A token or a user's name that cannot be.
    #[error("{0}")]
    Token(String),
    /// The server of metrics and health stopped.
    #[error(transparent)]
    Operations(#[from] kt_ops::Error),
}

impl Error {
    /// An error about a file, for `map_err`.
    pub(crate) fn file<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |reason| Self::File { path, reason: reason.to_string() }
    }
}
