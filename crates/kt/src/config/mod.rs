//! The platform's configuration: one tree of structs, complete defaults, strict reading.

mod load;
mod paths;
mod remote;
mod size;
mod speed;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use load::{Overrides, load};
pub(crate) use size::ByteSize;
pub(crate) use speed::Speed;

/// Every key with its default and its meaning, as TOML.
pub(crate) const DEFAULTS: &str = include_str!("defaults.toml");

/// The whole configuration, after files, environment and command line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) platform: Platform,
    pub(crate) supervisor: Supervisor,
    pub(crate) nats: Nats,
    pub(crate) warehouse: Warehouse,
    pub(crate) postgres: Postgres,
    pub(crate) source: Source,
    pub(crate) sim: Sim,
    pub(crate) alerts: Alerts,
    pub(crate) console: Console,
    pub(crate) log: Log,
    pub(crate) feed: Feed,
    pub(crate) load: Load,
    pub(crate) backfill: Backfill,
    pub(crate) signals: Signals,
    pub(crate) trade: Trade,
    pub(crate) orchestration: Orchestration,
    pub(crate) research: Research,
    pub(crate) s3: S3,
    pub(crate) tiers: Tiers,
    pub(crate) mirror: Mirror,
}

/// What concerns all services. Directories are absolute once loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Platform {
    pub(crate) data_dir: PathBuf,
    pub(crate) engines_dir: PathBuf,
    pub(crate) recordings_dir: PathBuf,
    pub(crate) bind: IpAddr,
    pub(crate) port_offset: u16,
    pub(crate) log_level: String,
}

/// How services are watched. Units are in the names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Supervisor {
    pub(crate) start_timeout_s: u64,
    pub(crate) start_attempts: u32,
    pub(crate) stop_timeout_s: u64,
    pub(crate) health_interval_ms: u64,
    pub(crate) health_timeout_ms: u64,
    pub(crate) unhealthy_after: u32,
    pub(crate) unhealthy_restart_s: u64,
    pub(crate) restart_initial_ms: u64,
    pub(crate) restart_max_ms: u64,
    pub(crate) restart_reset_s: u64,
    pub(crate) log_file_size: ByteSize,
    pub(crate) log_files_kept: u32,
}

/// Messaging and the durable log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nats {
    pub(crate) port: u16,
    pub(crate) monitor_port: u16,
    pub(crate) leaf_port: u16,
    pub(crate) user: String,
    pub(crate) store_limit: ByteSize,
    pub(crate) memory_limit: ByteSize,
    /// Empty: the one that `kt up` starts.
    pub(crate) url: String,
    pub(crate) username: String,
    /// Empty or absolute once loaded.
    pub(crate) password_file: PathBuf,
}

/// ClickHouse in-process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Warehouse {
    pub(crate) port: u16,
    pub(crate) research_port: u16,
    pub(crate) user: String,
    pub(crate) memory_limit: ByteSize,
    pub(crate) sandbox: Sandbox,
    /// Empty: the one that `kt up` starts.
    pub(crate) url: String,
    pub(crate) username: String,
    /// Empty or absolute once loaded.
    pub(crate) password_file: PathBuf,
}

/// How strictly the warehouse's process is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sandbox {
    Required,
    BestEffort,
    Off,
}

/// Application state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Postgres {
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) role: String,
    pub(crate) shared_buffers: ByteSize,
    pub(crate) max_connections: u16,
}

/// Where market data comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) mode: SourceMode,
    /// Absolute once loaded.
    pub(crate) replay: Vec<PathBuf>,
    pub(crate) speed: Speed,
    pub(crate) light: bool,
}

/// The kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SourceMode {
    Generated,
    Replay,
    Live,
}

/// The simulated exchange.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sim {
    pub(crate) port: u16,
    pub(crate) seed: u64,
    pub(crate) instruments: u16,
    pub(crate) rate: u32,
    pub(crate) tick_ms: u64,
    pub(crate) history_hours: u64,
    pub(crate) history_size: ByteSize,
    pub(crate) client_queue: ByteSize,
    pub(crate) memory_limit: ByteSize,
}

/// The page.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Console {
    pub(crate) port: u16,
    pub(crate) enabled: bool,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) stale_after_s: u64,
    pub(crate) max_clients: usize,
    pub(crate) demonstration: bool,
}

/// The durable log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) size: ByteSize,
    pub(crate) days: u32,
}

/// Feed handlers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feed {
    pub(crate) metrics_port: u16,
    pub(crate) venues: Vec<String>,
    pub(crate) instruments: Vec<String>,
    /// Empty or absolute once loaded.
    pub(crate) mappings_dir: PathBuf,
    pub(crate) spool_size: ByteSize,
    pub(crate) archive: bool,
}

/// The loader.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    pub(crate) metrics_port: u16,
    pub(crate) buffer: ByteSize,
    pub(crate) inserters: usize,
}

/// Alert rules.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alerts {
    pub(crate) enabled: bool,
    pub(crate) metrics_port: u16,
    /// Empty: the built-in rules.
    pub(crate) rules: PathBuf,
    pub(crate) webhooks: Vec<String>,
    pub(crate) interval_s: u64,
}

