//! Why a backtest did not come to its end.

use std::path::{Path, PathBuf};

use kt_model::schema::Kind;
use kt_model::{DecodeError, Nanos};
use kt_warehouse::client::ClientError;

/// What went wrong, to what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The warehouse did not answer a question.
    #[error("{doing}: {cause}; `kt status` shows whether the warehouse runs")]
    Warehouse {
        /// What was asked.
        doing: &'static str,
        /// The warehouse's answer.
        cause: ClientError,
    },
    /// Bytes that are not a row of their kind: the warehouse's tables and this program do not fit together.
    #[error("a row of {kind} cannot be read: {cause}; `kt migrate info` shows whether the tables are this version's")]
    Row {
        /// Kind that was read.
        kind: Kind,
        /// What is wrong.
        cause: DecodeError,
    },
    /// One second of the range does not fit into the memory allowed.
    #[error(
        "the second at {at:?} ns holds about {bytes} bytes of rows and the memory limit leaves {allowed} for a window; \
         raise --memory, or name fewer instruments"
    )]
    Memory {
        /// The second's start.
        at: Nanos,
        /// Estimated size of its rows.
        bytes: u64,
        /// What a window may take.
        allowed: u64,
    },
    /// The range holds nothing to replay.
    #[error("{0}")]
    Empty(String),
    /// A file could not be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: std::io::Error,
    },
    /// A journal that cannot be read or written.
    #[error(transparent)]
    Journal(#[from] kt_journal::JournalError),
    /// A strategy's configuration that is wrong.
    #[error("{0}")]
    Strategy(String),
    /// What was asked for does not exist or contradicts itself.
    #[error("{0}")]
    Request(String),
}

impl BacktestError {
    /// Adds what was asked of the warehouse.
    pub(crate) fn asking(doing: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |cause| Self::Warehouse { doing, cause }
    }

    /// Adds the file to a system's error.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| Self::File { path: path.to_owned(), cause }
    }

    /// Adds the kind to a decoder's error.
    pub(crate) fn row(kind: Kind) -> impl FnOnce(DecodeError) -> Self {
        move |cause| Self::Row { kind, cause }
    }
}
