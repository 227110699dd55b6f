//! The whole platform, as `kt up` starts it, in a temporary directory on free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::worker::Process;
use crate::config::{self, Config, Overrides};
use crate::error::Error;
use crate::supervisor::control;
use crate::supervisor::status::{Phase, PlatformStatus};

/// How long the platform may take to be ready.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running platform; stopped when dropped.
pub(super) struct Platform {
    supervisor: Option<Process>,
    /// What it runs with.
    pub(super) config: Config,
    arguments: Vec<String>,
    _folder: TempDir,
}

impl Platform {
    /// Starts it with these settings and waits until it is ready.
    pub(super) fn start(config: &Config, settings: &[String]) -> Result<Self, Error> {
        let folder = super::load::folder()?;
        let data = folder.path().join("data").display().to_string();
        let offset = free_offset(config)?;
        let mut given = vec![
            format!("platform.data_dir={}", toml::Value::from(data.as_str())),
            format!("platform.engines_dir={}", toml::Value::from(config.platform.engines_dir.display().to_string())),
            format!("platform.port_offset={offset}"),
            "platform.log_level=\"warn\"".to_owned(),
        ];
        given.extend(settings.iter().cloned());
        let own = config::load(&Overrides { settings: given.clone(), ..Overrides::default() })?;
        let arguments = given.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect();
        let mut platform = Self { supervisor: None, config: own, arguments, _folder: folder };
        let mut command = platform.kt(&["up", "--plain", "--no-orchestration"])?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        platform.supervisor = Some(Process::start(command)?);
        let deadline = Instant::now() + PATIENCE;
        while !platform.status().is_ok_and(|status| status.phase == Phase::Ready) {
            let ended = platform.supervisor.as_mut().is_none_or(|supervisor| supervisor.has_ended());
            if ended || Instant::now() > deadline {
                return Err(Error::failed("the platform to be measured does not become ready; see what it said above"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(platform)
    }

    /// `kt` on this platform.
    pub(super) fn kt(&self, words: &[&str]) -> Result<Command, Error> {
        let program = std::env::current_exe().map_err(Error::doing("finding the kt binary"))?;
        let mut command = Command::new(program);
        command.args(words).args(&self.arguments);
        Ok(command)
    }

    /// What the supervisor says.
    pub(super) fn status(&self) -> Result<PlatformStatus, Error> {
        control::status(&self.config, false)
    }

    /// Services with their processes, without the ones that have done their work.
    pub(super) fn services(&self) -> Result<Vec<(String, u32)>, Error> {
        let services = self.status()?.services.into_iter();
        let mut running: Vec<_> = services.filter_map(|service| Some((service.service, service.pid?))).collect();
        running.extend(self.supervisor.as_ref().map(|supervisor| ("supervisor".to_owned(), supervisor.pid())));
        Ok(running)
    }

    /// A port in force.
    pub(super) fn port(&self, configured: u16) -> u16 {
        self.config.address(configured).port()
    }

    /// Stops it in order.
    pub(super) fn stop(mut self) -> Result<(), Error> {
        self.supervisor.take().map_or(Ok(()), Process::stop)
    }
}

/// An offset at which every port is free now.
fn free_offset(config: &Config) -> Result<u16, Error> {
    // Spread by process, so that two benchmarks do not meet.
    let first = 11_000 + u16::try_from(std::process::id() % 97).unwrap_or(0) * 100;
    let free = |offset: &u16| {
        let ports = config.ports();
        ports.iter().all(|(_, port)| TcpListener::bind((Ipv4Addr::LOCALHOST, port.saturating_add(*offset))).is_ok())
    };
    (first..first + 2_000).step_by(13).find(free).ok_or_else(|| Error::failed("no free ports for a platform"))
}
