//! What the supervisor starts: each service's command, needs and health check.

use std::ffi::OsString;
use std::path::PathBuf;

use kt_store::StoreConfig;

use crate::config::{Config, SourceMode};
use crate::error::Error;
use crate::supervisor::health::Health;
use crate::sys::User;

/// One service.
#[derive(Debug, Clone)]
pub(crate) struct ServiceSpec {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// The user it runs as; `None`: the supervisor's.
    pub(crate) user: Option<User>,
    /// What asks it to stop in order. Sent too when the supervisor dies.
    pub(crate) stop_signal: i32,
    pub(crate) health: Health,
    /// Services that must be up before it starts.
    pub(crate) after: &'static [&'static str],
    /// Ports it listens on, offset included.
    pub(crate) ports: Vec<u16>,
    /// Whether it exits when the pipe on its standard input closes: kt's own services.
    pub(crate) lifeline: bool,
    /// The platform is ready without it, and goes on when it cannot be started.
    pub(crate) background: bool,
}

impl ServiceSpec {
    /// How far it stands back when the processor is short. What a row passes on its way to a subscriber goes
    /// first; the durable log is a buffer, so what stands behind it may wait, and orchestration waits for all.
    pub(crate) fn niceness(&self) -> i32 {
        match self.name {
            "nats" | "feed" | "sim" | "signals" | "trade" => 0,
            "console" => 2,
            "load" => 5,
            "warehouse" | "postgres" | "migrate" | "s3" => 10,
            _ => 15,
        }
    }
}

/// How many threads of `nats-server` work at once: half the cores, at least one. With as many as there are
/// cores its scheduler looks for work on the cores that publishers and subscribers need
/// (docs/decisions/0008-hot-path-client.md).
pub(crate) fn nats_threads() -> (&'static str, String) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    ("GOMAXPROCS", (cores / 2).max(1).to_string())
}

/// The services of an environment.
const MIRRORED: [&str; 8] = ["postgres", "nats", "s3", "warehouse", "migrate", "tiers", "load", "console"];

/// All services in the order of their start. They stop in reverse: PostgreSQL, which records what
/// happens to the others, comes first and goes last.
pub(crate) fn services(config: &Config) -> Result<Vec<ServiceSpec>, Error> {
    let own = Own::new(config)?;
    let warehouse = own.service(config, "warehouse", config.warehouse.port, &["s3"]);
    let mut services = vec![
        postgres(config)?,
        nats(config)?,
        own.s3(config),
        ServiceSpec {
            health: http(config, config.warehouse.port, "/ping"),
            ports: [config.warehouse.port, config.warehouse.research_port]
                .map(|port| config.address(port).port())
                .to_vec(),
            ..warehouse
        },
        own.once("migrate", &["migrate", "apply"], &["postgres", "warehouse"]),
        ServiceSpec { background: true, ..own.once("tiers", &["tiers", "apply"], &["migrate"]) },
    ];
    if config.source.mode != SourceMode::Live {
        services.push(own.service(config, "sim", config.sim.port, &[]));
    }
    services.push(own.service(config, "load", config.load.metrics_port, &["nats", "migrate"]));
    if config.console.enabled {
        services.push(own.service(config, "console", config.console.port, &["nats", "migrate"]));
    }
    // Before the feed, whose first snapshots it needs, and stopped after it.
    if config.signals.enabled {
        services.push(own.service(config, "signals", config.signals.metrics_port, &["nats"]));
    }
    if config.trade.enabled && config.source.mode != SourceMode::Replay {
        // It learns from the feed's first rows what the instruments are.
        services.push(own.service(config, "trade", config.trade.metrics_port, &["nats", "migrate"]));
    }
    if config.alerts.enabled {
        services.push(own.service(config, "alerts", config.alerts.metrics_port, &["migrate"]));
    }
    // Late, and so early to stop: the loader then lands what the feed published to the end.
    services.push(own.service(config, "feed", config.feed.metrics_port, &["nats", "sim"]));
    services.extend(crate::orchestration::services(config, |name, command| ServiceSpec {
        arguments: own.arguments(command),
        ports: Vec::new(),
        ..own.service(config, name, 0, &[])
    }));
    if config.research.enabled && crate::research::pythons(config).is_ok() {
        let after = &["s3", "migrate", "load", "console", "feed"];
        services.push(ServiceSpec {
            background: true,
            arguments: own.arguments(&["research", "serve"]),
            ports: [config.research.port, config.research.gateway_port, config.research.metrics_port]
                .map(|port| config.address(port).port())
                .to_vec(),
            ..own.service(config, "research", config.research.metrics_port, after)
        });
    }
    if !config.mirror.environment.is_empty() {
        // What flows in an environment comes from the platform that it belongs to.
        services.retain(|service| MIRRORED.contains(&service.name));
    }
    Ok(services)
}

