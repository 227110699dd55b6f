//! A trading service with nothing around it but what it needs: NATS and PostgreSQL.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::worker::{self, Nats, Process, free_port};
use crate::config::{self, Config, Overrides};
use crate::error::Error;
use crate::supervisor::{prepare, spawn, spec};

/// The service's processes; they end in this order.
pub(super) struct Desk {
    pub(super) trade: Process,
    pub(super) postgres: Process,
    pub(super) nats: Nats,
    /// The service's `/metrics`.
    pub(super) metrics: u16,
}

impl Desk {
    /// Starts all three below `folder` and waits until trading may begin.
    pub(super) fn start(config: &Config, folder: &Path, strategies: &Path) -> Result<Self, Error> {
        let nats = Nats::start(&config.engine("bin/nats-server"), folder)?;
        let metrics = free_port()?;
        let text = |path: &Path| toml::Value::from(path.display().to_string());
        let settings = vec![
            format!("platform.data_dir={}", text(&folder.join("data"))),
            format!("platform.engines_dir={}", text(&config.platform.engines_dir)),
            "platform.log_level=\"warn\"".to_owned(),
            "orchestration.enabled=false".to_owned(),
            format!("nats.port={}", nats.port),
            format!("postgres.port={}", free_port()?),
            format!("trade.metrics_port={metrics}"),
            format!("trade.strategies={}", text(strategies)),
        ];
        let own = config::load(&Overrides { settings: settings.clone(), ..Overrides::default() })?;
        let postgres = postgres(&own)?;
        let kt = |words: &[&str]| {
            let program = std::env::current_exe().map_err(Error::doing("finding the kt binary"))?;
            let mut command = Command::new(program);
            command.args(words).args(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
            command.stdin(Stdio::null()).stdout(Stdio::null());
            Ok::<_, Error>(command)
        };
        migrated(kt(&["migrate", "apply", "--target", "postgres"])?)?;
        let trade = Process::start(kt(&["trade"])?)?;
        super::load::wait_until_ready(metrics)?;
        Ok(Self { trade, postgres, nats, metrics })
    }
}

/// PostgreSQL as `kt up` runs it.
fn postgres(config: &Config) -> Result<Process, Error> {
    prepare::directories(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::doing("starting the runtime"))?.block_on(prepare::prepare(config))?;
    let services = spec::services(config)?;
    let service = services.iter().find(|service| service.name == "postgres");
    let service = service.ok_or_else(|| Error::failed("the platform has no PostgreSQL"))?;
    let mut command = Command::new(&service.program);
    command.args(&service.arguments).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    spawn::plain_environment(&mut command);
    spawn::run_as(&mut command, service.user.as_ref());
    let process = Process::start(command)?;
    worker::wait_for_port(config.address(config.postgres.port).port(), "PostgreSQL")?;
    Ok(process)
}

/// The server may still be starting when its port is open.
fn migrated(mut command: Command) -> Result<(), Error> {
    for _ in 0..50 {
        let status = command.stderr(Stdio::null()).status().map_err(Error::doing("migrating PostgreSQL"))?;
        if status.success() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err(Error::failed("PostgreSQL's migrations fail; `kt migrate apply --target postgres` says why"))
}
