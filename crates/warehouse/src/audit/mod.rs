//! Proves that every accepted row is in the warehouse exactly once, by counters.
//!
//! A writer's counters begin at 1 and have no holes, over all its kinds together, and a writer says up to
//! which counter all its rows are accepted. Accepted are these, and besides them every row that the
//! loader's books (`ops.intents`) name: a writer that was killed had rows in its spool beyond what it
//! had said, and holes between them where rows of other kinds still waited to be accepted. Those
//! holes are gaps that its next epoch announces, not losses.
//!
//! An audit has a fixed [`Scope`]: what the writers and the books said when it began. Rows that come
//! later are not its business, however long it waits for the others to arrive.
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

/// What an audit is about.
struct Scope {
    /// Up to which counter each writer and epoch had accepted everything; 0 where it did not say.
    accepted: BTreeMap<WriterEpoch, u64>,
    /// When the audit began, by the warehouse's clock, in nanoseconds since the epoch.
    frozen: u64,
}

/// Audits everything accepted up to now. Rows that are on their way get `settle` to arrive; the report
/// is complete when they do, and says what is missing when they do not.
///
/// Without a `bus` the accepted counters are those of the blocks that the loader has read.
///
/// # Errors
/// [`AuditError`] when the warehouse or the messaging server does not answer.
pub async fn audit(client: &Client, bus: Option<&Bus>, settle: Duration) -> Result<AuditReport, AuditError> {
    let until = Instant::now() + settle;
    let scope = Scope::now(client, bus).await?;
    while !arrived(client, &scope).await? && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    loop {
        let report = compare(client, &scope).await?;
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

impl Scope {
    /// What the writers and the books say now.
    async fn now(client: &Client, bus: Option<&Bus>) -> Result<Self, AuditError> {
        let mut accepted: BTreeMap<WriterEpoch, u64> = BTreeMap::new();
        if let Some(bus) = bus {
            for (writer, epoch, counter) in bus.accepted().await?.all().await? {
                accepted.insert((writer, epoch), counter);
            }
        }
        let sql = "SELECT DISTINCT writer, epoch, toUInt64(0) AS bound FROM ops.intents";
        for row in client.query_rows::<BoundRow>(sql, &Options::new()).await? {
            accepted.entry((row.writer, row.epoch)).or_insert(0);
        }
        let frozen = number(client, "SELECT toUInt64(toUnixTimestamp64Nano(now64(9))) AS number").await?;
        Ok(Self { accepted, frozen })
    }

    /// The condition that chooses the books' rows of this audit, and its parameters.
    fn books(&self) -> (String, Options) {
        let keys: Vec<String> = self
            .accepted
            .keys()
            .map(|(writer, epoch)| format!("'{}/{epoch}'", writer.replace(['\\', '\''], "")))
            .collect();
        let bounds: Vec<String> = self.accepted.values().map(u64::to_string).collect();
        let condition = format!(
            "stage = 'planned' AND (toUnixTimestamp64Nano(written_at) <= {} OR first_counter <= {BOUND})",
            self.frozen
        );
        let list = |items: &[String]| format!("[{}]", items.join(","));
        (condition, Options::new().param("keys", list(&keys)).param("bounds", list(&bounds)))
    }
}

/// The accepted counter of a row's writer and epoch, in SQL.
const BOUND: &str = "transform(concat(writer, '/', toString(epoch)), {keys:Array(String)}, {bounds:Array(UInt64)}, \
                     toUInt64(0))";

/// Whether the books say that as many rows have landed as the writers had accepted.
async fn arrived(client: &Client, scope: &Scope) -> Result<bool, AuditError> {
    let sql = "SELECT writer, epoch, sum(rows) AS bound FROM ops.intents WHERE stage = 'done' GROUP BY writer, epoch";
    let rows = client.query_rows::<BoundRow>(sql, &Options::new()).await?;
    let landed: BTreeMap<WriterEpoch, u64> = rows.into_iter().map(|row| ((row.writer, row.epoch), row.bound)).collect();
    Ok(scope.accepted.iter().all(|(key, bound)| *bound == 0 || landed.get(key).is_some_and(|rows| rows >= bound)))
}

async fn compare(client: &Client, scope: &Scope) -> Result<AuditReport, AuditError> {
    let mut writers: BTreeMap<WriterEpoch, WriterAudit> = BTreeMap::new();
    for (writer, epoch) in scope.accepted.keys() {
        let audit = WriterAudit { writer: writer.clone(), epoch: *epoch, ..WriterAudit::default() };
        writers.insert((writer.clone(), *epoch), audit);
    }
    let mut report = AuditReport::default();
    for &kind in Kind::ALL {
        for row in count(client, scope, kind).await? {
            let Some(writer) = writers.get_mut(&(row.writer.clone(), row.epoch)) else { continue };
            let audited = audit_kind(client, scope, kind, &row, writer).await?;
            writer.kinds.push(audited);
        }
        report.duplicated += logical_duplicates(client, kind).await?;
    }
    for (key, writer) in &mut writers {
        finish(client, scope, scope.accepted[key], writer).await?;
    }
    report.writers = writers.into_values().collect();
    report.total();
    report.gaps = number(client, "SELECT count() AS number FROM ops.gaps WHERE state = 'open'").await?;
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
async fn count(client: &Client, scope: &Scope, kind: Kind) -> Result<Vec<CountRow>, ClientError> {
    let table = kind.table();
    let (books, options) = scope.books();
    let sql = format!(
        "SELECT writer, epoch, bitmapCardinality(planned) AS logged, bitmapAndnotCardinality(planned, there) AS missing, \
         toUInt64(rows - bitmapCardinality(there)) AS extra \
         FROM (SELECT writer, epoch, groupBitmapState(arrayJoin(counters)) AS planned FROM ops.intents \
               WHERE {books} AND kind = '{kind}' GROUP BY writer, epoch) AS i \
         LEFT JOIN (SELECT writer, epoch, groupBitmapState(counter) AS there, count() AS rows FROM {table} \
               GROUP BY writer, epoch) AS t USING (writer, epoch)"
    );
    client.query_rows(&sql, &options).await
}

async fn audit_kind(
    client: &Client,
    scope: &Scope,
    kind: Kind,
    row: &CountRow,
    writer: &mut WriterAudit,
) -> Result<KindAudit, AuditError> {
    let mut audited =
        KindAudit { kind: kind.as_str(), logged: row.logged, duplicated: row.extra, ..KindAudit::default() };
    if row.missing > 0 {
        let proof = prove(client, scope, kind, row).await?;
        let listed: Vec<u64> = proof.lost.iter().copied().collect();
        writer.lost_ranges.extend(ranges(Some(kind.as_str()), &listed, RANGES));
        writer.unproven += proof.unproven;
        audited.collapsed = proof.collapsed;
        audited.lost = proof.lost_rows;
    }
    audited.landed = row.logged - audited.lost;
    Ok(audited)
}

/// Accepted counters that are in no block the loader has read, and the sums of the kinds.
async fn finish(client: &Client, scope: &Scope, bound: u64, writer: &mut WriterAudit) -> Result<(), AuditError> {
    for kind in &writer.kinds {
        writer.logged += kind.logged;
        writer.landed += kind.landed;
        writer.lost += kind.lost;
        writer.collapsed += kind.collapsed;
        writer.duplicated += kind.duplicated;
    }
    let (books, options) = scope.books();
    let options = options.param("writer", &writer.writer);
    // An array join of no rows gives no row, so that a writer without blocks has all of its counters missing.
    let logged = format!(
        "(SELECT groupBitmapState(toUInt64(arrayJoin(counters))) FROM ops.intents \
          WHERE {books} AND writer = {{writer:String}} AND epoch = {})",
        writer.epoch
    );
    let sql = format!(
        "WITH bitmapAndnot((SELECT groupBitmapState(number + 1) FROM numbers({bound})), {logged}) AS missing \
         SELECT bitmapCardinality(missing) AS count, \
         arraySort(bitmapToArray(bitmapSubsetLimit(missing, 0, {LISTED}))) AS counters"
    );
    #[derive(Deserialize)]
    struct Missing {
        count: u64,
        counters: Vec<u64>,
    }
    if let Some(row) = client.query_row::<Missing>(&sql, &options).await? {
        writer.pending = row.count;
        writer.lost_ranges.extend(ranges(None, &row.counters, RANGES));
    }
    writer.lost += writer.pending;
    writer.accepted = writer.logged + writer.pending;
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
