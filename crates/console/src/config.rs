//! What the console needs to know.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kt_bus::BusConfig;
use serde::Serialize;

use crate::hot::scanner::AgeLimits;

/// Where the platform's events come from: the page says so beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The platform's own simulated exchange.
    Generated,
    /// Recorded frames.
    Replay,
    /// The exchanges themselves.
    Live,
}

/// What storage costs, for a GB of 10^9 bytes and month.
#[derive(Clone, Debug, PartialEq)]
pub struct CostConfig {
    /// Of the local disk.
    pub hot_price: f64,
    /// Of the object store.
    pub cold_price: f64,
    /// Days after which data turns cold; `None`: it never does by itself.
    pub hot_days: Option<u32>,
    /// What prices are stated in.
    pub currency: String,
}

/// Configuration of [`crate::serve`].
#[derive(Clone, Debug)]
pub struct ConsoleConfig {
    /// Where to listen. The page asks for no password: keep it on loopback.
    pub listen: SocketAddr,
    /// Further names under which browsers may ask for the page (a reverse proxy's, for instance).
    /// `localhost` and the listening address are always allowed; a foreign name is refused, so that
    /// no other web site can read the page through a name of its own that points here.
    pub allowed_hosts: Vec<String>,
    /// The messaging server.
    pub bus: BusConfig,
    /// The warehouse, `http://127.0.0.1:8123`.
    pub warehouse_url: String,
    /// User and password at the warehouse, where it asks for them.
    pub warehouse_user: Option<(String, String)>,
    /// The supervisor's control socket; `None` where a cluster supervises.
    pub control_socket: Option<PathBuf>,
    /// Where events come from.
    pub source: Source,
    /// A feed without an event for this long is shown as stale.
    pub stale_after: Duration,
    /// Ages up to which quotes and rates are used in a basis or an APR.
    pub limits: AgeLimits,
    /// Most live streams at once; further clients are told to wait.
    pub max_clients: usize,
    /// Whether the page may end services to show that nothing is lost. On loopback only.
    pub demonstration: bool,
    /// How long a token of the page is good.
    pub token_lifetime: Duration,
    /// Prices of storage; without them the page tells no cost.
    pub cost: Option<CostConfig>,
}

impl ConsoleConfig {
    /// A console on this machine with the usual limits.
    #[must_use]
    pub fn local(port: u16, nats_port: u16, warehouse_port: u16) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], port)),
            allowed_hosts: Vec::new(),
            bus: BusConfig::local(nats_port, "kt-console"),
            warehouse_url: format!("http://127.0.0.1:{warehouse_port}"),
            warehouse_user: None,
            control_socket: None,
            source: Source::Generated,
            stale_after: Duration::from_secs(5),
            limits: AgeLimits::default(),
            max_clients: 64,
            demonstration: false,
            token_lifetime: Duration::from_secs(120),
            cost: None,
        }
    }
}
