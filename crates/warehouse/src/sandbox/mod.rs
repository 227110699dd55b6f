//! Confining the process before the engine is loaded.
//!
//! ClickHouse's access control does not cover everything in-process (`file('/proc/self/environ')`,
//! files through the `default` database), so the operating system must. Every restriction covers
//! the calling thread and the threads it starts later, hence the order: bind, take the lock, give
//! up the user, scrub the environment, restrict, and only then load the library and start threads.

mod environment;
mod filesystem;
mod privileges;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

pub use filesystem::Enforcement;
pub use privileges::Identity;

use crate::config::{SandboxMode, WarehouseConfig};
use crate::error::WarehouseError;

/// What is left of the process's rights, and what was taken before giving them up.
#[derive(Debug)]
pub struct Confined {
    /// The bound listener.
    pub listener: TcpListener,
    /// The bound listener for research.
    pub research: Option<TcpListener>,
    /// Holds the data directory's lock for as long as it lives.
    pub lock: File,
    /// Who the process is now.
    pub user: String,
    /// What the kernel enforces.
    pub enforcement: Enforcement,
}

/// Binds the listener and confines the process, in the only order that works.
///
/// # Errors
/// Port taken, data directory unusable, library unreadable, other threads already running, or a
/// rule that the kernel refuses in [`SandboxMode::Required`].
pub fn confine(config: &WarehouseConfig) -> Result<Confined, WarehouseError> {
    let bind = |address| TcpListener::bind(address).map_err(|reason| WarehouseError::Listen { address, reason });
    let listener = bind(config.listen)?;
    let research = config.research_listen.map(bind).transpose()?;
    let data = absolute(&config.data_directory)?;
    std::fs::create_dir_all(&data).map_err(|error| wrong(&data, error))?;
    if config.sandbox == SandboxMode::Off {
        let user = Identity::current();
        crate::engine::check_library(&config.library, &user.name)?;
        let lock = lock(&data)?;
        return Ok(Confined {
            listener,
            research,
            lock,
            user: user.name,
            enforcement: Enforcement::off("switched off by configuration"),
        });
    }
    single_thread()?;
    let user = privileges::become_user(config.run_as.as_deref(), &data)?;
    crate::engine::check_library(&config.library, &user.name)?;
    let lock = lock(&data)?;
    environment::scrub(&data);
    let enforcement = filesystem::restrict(config, &data)?;
    Ok(Confined { listener, research, lock, user: user.name, enforcement })
}

fn absolute(path: &Path) -> Result<PathBuf, WarehouseError> {
    std::path::absolute(path).map_err(|error| wrong(path, error))
}

fn wrong(path: &Path, reason: impl std::fmt::Display) -> WarehouseError {
    WarehouseError::DataDirectory { path: path.to_owned(), reason: reason.to_string() }
}

/// Fails when other threads run already: they would keep all rights.
fn single_thread() -> Result<(), WarehouseError> {
    let tasks = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if tasks == 1 {
        return Ok(());
    }
    Err(WarehouseError::Sandbox(format!(
        "{tasks} threads run already and would keep their rights; start the warehouse before any other thread"
    )))
}

/// Takes the data directory for this process alone: two engines on one directory destroy it.
fn lock(data: &Path) -> Result<File, WarehouseError> {
    let path = data.join("warehouse.lock");
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|error| {
        let user = Identity::current().name;
        wrong(data, format!("not writable by user {user} ({error}); give it the directory with chown -R"))
    })?;
    // SAFETY: a valid descriptor; the call touches no memory.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
        return Err(wrong(data, "another warehouse uses it; stop that one first (`kt down`)"));
    }
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}
