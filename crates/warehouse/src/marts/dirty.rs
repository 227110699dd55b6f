//! Reads marks from `ops.dirty` and keeps the buckets that wait.

use std::collections::{BTreeMap, BTreeSet};

use kt_model::schema::Kind;
use serde::Deserialize;

use crate::client::{Client, ClientError, Options};

/// Length of a bucket in seconds, as the views in `V5__dirty_marks.sql` cut it.
pub const BUCKET_SECONDS: i64 = 10;

/// Ten seconds of one instrument's rows of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// Start in Unix seconds. First in the order: the newest are taken first.
    pub start: i64,
    /// Kind of the rows.
    pub kind: Kind,
    /// Their venue.
    pub venue: String,
    /// Their instrument.
    pub instrument: String,
}

#[derive(Deserialize)]
struct MarkRow {
    kind: String,
    venue: String,
    instrument: String,
    start: i64,
}

#[derive(Deserialize)]
struct PlaceRow {
    partition: String,
    block_number: u64,
}

#[derive(Deserialize)]
struct VersionRow {
    version: u64,
}

/// Buckets that wait, and the place in `ops.dirty` behind which to read on.
#[derive(Debug, Default)]
pub struct DirtyBuckets {
    waiting: BTreeSet<Bucket>,
    /// Partition of `ops.dirty` → last block read. A block's number says when its marks became visible;
    /// their time does not, since an insert may take long.
    read: BTreeMap<String, u64>,
    /// As `read`, as of when nothing waited: what may be written down.
    settled: BTreeMap<String, u64>,
    /// What is written down.
    remembered: BTreeMap<String, u64>,
}

impl DirtyBuckets {
    /// Goes on where the last worker wrote down that it had come. Also returns its highest version.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn open(client: &Client) -> Result<(Self, u64), ClientError> {
        let sql = "SELECT partition, block_number FROM ops.recomputed FINAL";
        let rows = client.query_rows::<PlaceRow>(sql, &Options::new()).await?;
        let read: BTreeMap<_, _> = rows.into_iter().map(|row| (row.partition, row.block_number)).collect();
        let sql = "SELECT max(version) AS version FROM ops.recomputed";
        let version = client.query_row::<VersionRow>(sql, &Options::new()).await?.map_or(0, |row| row.version);
        let (settled, remembered) = (read.clone(), read.clone());
        Ok((Self { waiting: BTreeSet::new(), read, settled, remembered }, version))
    }

    /// Reads the marks made since the last call, unless more than `most` buckets wait already.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn read(&mut self, client: &Client, most: usize) -> Result<(), ClientError> {
        if self.waiting.len() >= most {
            return Ok(());
        }
        let places = "SELECT _partition_id AS partition, max(_block_number) AS block_number \
                      FROM ops.dirty GROUP BY partition";
        let mut behind = Vec::new();
        let rows = client.query_rows::<PlaceRow>(places, &Options::new()).await?;
        self.read.retain(|partition, _| rows.iter().any(|row| row.partition == *partition));
        for row in rows {
            let before = self.read.get(&row.partition).copied().unwrap_or(0);
            // A smaller number: the partition was emptied and numbered anew.
            let from = if before > row.block_number { 0 } else { before };
            if row.block_number > from {
                behind.push(format!(
                    "(_partition_id = '{}' AND _block_number > {from} AND _block_number <= {})",
                    row.partition, row.block_number
                ));
                self.read.insert(row.partition, row.block_number);
            }
        }
        if behind.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT DISTINCT kind, venue, instrument, toInt64(toUnixTimestamp(bucket)) AS start FROM ops.dirty WHERE {}",
            behind.join(" OR ")
        );
        for row in client.query_rows::<MarkRow>(&sql, &Options::new()).await? {
            if let Some(kind) = Kind::from_name(&row.kind) {
                let (venue, instrument) = (row.venue, row.instrument);
                self.waiting.insert(Bucket { start: row.start, kind, venue, instrument });
            }
        }
        Ok(())
    }

    /// Takes up to `most` of the newest buckets.
    pub fn take(&mut self, most: usize) -> Vec<Bucket> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(bucket) = self.waiting.pop_last()
        {
            taken.push(bucket);
        }
        taken
    }

    /// Notes that all buckets taken are recomputed.
    pub fn settle(&mut self) {
        if self.waiting.is_empty() {
            self.settled.clone_from(&self.read);
        }
    }

    /// How many buckets wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether more is recomputed than is written down.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.settled != self.remembered
    }

    /// Writes down how far everything is recomputed.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn remember(&mut self, client: &Client, version: u64) -> Result<(), ClientError> {
        if !self.has_news() || version == 0 {
            return Ok(());
        }
        let rows = self.settled.iter().map(|(partition, block)| format!("('{partition}', {block}, {version})"));
        let sql = format!(
            "INSERT INTO ops.recomputed (partition, block_number, version) VALUES {}",
            rows.collect::<Vec<_>>().join(", ")
        );
        client.execute(&sql, &Options::new()).await?;
        self.remembered.clone_from(&self.settled);
        Ok(())
    }
}
