//! How far the backfill of a window has come.

use kt_model::Nanos;
use serde::Deserialize;

use super::{Ledger, quoted, time};
use crate::client::{ClientError, Options};

/// A window of one instrument and kind, and what of it is still to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The venue.
    pub venue: String,
    /// Name of the kind.
    pub kind: String,
    /// The instrument.
    pub instrument: String,
    /// The window as asked for.
    pub window: (Nanos, Nanos),
    /// What remains; `None` when all was asked for.
    pub remaining: Option<(Nanos, Nanos)>,
    /// Rows so far: of the history, missing, there already.
    pub found: u64,
    /// See `found`.
    pub inserted: u64,
    /// See `found`.
    pub present: u64,
}

#[derive(Deserialize)]
struct ProgressRow {
    from: i64,
    to: i64,
    finished: u8,
    found: u64,
    inserted: u64,
    present: u64,
}

impl Ledger {
    /// What an earlier run of the same window left unfinished.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn unfinished(
        &self,
        venue: &str,
        kind: &str,
        instrument: &str,
        window: (Nanos, Nanos),
    ) -> Result<Option<Progress>, ClientError> {
        let sql = format!(
            "SELECT toUnixTimestamp64Nano(remaining_from) AS from, toUnixTimestamp64Nano(remaining_to) AS to, finished, \
             found, inserted, present FROM ops.backfill_progress FINAL \
             WHERE venue = {{venue:String}} AND kind = {{kind:String}} AND instrument = {{instrument:String}} \
             AND from_ts = {} AND to_ts = {}",
            time(window.0),
            time(window.1)
        );
        let options = Options::new().param("venue", venue).param("kind", kind).param("instrument", instrument);
        let row = self.client.query_row::<ProgressRow>(&sql, &options).await?;
        Ok(row.filter(|row| row.finished == 0).map(|row| Progress {
            venue: venue.to_owned(),
            kind: kind.to_owned(),
            instrument: instrument.to_owned(),
            window,
            remaining: Some((Nanos(row.from), Nanos(row.to))),
            found: row.found,
            inserted: row.inserted,
            present: row.present,
        }))
    }

    /// Writes down how far a window has come.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn remember(&self, progress: &Progress) -> Result<(), ClientError> {
        let (from, to) = progress.remaining.unwrap_or((progress.window.1, progress.window.1));
        let sql = format!(
            "INSERT INTO ops.backfill_progress (venue, kind, instrument, from_ts, to_ts, remaining_from, remaining_to, \
             finished, found, inserted, present) VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
            quoted(&progress.venue),
            quoted(&progress.kind),
            quoted(&progress.instrument),
            time(progress.window.0),
            time(progress.window.1),
            time(from),
            time(to),
            u8::from(progress.remaining.is_none()),
            progress.found,
            progress.inserted,
            progress.present
        );
        self.client.execute(&sql, &Options::new()).await
    }
}
