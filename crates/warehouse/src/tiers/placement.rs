//! Which part lies where, and moving partitions.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Tier, TierError};
use crate::client::{Client, ClientError, Options};

/// How often a partition is tried whose parts are being merged.
const ATTEMPTS: u32 = 20;
/// `PART_IS_TEMPORARILY_LOCKED`: a part is being merged.
const LOCKED: i32 = 384;

/// Rows and bytes of one table's partition in one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierRow {
    /// Database and table.
    pub table: String,
    /// The partition: a day (`2026-11-22`), or what else the table is partitioned by.
    pub day: String,
    /// Where it lies.
    pub tier: Tier,
    /// Rows, before equal ones are merged.
    pub rows: u64,
    /// Bytes on disk or in the store.
    pub bytes: u64,
    /// Parts.
    pub parts: u64,
}

/// A day of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Partition {
    /// Database and table.
    pub table: String,
    /// The engine's name of the partition.
    pub id: String,
    /// Bytes to be moved.
    pub bytes: u64,
    /// Rows to be moved.
    pub rows: u64,
}

/// Every table's partitions by tier, newest day first.
///
/// # Errors
/// The warehouse does not answer.
pub async fn tiers(client: &Client) -> Result<Vec<TierRow>, TierError> {
    let sql = format!(
        "SELECT concat(database, '.', table) AS table,
                if(match(partition_id, '^[0-9]{{8}}$'),
                   concat(substring(partition_id, 1, 4), '-', substring(partition_id, 5, 2), '-', substring(partition_id, 7, 2)),
                   partition) AS day,
                if(disk_name = '{}', 'cold', 'hot') AS tier,
                sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts
         FROM system.parts
         WHERE active AND database IN ('landing', 'marts', 'ref', 'ops')
         GROUP BY database, table, partition_id, partition, tier
         ORDER BY database, table, partition_id DESC, tier",
        Tier::Cold.disk()
    );
    client.query_rows(&sql, &Options::new()).await.map_err(TierError::doing("listing the tiers"))
}

/// Landing's days before `day` (`YYYY-MM-DD`) that lie on the local disk, oldest first.
///
/// # Errors
/// The warehouse does not answer.
pub async fn partitions_before(client: &Client, day: &str) -> Result<Vec<Partition>, TierError> {
    partitions(client, Tier::Hot, &day.replace('-', "")).await
}

/// All of landing's days that lie in a tier.
///
/// # Errors
/// The warehouse does not answer.
pub async fn partitions_in(client: &Client, tier: Tier) -> Result<Vec<Partition>, TierError> {
    partitions(client, tier, "99999999").await
}

async fn partitions(client: &Client, tier: Tier, before: &str) -> Result<Vec<Partition>, TierError> {
    let sql = "SELECT concat(database, '.', table) AS table, partition_id AS id, sum(bytes_on_disk) AS bytes, sum(rows) AS rows
               FROM system.parts
               WHERE active AND database = 'landing' AND disk_name = {disk:String}
                 AND match(partition_id, '^[0-9]{8}$') AND partition_id < {before:String}
               GROUP BY table, id ORDER BY id, table";
    let options = Options::new().param("disk", tier.disk()).param("before", before);
    client.query_rows(sql, &options).await.map_err(TierError::doing("listing landing's days"))
}

/// Moves a day of a table to a tier. A kill in the midst leaves each part in one tier or the other, whole.
///
/// # Errors
/// [`TierError::Store`] when the object store fails: nothing is lost, and it can be called again.
pub async fn move_partition(client: &Client, partition: &Partition, to: Tier) -> Result<(), TierError> {
    let (table, id, volume) = (&partition.table, &partition.id, to.volume());
    let sql = format!("ALTER TABLE {table} MOVE PARTITION ID '{id}' TO VOLUME '{volume}'");
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match client.execute(&sql, &Options::new()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if error.code() == Some(LOCKED) && attempt < ATTEMPTS {
            tokio::time::sleep(Duration::from_millis(500)).await;
            continue;
        }
        let text = error.to_string();
        if text.contains("already on volume") || text.contains("already on disk") {
            return Ok(());
        }
        let name = format!("{table} {id}");
        return Err(match store_cause(&text) {
            Some(cause) => TierError::Store { partition: name, cause },
            None => TierError::Warehouse { doing: format!("moving {name} to {}", to.as_str()), source: error },
        });
    }
}

