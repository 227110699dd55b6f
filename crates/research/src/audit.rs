//! Who did what, when, and whether it was allowed: JSON lines in a file of their own.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use crate::error::Error;
use crate::metrics::Metrics;

/// A file of this size is put aside; one that was put aside before it is removed.
const LARGEST: u64 = 16 << 20;

/// One line. What does not apply is left out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Entry<'a> {
    /// `start`, `stop`, `interrupt`, `restart`, `connect`, `disconnect`, `list`, `look`, `launch`, `ended`.
    pub(crate) what: &'a str,
    /// `allowed` or `refused`.
    pub(crate) verdict: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) user: &'a str,
    /// The token's id.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) token: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) kernel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<crate::size::Size>,
    /// Why it was refused, or why a kernel ended.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) cause: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) detail: &'a str,
    /// Who asked, where it came over the network.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) from: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    when: String,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
}

/// The audit log.
pub(crate) struct Audit {
    path: PathBuf,
    file: Mutex<(File, u64)>,
    metrics: Metrics,
}

impl Audit {
    pub(crate) fn open(path: &Path, metrics: Metrics) -> Result<Self, Error> {
        let file = append(path).map_err(Error::file(path))?;
        let length = file.metadata().map_err(Error::file(path))?.len();
        Ok(Self { path: path.to_owned(), file: Mutex::new((file, length)), metrics })
    }

    /// Writes one line. What cannot be written is counted and logged: the service goes on.
    pub(crate) fn write(&self, entry: &Entry<'_>) {
        let line = Line { when: crate::time::text(SystemTime::now()), entry };
        let written = serde_json::to_vec(&line).map_err(std::io::Error::other).and_then(|mut text| {
            text.push(b'\n');
            self.append(&text)
        });
        if let Err(error) = written {
            self.metrics.audit_lost.inc();
            tracing::error!(%error, path = %self.path.display(), what = entry.what, user = entry.user, "not audited");
        }
    }

    fn append(&self, line: &[u8]) -> std::io::Result<()> {
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if held.1 > LARGEST {
            fs::rename(&self.path, self.path.with_extension("1.jsonl"))?;
            *held = (append(&self.path)?, 0);
        }
        // One call for the whole line: lines never mix, even after a kill.
        held.0.write_all(line)?;
        held.1 += line.len() as u64;
        Ok(())
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