/// Features and signals.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signals {
    pub(crate) enabled: bool,
    pub(crate) metrics_port: u16,
    /// Empty: the built-in declarations. Absolute once loaded.
    pub(crate) declarations: PathBuf,
    pub(crate) tick_ms: u64,
    pub(crate) snapshot_s: u64,
    pub(crate) tape_size: ByteSize,
}

/// Trading on paper.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trade {
    pub(crate) enabled: bool,
    pub(crate) metrics_port: u16,
    /// Empty: the built-in strategies. Absolute once loaded.
    pub(crate) strategies: PathBuf,
    pub(crate) tick_ms: u64,
    pub(crate) tape_size: ByteSize,
}

/// The embedded object store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3 {
    pub(crate) port: u16,
    pub(crate) metrics_port: u16,
    pub(crate) keep_free: ByteSize,
}

/// What makes this platform an environment of another one; written by `kt env up`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mirror {
    pub(crate) environment: String,
    pub(crate) upstream: String,
    /// Empty or absolute.
    pub(crate) password_file: PathBuf,
}

/// Where the warehouse keeps data by age, and what that costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tiers {
    pub(crate) hot_days: u32,
    pub(crate) hot_price: f64,
    pub(crate) cold_price: f64,
    pub(crate) currency: String,
}

/// Dagster and dbt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Orchestration {
    pub(crate) enabled: bool,
    pub(crate) web_port: u16,
    pub(crate) user: String,
}

/// Research kernels. Units are in the names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Research {
    pub(crate) enabled: bool,
    pub(crate) port: u16,
    pub(crate) gateway_port: u16,
    pub(crate) metrics_port: u16,
    pub(crate) user: String,
    pub(crate) first_uid: u32,
    pub(crate) kernels_per_user: usize,
    pub(crate) kernels: usize,
    pub(crate) idle_s: u64,
    pub(crate) life_s: u64,
    pub(crate) cell_s: u64,
    pub(crate) s_cpus: f64,
    pub(crate) s_memory: ByteSize,
    pub(crate) s_processes: u32,
    pub(crate) m_cpus: f64,
    pub(crate) m_memory: ByteSize,
    pub(crate) m_processes: u32,
    pub(crate) l_cpus: f64,
    pub(crate) l_memory: ByteSize,
    pub(crate) l_processes: u32,
    pub(crate) connect_ports: Vec<u16>,
}

/// Filling gaps from the exchanges' histories. Units are in the names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backfill {
    pub(crate) timeout_s: u64,
    pub(crate) attempts: u32,
    pub(crate) longest_pause_s: u64,
    pub(crate) land_within_s: u64,
    pub(crate) wait_for_other_s: u64,
    pub(crate) margin_ms: u64,
}

impl Config {
    /// The address of a service whose configured port is `port`.
    pub(crate) fn address(&self, port: u16) -> SocketAddr {
        // `ports` was checked against 65535 when the configuration was loaded.
        SocketAddr::new(self.platform.bind, port.saturating_add(self.platform.port_offset))
    }

    /// Every port key with the port configured there, without the offset.
    pub(crate) fn ports(&self) -> Vec<(&'static str, u16)> {
        vec![
            ("nats.port", self.nats.port),
            ("nats.monitor_port", self.nats.monitor_port),
            ("nats.leaf_port", self.nats.leaf_port),
            ("warehouse.port", self.warehouse.port),
            ("warehouse.research_port", self.warehouse.research_port),
            ("postgres.port", self.postgres.port),
            ("sim.port", self.sim.port),
            ("console.port", self.console.port),
            ("feed.metrics_port", self.feed.metrics_port),
            ("load.metrics_port", self.load.metrics_port),
            ("signals.metrics_port", self.signals.metrics_port),
            ("trade.metrics_port", self.trade.metrics_port),
            ("alerts.metrics_port", self.alerts.metrics_port),
            ("orchestration.web_port", self.orchestration.web_port),
            ("research.port", self.research.port),
            ("research.gateway_port", self.research.gateway_port),
            ("research.metrics_port", self.research.metrics_port),
            ("s3.port", self.s3.port),
            ("s3.metrics_port", self.s3.metrics_port),
        ]
    }

    /// The data directory of one service or purpose.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.platform.data_dir.join(name)
    }

    /// A file of the supervisor: lock, control socket, effective configuration.
    pub(crate) fn run_file(&self, name: &str) -> PathBuf {
        self.data("run").join(name)
    }

    /// Where `make setup` put the Python environments: next to the engines.
    pub(crate) fn python_dir(&self) -> PathBuf {
        self.platform.engines_dir.parent().unwrap_or(&self.platform.engines_dir).join("python")
    }

    /// An engine's file below the engines directory.
    pub(crate) fn engine(&self, file: impl AsRef<Path>) -> PathBuf {
        self.platform.engines_dir.join(file)
    }

    /// Where PostgreSQL's generated password is kept, readable by the owner alone.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.data("secrets").join("postgres-password")
    }
}
