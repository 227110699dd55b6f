//! The crate's one error type.

use std::path::PathBuf;

use kt_bus::BusError;

/// What failed, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// A file of the spool or of the frame archive.
    #[error("{action} {path}: {source}; check the disk's space and the folder's permissions")]
    File {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process writes the same spool.
    #[error("{path} is in use by another process; a writer runs once, end the other one or name another spool folder")]
    SpoolInUse {
        /// The lock file.
        path: PathBuf,
    },
    /// A spool of another program version.
    #[error("{path} is no spool segment that this version reads; move it away, its blocks cannot be published")]
    SpoolFormat {
        /// The file.
        path: PathBuf,
    },
    /// Messaging.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A mapping or plan.
    #[error("venue {venue}: {message}")]
    Venue {
        /// Which venue.
        venue: String,
        /// What is wrong with it.
        message: String,
    },
    /// The configuration contradicts itself.
    #[error("feed configuration: {0}")]
    Config(String),
    /// A REST request.
    #[error("GET {url}: {cause}")]
    Fetch {
        /// What was fetched.
        url: String,
        /// What came back.
        cause: String,
    },
    /// The service's metrics port.
    #[error(transparent)]
    Operations(#[from] kt_ops::Error),
    /// A venue's thread ended by a panic.
    #[error("the thread of venue {0} panicked; this is a defect, see the log")]
    Panicked(String),
}

impl FeedError {
    pub(crate) fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