/// What the services of this binary have in common.
struct Own {
    program: PathBuf,
    config_file: PathBuf,
}

impl Own {
    fn new(config: &Config) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(Error::doing("finding the kt binary"))?;
        Ok(Self { program, config_file: config.run_file("effective.toml") })
    }

    fn arguments(&self, command: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = command.iter().map(OsString::from).collect();
        arguments.extend(["--supervised".into(), "--config".into(), self.config_file.clone().into()]);
        arguments
    }

    /// A service that answers `/health` on `port`.
    fn service(&self, config: &Config, name: &'static str, port: u16, after: &'static [&'static str]) -> ServiceSpec {
        ServiceSpec {
            name,
            program: self.program.clone(),
            arguments: self.arguments(&[name]),
            user: None,
            stop_signal: libc::SIGTERM,
            health: http(config, port, "/health"),
            after,
            ports: vec![config.address(port).port()],
            lifeline: true,
            background: false,
        }
    }

    /// The object store: its health is answered beside its own port.
    fn s3(&self, config: &Config) -> ServiceSpec {
        let service = self.service(config, "s3", config.s3.metrics_port, &[]);
        ServiceSpec {
            ports: [config.s3.port, config.s3.metrics_port].map(|port| config.address(port).port()).to_vec(),
            ..service
        }
    }

    /// A one-shot service: `migrate` brings the databases up to date, `tiers` tells them at which age to move data.
    fn once(&self, name: &'static str, command: &[&str], after: &'static [&'static str]) -> ServiceSpec {
        ServiceSpec {
            name,
            program: self.program.clone(),
            arguments: self.arguments(command),
            user: None,
            stop_signal: libc::SIGTERM,
            health: Health::ExitCode,
            after,
            ports: Vec::new(),
            lifeline: true,
            background: false,
        }
    }
}

fn http(config: &Config, port: u16, path: &'static str) -> Health {
    Health::Http { address: config.address(port), path }
}

fn nats(config: &Config) -> Result<ServiceSpec, Error> {
    Ok(ServiceSpec {
        name: "nats",
        program: config.engine("bin/nats-server"),
        arguments: vec!["--config".into(), config.data("nats").join("nats.conf").into()],
        user: user_for(&config.nats.user)?,
        stop_signal: libc::SIGTERM,
        health: http(config, config.nats.monitor_port, "/healthz"),
        after: &[],
        ports: [config.nats.port, config.nats.monitor_port, config.nats.leaf_port]
            .map(|port| config.address(port).port())
            .to_vec(),
        lifeline: false,
        background: false,
    })
}

fn postgres(config: &Config) -> Result<ServiceSpec, Error> {
    let address = config.address(config.postgres.port);
    let directory = config.data("postgres");
    let setting = |name: &str, value: String| ["-c".into(), OsString::from(format!("{name}={value}"))];
    let mut arguments: Vec<OsString> = vec!["-D".into(), directory.join("cluster").into()];
    arguments.extend(setting("listen_addresses", address.ip().to_string()));
    arguments.extend(setting("port", address.port().to_string()));
    arguments.extend(setting("unix_socket_directories", directory.join("socket").display().to_string()));
    arguments.extend(setting("unix_socket_permissions", "0700".into()));
    arguments.extend(setting("shared_buffers", format!("{}kB", config.postgres.shared_buffers.0 >> 10)));
    arguments.extend(setting("max_connections", config.postgres.max_connections.to_string()));
    arguments.extend(setting("log_line_prefix", String::new()));
    Ok(ServiceSpec {
        name: "postgres",
        program: config.engine("postgres/bin/postgres"),
        arguments,
        user: user_for(&config.postgres.user)?,
        // PostgreSQL's fast shutdown: SIGTERM would wait for clients to leave.
        stop_signal: libc::SIGINT,
        // The application's own database is created by the migrations, which wait for this check.
        health: Health::Postgres(StoreConfig { database: "postgres".into(), ..super::prepare::store_config(config)? }),
        after: &[],
        ports: vec![address.port()],
        lifeline: false,
        background: false,
    })
}

/// The user a service gives its rights up for; only root can and must.
pub(crate) fn user_for(name: &str) -> Result<Option<User>, Error> {
    if !crate::process::is_root() {
        return Ok(None);
    }
    let found = crate::sys::user(name).filter(|user| user.uid != 0);
    found.map(Some).ok_or_else(|| {
        Error::failed(format!("the system user {name} does not exist; run `make setup`, or `useradd --system {name}`"))
    })
}
