//! What an audit found.

use serde::Serialize;

/// Totals over all writers and epochs, then each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Rows that lie, or lay, in a writer's spool: from there on nothing may lose them.
    pub accepted: u64,
    /// Rows of blocks that the loader has read from the log.
    pub logged: u64,
    /// Rows in landing, those included that gave way to an equal event.
    pub landed: u64,
    /// Accepted rows that are not in landing.
    pub lost: u64,
    /// Rows that landing holds more often than once, by counter or by identity.
    pub duplicated: u64,
    /// Gaps that the feeds know of and nothing has filled.
    pub gaps: u64,
    /// Landed rows that gave way to an equal event, each proven by its identity's hash.
    pub collapsed: u64,
    /// Rows counted as landed whose proof is older than the books keep it.
    pub unproven: u64,
    /// Lost rows that no block read from the log has held: they may still be on their way.
    pub pending: u64,
    /// Each writer and epoch.
    pub writers: Vec<WriterAudit>,
}

/// One writer's epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WriterAudit {
    /// The writer.
    pub writer: String,
    /// Its epoch.
    pub epoch: u32,
    /// Highest accepted counter; counters begin at 1, so also how many.
    pub accepted: u64,
    /// As in the totals.
    pub logged: u64,
    /// As in the totals.
    pub landed: u64,
    /// As in the totals.
    pub lost: u64,
    /// As in the totals.
    pub duplicated: u64,
    /// As in the totals.
    pub collapsed: u64,
    /// As in the totals.
    pub unproven: u64,
    /// As in the totals.
    pub pending: u64,
    /// Counters that were lost; at most the first ranges.
    pub lost_ranges: Vec<LostRange>,
    /// Each kind.
    pub kinds: Vec<KindAudit>,
}

/// Rows of one kind within a writer's epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KindAudit {
    /// The kind.
    pub kind: &'static str,
    /// Rows of blocks that the loader has read.
    pub logged: u64,
    /// Rows in landing, collapsed ones included.
    pub landed: u64,
    /// Rows that gave way to an equal event.
    pub collapsed: u64,
    /// Logged rows that are not in landing.
    pub lost: u64,
    /// Rows that are there more often than once.
    pub duplicated: u64,
}

/// Counters from `first` to `last`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostRange {
    /// The kind, where a block told it.
    pub kind: Option<&'static str>,
    /// First lost counter.
    pub first: u64,
    /// Last lost counter.
    pub last: u64,
}

impl AuditReport {
    /// Whether nothing is lost and nothing is there twice. Gaps are not counted: they lie outside of what
    /// was received.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lost == 0 && self.duplicated == 0
    }

    /// Adds up the writers.
    pub(super) fn total(&mut self) {
        for writer in &self.writers {
            self.accepted += writer.accepted;
            self.logged += writer.logged;
            self.landed += writer.landed;
            self.lost += writer.lost;
            self.duplicated += writer.duplicated;
            self.collapsed += writer.collapsed;
            self.unproven += writer.unproven;
            self.pending += writer.pending;
        }
    }
}

/// Ascending counters as ranges, at most `most` of them.
pub(super) fn ranges(kind: Option<&'static str>, counters: &[u64], most: usize) -> Vec<LostRange> {
    let mut ranges: Vec<LostRange> = Vec::new();
    for &counter in counters {
        let full = ranges.len() == most;
        match ranges.last_mut() {
            Some(range) if range.last + 1 == counter => range.last = counter,
            _ if full => break,
            _ => ranges.push(LostRange { kind, first: counter, last: counter }),
        }
    }
    ranges
}
