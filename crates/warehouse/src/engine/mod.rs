//! ClickHouse in-process: opening, connections, statements.
//!
//! One data path per process; many connections run at once. Every connection must be closed
//! before the process exits, or the exit hangs.

mod connection;
mod files;
mod library;
mod streams;
mod workers;

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use connection::{Class, Classification, Connection, Output, Parameter, Statistics};
pub use library::WANTED_VERSION;
pub use streams::{InsertStream, ResultStream};
pub use workers::{QueueFull, Workers};

use crate::error::WarehouseError;
use crate::exception::Exception;
pub(crate) use files::escape;
use library::Api;

/// Name of the role given to read-only users.
pub const READER_ROLE: &str = "reader";

/// Name of the role of people who do research: the platform's databases and nothing else.
pub const RESEARCH_ROLE: &str = "research";

/// How to open the engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Full path of `libchdb.so`.
    pub library: PathBuf,
    /// The warehouse's directory; the engine's own lies in `engine/` below it.
    pub data_directory: PathBuf,
    /// The object store of old data.
    pub cold: Option<crate::tiers::ColdStore>,
    /// Memory limit in bytes for the whole engine.
    pub max_memory_bytes: u64,
}

/// The opened engine.
pub struct Engine {
    api: Arc<Api>,
    open: Arc<AtomicUsize>,
    arguments: Vec<CString>,
    version: String,
    timezone: String,
    // Keeps the engine up while no request is running.
    root: Option<Connection>,
}

// SAFETY: `root` is only touched by `&mut self` methods and `drop`; everything else is shareable.
unsafe impl Sync for Engine {}

impl Engine {
    /// Opens the library and the data directory, creating it where needed.
    ///
    /// # Errors
    /// Library missing, of another version, or data that does not open.
    pub fn open(config: &EngineConfig) -> Result<Self, WarehouseError> {
        let arguments = files::write(config)?;
        let api = Arc::new(Api::open(&config.library)?);
        let open = Arc::new(AtomicUsize::new(0));
        let mut root = Connection::open(&api, &open, &arguments).ok_or_else(|| {
            let reason = "it gave no connection; its own message is above".to_owned();
            WarehouseError::Open { path: config.data_directory.clone(), reason }
        })?;
        let version = scalar(&mut root, "SELECT version()")?;
        let timezone = scalar(&mut root, "SELECT timezone()")?;
        Ok(Self { api, open, arguments, version, timezone, root: Some(root) })
    }

    /// A fresh connection: default settings, database `default`.
    ///
    /// # Errors
    /// When the engine gives none, which it does only while shutting down.
    pub fn connect(&self) -> Result<Connection, Exception> {
        Connection::open(&self.api, &self.open, &self.arguments)
            .ok_or_else(|| Exception::new(439, "CANNOT_SCHEDULE_TASK", "the engine gives no connection"))
    }

    /// ClickHouse's version, for instance `26.7.2.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The server's time zone.
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Connections open now, the engine's own included.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Closes the last connection and stops the engine's threads.
    ///
    /// Returns how many connections were still open elsewhere: with any, the engine cannot stop
    /// and the process must exit without running destructors.
    pub fn close(mut self) -> usize {
        self.root = None;
        let left = self.open_connections();
        if left == 0 {
            // SAFETY: no connection is open; nothing calls the library afterwards.
            let state = unsafe { (self.api.chdb_shutdown)() };
            if state != 0 {
                tracing::warn!("the engine left threads running at shutdown");
            }
        }
        left
    }
}

fn scalar(connection: &mut Connection, sql: &str) -> Result<String, Exception> {
    let output = connection.execute(sql, "TabSeparatedRaw", &[])?;
    Ok(String::from_utf8_lossy(&output.data).trim_end().to_owned())
}

/// Checks that the library can be read by this process, for a clear message before loading.
///
/// # Errors
/// [`WarehouseError::LibraryMissing`].
pub fn check_library(path: &Path, user: &str) -> Result<(), WarehouseError> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(WarehouseError::LibraryMissing {
            path: path.to_owned(),
            user: user.to_owned(),
            reason: error.to_string(),
        }),
    }
}
