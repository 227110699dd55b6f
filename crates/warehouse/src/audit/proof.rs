//! Tells rows that gave way to an equal event from rows that are lost.

use std::collections::BTreeSet;

use kt_model::schema::Kind;
use serde::Deserialize;

use super::{AuditError, CountRow, LISTED, Scope};
use crate::client::Client;
use crate::loader::identity::hash_expression;

/// Missing rows whose identities are looked up at once.
const PROOF_ROWS: u64 = 2_000_000;

/// What became of the missing rows of one kind of a writer's epoch.
#[derive(Default)]
pub(super) struct Proof {
    pub collapsed: u64,
    pub unproven: u64,
    /// How many are lost.
    pub lost_rows: u64,
    /// Which, up to a limit.
    pub lost: BTreeSet<u64>,
}

#[derive(Deserialize)]
struct DayRow {
    day: String,
    min_ns: i64,
    max_ns: i64,
    rows: u64,
}

#[derive(Deserialize)]
struct ProofRow {
    missing: u64,
    collapsed: u64,
    unproven: u64,
    lost: Vec<u64>,
}

/// Looks the identities of missing rows up among the rows that are there, day by day.
pub(super) async fn prove(client: &Client, scope: &Scope, kind: Kind, row: &CountRow) -> Result<Proof, AuditError> {
    let (condition, options) = scope.books();
    let options = options.param("writer", &row.writer);
    let books = format!(
        "ops.intents WHERE {condition} AND kind = '{kind}' AND writer = {{writer:String}} AND epoch = {}",
        row.epoch
    );
    let days = format!(
        "SELECT toString(day) AS day, min(toUnixTimestamp64Nano(min_event_ts)) AS min_ns, \
         max(toUnixTimestamp64Nano(max_event_ts)) AS max_ns, sum(i.rows) AS rows FROM ops.intents AS i WHERE {} GROUP BY day",
        books.trim_start_matches("ops.intents WHERE ")
    );
    let mut proof = Proof::default();
    for day in client.query_rows::<DayRow>(&days, &options).await? {
        let shares = day.rows / PROOF_ROWS + 1;
        for share in 0..shares {
            let sql = proof_statement(kind, &books, &day, row.epoch, (share, shares));
            let Some(found) = client.query_row::<ProofRow>(&sql, &options).await? else { continue };
            proof.collapsed += found.collapsed;
            proof.unproven += found.unproven;
            proof.lost_rows += found.missing.saturating_sub(found.collapsed + found.unproven);
            if found.missing > found.collapsed + found.unproven && proof.lost.len() < LISTED {
                proof.lost.extend(found.lost);
            }
        }
    }
    Ok(proof)
}

/// One share of a day's missing rows: how many there are and how many have an equal event in landing.
/// Rows whose hash the books no longer keep count as unproven.
fn proof_statement(kind: Kind, books: &str, day: &DayRow, epoch: u32, (share, shares): (u64, u64)) -> String {
    let (table, hash) = (kind.table(), hash_expression(kind));
    let times = format!(
        "event_ts >= fromUnixTimestamp64Nano({}, 'UTC') AND event_ts <= fromUnixTimestamp64Nano({}, 'UTC')",
        day.min_ns, day.max_ns
    );
    let there = format!(
        "(SELECT groupBitmapState(counter) FROM {table} WHERE {times} AND writer = {{writer:String}} AND epoch = {epoch})"
    );
    let missing = format!(
        "SELECT DISTINCT pair.1 AS counter, pair.2 AS hash FROM (SELECT arrayJoin(arrayZip(counters, \
         if(empty(key_hashes), arrayWithConstant(length(counters), toUInt64(0)), key_hashes))) AS pair \
         FROM {books} AND day = '{}') WHERE NOT bitmapContains({there}, pair.1) AND pair.1 % {shares} = {share}",
        day.day
    );
    let found = format!(
        "SELECT DISTINCT {hash} AS key_hash FROM {table} WHERE {times} AND {hash} IN (SELECT hash FROM ({missing}))"
    );
    format!(
        "SELECT count() AS missing, countIf(m.hash != 0 AND found) AS collapsed, countIf(m.hash = 0) AS unproven, \
         arraySort(groupArrayIf({LISTED})(m.counter, m.hash != 0 AND NOT found)) AS lost \
         FROM (SELECT counter, hash, hash IN ({found}) AS found FROM ({missing})) AS m"
    )
}
