//! What happened to a book.

/// What happened to one book so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookStatistics {
    /// Last update number of the last REST snapshot.
    pub rest_last_update_id: Option<u64>,
    /// Deltas received before the snapshot that it already held.
    pub deltas_dropped_before_snapshot: u64,
    /// First deltas after a snapshot that overlapped it as documented.
    pub bridges: u64,
    /// Snapshots that no delta could follow.
    pub failed_bridges: u64,
    /// Deltas applied.
    pub deltas_applied: u64,
    /// Snapshots put in place.
    pub snapshots: u64,
    /// Breaks of the update sequence.
    pub sequence_gaps: u64,
    /// Checksums that agreed.
    pub checksums_right: u64,
    /// Checksums that did not.
    pub checksums_wrong: u64,
    /// Updates the book already had.
    pub repeated: u64,
    /// Times the best bid reached the best ask.
    pub crossed: u64,
    /// Frames that had to be dropped while a snapshot was awaited.
    pub pending_dropped: u64,
}
