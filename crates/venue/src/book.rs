//! The integrity of one order book: which deltas follow, which do not, and what then.
//!
//! A pure state machine. It is told what a frame claims, and answers whether the frame belongs to
//! the book; the session applies the levels and acts on what is missing.

use crate::levels::Levels;
use crate::spec::{BridgeRule, Continuity};
use kt_model::Nanos;
use std::collections::VecDeque;

mod edit;
mod statistics;

pub(crate) use edit::Edit;
pub use statistics::BookStatistics;

/// Deltas after which a checkpoint is due, and the time after which it is.
const CHECKPOINT_DELTAS: u32 = 20_000;
const CHECKPOINT_NANOS: i64 = 600_000_000_000;
/// Bounds of what is kept while a snapshot is awaited.
const PENDING_FRAMES: usize = 8_192;
const PENDING_BYTES: usize = 16 << 20;

/// What a frame says about its place in the sequence of updates.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claim {
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    pub(crate) previous: Option<i64>,
}

/// Whether a delta belongs to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one.
    Apply,
    /// It is the first after a snapshot.
    Bridge,
    /// The book has it already.
    Old,
    /// There is no book yet: keep it until the snapshot is there.
    Wait,
    /// Something is missing before it: first and last missing number, where they can be known.
    Gap(Option<u64>, Option<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    /// No whole book.
    Out,
    /// A REST snapshot is in place, no delta has followed yet.
    Bridging,
    /// Snapshot and deltas follow one another.
    In,
}

/// One book and where it stands.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) levels: Levels,
    sync: Sync,
    pub(crate) epoch: u32,
    pub(crate) last: u64,
    pub(crate) statistics: BookStatistics,
    /// Frames that wait for a snapshot, with their receive times.
    pending: VecDeque<(Nanos, Vec<u8>)>,
    pending_bytes: usize,
    /// A snapshot was asked for and has not come.
    pub(crate) is_requested: bool,
    /// When to ask for a snapshot again, and how often it failed.
    pub(crate) retry_at: Option<Nanos>,
    pub(crate) failures: u32,
    pub(crate) is_crossed: bool,
    /// A gap was announced that no snapshot has closed yet.
    pub(crate) is_broken: bool,
    deltas_since_checkpoint: u32,
    checkpoint_at: Nanos,
    /// Time of the last event applied, for a checkpoint that no event asks for.
    pub(crate) event_ts: Nanos,
}

