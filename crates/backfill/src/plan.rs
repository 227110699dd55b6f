//! From gaps to work: which venue, kind and day they concern, and which windows that makes.

use std::collections::{BTreeMap, HashMap};

use kt_model::Nanos;
use kt_model::schema::Kind;
use kt_warehouse::gaps::{Fill, FillState, Gap, GapKey};

use crate::report::ListedPartition;
use crate::time::{DAY, SECOND, day_text};

/// Why a piece is open that nobody has tried to fill.
pub(crate) const NOT_TRIED: &str = "";

/// One venue, kind and day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    /// The venue.
    pub venue: String,
    /// Name of the kind.
    pub kind: String,
    /// The day, `2026-11-22`.
    pub day: String,
}

/// Every piece of every gap: outcomes that are written down, and what new gaps come to.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    pub(crate) pieces: Vec<Fill>,
    /// Instrument of each gap; empty for all.
    pub(crate) instruments: HashMap<GapKey, String>,
}

impl Pieces {
    /// Puts the outcomes so far together with the gaps that have none. `kinds` are those a gap without a kind
    /// concerns; `fillable` says which a history exists for.
    pub(crate) fn new(
        gaps: &[Gap],
        fills: Vec<Fill>,
        kinds: impl Fn(&Gap) -> Vec<Kind>,
        fillable: impl Fn(&str, Kind) -> bool,
    ) -> Self {
        let instruments = gaps.iter().map(|gap| (gap.key.clone(), gap.instrument.clone())).collect();
        let examined: std::collections::HashSet<GapKey> = fills.iter().map(|fill| fill.key.clone()).collect();
        let mut pieces = fills;
        for gap in gaps.iter().filter(|gap| !examined.contains(&gap.key)) {
            for kind in kinds(gap) {
                pieces.extend(pieces_of(gap, kind, fillable(&gap.venue, kind)));
            }
        }
        Self { pieces, instruments }
    }

    /// The pieces that are not in the ledger yet.
    pub(crate) fn unwritten(&self, written: &[Fill]) -> Vec<Fill> {
        let known: std::collections::HashSet<&GapKey> = written.iter().map(|fill| &fill.key).collect();
        self.pieces.iter().filter(|piece| !known.contains(&piece.key)).cloned().collect()
    }

    /// Partitions with something open, oldest day first.
    pub(crate) fn open_partitions(&self) -> Vec<PartitionKey> {
        let mut keys: Vec<PartitionKey> =
            self.pieces.iter().filter(|piece| piece.state == FillState::Open).map(key).collect();
        keys.sort_by(|one, other| (&one.day, &one.venue, &one.kind).cmp(&(&other.day, &other.venue, &other.kind)));
        keys.dedup();
        keys
    }

    /// The open pieces of a partition.
    pub(crate) fn open_of(&self, wanted: &PartitionKey) -> Vec<Fill> {
        let of = |piece: &&Fill| piece.state == FillState::Open && key(piece) == *wanted;
        self.pieces.iter().filter(of).cloned().collect()
    }

    /// All partitions with what they hold.
    #[must_use]
    pub fn list(&self) -> Vec<ListedPartition> {
        let mut by_key: BTreeMap<PartitionKey, Vec<&Fill>> = BTreeMap::new();
        for piece in &self.pieces {
            by_key.entry(key(piece)).or_default().push(piece);
        }
        by_key.into_iter().map(|(key, pieces)| listed(key, &pieces)).collect()
    }
}

fn key(piece: &Fill) -> PartitionKey {
    PartitionKey { venue: piece.venue.clone(), kind: piece.kind.clone(), day: piece.day.clone() }
}

fn listed(key: PartitionKey, pieces: &[&Fill]) -> ListedPartition {
    let open: Vec<&&Fill> = pieces.iter().filter(|piece| piece.state == FillState::Open).collect();
    let state = match () {
        () if !open.is_empty() => FillState::Open,
        () if pieces.iter().any(|piece| piece.state == FillState::Filled) => FillState::Filled,
        () => FillState::Unrecoverable,
    };
    let windows = merged(open.iter().map(|piece| (piece.from, piece.to)).collect());
    let nanos: i64 = windows.iter().map(|(from, to)| to.0 - from.0).sum();
    let seconds = nanos as f64 / SECOND as f64;
    let reason = pieces.iter().filter(|piece| piece.state == state).map(|piece| piece.reason.as_str());
    ListedPartition {
        venue: key.venue,
        kind: key.kind,
        day: key.day,
        state,
        gaps: pieces.len() as u64,
        open: open.len() as u64,
        seconds,
        reason: reason.max().unwrap_or_default().to_owned(),
    }
}

