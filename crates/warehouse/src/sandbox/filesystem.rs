//! Landlock: which files and ports the engine's process can reach.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus,
};

use crate::config::{SandboxMode, WarehouseConfig};
use crate::error::WarehouseError;

/// Read-only: the loader and the C library, time zones, and what the engine reads about the
/// machine. `/proc/self/{auxv,maps,task}` are needed or it crashes while loading.
const READABLE: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    "/proc/self/auxv",
    "/proc/self/maps",
    "/proc/self/task",
    "/proc/self/stat",
    "/proc/self/statm",
    "/proc/self/status",
    "/proc/self/cgroup",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm",
    "/proc/sys/kernel",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
    "/dev/urandom",
];

/// What the kernel enforces now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforcement {
    /// Every rule is in force.
    pub full: bool,
    /// In words, for the log.
    pub detail: String,
}

impl Enforcement {
    pub(super) fn off(why: &str) -> Self {
        Self { full: false, detail: format!("not confined: {why}") }
    }
}

/// Restricts this thread and those it will start.
pub(super) fn restrict(config: &WarehouseConfig, data: &Path) -> Result<Enforcement, WarehouseError> {
    let required = config.sandbox == SandboxMode::Required;
    let enforcement = match apply(config, data) {
        Ok(RulesetStatus::FullyEnforced) => {
            Enforcement { full: true, detail: "Landlock enforces every rule".to_owned() }
        }
        Ok(RulesetStatus::PartiallyEnforced) => {
            Enforcement { full: false, detail: "Landlock of this kernel enforces a part of the rules".to_owned() }
        }
        Ok(RulesetStatus::NotEnforced) => Enforcement::off("this kernel has no Landlock"),
        Err(error) => Enforcement::off(&error.to_string()),
    };
    if required && !enforcement.full {
        return Err(WarehouseError::Sandbox(format!(
            "{}; use a newer kernel or `sandbox = \"best_effort\"`",
            enforcement.detail
        )));
    }
    Ok(enforcement)
}

fn apply(config: &WarehouseConfig, data: &Path) -> Result<RulesetStatus, Box<dyn std::error::Error>> {
    // Version 6 brought the last rule that concerns files, ports or signals.
    let abi = ABI::V6;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new(data)?, AccessFs::from_all(abi)))?;
    let library = config.library.parent().map(Path::to_owned);
    let readable = READABLE.iter().map(PathBuf::from).chain(library);
    for path in readable {
        // What this machine does not have needs no rule.
        if let Ok(descriptor) = PathFd::new(&path) {
            let access = if path.is_dir() { AccessFs::ReadFile | AccessFs::ReadDir } else { AccessFs::ReadFile.into() };
            rules = rules.add_rule(PathBeneath::new(descriptor, access))?;
        }
    }
    if let Ok(null) = PathFd::new("/dev/null") {
        rules = rules.add_rule(PathBeneath::new(null, AccessFs::ReadFile | AccessFs::WriteFile))?;
    }
    for port in config.connect_ports.iter().chain(config.cold.as_ref().map(|cold| &cold.port)) {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}
