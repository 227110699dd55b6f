//! What each command does.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod backfill;
pub(crate) mod backtest;
pub(crate) mod config;
pub(crate) mod cost;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod feed;
pub(crate) mod instruments;
pub(crate) mod logs;
pub(crate) mod migrate;
pub(crate) mod orchestration;
pub(crate) mod order;
pub(crate) mod query;
pub(crate) mod research;
pub(crate) mod s3;
pub(crate) mod services;
pub(crate) mod signals;
pub(crate) mod status;
pub(crate) mod tiers;
pub(crate) mod trade;
pub(crate) mod up;
pub(crate) mod warehouse;

use crate::config::{Config, Overrides};
use crate::error::Error;

/// The configuration that the platform on this data directory runs with; the given one if none runs.
///
/// So `kt query` finds the warehouse although `--port-offset` was given to `kt up` only.
fn effective(config: &Config) -> Option<Config> {
    crate::supervisor::lock::holder(config)?;
    let file = config.run_file("effective.toml");
    crate::config::load(&Overrides { file: Some(file), ..Overrides::default() }).ok()
}

/// See [`effective`].
pub(crate) fn running_config(config: &Config) -> Config {
    effective(config).unwrap_or_else(|| config.clone())
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::doing("starting the runtime"))?
        .block_on(future)
}

/// Prints a line to standard output; a reader that has gone away ends the program quietly.
pub(crate) fn print(text: impl std::fmt::Display) {
    use std::io::Write;
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(Error::doing("writing JSON"))?;
    print(text);
    Ok(())
}

/// A table without borders, as wide as its content: easy to read and to cut up.
fn plain_table() -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table
}

/// A client of the platform's warehouse.
fn warehouse_client(config: &Config) -> Result<kt_warehouse::Client, Error> {
    let client = kt_warehouse::Client::new(&config.warehouse_url()).map_err(Error::doing("preparing a request"))?;
    Ok(match config.warehouse_user("kt")? {
        Some((user, password)) => client.with_user(&user, &password),
        None => client,
    })
}
