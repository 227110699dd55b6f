//! How far each writer's events have come in: what is missing is seen, what comes twice is left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an arriving event means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or the first of its writer that we see.
    Next,
    /// Counters between the last one and this one are missing, both ends included.
    After {
        /// First counter that is missing.
        from: u64,
        /// Last counter that is missing.
        to: u64,
    },
    /// It came before, or belongs to an epoch that is over.
    Repeated,
}

/// Newest epoch and counter of each writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    writers: BTreeMap<String, (u32, u64)>,
}

impl Sources {
    /// Says what an event at this position means, and takes note of it.
    pub fn observe(&mut self, writer: &str, epoch: u32, counter: u64) -> Arrival {
        let Some(seen) = self.writers.get_mut(writer) else {
            self.writers.insert(writer.to_owned(), (epoch, counter));
            return Arrival::Next;
        };
        if epoch < seen.0 || (epoch == seen.0 && counter <= seen.1) {
            return Arrival::Repeated;
        }
        // Counters begin with 1 in each epoch.
        let expected = if epoch == seen.0 { seen.1 + 1 } else { 1 };
        *seen = (epoch, counter);
        if counter > expected { Arrival::After { from: expected, to: counter - 1 } } else { Arrival::Next }
    }

    /// The newest position of each writer.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32, u64)> {
        self.writers.iter().map(|(writer, (epoch, counter))| (writer.as_str(), *epoch, *counter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_repeated_events_are_seen() {
        let mut sources = Sources::default();
        assert_eq!(sources.observe("a", 1, 7), Arrival::Next, "what came before was before our time");
        assert_eq!(sources.observe("b", 9, 1), Arrival::Next);
        assert_eq!(sources.observe("a", 1, 8), Arrival::Next);
        assert_eq!(sources.observe("a", 1, 8), Arrival::Repeated);
        assert_eq!(sources.observe("a", 1, 11), Arrival::After { from: 9, to: 10 });
        assert_eq!(sources.observe("a", 2, 3), Arrival::After { from: 1, to: 2 }, "a new epoch begins with 1");
        assert_eq!(sources.observe("a", 1, 12), Arrival::Repeated, "an old epoch is over");
        assert_eq!(sources.observe("a", 2, 4), Arrival::Next);
    }
}
