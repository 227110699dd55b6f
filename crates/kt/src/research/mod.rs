//! Research kernels beside the platform: their environments, what they are handed, and how they are started.

mod commands;
mod credentials;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kt_research::{Account, Limits, ResearchConfig, Rules, Sizes};

use crate::config::Config;
use crate::embedded::RESEARCH;
use crate::error::Error;
use crate::orchestration::{program_in, unpack_into};
use crate::supervisor::prepare::directory;

/// The Python of the gateway and that of kernels.
pub(crate) struct Pythons {
    gateway: PathBuf,
    kernel: PathBuf,
}

/// Finds both environments.
///
/// # Errors
/// One line that says what is missing and what to do.
pub(crate) fn pythons(config: &Config) -> Result<Pythons, String> {
    let python =
        |name: &str, file: &str| crate::python::interpreter(config, name, crate::python::embedded(RESEARCH, file));
    user(config).map_err(|error| error.message)?;
    Ok(Pythons {
        gateway: python("research-gateway", "gateway-requirements.txt")?,
        kernel: python("research-kernel", "kernel-requirements.txt")?,
    })
}

/// Why `kt up` starts no research although it was told to.
pub(crate) fn absence(config: &Config) -> Option<String> {
    let missing = if config.research.enabled { pythons(config).err() } else { None };
    missing.map(|reason| format!("research is left out: {reason}"))
}

/// The folder of everything: tokens, audit log, homes.
pub(crate) fn directory_of(config: &Config) -> PathBuf {
    config.data("research")
}

fn user(config: &Config) -> Result<Option<crate::sys::User>, Error> {
    crate::supervisor::spec::user_for(&config.research.user)
}

/// What the service is told; makes the files that kernels read.
///
/// # Errors
/// An environment that is missing, or files that cannot be written.
pub(crate) fn settings(config: &Config) -> Result<ResearchConfig, Error> {
    let pythons = pythons(config).map_err(Error::failed)?;
    let root = directory_of(config);
    directory(&root, 0o711, None)?;
    let library = root.join("lib");
    directory(&library, 0o755, None)?;
    let sources: Vec<_> = RESEARCH.iter().filter(|(name, _)| name.starts_with("kubetrader/")).copied().collect();
    unpack_into(&library.join("python"), &sources)?;
    let program = program_in(&root.join("bin"))?;
    let settings = &config.research;
    let connect_ports = [config.warehouse.research_port, config.s3.port].map(|port| config.address(port).port());
    let private = crate::process::is_root();
    let account = user(config)?.map(|user| Account { uid: user.uid, gid: user.gid });
    let loopback = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let mut readable = vec![library.clone(), program.clone()];
    readable.extend(kernel_folders(&pythons.kernel));
    Ok(ResearchConfig {
        listen: config.address(settings.port),
        operations: config.address(settings.metrics_port),
        // Whatever the platform listens on: nobody but the proxy speaks to the gateway.
        gateway: std::net::SocketAddr::new(loopback, config.address(settings.gateway_port).port()),
        gateway_account: account,
        first_uid: private.then_some(settings.first_uid),
        kernel_python: pythons.kernel.clone(),
        python_path: library.join("python"),
        readable,
        connect_ports: connect_ports.into_iter().chain(settings.connect_ports.iter().copied()).collect(),
        rules: rules(config),
        commands: Arc::new(commands::Starter {
            gateway_python: pythons.gateway,
            gateway_user: user(config)?,
            program: program.clone(),
            socket: kt_research::socket_in(&root),
        }),
        credentials: Arc::new(credentials::Issuer::new(config, program)),
        directory: root,
    })
}

fn rules(config: &Config) -> Rules {
    let settings = &config.research;
    let [idle, busy, life] = [settings.idle_s, settings.cell_s, settings.life_s].map(Duration::from_secs);
    Rules {
        per_user: settings.kernels_per_user,
        total: settings.kernels,
        idle,
        busy,
        life,
        // Often enough for the shortest of them, seldom enough to cost nothing.
        look: (idle.min(busy).min(life) / 4).clamp(Duration::from_millis(250), Duration::from_secs(5)),
        sizes: Sizes {
            s: Limits { cpus: settings.s_cpus, memory: settings.s_memory.0, processes: settings.s_processes },
            m: Limits { cpus: settings.m_cpus, memory: settings.m_memory.0, processes: settings.m_processes },
            l: Limits { cpus: settings.l_cpus, memory: settings.l_memory.0, processes: settings.l_processes },
        },
    }
}

/// What a kernel's Python reads: its environment, and the installation that this was made from.
fn kernel_folders(python: &Path) -> Vec<PathBuf> {
    let environment = python.parent().and_then(Path::parent).map(Path::to_owned);
    let real = python.canonicalize().ok();
    let base = real.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_owned);
    environment.into_iter().chain(base).collect()
}
