//! What `kt warehouse` is told: addresses, directories, limits, users.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Configuration of the warehouse service.
#[derive(Debug, Clone)]
pub struct WarehouseConfig {
    /// Where to listen for HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where people who do research are served: the accounts of [`crate::accounts`] and nobody else, whereas
    /// `listen` does not know these.
    pub research_listen: Option<SocketAddr>,
    /// The warehouse's own directory: engine data, its configuration and the lock file.
    pub data_directory: PathBuf,
    /// The engine: full path of `libchdb.so`.
    pub library: PathBuf,
    /// User to become when started as root; `None` keeps the user (refused for root unless the
    /// sandbox is off).
    pub run_as: Option<String>,
    /// How the sandbox is applied.
    pub sandbox: SandboxMode,
    /// TCP ports the engine may connect to (cold storage); all others are refused by the sandbox.
    pub connect_ports: Vec<u16>,
    /// The object store of old data; `None`: everything stays on the local disk.
    pub cold: Option<crate::tiers::ColdStore>,
    /// Memory the engine may use, in bytes; beyond it queries fail with code 241.
    pub max_memory_bytes: u64,
    /// Statements running at once, each on its own thread.
    pub workers: usize,
    /// Statements waiting for a worker; beyond it requests are answered 503.
    pub queue: usize,
    /// Sessions (`session_id`) kept at once.
    pub sessions: usize,
    /// Largest statement text, in bytes (the data of an INSERT does not count).
    pub max_statement_bytes: usize,
    /// How long a client may pause within a body or stop reading a result.
    pub idle_timeout: Duration,
    /// How long running statements get to finish after SIGTERM.
    pub stop_timeout: Duration,
    /// Known users; when empty, `default` without a password may do everything.
    pub users: Vec<UserConfig>,
}

impl WarehouseConfig {
    /// A configuration with the platform's defaults for the given address and directories.
    pub fn new(listen: SocketAddr, data_directory: PathBuf, library: PathBuf) -> Self {
        Self {
            listen,
            research_listen: None,
            data_directory,
            library,
            run_as: Some("kt-warehouse".to_owned()),
            sandbox: SandboxMode::BestEffort,
            connect_ports: Vec::new(),
            cold: None,
            max_memory_bytes: 2 << 30,
            workers: 16,
            queue: 64,
            sessions: 256,
            max_statement_bytes: 4 << 20,
            idle_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(20),
            users: Vec::new(),
        }
    }
}

/// How strictly the process is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxMode {
    /// Refuse to start when the kernel cannot enforce every rule.
    Required,
    /// Enforce what the kernel can, and log what it cannot.
    BestEffort,
    /// Neither change the user nor restrict anything (debugging only).
    Off,
}

/// A user of the HTTP endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserConfig {
    /// Name, as in Basic authentication or `X-ClickHouse-User`.
    pub name: String,
    /// SHA-256 of the password, in lower-case hex; `None` admits without a password.
    #[serde(default)]
    pub password_sha256: Option<String>,
    /// Only single read-only statements, under `readonly=1`.
    #[serde(default)]
    pub readonly: bool,
    /// Limit on one query's memory, in bytes.
    #[serde(default)]
    pub max_memory_bytes: Option<u64>,
    /// Limit on one query's time, in seconds.
    #[serde(default)]
    pub max_execution_seconds: Option<u64>,
}

impl UserConfig {
    /// The user that exists when none is configured: everything allowed, no password.
    pub fn open_default() -> Self {
        Self {
            name: "default".to_owned(),
            password_sha256: None,
            readonly: false,
            max_memory_bytes: None,
            max_execution_seconds: None,
        }
    }
}
