//! What a session counted.

use crate::names::{NameId, Names};

/// Counts of a session since it was made. Every dropped or refused item is in one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received, control frames included.
    pub frames: u64,
    /// Control frames: acknowledgements, pings, heartbeats.
    pub control: u64,
    /// Frames that broke the mapping: one quarantine row each.
    pub decode_errors: u64,
    /// Rows of a symbol that is in no list and follows no rule.
    pub unknown_instruments: u64,
    /// Trades of a channel that is not the market's canonical one.
    pub other_trade_channel: u64,
    /// Rows that the mapping marks as no events.
    pub skipped_rows: u64,
    /// Changes received before the full state that they change.
    pub before_full_state: u64,
    /// Events whose venue time lies before that of the one before.
    pub time_backwards: u64,
    /// Rows of weak channels whose occurrence could not be compared with all before.
    pub occurrences_saturated: u64,
    /// Actions that did not fit the queue.
    pub actions_dropped: u64,
    /// Requests that the venue refused.
    pub refused: u64,
    frames_by_label: Vec<(NameId, u64, bool)>,
}

impl Counters {
    /// Counts a frame of a channel; `mapped` tells whether the mapping reads it.
    #[inline]
    pub(crate) fn count(&mut self, label: NameId, mapped: bool) {
        match self.frames_by_label.iter_mut().find(|entry| entry.0 == label) {
            Some(entry) => entry.1 += 1,
            None => self.frames_by_label.push((label, 1, mapped)),
        }
    }

    /// Frames by channel label: name, count, whether the mapping reads them.
    pub(crate) fn labels<'a>(&'a self, names: &'a Names) -> impl Iterator<Item = (&'a str, u64, bool)> {
        self.frames_by_label.iter().map(|(label, count, mapped)| (names.get(*label), *count, *mapped))
    }
}
