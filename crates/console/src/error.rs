//! Why the console does not start or stops.

use std::net::SocketAddr;

/// Errors of [`crate::serve`]. What goes wrong later (no messaging, no warehouse) is shown on the page
/// and mended by trying again.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address is taken or not allowed.
    #[error("the console cannot listen on {address}: {source}; free the port or choose another")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The warehouse's address cannot be used.
    #[error("the console's warehouse address is wrong: {0}")]
    Warehouse(#[from] kt_warehouse::client::ClientError),
    /// The server stopped working.
    #[error("the console's web server stopped: {0}")]
    Serve(std::io::Error),
}
