//! Proves that every accepted row is in the warehouse exactly once, by counters.
//!
//! A writer's counters begin at 1 and have no holes, over all its kinds together. So of the highest
//! accepted counter it follows how many rows there must be and which; the loader's books
//! (`ops.intents`) say which counter belongs to which kind.
//!
//! A counter that is not in landing is lost, unless its row gave way to an equal event: landing keeps
//! one row of each identity, and merges drop the others. The books hold the hash of every row's identity;
//! a missing counter whose identity is there in another row is `collapsed`, any other is lost.
//!
//! Sets of counters are compressed bitmaps inside ClickHouse: 100 million rows take seconds.

mod proof;
mod report;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kt_bus::{Bus, BusError};
use kt_model::schema::Kind;
use serde::Deserialize;

pub use report::{AuditReport, KindAudit, LostRange, WriterAudit};

use crate::client::{Client, ClientError, Options};
use proof::prove;
use report::ranges;

/// Most ranges of lost counters that a report names, per writer and kind.
const RANGES: usize = 100;
/// Lost counters looked at for the ranges.
const LISTED: usize = 100_000;

/// An audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The warehouse did not answer a question.
    #[error("audit: the warehouse: {0}")]
    Warehouse(#[from] ClientError),
    /// The writers' accepted counters could not be read.
    #[error("audit: the writers' accepted counters: {0}")]
    Bus(#[from] BusError),
}

type WriterEpoch = (String, u32);

/// Audits everything accepted up to now. Rows that are on their way get `settle` to arrive; the report
/// is complete when they do, and says what is missing when they do not.
///
/// Without a `bus` the accepted counters are those of the blocks that the loader has read.
///
/// # Errors
/// [`AuditError`] when the warehouse or the messaging server does not answer.
pub async fn audit(client: &Client, bus: Option<&Bus>, settle: Duration) -> Result<AuditReport, AuditError> {
    let until = Instant::now() + settle;
    let accepted = accepted(client, bus).await?;
    while !arrived(client, &accepted).await? && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    loop {
        let report = compare(client, &accepted).await?;
        if report.is_whole() || Instant::now() >= until {
            record(client, &report).await?;
            return Ok(report);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[derive(Deserialize)]
struct BoundRow {
    writer: String,
    epoch: u32,
    bound: u64,
}

/// Highest counter of each writer and epoch: what the writer says, or what its blocks show where that
/// is more (a writer says it about once a second).
async fn accepted(client: &Client, bus: Option<&Bus>) -> Result<BTreeMap<WriterEpoch, u64>, AuditError> {
    let mut accepted: BTreeMap<WriterEpoch, u64> = BTreeMap::new();
    if let Some(bus) = bus {
        for (writer, epoch, counter) in bus.accepted().await?.all().await? {
            accepted.insert((writer, epoch), counter);
        }
    }
    let sql = "SELECT writer, epoch, max(last_counter) AS bound FROM ops.intents WHERE stage = 'planned' \
               GROUP BY writer, epoch";
    for row in client.query_rows::<BoundRow>(sql, &Options::new()).await? {
        let bound = accepted.entry((row.writer, row.epoch)).or_insert(0);
        *bound = (*bound).max(row.bound);
    }
    Ok(accepted)
}

/// Whether the books say that as many rows have landed as were accepted.
async fn arrived(client: &Client, accepted: &BTreeMap<WriterEpoch, u64>) -> Result<bool, AuditError> {
    let sql = "SELECT writer, epoch, sum(rows) AS bound FROM ops.intents WHERE stage = 'done' GROUP BY writer, epoch";
    let rows = client.query_rows::<BoundRow>(sql, &Options::new()).await?;
    let landed: BTreeMap<WriterEpoch, u64> = rows.into_iter().map(|row| ((row.writer, row.epoch), row.bound)).collect();
    Ok(accepted.iter().all(|(key, bound)| landed.get(key).is_some_and(|rows| rows >= bound)))
}

async fn compare(client: &Client, accepted: &BTreeMap<WriterEpoch, u64>) -> Result<AuditReport, AuditError> {
    let mut writers: BTreeMap<WriterEpoch, WriterAudit> = BTreeMap::new();
    for ((writer, epoch), bound) in accepted {
        let audit = WriterAudit { writer: writer.clone(), epoch: *epoch, accepted: *bound, ..WriterAudit::default() };
        writers.insert((writer.clone(), *epoch), audit);
    }
    let mut report = AuditReport::default();
    for &kind in Kind::ALL {
        for row in count(client, kind).await? {
            let Some(writer) = writers.get_mut(&(row.writer.clone(), row.epoch)) else { continue };
            let audited = audit_kind(client, kind, &row, writer).await?;
            writer.kinds.push(audited);
        }
        report.duplicated += logical_duplicates(client, kind).await?;
    }
    for writer in writers.values_mut() {
        finish(client, writer).await?;
    }
    report.writers = writers.into_values().collect();
    report.total();
    report.gaps = number(client, "SELECT count() AS number FROM ops.gaps").await?;
    Ok(report)
}

#[derive(Deserialize)]
struct CountRow {
    writer: String,
    epoch: u32,
    logged: u64,
    missing: u64,
    extra: u64,
}

/// Counters of the books against counters in the table, per writer and epoch.
async fn count(client: &Client, kind: Kind) -> Result<Vec<CountRow>, ClientError> {
    let table = kind.table();
    let sql = format!(
        "SELECT writer, epoch, bitmapCardinality(planned) AS logged, bitmapAndnotCardinality(planned, there) AS missing, \
         toUInt64(rows - bitmapCardinality(there)) AS extra \
         FROM (SELECT writer, epoch, groupBitmapState(arrayJoin(counters)) AS planned FROM ops.intents \
               WHERE stage = 'planned' AND kind = '{kind}' GROUP BY writer, epoch) AS i \
         LEFT JOIN (SELECT writer, epoch, groupBitmapState(counter) AS there, count() AS rows FROM {table} \
               GROUP BY writer, epoch) AS t USING (writer, epoch)"
    );
    client.query_rows(&sql, &Options::new()).await
}

async fn audit_kind(
    client: &Client,
    kind: Kind,
    row: &CountRow,
    writer: &mut WriterAudit,
) -> Result<KindAudit, AuditError> {
    let mut audited =
        KindAudit { kind: kind.as_str(), logged: row.logged, duplicated: row.extra, ..KindAudit::default() };
    if row.missing > 0 {
        let proof = prove(client, kind, row).await?;
        let listed: Vec<u64> = proof.lost.iter().copied().collect();
        writer.lost_ranges.extend(ranges(Some(kind.as_str()), &listed, RANGES));
        writer.unproven += proof.unproven;
        audited.collapsed = proof.collapsed;
        audited.lost = row.missing.saturating_sub(proof.collapsed + proof.unproven);
    }
    audited.landed = row.logged - audited.lost;
    Ok(audited)
}

/// Counters that are in no block the loader has read, and the sums of the kinds.
async fn finish(client: &Client, writer: &mut WriterAudit) -> Result<(), AuditError> {
    for kind in &writer.kinds {
        writer.logged += kind.logged;
        writer.landed += kind.landed;
        writer.lost += kind.lost;
        writer.collapsed += kind.collapsed;
        writer.duplicated += kind.duplicated;
    }
    // Rows accepted since this audit began may have been logged already.
    writer.accepted = writer.accepted.max(writer.logged);
    writer.pending = writer.accepted - writer.logged;
    if writer.pending > 0 {
        let options = Options::new().param("writer", &writer.writer);
        let sql = format!(
            "SELECT arraySort(bitmapToArray(bitmapSubsetLimit(bitmapAndnot(\
             (SELECT groupBitmapState(number + 1) FROM numbers({})), \
             (SELECT groupBitmapState(toUInt64(arrayJoin(counters))) FROM ops.intents \
              WHERE stage = 'planned' AND writer = {{writer:String}} AND epoch = {})), 0, {LISTED}))) AS counters",
            writer.accepted, writer.epoch
        );
        #[derive(Deserialize)]
        struct Counters {
            counters: Vec<u64>,
        }
        if let Some(row) = client.query_row::<Counters>(&sql, &options).await? {
            writer.lost_ranges.extend(ranges(None, &row.counters, RANGES));
        }
        writer.lost += writer.pending;
    }
    Ok(())
}

/// Events that `FINAL` shows more than once: none, if ClickHouse keeps its promise. Counted in the
/// order of the sorting key, so that memory stays small.
async fn logical_duplicates(client: &Client, kind: Kind) -> Result<u64, AuditError> {
    #[derive(Deserialize)]
    struct KeyRow {
        sorting_key: String,
    }
    let Some((database, table)) = kind.table().split_once('.') else { return Ok(0) };
    let options = Options::new().param("database", database).param("table", table);
    let sql = "SELECT sorting_key FROM system.tables WHERE database = {database:String} AND name = {table:String}";
    let Some(key) = client.query_row::<KeyRow>(sql, &options).await? else { return Ok(0) };
    let sql = format!(
        "SELECT sum(rows - 1) AS number FROM (SELECT count() AS rows FROM {}.{table} FINAL GROUP BY {} HAVING rows > 1) \
         SETTINGS optimize_aggregation_in_order = 1, do_not_merge_across_partitions_select_final = 1",
        database, key.sorting_key
    );
    number(client, &sql).await
}

async fn number(client: &Client, sql: &str) -> Result<u64, AuditError> {
    #[derive(Deserialize)]
    struct Number {
        number: u64,
    }
    Ok(client.query_row::<Number>(sql, &Options::new()).await?.map_or(0, |row| row.number))
}

async fn record(client: &Client, report: &AuditReport) -> Result<(), AuditError> {
    let detail = serde_json::to_string(report).map_err(|error| ClientError::Decode(error.to_string()))?;
    let sql = format!(
        "INSERT INTO ops.audit (accepted, logged, landed, lost, duplicated, gaps, detail) \
         SELECT {}, {}, {}, {}, {}, {}, {{detail:String}}",
        report.accepted, report.logged, report.landed, report.lost, report.duplicated, report.gaps
    );
    Ok(client.execute(&sql, &Options::new().param("detail", detail)).await?)
}