/// What the object store did, where an engine's error is about it.
fn store_cause(text: &str) -> Option<String> {
    const CAUSES: &[(&str, &str)] = &[
        ("StorageFull", "the object store is full: free some disk, or lower s3.keep_free"),
        ("No space left", "the object store's disk is full: free some of it"),
        (
            "InvalidAccessKeyId",
            "the object store does not know the warehouse's key: `kt restart s3`, then `kt restart warehouse`",
        ),
        (
            "NotSignedUp",
            "the object store does not know the warehouse's key: `kt restart s3`, then `kt restart warehouse`",
        ),
        (
            "SignatureDoesNotMatch",
            "the warehouse's secret is not the object store's: `kt restart s3`, then `kt restart warehouse`",
        ),
        ("AccessDenied", "the object store refuses the warehouse's key: `kt restart s3`, then `kt restart warehouse`"),
        ("Access Denied", "the object store refuses the warehouse's key: `kt restart s3`, then `kt restart warehouse`"),
        ("imeout", "the object store is too slow: look at `kt logs s3` and at the load of its disk"),
        ("Connection refused", "the object store does not answer: `kt status` shows whether s3 runs"),
        ("NoSuchBucket", "the object store has no bucket `cold`: `kt restart s3` creates it"),
        ("S3_ERROR", "the object store failed: look at `kt logs s3`"),
        ("Poco::Exception", "the object store cannot be reached: `kt status` shows whether s3 runs"),
    ];
    let (_, cause) = CAUSES.iter().find(|(word, _)| text.contains(word))?;
    Some((*cause).to_owned())
}

/// Lets the engine move landing's parts by itself, `days` after their rows were received; `None` stops it.
/// Only tables whose TTL differs are changed. Returns how many were.
///
/// # Errors
/// The warehouse does not answer or refuses.
pub async fn set_ttl(client: &Client, days: Option<u32>) -> Result<u64, TierError> {
    #[derive(Deserialize)]
    struct Table {
        name: String,
        create_table_query: String,
    }
    let sql = "SELECT name, create_table_query FROM system.tables
               WHERE database = 'landing' AND engine LIKE '%MergeTree' AND partition_key LIKE 'toYYYYMMDD%'
                 AND name IN (SELECT table FROM system.columns WHERE database = 'landing' AND name = 'publish_ts')
               ORDER BY name";
    let tables: Vec<Table> =
        client.query_rows(sql, &Options::new()).await.map_err(TierError::doing("listing landing's tables"))?;
    let mut changed = 0;
    for table in tables {
        let volume = Tier::Cold.volume();
        let wanted = days.map(|days| format!("toDateTime(publish_ts) + toIntervalDay({days}) TO VOLUME '{volume}'"));
        let has_any = table.create_table_query.contains("TO VOLUME");
        let (same, clause) = match &wanted {
            Some(ttl) => (table.create_table_query.contains(ttl.as_str()), format!("MODIFY TTL {ttl}")),
            None => (!has_any, "REMOVE TTL".to_owned()),
        };
        if same {
            continue;
        }
        // Parts that are there learn their new time from the one column it depends on.
        for change in ["MODIFY SETTING materialize_ttl_recalculate_only = 1", clause.as_str()] {
            let sql = format!("ALTER TABLE landing.{} {change}", table.name);
            client.execute(&sql, &Options::new()).await.map_err(|error| refused(&table.name, error))?;
        }
        changed += 1;
    }
    Ok(changed)
}

fn refused(table: &str, source: ClientError) -> TierError {
    if source.to_string().contains("No such volume") {
        return TierError::NoColdVolume;
    }
    TierError::Warehouse { doing: format!("setting the age at which landing.{table} is moved"), source }
}

/// Keys of all objects in the store that a part refers to, detached and half-moved ones included.
///
/// # Errors
/// The warehouse does not answer.
pub async fn referenced_objects(client: &Client) -> Result<HashSet<String>, TierError> {
    #[derive(Deserialize)]
    struct Path {
        remote_path: String,
    }
    let sql = "SELECT DISTINCT remote_path FROM system.remote_data_paths WHERE disk_name = {disk:String}
               SETTINGS traverse_shadow_remote_data_paths = 1";
    let options = Options::new().param("disk", Tier::Cold.disk());
    let paths: Vec<Path> =
        client.query_rows(sql, &options).await.map_err(TierError::doing("listing the objects that parts refer to"))?;
    Ok(paths.into_iter().map(|path| path.remote_path).collect())
}
