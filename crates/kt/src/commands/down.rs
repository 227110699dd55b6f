//! `kt down`, `kt restart`, `kt kill`: orders for a running supervisor.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::error::Error;
use crate::progress::Progress;
use crate::supervisor::control::{self, Request};
use crate::supervisor::lock;

/// Stops the platform and waits until its supervisor has gone. Nothing running is fine too.
pub(crate) fn run(config: &Config) -> Result<(), Error> {
    let Some(holder) = lock::holder(config) else {
        super::print(format!("no platform runs on {}", config.platform.data_dir.display()));
        return Ok(());
    };
    let mut progress = Progress::new(false);
    progress.begin_with(&control::status(config, false)?);
    control::ask(config, &Request::Down)?;
    // Each service may use its whole time-out, one after another.
    let services = 10;
    let deadline = Instant::now() + Duration::from_secs((config.supervisor.stop_timeout_s + 5) * services);
    while lock::holder(config).is_some() {
        if let Ok(status) = control::status(config, false) {
            progress.show(&status);
        }
        if Instant::now() > deadline {
            return Err(Error::failed(format!(
                "the supervisor (process {}) does not end; `kill -9 {}` ends it and its services",
                holder.pid, holder.pid
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    super::print("KubeTrader is stopped");
    Ok(())
}

pub(crate) fn restart(config: &Config, service: String) -> Result<(), Error> {
    control::ask(config, &Request::Restart { service: service.clone() })?;
    super::print(format!("{service} is restarting; `kt status` shows when it is healthy"));
    Ok(())
}

pub(crate) fn kill(config: &Config, service: String, signal: i32) -> Result<(), Error> {
    control::ask(config, &Request::Kill { service: service.clone(), signal })?;
    super::print(format!("signal {signal} sent to {service}"));
    Ok(())
}
