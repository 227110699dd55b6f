//! `kt tiers`: what lies where, moving days, and what a kill left behind.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use comfy_table::CellAlignment;
use indicatif::{ProgressBar, ProgressStyle};
use kt_s3::{Object, S3Client};
use kt_warehouse::Client;
use kt_warehouse::tiers::{self, Partition, Tier};
use serde_json::json;

use crate::config::Config;
use crate::error::Error;
use crate::object_store;
use crate::supervisor::time;

/// How long the object store may take to answer a small request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options of `kt tiers`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Move landing's days before a date to the object store
    #[command(after_help = "Example:\n  kt tiers move --before 2026-11-01")]
    Move {
        /// The first day that stays
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
        before: String,
    },
    /// Fetch landing's days before a date back to the local disk
    #[command(after_help = "Example:\n  kt tiers fetch --before 2026-11-01")]
    Fetch {
        /// The first day that stays
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
        before: String,
    },
    /// List objects that no part refers to, which a kill left behind
    #[command(after_help = "Example:\n  kt tiers orphans --remove")]
    Orphans {
        /// Remove them
        #[arg(long)]
        remove: bool,
        /// Only objects written at least this long ago, in seconds
        #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
        older_than: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the engine move parts by age, as tiers.hot_days says (done by `kt up`)
    #[command(after_help = "Example:\n  kt tiers apply --set tiers.hot_days=7")]
    Apply,
}

fn day(text: &str) -> Result<String, String> {
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => Ok(text.to_owned()),
        _ => Err("write the day as 2026-11-01".to_owned()),
    }
}

pub(crate) fn run(config: &Config, options: &Options) -> Result<(), Error> {
    super::block_on(async {
        let client = super::warehouse_client(config)?;
        match &options.action {
            None => show(&client, options.json).await,
            Some(Action::Move { before }) => relocate(config, &client, before, Tier::Cold).await,
            Some(Action::Fetch { before }) => relocate(config, &client, before, Tier::Hot).await,
            Some(Action::Orphans { remove, older_than, json }) => {
                orphans(config, &client, *remove, *older_than, *json || options.json).await
            }
            Some(Action::Apply) => apply(config, &client).await,
        }
    })
}

fn failed(error: impl std::error::Error) -> Error {
    Error::failed(error.to_string())
}

async fn show(client: &Client, as_json: bool) -> Result<(), Error> {
    let rows = tiers::tiers(client).await.map_err(failed)?;
    if as_json {
        return super::print_json(&rows);
    }
    let mut table = super::plain_table();
    table.set_header(["table", "day", "tier", "rows", "bytes", "parts"]);
    for row in &rows {
        let numbers = [row.rows, row.bytes, row.parts].map(|number| number.to_string());
        let [count, bytes, parts] = numbers;
        table.add_row([row.table.clone(), row.day.clone(), row.tier.as_str().to_owned(), count, bytes, parts]);
    }
    for column in 3..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    super::print(table);
    for tier in [Tier::Hot, Tier::Cold] {
        let of = || rows.iter().filter(|row| row.tier == tier);
        let (rows, bytes) = (of().map(|row| row.rows).sum::<u64>(), of().map(|row| row.bytes).sum::<u64>());
        super::print(format!("{}: {rows} rows, {bytes} bytes", tier.as_str()));
    }
    Ok(())
}

/// The object store as one of its users.
pub(super) fn store(config: &Config, user: &str) -> Result<S3Client, Error> {
    let (access_key, secret_key) = object_store::key(config, user)?;
    let url = object_store::url(config);
    S3Client::new(&url, object_store::COLD, &access_key, &secret_key, PATIENCE).map_err(failed)
}

