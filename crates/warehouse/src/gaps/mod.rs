//! The gap ledger: what the feeds announced as missing, what landing holds around it, and what was made of it.
//!
//! A gap is a status row of a feed. [`Ledger`] reads the gaps and writes their outcomes into `ops.gap_fills`, one row
//! for each kind and day; [`known`] tells which rows of a window landing already holds.

pub mod known;
mod progress;

use kt_model::Nanos;
use kt_model::schema::Kind;
use serde::{Deserialize, Serialize};

pub use progress::Progress;

use crate::client::{Client, ClientError, Options};

/// The status row that announced a gap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GapKey {
    /// The feed's writer.
    pub writer: String,
    /// Its epoch.
    pub epoch: u32,
    /// Position of the row.
    pub counter: u64,
}

/// A gap as it was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Which.
    pub key: GapKey,
    /// The venue.
    pub venue: String,
    /// The instrument; empty for all of the venue.
    pub instrument: String,
    /// Name of the kind concerned; empty for all.
    pub kind: String,
    /// Why: `sequence`, `disconnect`, `restart`, `quarantine`, …
    pub cause: String,
    /// Begin of the extent.
    pub from: Nanos,
    /// End of the extent.
    pub to: Nanos,
}

/// What became of a gap, within one kind and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillState {
    /// Not filled yet.
    Open,
    /// Everything that the venue's history has of it is in landing.
    Filled,
    /// No history can fill it.
    Unrecoverable,
}

/// The outcome of one kind and day of a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Of which gap.
    pub key: GapKey,
    /// The venue.
    pub venue: String,
    /// Name of the kind.
    pub kind: String,
    /// The day, `2026-11-22`.
    pub day: String,
    /// What became of it.
    pub state: FillState,
    /// Why, in words.
    pub reason: String,
    /// Begin of the extent within the day.
    pub from: Nanos,
    /// End of the extent within the day.
    pub to: Nanos,
    /// Instruments asked for.
    pub instruments: u32,
    /// Rows of the history within the extent.
    pub found: u64,
    /// Rows that were missing.
    pub inserted: u64,
    /// Rows that were there.
    pub present: u64,
}

/// The ledger in the warehouse.
#[derive(Clone, Debug)]
pub struct Ledger {
    client: Client,
}

#[derive(Deserialize)]
struct GapRow {
    writer: String,
    epoch: u32,
    counter: u64,
    venue: String,
    instrument: String,
    kind: String,
    cause: String,
    from: i64,
    to: i64,
}

#[derive(Deserialize)]
struct FillRow {
    writer: String,
    epoch: u32,
    counter: u64,
    venue: String,
    kind: String,
    day: String,
    state: FillState,
    reason: String,
    from: i64,
    to: i64,
    instruments: u32,
    found: u64,
    inserted: u64,
    present: u64,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

impl Ledger {
    /// The ledger of this warehouse.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Every gap of a venue, or of all; oldest first.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn gaps(&self, venue: Option<&str>) -> Result<Vec<Gap>, ClientError> {
        // An extent without a begin is taken from a minute before: the feed had just started then.
        let sql = "SELECT writer, epoch, counter, venue, instrument, kind, cause, \
            toUnixTimestamp64Nano(coalesce(from_ts, event_ts - INTERVAL 1 MINUTE)) AS from, \
            toUnixTimestamp64Nano(coalesce(to_ts, event_ts)) AS to \
            FROM ops.gaps WHERE {venue:String} = '' OR venue = {venue:String} ORDER BY event_ts, writer, epoch, counter";
        let rows = self.client.query_rows::<GapRow>(sql, &Options::new().param("venue", venue.unwrap_or(""))).await?;
        let gap = |row: GapRow| Gap {
            key: GapKey { writer: row.writer, epoch: row.epoch, counter: row.counter },
            venue: row.venue,
            instrument: row.instrument,
            kind: row.kind,
            cause: row.cause,
            from: Nanos(row.from.min(row.to)),
            to: Nanos(row.to),
        };
        Ok(rows.into_iter().map(gap).collect())
    }

