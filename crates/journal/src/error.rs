//! The crate's one error type.

use std::path::{Path, PathBuf};

use kt_bus::BusError;
use kt_model::DecodeError;

/// What failed, on what, and why.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or folder could not be read or written.
    #[error("journal: {action} {path}: {cause}; free space or mend the rights there")]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Another process writes this journal.
    #[error("journal {0} is in use by another process; stop that first")]
    InUse(PathBuf),
    /// A whole block does not hold what it should: no torn tail, but damage or another program version.
    #[error("journal {path}, block at byte {at}: {problem}; move the folder away to begin anew")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where the block begins.
        at: u64,
        /// What is wrong.
        problem: String,
    },
    /// The wanted inputs are no longer kept.
    #[error("journal {path} holds inputs from {first} on; {wanted} is gone: raise the size of its tape")]
    Gone {
        /// Which journal.
        path: PathBuf,
        /// First input that is there.
        first: u64,
        /// First input that was asked for.
        wanted: u64,
    },
    /// The durable log lost outputs that were not yet loaded; a restart derives them again.
    #[error("the durable log lost its blocks; the service restarts and derives its outputs again from the journal")]
    LogLost,
    /// The declarations cannot work.
    #[error(transparent)]
    Signals(#[from] kt_signals::SignalError),
    /// The operator's port.
    #[error(transparent)]
    Operations(#[from] kt_ops::Error),
    /// The task behind the operator's port ended by a fault of the program.
    #[error("the server of /metrics and /health panicked; the log says where")]
    Panicked,
    /// Messaging failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl JournalError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { action, path, cause }
    }
}

/// Why bytes are no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// They end within an entry, or a row or text in them is broken.
    #[error("an entry does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// A tag that this program does not know.
    #[error("unknown entry {0}")]
    Tag(u8),
}
