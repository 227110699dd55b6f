//! Users, directories and ports: are they there, and free for us?

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Finding;
use crate::config::{Config, SourceMode};
use crate::process;
use crate::supervisor::lock;
use crate::sys::{self, User};

/// The users that services give their rights up for; only root needs them.
pub(super) fn users(config: &Config) -> Vec<Finding> {
    if !process::is_root() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (key, name) in [
        ("nats.user", &config.nats.user),
        ("postgres.user", &config.postgres.user),
        ("warehouse.user", &config.warehouse.user),
    ] {
        match sys::user(name).filter(|user| user.uid != 0) {
            None => findings.push(Finding::error(
                format!("the system user {name} ({key}) does not exist"),
                "run `make setup` as root",
            )),
            Some(user) => {
                for directory in [&config.platform.data_dir, &config.platform.engines_dir] {
                    findings.extend(closed_to(&user, directory));
                }
            }
        }
    }
    findings
}

/// Whether a directory on the way to `path` keeps `user` out.
fn closed_to(user: &User, path: &Path) -> Option<Finding> {
    let closed = path.ancestors().find(|directory| {
        let Ok(metadata) = std::fs::metadata(directory) else {
            return false;
        };
        let bit = if metadata.uid() == user.uid {
            0o100
        } else if metadata.gid() == user.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit == 0
    })?;
    Some(Finding::error(
        format!("user {} cannot reach {}: {} is closed to it", user.name, path.display(), closed.display()),
        format!("choose another place, or run `chmod o+x {}`", closed.display()),
    ))
}

/// Can the data directory be written?
pub(super) fn directories(config: &Config) -> Vec<Finding> {
    let data = &config.platform.data_dir;
    let existing = data.ancestors().find(|directory| directory.exists()).unwrap_or(Path::new("/"));
    let mut findings = Vec::new();
    if !existing.is_dir() {
        findings
            .push(Finding::error(format!("{} is not a directory", existing.display()), "choose another --data-dir"));
    } else if let Err(error) = sys::writable(existing) {
        findings.push(Finding::error(
            format!("the data directory {} cannot be written: {}: {error}", data.display(), existing.display()),
            "choose another --data-dir or change its owner",
        ));
    }
    // A path to a socket may hold 107 bytes on Linux and fewer elsewhere.
    let longest = config.data("postgres").join("socket").join(".s.PGSQL.65535.lock");
    if longest.as_os_str().len() > 103 {
        findings.push(Finding::error(
            format!("the data directory's path {} is too long for sockets", data.display()),
            "choose a shorter --data-dir",
        ));
    }
    findings
}

/// Are the recordings there that shall be replayed?
pub(super) fn recordings(config: &Config) -> Vec<Finding> {
    if config.source.mode != SourceMode::Replay {
        return Vec::new();
    }
    let missing = config.source.replay.iter().filter_map(|file| {
        let error = std::fs::File::open(file).err()?;
        let problem = format!("the recording {} cannot be read: {error}", file.display());
        Some(Finding::error(problem, "name an existing file after --replay"))
    });
    missing.collect()
}

/// Is every port free, or held by our own platform?
pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let ours = lock::holder(config).map_or_else(Vec::new, |holder| process::family(holder.pid));
    let mut findings = Vec::new();
    for (key, port) in config.ports() {
        let address = config.address(port);
        let Err(error) = std::net::TcpListener::bind(address) else {
            continue;
        };
        let holders = process::listeners(address.port());
        if holders.iter().any(|pid| ours.contains(pid)) {
            continue;
        }
        let who: Vec<_> = holders.iter().map(|pid| format!("process {pid} ({})", process::command(*pid))).collect();
        let problem = match (error.kind(), who.is_empty()) {
            (std::io::ErrorKind::AddrInUse, false) => {
                format!("port {} ({key}) is held by {}", address.port(), who.join(", "))
            }
            (std::io::ErrorKind::AddrInUse, true) => {
                format!("port {} ({key}) is held by another user's process", address.port())
            }
            _ => format!("cannot listen on {address} ({key}): {error}"),
        };
        findings.push(Finding::error(problem, format!("end it, or change {key}, or use --port-offset")));
    }
    findings
}

/// Processes that outlived an earlier supervisor.
pub(super) fn leftovers(config: &Config) -> Vec<Finding> {
    if lock::holder(config).is_some() {
        return Vec::new();
    }
    let left = lock::leftovers(&config.run_file("processes.json"));
    left.into_iter()
        .map(|identity| {
            let pid = identity.pid;
            let problem = format!("process {pid} ({}) is left from an earlier run", process::command(pid));
            Finding::warning(problem, "the next `kt up` ends it")
        })
        .collect()
}
