//! Dagster and dbt beside the platform: their environment, files and processes.
//!
//! The Python sources are part of this binary and are unpacked at every start; the packages they need
//! are in an environment that `make setup` made. Without that environment the platform runs without.

mod layout;
mod process;

use std::path::PathBuf;

use crate::config::Config;
use crate::embedded;
use crate::error::Error;
use crate::supervisor::health::Health;
use crate::supervisor::spec::ServiceSpec;

pub(crate) use layout::{prepare, program_in, unpack_into};
pub(crate) use process::{materialise, serve};

/// Which of Dagster's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Holds the definitions and runs them.
    Code,
    /// The web page and its API.
    Web,
    /// Schedules, sensors and the queue of runs.
    Daemon,
}

/// The interpreter of the environment that belongs to this release's requirements.
///
/// # Errors
/// One line that says what is missing and what to do.
pub(crate) fn interpreter(config: &Config) -> Result<PathBuf, String> {
    let requirements = crate::python::embedded(embedded::ORCHESTRATION, "requirements.txt");
    let python = crate::python::interpreter(config, "orchestration", requirements)?;
    user(config).map_err(|error| error.message)?;
    Ok(python)
}

/// The services to start: none where they are switched off or cannot run, which is said by [`absence`].
pub(crate) fn services(config: &Config, own: impl Fn(&'static str, &[&str]) -> ServiceSpec) -> Vec<ServiceSpec> {
    if !config.orchestration.enabled || interpreter(config).is_err() {
        return Vec::new();
    }
    let web = config.address(config.orchestration.web_port);
    let part = |name, part, health, after| ServiceSpec {
        health,
        after,
        background: true,
        ..own(name, &["orchestration", "serve", part])
    };
    vec![
        // Everything the page needs goes first: two processors are soon busy with imports.
        part(
            "dagster-code",
            "code",
            Health::Socket(layout::socket(config)),
            &["postgres", "s3", "migrate", "load", "console", "feed"],
        ),
        ServiceSpec {
            ports: vec![web.port()],
            ..part("dagster-web", "web", Health::Http { address: web, path: "/server_info" }, &["dagster-code"])
        },
        part("dagster-daemon", "daemon", Health::DagsterDaemon(web), &["dagster-web"]),
    ]
}

/// Why `kt up` starts no orchestration although it was not told to leave it out.
pub(crate) fn absence(config: &Config) -> Option<String> {
    let missing = if config.orchestration.enabled { interpreter(config).err() } else { None };
    missing.map(|reason| format!("orchestration is left out: {reason}"))
}

/// The user that Dagster runs as when kt is started by root.
fn user(config: &Config) -> Result<Option<crate::sys::User>, Error> {
    crate::supervisor::spec::user_for(&config.orchestration.user)
}
