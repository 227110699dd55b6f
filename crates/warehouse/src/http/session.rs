//! Sessions: one connection pinned to a `session_id`, so that temporary tables and `SET` last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::request::SessionParameters;
use crate::engine::{Connection, Engine};
use crate::exception::Exception;

/// How long a request waits for the session's previous one, which may be a query that its client
/// has just given up.
const PATIENCE: Duration = Duration::from_secs(5);

type Key = (String, String);

/// One session; the connection is made by its first request.
pub(super) struct Session {
    connection: Mutex<Option<Connection>>,
    used: Mutex<(Instant, Duration)>,
}

impl Session {
    /// The connection, for this request alone.
    ///
    /// # Errors
    /// Code 373 when another request of the session still runs.
    pub(super) fn lock(&self, engine: &Engine) -> Result<MutexGuard<'_, Option<Connection>>, Exception> {
        let deadline = Instant::now() + PATIENCE;
        let mut guard = loop {
            match self.connection.try_lock() {
                Ok(guard) => break guard,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Exception::new(373, "SESSION_IS_LOCKED", "Session is locked by a concurrent client"));
                }
            }
        };
        if guard.is_none() {
            *guard = Some(engine.connect()?);
        }
        Ok(guard)
    }

    /// Starts the session's idle time anew.
    pub(super) fn touch(&self, timeout: Duration) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), timeout);
    }

    fn expired(&self) -> bool {
        let (used, timeout) = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.elapsed() > timeout && self.connection.try_lock().is_ok()
    }
}

/// All sessions, a bounded number.
pub(super) struct Sessions {
    limit: usize,
    table: Mutex<HashMap<Key, Arc<Session>>>,
}

impl Sessions {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, table: Mutex::new(HashMap::new()) }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds or makes a user's session.
    ///
    /// # Errors
    /// Code 372 when it must exist and does not, 202 when there are too many.
    pub(super) fn get(&self, user: &str, wanted: &SessionParameters) -> Result<Arc<Session>, Exception> {
        self.expire();
        let key = (user.to_owned(), wanted.id.clone());
        let mut table = self.table();
        if let Some(session) = table.get(&key) {
            session.touch(wanted.timeout);
            return Ok(Arc::clone(session));
        }
        if wanted.check {
            return Err(Exception::new(372, "SESSION_NOT_FOUND", format!("Session {} not found", wanted.id)));
        }
        if table.len() >= self.limit {
            return Err(Exception::new(
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                format!("{} sessions are open already; wait for one to expire", self.limit),
            ));
        }
        let session =
            Arc::new(Session { connection: Mutex::new(None), used: Mutex::new((Instant::now(), wanted.timeout)) });
        table.insert(key, Arc::clone(&session));
        Ok(session)
    }

    /// Closes the sessions that nobody used for their timeout.
    pub(super) fn expire(&self) {
        let mut gone = Vec::new();
        self.table().retain(|_, session| {
            let expired = session.expired();
            if expired {
                gone.push(Arc::clone(session));
            }
            !expired
        });
        // Connections close here, outside the table's lock.
        drop(gone);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table().len()
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut *self.table());
        drop(all);
    }
}
