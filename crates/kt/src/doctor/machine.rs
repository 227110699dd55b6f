//! Disk, memory, limits, kernel and clock.

use std::path::Path;

use super::Finding;
use crate::config::{ByteSize, Config, Sandbox};
use crate::sys;

/// Below this the platform would fail within minutes.
const LEAST_DISK: u64 = 1 << 30;
/// Below this it would fill the disk within a day or so of a few instruments.
const LITTLE_DISK: u64 = 10 << 30;
/// What everything but the warehouse needs.
const OTHER_MEMORY: u64 = 1 << 30;
/// Open files that all services and the warehouse's parts may need.
const OPEN_FILES: u64 = 4096;

/// Is there room for data?
pub(super) fn disk(config: &Config) -> Option<Finding> {
    let data = &config.platform.data_dir;
    let existing = data.ancestors().find(|directory| directory.exists()).unwrap_or(Path::new("/"));
    let (free, total) = sys::disk(existing).ok()?;
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let problem = format!("{} of {} free where {} lies", gigabytes(free), gigabytes(total), data.display());
    if free < LEAST_DISK {
        Some(Finding::error(format!("the disk is full: {problem}"), "free some, or choose another --data-dir"))
    } else if free < LITTLE_DISK {
        Some(Finding::warning(format!("the disk is nearly full: {problem}"), "free some, or choose another --data-dir"))
    } else {
        None
    }
}

/// Is there memory for the warehouse's limit and the rest?
pub(super) fn memory(config: &Config) -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10;
    // The running platform has taken its share already.
    let running = crate::supervisor::lock::holder(config).is_some();
    let wanted = config.warehouse.memory_limit.0 + OTHER_MEMORY;
    if running || available >= wanted {
        return None;
    }
    let problem = format!("{} MB of memory available, {} may be needed", available >> 20, ByteSize(wanted));
    Some(Finding::warning(problem, "end other programs or lower warehouse.memory_limit"))
}

/// May we open enough files?
pub(super) fn open_files() -> Option<Finding> {
    let limit = sys::raise_open_files().ok()?;
    (limit < OPEN_FILES).then(|| {
        let problem = format!("only {limit} files may be open at once, {OPEN_FILES} may be needed");
        Finding::warning(problem, format!("raise the limit: `ulimit -Hn {OPEN_FILES}` as root"))
    })
}

/// Can the kernel confine the warehouse?
pub(super) fn landlock(config: &Config) -> Option<Finding> {
    /// The version with the last rules that concern files, ports and signals.
    const WANTED: i64 = 6;
    let version = sys::landlock_version();
    if config.warehouse.sandbox == Sandbox::Off {
        return Some(Finding::warning(
            "the warehouse is not confined: warehouse.sandbox is off",
            "set it to best_effort",
        ));
    }
    if version >= WANTED {
        return None;
    }
    let problem = match version {
        0 => "this kernel has no Landlock: the warehouse is not confined".to_owned(),
        version => format!("this kernel has Landlock {version}, below {WANTED}: the warehouse is confined in part"),
    };
    if config.warehouse.sandbox == Sandbox::Required {
        return Some(Finding::error(problem, "use a newer kernel, or set warehouse.sandbox to best_effort"));
    }
    Some(Finding::warning(problem, "use a kernel of version 6.12 or later"))
}

/// Does something keep the clock right?
pub(super) fn clock() -> Option<Finding> {
    #[cfg(target_os = "linux")]
    if sys::clock_error().is_none() {
        return Some(Finding::warning(
            "the clock is not synchronised: delays between exchange and here mean little",
            "run chrony or systemd-timesyncd",
        ));
    }
    None
}
