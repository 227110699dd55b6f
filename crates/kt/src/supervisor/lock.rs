//! One supervisor per data directory, and what an earlier one left behind.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Error;
use crate::process::Identity;
use crate::sys;

/// Who holds a data directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) since_ms: u64,
    pub(crate) version: String,
    pub(crate) address: String,
}

/// The lock on a data directory, held while this lives. The kernel releases it with the process.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When another supervisor holds it, its pid and how to reach or stop it.
    pub(crate) fn take(config: &Config, holder: &Holder) -> Result<Self, Error> {
        let path = config.run_file("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(Error::doing(path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(config, read(&mut file))),
            Err(TryLockError::Error(error)) => return Err(Error::failed(format!("{}: {error}", path.display()))),
        }
        let text = serde_json::to_string(holder).map_err(Error::doing("writing the lock"))?;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(Error::doing(path.display()))?;
        Ok(Self { _file: file })
    }
}

pub(crate) fn taken(config: &Config, holder: Option<Holder>) -> Error {
    let directory = config.platform.data_dir.display();
    let who = match holder {
        Some(holder) => {
            format!("by process {} ({}), page {}", holder.pid, crate::process::command(holder.pid), holder.address)
        }
        None => "by another supervisor that is just starting".into(),
    };
    Error::failed(format!(
        "a platform already runs on {directory}, {who}; `kt status` shows it, `kt down` stops it, \
         --data-dir with --port-offset starts another beside it"
    ))
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Who runs on this data directory, if anybody does.
pub(crate) fn holder(config: &Config) -> Option<Holder> {
    let mut file = OpenOptions::new().read(true).open(config.run_file("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read(&mut file),
        _ => None,
    }
}

/// The processes of this run, kept in a file so that the next run finds those that outlived it.
pub(crate) struct Processes {
    path: PathBuf,
}

impl Processes {
    pub(crate) fn new(config: &Config) -> Self {
        Self { path: config.run_file("processes.json") }
    }

    /// Replaces the list. A failure is logged: it only costs the next run its clean-up.
    pub(crate) fn write(&self, pids: impl Iterator<Item = u32>) {
        let identities: Vec<_> = pids.filter_map(Identity::of).collect();
        let text = serde_json::to_vec(&identities).unwrap_or_default();
        if let Err(error) = super::prepare::replace(&self.path, &text, None) {
            tracing::warn!(%error, "cannot keep the list of processes");
        }
    }

    /// Ends processes of an earlier run that still live; returns how many there were.
    pub(crate) fn end_leftovers(&self) -> usize {
        let left = leftovers(&self.path);
        for (signal, wait) in [(libc::SIGTERM, 5), (libc::SIGKILL, 5)] {
            for process in left.iter().filter(|process| process.runs()) {
                tracing::warn!(pid = process.pid, signal, "ending a process that an earlier run left behind");
                let _ = sys::kill(process.pid.cast_signed(), signal);
            }
            let deadline = Instant::now() + Duration::from_secs(wait);
            while left.iter().any(|process| process.runs()) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        left.len()
    }
}

pub(crate) fn leftovers(path: &Path) -> Vec<Identity> {
    let text = std::fs::read(path).unwrap_or_default();
    let all: Vec<Identity> = serde_json::from_slice(&text).unwrap_or_default();
    all.into_iter().filter(|process| process.runs()).collect()
}