/// The pieces of a gap of one kind, one for each day that it touches.
fn pieces_of(gap: &Gap, kind: Kind, fillable: bool) -> Vec<Fill> {
    let (first, last) = (gap.from.0.div_euclid(DAY), gap.to.0.div_euclid(DAY));
    let state = if fillable { FillState::Open } else { FillState::Unrecoverable };
    let reason = if fillable { NOT_TRIED.to_owned() } else { format!("the venue serves no past {kind} rows") };
    let piece = |number: i64| Fill {
        key: gap.key.clone(),
        venue: gap.venue.clone(),
        kind: kind.as_str().to_owned(),
        day: day_text(number),
        state,
        reason: reason.clone(),
        from: Nanos(gap.from.0.max(number * DAY)),
        to: Nanos(gap.to.0.min((number + 1) * DAY - 1)),
        instruments: 0,
        found: 0,
        inserted: 0,
        present: 0,
    };
    (first..=last).map(piece).collect()
}

/// The window to ask for so that a piece's extent is surely within: clocks differ, and a candle that the extent only
/// touches is asked for whole.
pub(crate) fn window(piece: &Fill, kind: Kind, margin: i64) -> (Nanos, Nanos) {
    let minute = 60 * SECOND;
    let (from, to) = (piece.from.0 - margin, piece.to.0 + margin);
    match kind {
        Kind::Candle => (Nanos(from - from.rem_euclid(minute)), Nanos(to)),
        _ => (Nanos(from), Nanos(to)),
    }
}

/// Windows that overlap or touch as one.
pub(crate) fn merged(mut windows: Vec<(Nanos, Nanos)>) -> Vec<(Nanos, Nanos)> {
    windows.sort_unstable();
    let mut merged: Vec<(Nanos, Nanos)> = Vec::new();
    for (from, to) in windows {
        match merged.last_mut() {
            Some(last) if from.0 <= last.1.0.saturating_add(1) => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(counter: u64, kind: &str, from: i64, to: i64) -> Gap {
        Gap {
            key: GapKey { writer: "feed-x".to_owned(), epoch: 1, counter },
            venue: "x".to_owned(),
            instrument: String::new(),
            kind: kind.to_owned(),
            cause: "disconnect".to_owned(),
            from: Nanos(from),
            to: Nanos(to),
        }
    }

    #[test]
    fn a_gap_over_midnight_is_a_piece_a_day_and_kind() {
        let gaps = [gap(1, "", DAY - 5 * SECOND, DAY + 7 * SECOND)];
        let kinds = |_: &Gap| vec![Kind::Trade, Kind::Book];
        let pieces = Pieces::new(&gaps, Vec::new(), kinds, |_, kind| kind == Kind::Trade);
        let listed = pieces.list();
        let seen: Vec<_> =
            listed.iter().map(|part| (&*part.kind, &*part.day, part.state, part.seconds.round())).collect();
        assert_eq!(
            seen,
            [
                ("book", "1970-01-01", FillState::Unrecoverable, 0.0),
                ("book", "1970-01-02", FillState::Unrecoverable, 0.0),
                ("trade", "1970-01-01", FillState::Open, 5.0),
                ("trade", "1970-01-02", FillState::Open, 7.0),
            ]
        );
        // What is written down is not made anew.
        let written = pieces.pieces.iter().cloned().map(|piece| Fill { state: FillState::Filled, ..piece }).collect();
        let again = Pieces::new(&gaps, written, kinds, |_, _| true);
        assert!(again.open_partitions().is_empty());
        assert_eq!(again.pieces.len(), 4);
    }

    #[test]
    fn windows_hold_the_extent() {
        let gaps = [gap(1, "candle", 90 * SECOND, 95 * SECOND)];
        let pieces = Pieces::new(&gaps, Vec::new(), |_| vec![Kind::Candle], |_, _| true);
        let piece = &pieces.pieces[0];
        assert_eq!(window(piece, Kind::Trade, 5 * SECOND), (Nanos(85 * SECOND), Nanos(100 * SECOND)));
        assert_eq!(window(piece, Kind::Candle, 0), (Nanos(60 * SECOND), Nanos(95 * SECOND)));
        let windows = vec![(Nanos(5), Nanos(9)), (Nanos(1), Nanos(4)), (Nanos(20), Nanos(30)), (Nanos(7), Nanos(8))];
        assert_eq!(merged(windows), [(Nanos(1), Nanos(9)), (Nanos(20), Nanos(30))]);
    }
}
