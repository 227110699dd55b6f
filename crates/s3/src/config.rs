//! What the server is told: where it listens, who may do what, how much disk it leaves.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Tells free bytes of the file system that holds a path: a system call that the caller makes.
pub type FreeBytes = fn(&Path) -> io::Result<u64>;

/// Configuration of the server.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Where S3 is served.
    pub listen: SocketAddr,
    /// Where `/metrics` and `/health` are served.
    pub operations: SocketAddr,
    /// Directory that holds one folder for each bucket.
    pub directory: PathBuf,
    /// Buckets that must exist.
    pub buckets: Vec<String>,
    /// Who may do what; everybody else is refused.
    pub users: Vec<S3User>,
    /// Users that come and go while the server runs, by their folder.
    pub guests: Option<std::path::PathBuf>,
    /// Writes are refused while the disk has fewer free bytes than this.
    pub keep_free: u64,
    /// How the free bytes are found out.
    pub free_bytes: FreeBytes,
}

/// A user and the buckets it may use.
#[derive(Clone)]
pub struct S3User {
    /// Access key, which is the user's name too.
    pub access_key: String,
    /// Secret key, shared with the user.
    pub secret_key: String,
    /// Buckets it may read, list, write and delete in. None may create or delete buckets.
    pub buckets: Vec<String>,
}

impl std::fmt::Debug for S3User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("S3User").field("access_key", &self.access_key).field("buckets", &self.buckets).finish()
    }
}
