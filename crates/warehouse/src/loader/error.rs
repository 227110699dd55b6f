//! The loader's error type.

use kt_bus::BusError;

use crate::client::ClientError;

/// Why the loader did not start or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// The log, the watermark or the lease could not be reached.
    #[error("loader: {0}")]
    Bus(#[from] BusError),
    /// The warehouse refused something that trying again will not mend.
    #[error("loader: {action}: {cause}")]
    Warehouse {
        /// What was attempted.
        action: String,
        /// What the warehouse said.
        cause: ClientError,
    },
    /// Tables are missing or have other columns than the events.
    #[error("loader: {0}")]
    Tables(String),
    /// Another loader holds the lease.
    #[error("loader: another loader took over ({holder}); only one may insert, so this one stops")]
    LeaseLost {
        /// What the other says of itself.
        holder: String,
    },
    /// The operator's port could not be served.
    #[error("loader: {0}")]
    Operations(#[from] kt_ops::Error),
    /// A part of the loader ended unexpectedly.
    #[error("loader: its {0} ended unexpectedly; see the log lines before")]
    PartEnded(&'static str),
}
