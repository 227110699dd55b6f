//! What a session asks its connection to do.

use std::collections::VecDeque;

/// Most actions that wait at once.
const MOST_ACTIONS: usize = 4_096;

/// A request of a session. The session itself does no I/O.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this text frame, no faster than [`crate::Mapping::messages_per_second`].
    Send(String),
    /// Fetch `url` and hand the body to [`crate::Session::on_snapshot`], or say
    /// [`crate::Session::on_snapshot_failed`].
    FetchSnapshot {
        /// The venue's symbol.
        symbol: String,
        /// Full address.
        url: String,
    },
    /// Close the connection and open it anew.
    Reconnect {
        /// Why, for the log.
        reason: &'static str,
    },
}

/// The bounded queue of actions.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    queue: VecDeque<Action>,
    pub(crate) dropped: u64,
}

impl Actions {
    pub(crate) fn push(&mut self, action: Action) {
        if self.queue.len() >= MOST_ACTIONS {
            self.dropped += 1;
        } else {
            self.queue.push_back(action);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Action> {
        self.queue.pop_front()
    }

    /// Forgets what was meant for a connection that is gone.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}
