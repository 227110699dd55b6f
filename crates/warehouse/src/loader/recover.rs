//! Finding out, at the start, what the loader before has left behind.

use std::collections::HashMap;

use kt_bus::LogPosition;
use kt_model::Nanos;
use kt_model::schema::Kind;
use serde::Deserialize;

use super::batch::Recovered;
use super::block::StreamKey;
use super::insert::{COMMENT, Extent, wait_for_end};
use super::landed::LandedBlocks;
use crate::client::{Client, ClientError, Options};

#[derive(Deserialize)]
struct WatermarkRow {
    writer: String,
    epoch: u32,
    kind: String,
    watermark: u64,
}

#[derive(Deserialize)]
struct BlocksRow {
    writer: String,
    epoch: u32,
    kind: String,
    blocks: Vec<u64>,
}

#[derive(Deserialize)]
struct PositionRow {
    stream_created: i64,
    log_sequence: u64,
    settled_below: u64,
    newest_insert: u64,
}

#[derive(Deserialize)]
struct ExtentRow {
    insert_id: u64,
    writer: String,
    epoch: u32,
    kind: String,
    blocks: Vec<u64>,
    rows: u64,
    first_counter: u64,
    last_counter: u64,
    min_ns: i64,
    max_ns: i64,
}

impl ExtentRow {
    fn extent(&self) -> Option<Extent> {
        Some(Extent {
            stream: key(&self.writer, self.epoch, &self.kind)?,
            first_counter: self.first_counter,
            last_counter: self.last_counter,
            min_event_ts: Nanos(self.min_ns),
            max_event_ts: Nanos(self.max_ns),
        })
    }
}

fn key(writer: &str, epoch: u32, kind: &str) -> Option<StreamKey> {
    Some(StreamKey { writer: writer.to_owned(), epoch, kind: Kind::from_name(kind)? })
}

const EXTENT_COLUMNS: &str = "insert_id, writer, epoch, kind, blocks, rows, first_counter, last_counter, \
                              toUnixTimestamp64Nano(min_event_ts) AS min_ns, toUnixTimestamp64Nano(max_event_ts) AS max_ns";

/// Reads the books, settles every insert whose fate they leave open, and marks the buckets that a killed
/// warehouse or loader may have left stale. To be called under the lease.
///
/// # Errors
/// The warehouse's.
pub async fn recover(client: &Client, now: Nanos) -> Result<Recovered, ClientError> {
    wait_for_end(client, COMMENT).await?;
    let position = position(client).await?;
    let mut recovered = Recovered {
        landed: landed(client).await?,
        found: HashMap::new(),
        position: (position.log_sequence > 0)
            .then_some(LogPosition { stream_created: position.stream_created, sequence: position.log_sequence }),
        oldest_open: None,
        next_insert: (position.newest_insert + 1).max(u64::try_from(now.0).unwrap_or(0)),
    };
    let open = format!(
        "SELECT {EXTENT_COLUMNS} FROM ops.intents WHERE stage = 'planned' AND insert_id >= {floor} AND \
         (insert_id, writer, epoch) NOT IN \
         (SELECT insert_id, writer, epoch FROM ops.intents WHERE stage != 'planned' AND insert_id >= {floor})",
        floor = position.settled_below
    );
    for row in client.query_rows::<ExtentRow>(&open, &Options::new()).await? {
        if let Some(extent) = row.extent() {
            settle(client, &row, &extent, &mut recovered).await?;
        }
    }
    mark_recent(client).await?;
    Ok(recovered)
}

async fn position(client: &Client) -> Result<PositionRow, ClientError> {
    let sql = "SELECT argMaxIf(i.stream_created, i.written_at, i.log_sequence > 0) AS stream_created, \
               argMaxIf(i.log_sequence, i.written_at, i.log_sequence > 0) AS log_sequence, \
               max(i.settled_below) AS settled_below, max(i.insert_id) AS newest_insert FROM ops.intents AS i";
    let none = PositionRow { stream_created: 0, log_sequence: 0, settled_below: 0, newest_insert: 0 };
    Ok(client.query_row(sql, &Options::new()).await?.unwrap_or(none))
}

