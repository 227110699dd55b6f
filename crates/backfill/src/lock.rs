//! One backfill a venue: its allowance and its writer are not to be shared.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{BackfillError, ErrorKind};

/// Held for as long as a backfill works on a venue.
pub(crate) struct VenueLock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

impl VenueLock {
    /// Waits for another backfill of the venue to end.
    pub async fn take(folder: &Path, venue: &str, within: Duration) -> Result<Self, BackfillError> {
        let path = folder.join(format!("backfill-{venue}.lock"));
        let failed = |error: std::io::Error| {
            BackfillError::new(ErrorKind::Platform, format!("locking {}: {error}", path.display()))
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path).map_err(failed)?;
        let until = Instant::now() + within;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    let message =
                        format!("another backfill of {venue} still works after {within:?}; wait for it to end");
                    return Err(BackfillError::new(ErrorKind::InUse, message));
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
}
