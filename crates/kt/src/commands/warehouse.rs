//! `kt warehouse`: hands the configuration to the warehouse service.

use std::time::Duration;

use kt_warehouse::{SandboxMode, WarehouseConfig};

use crate::config::{Config, Sandbox};
use crate::error::Error;

/// Time the warehouse keeps, of what it may take to stop, for closing the engine.
const CLOSING_S: u64 = 5;

pub(crate) fn run(config: &Config) -> Result<(), Error> {
    let settings = &config.warehouse;
    let mut warehouse =
        WarehouseConfig::new(config.address(settings.port), config.data("warehouse"), config.engine("lib/libchdb.so"));
    warehouse.run_as = Some(settings.user.clone());
    warehouse.max_memory_bytes = settings.memory_limit.0;
    warehouse.sandbox = match settings.sandbox {
        Sandbox::Required => SandboxMode::Required,
        Sandbox::BestEffort => SandboxMode::BestEffort,
        Sandbox::Off => SandboxMode::Off,
    };
    let patience = config.supervisor.stop_timeout_s.saturating_sub(CLOSING_S).max(1);
    warehouse.stop_timeout = Duration::from_secs(patience);
    kt_warehouse::serve(warehouse).map_err(|error| Error::failed(error.to_string()))
}