impl Book {
    pub(crate) fn new(levels: Levels, epoch: u32) -> Self {
        Self {
            levels,
            sync: Sync::Out,
            epoch,
            last: 0,
            statistics: BookStatistics::default(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            is_requested: false,
            retry_at: None,
            failures: 0,
            is_crossed: false,
            is_broken: false,
            deltas_since_checkpoint: 0,
            checkpoint_at: Nanos(0),
            event_ts: Nanos(0),
        }
    }

    /// Whether there is a whole book.
    pub(crate) fn is_in(&self) -> bool {
        self.sync != Sync::Out
    }

    /// Whether deltas follow the snapshot.
    pub(crate) fn is_bridged(&self) -> bool {
        self.sync == Sync::In
    }

    /// Judges a delta.
    pub(crate) fn judge(&self, claim: &Claim, continuity: Continuity, bridge: Option<BridgeRule>) -> Verdict {
        match (self.sync, bridge) {
            (Sync::Out, _) => Verdict::Wait,
            (Sync::Bridging, Some(rule)) => self.judge_bridge(claim, rule),
            _ => self.judge_next(claim, continuity),
        }
    }

    fn judge_bridge(&self, claim: &Claim, rule: BridgeRule) -> Verdict {
        let snapshot = self.last;
        let (first, last) = (claim.first.unwrap_or(0), claim.last.unwrap_or(0));
        let (needed, old) = match rule {
            BridgeRule::Follows => (snapshot.saturating_add(1), last <= snapshot),
            BridgeRule::Contains => (snapshot, last < snapshot),
        };
        if old {
            Verdict::Old
        } else if first <= needed || claim.previous.and_then(|previous| u64::try_from(previous).ok()) == Some(snapshot)
        {
            Verdict::Bridge
        } else {
            Verdict::Gap(Some(snapshot.saturating_add(1)), first.checked_sub(1))
        }
    }

    fn judge_next(&self, claim: &Claim, continuity: Continuity) -> Verdict {
        let next = self.last.checked_add(1);
        let follows = match continuity {
            Continuity::None => true,
            Continuity::FirstFollowsLast => claim.first.is_some() && claim.first == next,
            Continuity::LastSteps => claim.last.is_some() && claim.last == next,
            // Feeds from before the venue numbered its messages carry a checksum instead.
            Continuity::PreviousIsLast => {
                claim.previous.is_none_or(|previous| u64::try_from(previous).is_ok_and(|number| number == self.last))
            }
        };
        if follows {
            return Verdict::Apply;
        }
        if claim.last.is_some_and(|last| last <= self.last) && claim.first.is_none_or(|first| first <= self.last) {
            return Verdict::Old;
        }
        let last_missing = match continuity {
            Continuity::PreviousIsLast => claim.previous.and_then(|previous| u64::try_from(previous).ok()),
            Continuity::LastSteps => claim.last.and_then(|last| last.checked_sub(1)),
            _ => claim.first.and_then(|first| first.checked_sub(1)),
        };
        Verdict::Gap(next, last_missing)
    }

    /// Keeps a frame until the snapshot is there; the oldest go when the bound is reached.
    pub(crate) fn keep(&mut self, recv_ts: Nanos, frame: &[u8]) {
        self.pending_bytes += frame.len();
        self.pending.push_back((recv_ts, frame.to_vec()));
        while self.pending.len() > PENDING_FRAMES || self.pending_bytes > PENDING_BYTES {
            let Some((_, dropped)) = self.pending.pop_front() else { break };
            self.pending_bytes -= dropped.len();
            self.statistics.pending_dropped += 1;
        }
    }

    /// When to ask for a snapshot again: after 30 s without answer; sooner, but ever later, after
    /// failures.
    pub(crate) fn next_try(&self, now: Nanos) -> Nanos {
        let seconds = if self.failures == 0 { 30 } else { 1i64 << self.failures.min(6) };
        Nanos(now.0.saturating_add(seconds * 1_000_000_000))
    }

    /// Takes the kept frames.
    pub(crate) fn take_pending(&mut self) -> VecDeque<(Nanos, Vec<u8>)> {
        self.pending_bytes = 0;
        std::mem::take(&mut self.pending)
    }

    /// Forgets the book: a gap, a wrong checksum or the end of the connection.
    pub(crate) fn drop_out(&mut self) {
        self.sync = Sync::Out;
        self.levels.clear();
        self.is_crossed = false;
    }

    /// Begins a new epoch with an empty book that a snapshot of this time fills.
    pub(crate) fn begin(&mut self, last: u64, awaits_bridge: bool, event_ts: Nanos) {
        self.levels.clear();
        self.sync = if awaits_bridge { Sync::Bridging } else { Sync::In };
        self.epoch += 1;
        self.last = last;
        self.is_requested = false;
        self.retry_at = None;
        self.statistics.snapshots += 1;
        self.deltas_since_checkpoint = 0;
        self.checkpoint_at = event_ts;
        self.event_ts = event_ts;
    }

    /// Notes that a delta was applied.
    pub(crate) fn advance(&mut self, last: u64) {
        self.sync = Sync::In;
        self.last = last;
        self.failures = 0;
        self.statistics.deltas_applied += 1;
        self.deltas_since_checkpoint += 1;
    }

    /// Whether an event is the first of a new day: the book before it begins the day's partition.
    pub(crate) fn day_turns(&mut self, event_ts: Nanos) -> bool {
        let turns = self.is_in() && event_ts.day() > self.checkpoint_at.day();
        if turns {
            self.deltas_since_checkpoint = 0;
            self.checkpoint_at = event_ts;
        }
        turns
    }

    /// Whether a checkpoint is due after this event: so many deltas, or so long, after the last full
    /// state.
    pub(crate) fn checkpoint_due(&mut self, event_ts: Nanos) -> bool {
        self.event_ts = event_ts;
        let due = self.deltas_since_checkpoint >= CHECKPOINT_DELTAS
            || event_ts.0.saturating_sub(self.checkpoint_at.0) >= CHECKPOINT_NANOS;
        if due {
            self.deltas_since_checkpoint = 0;
            self.checkpoint_at = event_ts;
        }
        due
    }
}
