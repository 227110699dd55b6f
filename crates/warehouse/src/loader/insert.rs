//! Inserts, and what to do when an insert gives no clear answer.
//!
//! An error says nothing about the rows: a view may have failed after the table took them, or the
//! answer was lost. So after any error the rows are counted before the insert is tried again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kt_model::schema::Kind;
use kt_model::{DayOfEvent, Nanos};

use super::batch::Insert;
use super::block::StreamKey;
use super::lease::LeaseState;
use super::metrics::{CauseLabel, LoaderMetrics};
use crate::client::{Client, ClientError, Options};

/// How long one insert may run in the warehouse.
pub const INSERT_TIME: Duration = Duration::from_secs(10);
/// How long an answer is waited for: somewhat longer, so that the warehouse gives up first.
const ANSWER_TIME: Duration = Duration::from_secs(14);
/// Begins the `log_comment` of every insert; its id follows.
pub const COMMENT: &str = "kt-load:";
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Kinds from whose rows marts are computed.
pub const MART_KINDS: [Kind; 5] = [Kind::Trade, Kind::Quote, Kind::Mark, Kind::Funding, Kind::Instrument];

/// Rows of one stream in one partition, as an intent names them.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Whose rows.
    pub stream: StreamKey,
    /// Smallest counter.
    pub first_counter: u64,
    /// Largest counter.
    pub last_counter: u64,
    /// Smallest `event_ts`.
    pub min_event_ts: Nanos,
    /// Largest `event_ts`.
    pub max_event_ts: Nanos,
}

impl Extent {
    fn condition(&self) -> String {
        format!(
            "event_ts >= fromUnixTimestamp64Nano({}, 'UTC') AND event_ts <= fromUnixTimestamp64Nano({}, 'UTC') \
             AND writer = {{writer:String}} AND epoch = {} AND counter BETWEEN {} AND {}",
            self.min_event_ts.0, self.max_event_ts.0, self.stream.epoch, self.first_counter, self.last_counter
        )
    }

    /// Counters of the extent that are in landing.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn landed(&self, client: &Client) -> Result<BTreeSet<u64>, ClientError> {
        let (table, condition) = (self.stream.kind.table(), self.condition());
        let sql = format!("SELECT DISTINCT counter FROM {table} WHERE {condition} FORMAT RowBinary");
        let options = Options::new().param("writer", &self.stream.writer);
        let bytes = client.query_bytes(&sql, &options).await?;
        let counters = bytes.chunks_exact(8).filter_map(|part| part.first_chunk::<8>());
        Ok(counters.map(|part| u64::from_le_bytes(*part)).collect())
    }

    /// Marks the buckets of these rows for recomputation, as the views do on insert.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn mark_dirty(&self, client: &Client) -> Result<(), ClientError> {
        let kind = self.stream.kind;
        if !MART_KINDS.contains(&kind) {
            return Ok(());
        }
        let (table, condition) = (kind.table(), self.condition());
        let sql = format!(
            "INSERT INTO ops.dirty (kind, venue, instrument, bucket, cause) \
             SELECT DISTINCT '{kind}', venue, instrument, \
             toStartOfInterval(toDateTime(event_ts, 'UTC'), INTERVAL 10 SECOND), 'unclean stop' \
             FROM {table} WHERE {condition}"
        );
        client.execute(&sql, &Options::new().param("writer", &self.stream.writer)).await
    }
}

/// Makes inserts land.
#[derive(Clone)]
pub struct Inserter {
    /// The warehouse.
    pub client: Client,
    /// Whether inserts may be started.
    pub lease: LeaseState,
    /// Counters.
    pub metrics: LoaderMetrics,
}

impl Inserter {
    /// Returns when all rows of the insert are in the warehouse, however long that takes.
    pub async fn land(&self, insert: &mut Insert) {
        let mut pause = FIRST_PAUSE;
        while insert.rows() > 0 && !self.attempt(insert).await {
            // What became of the attempt must be known before another: asked for until it is answered.
            loop {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                match self.verify(insert).await {
                    Ok(found) => break self.take_out(insert, &found),
                    Err(error) => tracing::warn!(%error, "rows could not be counted after an error, trying again"),
                }
            }
        }
    }

    fn take_out(&self, insert: &mut Insert, found: &BTreeSet<u64>) {
        if found.is_empty() {
            return;
        }
        self.metrics.verified.inc();
        let planned = insert.rows();
        insert.blocks.iter_mut().for_each(|block| block.without(found));
        let (table, missing) = (insert.kind.table(), insert.rows());
        tracing::warn!(table, planned, missing, "an insert that failed is in the warehouse");
    }

