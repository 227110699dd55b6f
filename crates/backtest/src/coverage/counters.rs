//! Which of the writers' counters are in the warehouse.

use kt_model::schema::Kind;
use kt_warehouse::Client;
use kt_warehouse::client::Options;
use serde::{Deserialize, Serialize};

use crate::error::BacktestError;
use crate::scope::{Scope, quoted};

/// A writer's counters between the first and the last that the range holds, over all kinds and instruments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterCoverage {
    /// Who logged the rows.
    pub writer: String,
    /// Its epoch.
    pub epoch: u32,
    /// Smallest counter received in the range.
    pub first: u64,
    /// Largest counter received in the range.
    pub last: u64,
    /// Counters between them that are in the warehouse.
    pub present: u64,
    /// Counters that landed and gave way to an equal event since.
    pub merged: u64,
    /// Counters that the loader's books do not know: on their way, or a gap that a killed writer left.
    pub unaccounted: u64,
}

#[derive(Deserialize)]
struct Bounds {
    writer: String,
    epoch: u32,
    first: u64,
    last: u64,
}

/// The writers of the scope's venues.
pub(super) async fn cover(client: &Client, scope: &Scope) -> Result<Vec<WriterCoverage>, BacktestError> {
    let mut writers = Vec::new();
    for bounds in bounds(client, scope).await? {
        writers.push(count(client, bounds).await?);
    }
    Ok(writers)
}

/// Kinds whose counters a writer of market data counts.
fn logged() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied()
}

async fn bounds(client: &Client, scope: &Scope) -> Result<Vec<Bounds>, BacktestError> {
    let markets = scope.venues_condition();
    let (from, to) = (crate::scope::moment(scope.from), crate::scope::moment(scope.to));
    let parts: Vec<String> = crate::scope::INPUT_KINDS
        .iter()
        .map(|kind| {
            format!(
                "SELECT writer, epoch, min(counter) AS low, max(counter) AS high FROM {} \
                 WHERE {markets} AND recv_ts >= {from} AND recv_ts < {to} AND origin != 'backfill' GROUP BY writer, epoch",
                kind.table()
            )
        })
        .collect();
    let sql = format!(
        "SELECT writer, epoch, min(low) AS first, max(high) AS last FROM ({}) GROUP BY writer, epoch ORDER BY writer, epoch",
        parts.join(" UNION ALL ")
    );
    client.query_rows(&sql, &Options::new()).await.map_err(BacktestError::asking("finding the range's writers"))
}

async fn count(client: &Client, bounds: Bounds) -> Result<WriterCoverage, BacktestError> {
    let Bounds { writer, epoch, first, last } = bounds;
    let own = format!("writer = {} AND epoch = {epoch}", quoted(&writer));
    let parts: Vec<String> = logged()
        .map(|kind| format!("SELECT counter FROM {} WHERE {own} AND counter BETWEEN {first} AND {last}", kind.table()))
        .collect();
    let sql = format!(
        "WITH (SELECT groupBitmapState(counter) FROM ({landing})) AS there, \
         (SELECT groupBitmapState(c) FROM (SELECT toUInt64(arrayJoin(counters)) AS c FROM ops.intents \
          WHERE {own} AND stage = 'done' AND last_counter >= {first} AND first_counter <= {last}) \
          WHERE c BETWEEN {first} AND {last}) AS booked \
         SELECT bitmapCardinality(there) AS present, bitmapAndnotCardinality(booked, there) AS merged",
        landing = parts.join(" UNION ALL "),
    );
    #[derive(Deserialize)]
    struct Counted {
        present: u64,
        merged: u64,
    }
    let counted: Option<Counted> = client
        .query_row(&sql, &Options::new())
        .await
        .map_err(BacktestError::asking("counting the range's counters"))?;
    let Counted { present, merged } = counted.unwrap_or(Counted { present: 0, merged: 0 });
    let unaccounted = (last - first + 1).saturating_sub(present + merged);
    Ok(WriterCoverage { writer, epoch, first, last, present, merged, unaccounted })
}