async fn relocate(config: &Config, client: &Client, before: &str, to: Tier) -> Result<(), Error> {
    let from = if to == Tier::Cold { Tier::Hot } else { Tier::Cold };
    let mut chosen = tiers::partitions_in(client, from).await.map_err(failed)?;
    let first_that_stays = before.replace('-', "");
    chosen.retain(|partition| partition.id < first_that_stays);
    if chosen.is_empty() {
        super::print(format!("landing has no {} day before {before}", from.as_str()));
        return Ok(());
    }
    // The engine's own attempts last long: what is plainly wrong is said at once.
    let probe = format!("{}/probe-{}", object_store::WAREHOUSE_PREFIX, std::process::id());
    store(config, "warehouse")?
        .probe(&probe)
        .await
        .map_err(|error| Error::failed(format!("{error}; nothing was moved, and nothing is lost")))?;
    let started = std::time::Instant::now();
    let total: u64 = chosen.iter().map(|partition| partition.bytes).sum();
    // Shown where standard error is a terminal.
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left  {msg}") {
        bar.set_style(style);
    }
    let mut moved = 0;
    for partition in &chosen {
        bar.set_message(format!("{} {}", partition.table, shown(partition)));
        tiers::move_partition(client, partition, to)
            .await
            .map_err(|error| Error::failed(format!("{error} ({moved} of {total} bytes are {})", to.as_str())))?;
        moved += partition.bytes;
        bar.set_position(moved);
    }
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    super::print(format!("{} days, {total} bytes, are {} now; {seconds:.1} s", chosen.len(), to.as_str()));
    Ok(())
}

fn shown(partition: &Partition) -> String {
    let id = &partition.id;
    format!("{}-{}-{}", &id[..4], &id[4..6], &id[6..])
}

async fn apply(config: &Config, client: &Client) -> Result<(), Error> {
    let days = Some(config.tiers.hot_days).filter(|days| *days > 0);
    let changed = tiers::set_ttl(client, days).await.map_err(failed)?;
    let rule = days.map_or_else(
        || "landing is moved by command only".to_owned(),
        |days| format!("landing is moved to the object store {days} days after it was received"),
    );
    super::print(format!("{rule}; {changed} tables changed"));
    Ok(())
}

async fn orphans(config: &Config, client: &Client, remove: bool, older_than: u64, as_json: bool) -> Result<(), Error> {
    let store = store(config, "operator")?;
    // Listed before the parts are: what is written in between is not in the list and cannot be taken for one.
    let objects = store.list(&format!("{}/", object_store::WAREHOUSE_PREFIX)).await.map_err(failed)?;
    let referenced = tiers::referenced_objects(client).await.map_err(failed)?;
    let newest = SystemTime::now().checked_sub(Duration::from_secs(older_than)).unwrap_or(SystemTime::UNIX_EPOCH);
    let newest = time::rfc3339(newest);
    let listed = objects.len();
    let forgotten: Vec<Object> = objects
        .into_iter()
        .filter(|object| !referenced.contains(&object.key) && object.last_modified.get(..19) <= newest.get(..19))
        .collect();
    if listed > 0 && referenced.is_empty() && remove {
        return Err(Error::failed(format!(
            "the warehouse refers to none of the store's {listed} objects, which looks like another data directory; \
             nothing was removed"
        )));
    }
    if remove {
        for object in &forgotten {
            store.delete(&object.key).await.map_err(failed)?;
        }
    }
    let bytes: u64 = forgotten.iter().map(|object| object.bytes).sum();
    if as_json {
        let keys: Vec<_> = forgotten.iter().map(|object| &object.key).collect();
        return super::print_json(&json!({
            "objects": listed, "referenced": referenced.len(), "orphans": keys, "bytes": bytes, "removed": remove,
        }));
    }
    for object in &forgotten {
        super::print(format!("{}  {} bytes  {}", object.key, object.bytes, object.last_modified));
    }
    let done = if remove { "removed" } else { "not removed; --remove does it" };
    super::print(format!("{} orphans of {listed} objects, {bytes} bytes: {done}", forgotten.len()));
    Ok(())
}
