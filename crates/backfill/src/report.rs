//! What backfills say of themselves; the same as JSON (docs/backfill.md).

use kt_warehouse::gaps::FillState;
use serde::Serialize;

/// Gaps of one venue, kind and day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedPartition {
    /// The venue.
    pub venue: String,
    /// Name of the kind.
    pub kind: String,
    /// The day, `2026-11-22`.
    pub day: String,
    /// Open as soon as one of its gaps is.
    pub state: FillState,
    /// Gaps that concern it.
    pub gaps: u64,
    /// Of them, those still open.
    pub open: u64,
    /// Length of the open extents together, in seconds; overlaps counted once.
    pub seconds: f64,
    /// Why the last attempt left it open, or why nothing can fill it; empty before the first attempt.
    pub reason: String,
}

/// What became of the gaps of one venue, kind and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionReport {
    /// The venue.
    pub venue: String,
    /// Name of the kind.
    pub kind: String,
    /// The day.
    pub day: String,
    /// What became of them.
    pub state: FillState,
    /// Gaps that were looked at.
    pub gaps: u64,
    /// Instruments asked for.
    pub instruments: u64,
    /// Rows of the history within the extents.
    pub found: u64,
    /// Rows that were missing and are now there.
    pub inserted: u64,
    /// Rows that were there already.
    pub present: u64,
    /// Why it is still open, or why nothing can fill it.
    pub reason: String,
}

/// What `kt backfill gaps` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GapReport {
    /// Each venue, kind and day with open gaps.
    pub partitions: Vec<PartitionReport>,
    /// Over all of them.
    pub found: u64,
    /// Over all of them.
    pub inserted: u64,
    /// Over all of them.
    pub present: u64,
    /// Partitions that are still open.
    pub open: u64,
}

/// What the backfill of one instrument's window did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowReport {
    /// The venue.
    pub venue: String,
    /// Name of the kind.
    pub kind: String,
    /// The instrument.
    pub instrument: String,
    /// Begin of the window.
    pub from: String,
    /// End of the window.
    pub to: String,
    /// Rows of the history.
    pub found: u64,
    /// Rows that were missing and are now there.
    pub inserted: u64,
    /// Rows that were there already.
    pub present: u64,
    /// Whether it went on where an earlier run had been stopped.
    pub resumed: bool,
    /// What went wrong; empty where nothing did.
    pub reason: String,
}

/// What a backfill of stated windows did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RangeReport {
    /// Each instrument.
    pub windows: Vec<WindowReport>,
    /// Over all of them.
    pub found: u64,
    /// Over all of them.
    pub inserted: u64,
    /// Over all of them.
    pub present: u64,
    /// Windows that could not be filled.
    pub failed: u64,
}

impl GapReport {
    pub(crate) fn add(&mut self, partition: PartitionReport) {
        self.found += partition.found;
        self.inserted += partition.inserted;
        self.present += partition.present;
        self.open += u64::from(partition.state == FillState::Open);
        self.partitions.push(partition);
    }
}

impl RangeReport {
    pub(crate) fn add(&mut self, window: WindowReport) {
        self.found += window.found;
        self.inserted += window.inserted;
        self.present += window.present;
        self.failed += u64::from(!window.reason.is_empty());
        self.windows.push(window);
    }
}
