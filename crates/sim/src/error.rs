//! The one error type of the crate.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the simulated exchange could not start or stopped.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The listening address could not be bound.
    #[error("cannot listen on {address}: {source}; choose another address or end the program that holds it")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A recording could not be read.
    #[error("cannot read recording {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system or the decompressor said.
        source: std::io::Error,
    },
    /// A line of a recording breaks the recording format.
    #[error("recording {path}, line {line}: {reason}; the file is not in the recording format")]
    Format {
        /// The file.
        path: PathBuf,
        /// Line number, counted from 1.
        line: usize,
        /// What is wrong with the line.
        reason: String,
    },
    /// The recordings do not fit into the memory the configuration allows.
    #[error(
        "the recordings need more than {limit} bytes in memory (reached in {path}); replay fewer files or raise the limit"
    )]
    Memory {
        /// The file at which the limit was passed.
        path: PathBuf,
        /// The configured limit in bytes.
        limit: u64,
    },
    /// The configuration contradicts itself.
    #[error("configuration of the simulated exchange: {0}")]
    Config(String),
    /// The server itself failed while running.
    #[error("the simulated exchange stopped serving: {0}")]
    Serve(std::io::Error),
}