async fn landed(client: &Client) -> Result<HashMap<StreamKey, LandedBlocks>, ClientError> {
    let watermarks = "SELECT writer, epoch, kind, max(landed_block) AS watermark FROM ops.intents \
                      WHERE stage = 'done' GROUP BY writer, epoch, kind";
    let mut landed = HashMap::new();
    for row in client.query_rows::<WatermarkRow>(watermarks, &Options::new()).await? {
        if let Some(key) = key(&row.writer, row.epoch, &row.kind) {
            landed.insert(key, LandedBlocks::through(row.watermark));
        }
    }
    let ahead = format!(
        "SELECT writer, epoch, kind, blocks FROM ops.intents AS i INNER JOIN ({watermarks}) AS w \
         USING (writer, epoch, kind) WHERE i.stage = 'done' AND i.last_block > w.watermark"
    );
    for row in client.query_rows::<BlocksRow>(&ahead, &Options::new()).await? {
        if let Some(blocks) = key(&row.writer, row.epoch, &row.kind).and_then(|key| landed.get_mut(&key)) {
            blocks.extend(&row.blocks);
        }
    }
    Ok(landed)
}

/// Counts the rows of an insert whose end is not in the books: all there, it is done; none, its blocks
/// come again; some, only the missing ones will be taken from its blocks, and the books stay open.
async fn settle(
    client: &Client,
    row: &ExtentRow,
    extent: &Extent,
    recovered: &mut Recovered,
) -> Result<(), ClientError> {
    let counters = extent.landed(client).await?;
    let (table, planned, found) = (extent.stream.kind.table(), row.rows, counters.len() as u64);
    tracing::warn!(table, insert = row.insert_id, planned, found, "an insert without an end in the books was counted");
    if found > 0 {
        extent.mark_dirty(client).await?;
    }
    if found == planned {
        let blocks = recovered.landed.entry(extent.stream.clone()).or_default();
        blocks.extend(&row.blocks);
        return close(client, row, "done", blocks.watermark()).await;
    }
    if found == 0 {
        return close(client, row, "abandoned", 0).await;
    }
    recovered.found.entry(extent.stream.clone()).or_default().extend(counters);
    recovered.oldest_open = Some(recovered.oldest_open.map_or(row.insert_id, |oldest| oldest.min(row.insert_id)));
    Ok(())
}

async fn close(client: &Client, row: &ExtentRow, stage: &str, watermark: u64) -> Result<(), ClientError> {
    let sql = format!(
        "INSERT INTO ops.intents (insert_id, stage, fence, kind, day, writer, epoch, blocks, last_block, rows, \
         first_counter, last_counter, min_event_ts, max_event_ts, landed_block) \
         SELECT insert_id, '{stage}', fence, kind, day, writer, epoch, blocks, last_block, rows, first_counter, \
         last_counter, min_event_ts, max_event_ts, {watermark} FROM ops.intents \
         WHERE stage = 'planned' AND insert_id = {} AND writer = {{writer:String}} AND epoch = {} LIMIT 1",
        row.insert_id, row.epoch
    );
    client.execute(&sql, &Options::new().param("writer", &row.writer)).await
}

/// A killed warehouse can lose the marks of its last inserts although it confirmed them: the buckets of
/// the last two minutes of work are marked again. Recomputing them once more changes nothing.
async fn mark_recent(client: &Client) -> Result<(), ClientError> {
    let recent = "SELECT any(i.insert_id) AS insert_id, writer, epoch, kind, emptyArrayUInt64() AS blocks, \
                  sum(i.rows) AS rows, min(i.first_counter) AS first_counter, max(i.last_counter) AS last_counter, \
                  min(toUnixTimestamp64Nano(min_event_ts)) AS min_ns, max(toUnixTimestamp64Nano(max_event_ts)) AS max_ns \
                  FROM ops.intents AS i WHERE stage = 'planned' \
                  AND written_at >= (SELECT max(written_at) FROM ops.intents) - INTERVAL 2 MINUTE \
                  GROUP BY writer, epoch, kind, day";
    for row in client.query_rows::<ExtentRow>(recent, &Options::new()).await? {
        if let Some(extent) = row.extent() {
            extent.mark_dirty(client).await?;
        }
    }
    Ok(())
}
