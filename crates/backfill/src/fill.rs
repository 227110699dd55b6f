//! The gaps of one venue, kind and day.

use std::collections::BTreeMap;

use futures::StreamExt;
use kt_model::Nanos;
use kt_model::schema::Kind;
use kt_warehouse::gaps::{Fill, FillState};

use crate::instruments::{Instruments, now};
use crate::plan::{PartitionKey, Pieces, merged, window};
use crate::range::Filled;
use crate::report::{GapReport, PartitionReport};
use crate::run::{Backfill, Venue, Watch};
use crate::time::{DAY, SECOND};
use crate::{BackfillError, ErrorKind};

/// Instruments that are asked for at the same time.
const AT_ONCE: usize = 4;
/// Longest pause for a gap that has only just ended.
const JUST_ENDED: i64 = 10 * SECOND;

type Window = (Nanos, Nanos);

/// What became of one instrument's window.
struct Done {
    instrument: String,
    window: Window,
    outcome: Result<Filled, BackfillError>,
}

/// Runs some of the futures at once; results come as they end.
pub(crate) async fn some_at_once<F: Future>(work: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures::stream::iter(work).buffer_unordered(AT_ONCE).collect().await
}

impl Backfill {
    /// Nothing could be tried: the ledger says why.
    pub(crate) async fn leave_open(
        &self,
        pieces: &Pieces,
        key: &PartitionKey,
        error: &BackfillError,
    ) -> Result<PartitionReport, BackfillError> {
        let mut open = pieces.open_of(key);
        for piece in &mut open {
            piece.reason.clone_from(&error.message);
        }
        self.ledger.write(&open).await?;
        Ok(report(key, &open, 0))
    }
}

