//! `kt warehouse`: hands the configuration to the warehouse service.

use std::time::Duration;

use kt_warehouse::tiers::ColdStore;
use kt_warehouse::{SandboxMode, WarehouseConfig};

use crate::config::{Config, Sandbox};
use crate::error::Error;
use crate::object_store;

/// Time the warehouse keeps, of what it may take to stop, for closing the engine.
const CLOSING_S: u64 = 5;

pub(crate) fn run(config: &Config) -> Result<(), Error> {
    let settings = &config.warehouse;
    let mut warehouse =
        WarehouseConfig::new(config.address(settings.port), config.data("warehouse"), config.engine("lib/libchdb.so"));
    warehouse.run_as = Some(settings.user.clone());
    warehouse.max_memory_bytes = settings.memory_limit.0;
    warehouse.cold = Some(cold(config)?);
    warehouse.sandbox = match settings.sandbox {
        Sandbox::Required => SandboxMode::Required,
        Sandbox::BestEffort => SandboxMode::BestEffort,
        Sandbox::Off => SandboxMode::Off,
    };
    let patience = config.supervisor.stop_timeout_s.saturating_sub(CLOSING_S).max(1);
    warehouse.stop_timeout = Duration::from_secs(patience);
    kt_warehouse::serve(warehouse).map_err(|error| Error::failed(error.to_string()))
}

/// How long one request to the object store may take, in milliseconds.
const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// How often a request is sent again before a statement fails.
const ATTEMPTS: u32 = 3;

/// The object store as the engine reaches it.
fn cold(config: &Config) -> Result<ColdStore, Error> {
    let (access_key, secret_key) = object_store::key(config, "warehouse")?;
    Ok(ColdStore {
        endpoint: format!("{}/{}/{}/", object_store::url(config), object_store::COLD, object_store::WAREHOUSE_PREFIX),
        port: config.address(config.s3.port).port(),
        access_key,
        secret_key,
        request_timeout_ms: REQUEST_TIMEOUT_MS,
        attempts: ATTEMPTS,
    })
}
