//! Why the warehouse did not start or stopped.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::exception::Exception;

/// An error of the warehouse service; each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// The engine's library is not there or cannot be read.
    #[error("engine library {path} cannot be read by user {user} ({reason}); run `make setup`, then `kt doctor`")]
    LibraryMissing {
        /// Where it was looked for.
        path: PathBuf,
        /// Who tried to read it.
        user: String,
        /// The system's reason.
        reason: String,
    },
    /// The library is there but not loadable, or lacks a symbol.
    #[error("engine library {path} cannot be loaded ({reason}); run `make setup` to install the pinned version")]
    LibraryUnusable {
        /// The library.
        path: PathBuf,
        /// The loader's reason.
        reason: String,
    },
    /// The library is of another version than the one this program was tested with.
    #[error(
        "engine library {path} is version {found}, wanted {wanted}; run `make setup` to install the pinned version"
    )]
    WrongVersion {
        /// The library.
        path: PathBuf,
        /// What it says it is.
        found: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}; `kt doctor` tells who holds the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        reason: io::Error,
    },
    /// The data directory cannot be used.
    #[error("data directory {path} cannot be used: {reason}")]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// The process could not be confined.
    #[error("cannot confine the warehouse process: {0}")]
    Sandbox(String),
    /// The engine refused to open.
    #[error("engine did not open {path}: {reason}")]
    Open {
        /// The data directory.
        path: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// A statement that the server itself runs failed.
    #[error("engine refused a statement of the server: {0}")]
    Engine(#[from] Exception),
    /// An entry of the configuration is wrong.
    #[error("warehouse configuration: {0}")]
    Config(String),
    /// The runtime failed.
    #[error("warehouse runtime: {0}")]
    Runtime(#[from] io::Error),
}