impl Venue<'_> {
    /// Fills partition after partition.
    pub(crate) async fn fill_partitions(
        &self,
        keys: &[PartitionKey],
        pieces: &Pieces,
        watch: &Watch,
        report: &mut GapReport,
    ) -> Result<(), BackfillError> {
        let instruments = match Instruments::fetch(&self.mapping, &self.source).await {
            Ok(instruments) => instruments,
            Err(error) if error.is_of_source() => {
                for key in keys {
                    report.add(self.backfill.leave_open(pieces, key, &error).await?);
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for key in keys {
            report.add(self.fill_partition(key, pieces, &instruments, watch).await?);
        }
        Ok(())
    }

    async fn fill_partition(
        &self,
        key: &PartitionKey,
        pieces: &Pieces,
        instruments: &Instruments,
        watch: &Watch,
    ) -> Result<PartitionReport, BackfillError> {
        let mut open = pieces.open_of(key);
        let Some(kind) = Kind::from_name(&key.kind) else { return Ok(report(key, &open, 0)) };
        wait_for_end(&open).await;
        let windows = self.windows(kind, pieces, &open).await?;
        if windows.is_empty() {
            let message = format!("no instrument of {} is known to have had {kind} rows around the gap", key.venue);
            return self.backfill.leave_open(pieces, key, &BackfillError::new(ErrorKind::Request, message)).await;
        }
        let asked = windows.len() as u64;
        let filler = self.filler(watch);
        let work = windows.iter().flat_map(|(name, windows)| windows.iter().map(move |window| (name, *window)));
        let work = work.map(|(name, window)| {
            let filler = &filler;
            async move {
                let outcome = match instruments.find(name) {
                    Some((segment, info)) => filler.fill(kind, (&segment, &info), window).await,
                    None => {
                        Err(BackfillError::new(ErrorKind::Refused, format!("the venue's lists do not name {name}")))
                    }
                };
                Done { instrument: name.clone(), window, outcome }
            }
        });
        let done = some_at_once(work).await;
        if let Some(error) = done.iter().find_map(|done| done.outcome.as_ref().err().filter(|e| !e.is_of_source())) {
            return Err(error.clone());
        }
        // Closed only when the rows are where they belong.
        if let Err(error) = self.output.landed().await {
            self.backfill.leave_open(pieces, key, &error).await?;
            return Err(error);
        }
        self.settle(kind, pieces, &mut open, &done);
        self.backfill.ledger.write(&open).await?;
        Ok(report(key, &open, asked))
    }

    /// Which windows to ask for, by instrument.
    async fn windows(
        &self,
        kind: Kind,
        pieces: &Pieces,
        open: &[Fill],
    ) -> Result<BTreeMap<String, Vec<Window>>, BackfillError> {
        let venue = self.mapping.venue();
        let mut windows: BTreeMap<String, Vec<Window>> = BTreeMap::new();
        let mut seen: Option<Vec<String>> = None;
        for piece in open {
            let asked = window(piece, kind, self.margin());
            let named = pieces.instruments.get(&piece.key).map_or("", String::as_str);
            if !named.is_empty() {
                windows.entry(named.to_owned()).or_default().push(asked);
                continue;
            }
            if seen.is_none() {
                let extent =
                    open.iter().fold((asked.0, asked.1), |one, other| (one.0.min(other.from), one.1.max(other.to)));
                let around = (Nanos(extent.0.0 - DAY), Nanos(extent.1.0 + DAY));
                seen = Some(self.backfill.ledger.instruments_seen(venue, kind, around).await?);
            }
            for instrument in seen.iter().flatten() {
                windows.entry(instrument.clone()).or_default().push(asked);
            }
        }
        Ok(windows.into_iter().map(|(instrument, windows)| (instrument, merged(windows))).collect())
    }

    fn margin(&self) -> i64 {
        i64::try_from(self.backfill.config.margin.as_nanos()).unwrap_or(0)
    }

    /// Sets each piece's outcome. Where several gaps share a window, its rows are counted with the first of them.
    fn settle(&self, kind: Kind, pieces: &Pieces, open: &mut [Fill], done: &[Done]) {
        let mut counted = vec![false; done.len()];
        for piece in open {
            let asked = window(piece, kind, self.margin());
            let named = pieces.instruments.get(&piece.key).map_or("", String::as_str);
            let of_piece = |done: &Done| {
                (named.is_empty() || named == done.instrument) && done.window.0 <= asked.0 && asked.1 <= done.window.1
            };
            (piece.instruments, piece.found, piece.inserted, piece.present) = (0, 0, 0, 0);
            let (mut failed, mut beyond, mut shared) = (None, None, false);
            for (index, done) in done.iter().enumerate().filter(|(_, done)| of_piece(done)) {
                piece.instruments += 1;
                match &done.outcome {
                    Ok(_) if std::mem::replace(&mut counted[index], true) => shared = true,
                    Ok(filled) => {
                        piece.found += filled.found;
                        piece.inserted += filled.inserted;
                        piece.present += filled.present;
                    }
                    Err(error) if error.kind == ErrorKind::Beyond => beyond = Some(error.message.clone()),
                    Err(error) => failed = Some(error.message.clone()),
                }
            }
            (piece.state, piece.reason) = match (failed, beyond) {
                (Some(reason), _) => (FillState::Open, reason),
                (None, Some(reason)) => (FillState::Unrecoverable, reason),
                (None, None) if kind == Kind::Funding => {
                    (FillState::Filled, "settled rates only; the predictions of the window are lost".to_owned())
                }
                (None, None) if shared => (FillState::Filled, "rows counted with a gap that it overlaps".to_owned()),
                (None, None) => (FillState::Filled, String::new()),
            };
        }
    }
}

/// A history may not have the newest moments yet.
async fn wait_for_end(open: &[Fill]) {
    let newest = open.iter().map(|piece| piece.to.0).max().unwrap_or(0);
    let missing = newest + 3 * SECOND - now().0;
    if missing > 0 {
        tokio::time::sleep(std::time::Duration::from_nanos(missing.min(JUST_ENDED).unsigned_abs())).await;
    }
}

fn report(key: &PartitionKey, pieces: &[Fill], instruments: u64) -> PartitionReport {
    let state = match () {
        () if pieces.iter().any(|piece| piece.state == FillState::Open) => FillState::Open,
        () if pieces.iter().any(|piece| piece.state == FillState::Filled) => FillState::Filled,
        () => FillState::Unrecoverable,
    };
    let reason = pieces.iter().filter(|piece| piece.state == state).map(|piece| piece.reason.clone()).max();
    PartitionReport {
        venue: key.venue.clone(),
        kind: key.kind.clone(),
        day: key.day.clone(),
        state,
        gaps: pieces.len() as u64,
        instruments,
        found: pieces.iter().map(|piece| piece.found).sum(),
        inserted: pieces.iter().map(|piece| piece.inserted).sum(),
        present: pieces.iter().map(|piece| piece.present).sum(),
        reason: reason.unwrap_or_default(),
    }
}
