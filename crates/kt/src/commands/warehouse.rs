//! `kt warehouse`: hands the configuration to the warehouse service.

use std::time::Duration;

use kt_s3::S3Client;
use kt_warehouse::tiers::ColdStore;
use kt_warehouse::{SandboxMode, WarehouseConfig, WarehouseError};

use crate::config::{Config, Sandbox};
use crate::error::Error;
use crate::object_store;

/// Time the warehouse keeps, of what it may take to stop, for closing the engine.
const CLOSING_S: u64 = 5;

pub(crate) fn run(config: &Config) -> Result<(), Error> {
    let settings = &config.warehouse;
    let mut warehouse =
        WarehouseConfig::new(config.address(settings.port), config.data("warehouse"), config.engine("lib/libchdb.so"));
    warehouse.research_listen = Some(config.address(settings.research_port));
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
    // Its key's file cannot be read any more once the process is confined.
    let store = super::tiers::store(config, "warehouse")?;
    kt_warehouse::serve(warehouse).map_err(|error| explain(&error, &store))
}

/// Tables with parts in the object store do not load without it, and then the engine does not open: says so.
fn explain(error: &WarehouseError, store: &S3Client) -> Error {
    let probe = format!("{}/probe-{}", object_store::WAREHOUSE_PREFIX, std::process::id());
    let asked =
        || super::block_on(async { store.probe(&probe).await.map_err(|error| Error::failed(error.to_string())) });
    match error {
        WarehouseError::Open { .. } => match asked() {
            Err(cause) => Error::failed(format!(
                "{cause}; the warehouse needs it for its cold data and is started again; nothing is lost"
            )),
            Ok(()) => Error::failed(error.to_string()),
        },
        _ => Error::failed(error.to_string()),
    }
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