    /// Every outcome of a venue's gaps, or of all.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn fills(&self, venue: Option<&str>) -> Result<Vec<Fill>, ClientError> {
        let sql = "SELECT writer, epoch, counter, venue, kind, toString(day) AS day, state, reason, \
            toUnixTimestamp64Nano(from_ts) AS from, toUnixTimestamp64Nano(to_ts) AS to, \
            instruments, found, inserted, present \
            FROM ops.gap_fills FINAL WHERE {venue:String} = '' OR venue = {venue:String} \
            ORDER BY venue, kind, day, writer, epoch, counter";
        let rows = self.client.query_rows::<FillRow>(sql, &Options::new().param("venue", venue.unwrap_or(""))).await?;
        let fill = |row: FillRow| Fill {
            key: GapKey { writer: row.writer, epoch: row.epoch, counter: row.counter },
            venue: row.venue,
            kind: row.kind,
            day: row.day,
            state: row.state,
            reason: row.reason,
            from: Nanos(row.from),
            to: Nanos(row.to),
            instruments: row.instruments,
            found: row.found,
            inserted: row.inserted,
            present: row.present,
        };
        Ok(rows.into_iter().map(fill).collect())
    }

    /// Writes outcomes, in place of earlier ones.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn write(&self, fills: &[Fill]) -> Result<(), ClientError> {
        for part in fills.chunks(500) {
            let rows: Vec<String> = part.iter().map(Fill::row).collect();
            let sql = format!(
                "INSERT INTO ops.gap_fills (writer, epoch, counter, venue, kind, day, state, reason, from_ts, to_ts, \
                 instruments, found, inserted, present) VALUES {}",
                rows.join(", ")
            );
            self.client.execute(&sql, &Options::new()).await?;
        }
        Ok(())
    }

    /// Kinds of which landing holds live rows of a venue within a window.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn kinds_seen(&self, venue: &str, window: (Nanos, Nanos)) -> Result<Vec<Kind>, ClientError> {
        let mut seen = Vec::new();
        for &kind in Kind::ALL.iter().filter(|kind| is_market_data(**kind)) {
            let sql = format!(
                "SELECT 'x' AS name FROM {} WHERE venue = {{venue:String}} AND origin != 'backfill' AND {} LIMIT 1",
                kind.table(),
                within(window)
            );
            if self.client.query_row::<Name>(&sql, &Options::new().param("venue", venue)).await?.is_some() {
                seen.push(kind);
            }
        }
        Ok(seen)
    }

    /// Instruments of a venue of which landing holds live rows of a kind within a window.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn instruments_seen(
        &self,
        venue: &str,
        kind: Kind,
        window: (Nanos, Nanos),
    ) -> Result<Vec<String>, ClientError> {
        let sql = format!(
            "SELECT DISTINCT instrument AS name FROM {} WHERE venue = {{venue:String}} AND instrument != '' \
             AND origin != 'backfill' AND {} ORDER BY name",
            kind.table(),
            within(window)
        );
        let rows = self.client.query_rows::<Name>(&sql, &Options::new().param("venue", venue)).await?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }

    /// The warehouse itself.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// Kinds that come from exchanges and that a gap may concern.
#[must_use]
pub fn is_market_data(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Trade
            | Kind::Quote
            | Kind::Book
            | Kind::Candle
            | Kind::Mark
            | Kind::Funding
            | Kind::OpenInterest
            | Kind::Liquidation
    )
}

/// The condition that `event_ts` lies in a window, both ends included.
pub(super) fn within(window: (Nanos, Nanos)) -> String {
    format!(
        "event_ts >= fromUnixTimestamp64Nano(toInt64({}), 'UTC') AND event_ts <= fromUnixTimestamp64Nano(toInt64({}), 'UTC')",
        window.0.0, window.1.0
    )
}

/// A text as a literal.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A time as an expression.
pub(super) fn time(at: Nanos) -> String {
    format!("fromUnixTimestamp64Nano(toInt64({}), 'UTC')", at.0)
}

impl Fill {
    fn row(&self) -> String {
        let state = match self.state {
            FillState::Open => "open",
            FillState::Filled => "filled",
            FillState::Unrecoverable => "unrecoverable",
        };
        format!(
            "({}, {}, {}, {}, {}, {}, '{state}', {}, {}, {}, {}, {}, {}, {})",
            quoted(&self.key.writer),
            self.key.epoch,
            self.key.counter,
            quoted(&self.venue),
            quoted(&self.kind),
            quoted(&self.day),
            quoted(&self.reason),
            time(self.from),
            time(self.to),
            self.instruments,
            self.found,
            self.inserted,
            self.present
        )
    }
}
