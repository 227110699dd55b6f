//! What the service needs to know.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kt_bus::{BusConfig, LogConfig};
use kt_journal::Limits;
use kt_store::StoreConfig;

/// See [`crate::run`].
#[derive(Clone, Debug)]
pub struct ExecutionConfig {
    /// Messaging.
    pub bus: BusConfig,
    /// Limits of the durable log, should it have to be created.
    pub log: LogConfig,
    /// Orders and fills.
    pub store: StoreConfig,
    /// Folder of the journal.
    pub folder: PathBuf,
    /// Bounds of the journal.
    pub limits: Limits,
    /// Strategies, limits and assumptions (TOML).
    pub strategies: String,
    /// Time between two ticks.
    pub tick: Duration,
    /// Where `/metrics` and `/health` are served.
    pub listen: SocketAddr,
}