    /// Whether the warehouse confirmed the insert.
    async fn attempt(&self, insert: &Insert) -> bool {
        while !self.lease.allows(ANSWER_TIME) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let started = Instant::now();
        let options = options(&format!("{COMMENT}{}", insert.id));
        let sent = self.client.insert_row_binary(insert.kind.table(), None, gather(insert), &options);
        match tokio::time::timeout(ANSWER_TIME, sent).await {
            Ok(Ok(_)) => {
                self.metrics.insert_seconds.observe(started.elapsed().as_secs_f64());
                true
            }
            Ok(Err(error)) => {
                self.report(insert.kind, insert.day, insert.rows(), &error);
                false
            }
            Err(_) => {
                self.metrics.failures.get_or_create(&CauseLabel { cause: "timeout" }).inc();
                tracing::warn!(
                    table = insert.kind.table(),
                    rows = insert.rows(),
                    "no answer to an insert in {ANSWER_TIME:?}"
                );
                false
            }
        }
    }

    fn report(&self, kind: Kind, day: DayOfEvent, rows: usize, error: &ClientError) {
        let (cause, mend) = match error.code() {
            // NOT_ENOUGH_SPACE, and what the system says in other words.
            Some(243) => ("disk_full", "the warehouse's disk is full: free space there; nothing is lost meanwhile"),
            _ if error.to_string().contains("No space left") => {
                ("disk_full", "the warehouse's disk is full: free space there; nothing is lost meanwhile")
            }
            Some(241) => ("memory", "the warehouse is out of memory: raise its limit or lower the batch size"),
            Some(159) => ("slow", "the warehouse is too slow for the batch"),
            Some(_) => ("refused", "the warehouse refused the rows"),
            None => ("unreachable", "the warehouse does not answer"),
        };
        self.metrics.failures.get_or_create(&CauseLabel { cause }).inc();
        tracing::warn!(%error, table = kind.table(), day, rows, "insert failed, will be tried again: {mend}");
    }

    /// Counters of the insert that are in landing. Waits until the insert no longer runs there.
    async fn verify(&self, insert: &Insert) -> Result<BTreeSet<u64>, ClientError> {
        wait_for_end(&self.client, &format!("{COMMENT}{}", insert.id)).await?;
        let mut found = BTreeSet::new();
        for extent in extents(insert) {
            let landed = extent.landed(&self.client).await?;
            if !landed.is_empty() {
                extent.mark_dirty(&self.client).await?;
            }
            found.extend(landed);
        }
        Ok(found)
    }
}

/// Settings under which the loader writes: no tokens, a limit of time. Equal events within one insert
/// are left to merges and `FINAL`: looking for them on insert costs a quarter of its time.
#[must_use]
pub fn options(comment: &str) -> Options {
    Options::new()
        .setting("log_comment", comment)
        .setting("max_execution_time", INSERT_TIME.as_secs())
        .setting("async_insert", 0)
        .setting("insert_deduplicate", 0)
        .setting("optimize_on_insert", 0)
}

/// Waits until no statement whose `log_comment` begins with `comment` runs.
///
/// # Errors
/// The warehouse's.
pub async fn wait_for_end(client: &Client, comment: &str) -> Result<(), ClientError> {
    let sql = "SELECT toUInt64(count()) AS running FROM system.processes \
               WHERE startsWith(Settings['log_comment'], {comment:String}) AND query_kind = 'Insert'";
    let options = Options::new().param("comment", comment);
    while client.query_row::<Running>(sql, &options).await?.is_some_and(|row| row.running > 0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct Running {
    running: u64,
}

fn gather(insert: &Insert) -> Bytes {
    if let [only] = insert.blocks.as_slice() {
        return only.payload.clone();
    }
    let mut rows = BytesMut::with_capacity(insert.blocks.iter().map(|block| block.payload.len()).sum());
    insert.blocks.iter().for_each(|block| rows.extend_from_slice(&block.payload));
    rows.freeze()
}

fn extents(insert: &Insert) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    for block in &insert.blocks {
        let (stream, header) = (block.stream(), &block.header);
        match extents.iter_mut().find(|extent| extent.stream == stream) {
            Some(extent) => {
                extent.first_counter = extent.first_counter.min(header.first_counter);
                extent.last_counter = extent.last_counter.max(header.last_counter);
                extent.min_event_ts = extent.min_event_ts.min(header.min_event_ts);
                extent.max_event_ts = extent.max_event_ts.max(header.max_event_ts);
            }
            None => extents.push(Extent {
                stream,
                first_counter: header.first_counter,
                last_counter: header.last_counter,
                min_event_ts: header.min_event_ts,
                max_event_ts: header.max_event_ts,
            }),
        }
    }
    extents
}
