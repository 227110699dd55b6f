//! What the feeds announced as missing, and what was fetched afterwards.

use kt_model::Nanos;
use kt_warehouse::Client;
use kt_warehouse::client::Options;
use serde::{Deserialize, Serialize};

use super::spoken;
use crate::error::BacktestError;
use crate::scope::{Scope, moment};

/// Gaps listed at most; the rest is counted in one line.
pub(super) const LISTED: usize = 500;

/// A gap as the ledger has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownGap {
    /// The exchange and market segment.
    pub venue: String,
    /// The instrument; empty for the whole venue.
    pub instrument: String,
    /// Kind of event concerned; empty for all.
    pub kind: String,
    /// Why.
    pub cause: String,
    /// Start, in nanoseconds; the announcement where the start is not known.
    pub from: i64,
    /// End, in nanoseconds; `None` while it lasts.
    pub to: Option<i64>,
    /// Events missing; `None` is unknown, not none.
    pub missing: Option<u64>,
}

impl KnownGap {
    /// The gap in one line.
    pub(super) fn said(&self) -> String {
        let what = match (self.instrument.is_empty(), self.kind.is_empty()) {
            (true, _) => self.venue.clone(),
            (false, true) => format!("{} {}", self.venue, self.instrument),
            (false, false) => format!("{} {} {}", self.venue, self.instrument, self.kind),
        };
        let until = self.to.map_or_else(|| "its end not known".to_owned(), |to| format!("until {}", spoken(Nanos(to))));
        let missing = self.missing.map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
        format!("{what}: gap ({}) from {}, {until}: {missing} events", self.cause, spoken(Nanos(self.from)))
    }
}

/// The ledger's gaps that touch the range and concern the scope's markets.
pub(super) async fn known(client: &Client, scope: &Scope) -> Result<Vec<KnownGap>, BacktestError> {
    let sql = format!(
        "SELECT venue, instrument, kind, cause, toUnixTimestamp64Nano(coalesce(from_ts, event_ts)) AS from, \
         toUnixTimestamp64Nano(to_ts) AS to, missing FROM ops.gaps \
         WHERE {markets} AND coalesce(from_ts, event_ts) < {to} AND (coalesce(to_ts, event_ts) >= {from}) \
         ORDER BY from LIMIT {LISTED}",
        markets = scope.markets_condition(),
        from = moment(scope.begin()),
        to = moment(scope.to),
    );
    client.query_rows(&sql, &Options::new()).await.map_err(BacktestError::asking("reading the gap ledger"))
}

/// How many rows of the range, by venue time, were fetched afterwards.
pub(super) async fn backfilled(client: &Client, scope: &Scope) -> Result<u64, BacktestError> {
    #[derive(Deserialize)]
    struct Count {
        count: u64,
    }
    let parts: Vec<String> = scope
        .kinds
        .iter()
        .map(|kind| {
            format!(
                "SELECT count() AS rows FROM {} WHERE {} AND origin = 'backfill' AND event_ts >= {} AND event_ts < {}",
                kind.table(),
                scope.markets_condition(),
                moment(scope.from),
                moment(scope.to)
            )
        })
        .collect();
    let sql = format!("SELECT sum(rows) AS count FROM ({})", parts.join(" UNION ALL "));
    let row: Option<Count> =
        client.query_row(&sql, &Options::new()).await.map_err(BacktestError::asking("counting backfilled rows"))?;
    Ok(row.map_or(0, |row| row.count))
}
