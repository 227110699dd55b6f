//! Recomputes buckets, one statement per mart and day.

use std::collections::{BTreeMap, BTreeSet};

use kt_model::schema::Kind;

use super::dirty::{BUCKET_SECONDS, Bucket};
use super::{newest, pairs, statements as sql};
use crate::client::{Client, ClientError, Options};

/// A side of a pair is carried forward for this long, so a quote changes the basis up to here behind it.
pub(super) const CARRY_SECONDS: i64 = 5;
/// Ranges of time in one condition; closer ranges are joined first.
const RANGES: usize = 24;

/// Computes the buckets from landing and writes them to the marts under `version`.
///
/// # Errors
/// The warehouse's. Buckets are then to be recomputed again, all of them.
pub async fn recompute(client: &Client, buckets: &[Bucket], version: u64) -> Result<(), ClientError> {
    let mut by_kind: BTreeMap<Kind, Vec<&Bucket>> = BTreeMap::new();
    for bucket in buckets {
        by_kind.entry(bucket.kind).or_default().push(bucket);
    }
    // Definitions first: candles need contract sizes, pairs need underlyings.
    if let Some(buckets) = by_kind.remove(&Kind::Instrument) {
        for scope in by_day(&buckets) {
            run(client, &newest::instruments(&scope)).await?;
        }
    }
    for (kind, buckets) in by_kind {
        for scope in by_day(&buckets) {
            match kind {
                Kind::Trade => candles(client, &scope, version).await?,
                Kind::Quote => quotes(client, &scope, version).await?,
                Kind::Mark => run(client, &newest::marks(&scope)).await?,
                Kind::Funding => run(client, &newest::fundings(&scope)).await?,
                _ => {}
            }
        }
    }
    Ok(())
}

async fn candles(client: &Client, scope: &Scope, version: u64) -> Result<(), ClientError> {
    run(client, &sql::candles_of_seconds(scope, version)).await?;
    run(client, &sql::bury("marts.candle_1s", scope, version)).await?;
    let minutes = scope.widened(60, 0);
    run(client, &sql::candles_of_minutes(&minutes, version)).await?;
    run(client, &sql::bury("marts.candle_1m", &minutes, version)).await
}

async fn quotes(client: &Client, scope: &Scope, version: u64) -> Result<(), ClientError> {
    run(client, &sql::quotes_of_seconds(scope, version)).await?;
    run(client, &sql::bury("marts.quote_1s", scope, version)).await?;
    run(client, &newest::quotes(scope)).await?;
    let carried = scope.widened(1, CARRY_SECONDS);
    let pairs = pairs::touched(client, scope).await?;
    if pairs.is_empty() {
        return Ok(());
    }
    run(client, &sql::basis_of_seconds(&pairs, &carried, version)).await?;
    run(client, &sql::bury_basis(&pairs, &carried, version)).await?;
    run(client, &newest::basis(&pairs, &carried)).await
}

async fn run(client: &Client, statement: &str) -> Result<(), ClientError> {
    let options =
        Options::new().setting("log_comment", "kt-marts").setting("max_execution_time", 60).setting("max_threads", 1);
    client.execute(statement, &options).await
}

/// Which instruments and which seconds a statement covers: all of them times all of them, where rows
/// that were not dirty are recomputed to what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// Venue and instrument.
    pub instruments: BTreeSet<(String, String)>,
    /// Ranges `[from, to)` in Unix seconds, ascending and apart.
    pub ranges: Vec<(i64, i64)>,
}

impl Scope {
    /// Each range from a multiple of `step` to a multiple of it, and `beyond` seconds longer.
    fn widened(&self, step: i64, beyond: i64) -> Self {
        let ranges = self.ranges.iter().map(|&(from, to)| {
            let end = (to + beyond - 1).div_euclid(step) + 1;
            (from.div_euclid(step) * step, end * step)
        });
        Self { instruments: self.instruments.clone(), ranges: joined(ranges.collect()) }
    }
}

/// One scope per day: partitions are days, and an old bucket must not widen the range of today's.
fn by_day(buckets: &[&Bucket]) -> Vec<Scope> {
    let mut days: BTreeMap<i64, Scope> = BTreeMap::new();
    for bucket in buckets {
        let day = bucket.start.div_euclid(86_400);
        let scope = days.entry(day).or_insert_with(|| Scope { instruments: BTreeSet::new(), ranges: Vec::new() });
        scope.instruments.insert((bucket.venue.clone(), bucket.instrument.clone()));
        scope.ranges.push((bucket.start, bucket.start + BUCKET_SECONDS));
    }
    for scope in days.values_mut() {
        scope.ranges = joined(std::mem::take(&mut scope.ranges));
    }
    days.into_values().collect()
}

/// Ascending and apart; at most [`RANGES`], the nearest joined first.
fn joined(mut ranges: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    ranges.sort_unstable();
    let mut apart: Vec<(i64, i64)> = Vec::new();
    for (from, to) in ranges {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => apart.push((from, to)),
        }
    }
    while apart.len() > RANGES {
        let nearest = (1..apart.len()).min_by_key(|&at| apart[at].0 - apart[at - 1].1).unwrap_or(1);
        let (_, to) = apart.remove(nearest);
        apart[nearest - 1].1 = to;
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn joined_ranges_cover_what_they_covered(starts in proptest::collection::vec(0i64..2_000, 1..120)) {
            let ranges: Vec<_> = starts.iter().map(|start| (start * 10, start * 10 + 10)).collect();
            let joined = joined(ranges.clone());
            prop_assert!(joined.len() <= RANGES);
            prop_assert!(joined.windows(2).all(|pair| pair[0].1 < pair[1].0));
            for (from, to) in ranges {
                prop_assert!(joined.iter().any(|range| range.0 <= from && to <= range.1));
            }
        }
    }
}
