//! The warehouse: the only crate that knows ClickHouse.
//!
//! - [`engine`] opens ClickHouse in-process (`libchdb.so`, at run time) and runs statements;
//! - [`http`] serves it over ClickHouse's own HTTP protocol;
//! - [`accounts`] are the people who may read it, each within a quota;
//! - [`sandbox`] takes from the process what the engine does not need;
//! - [`client`] is how the rest of the platform talks to a warehouse, ours or a remote one.
//!
//! [`serve`] puts the first three together; `kt warehouse` is a thin wrapper around it.

pub mod accounts;
pub mod audit;
pub mod client;
pub mod config;
pub mod ddl_check;
pub mod engine;
pub mod error;
pub mod exception;
pub mod framing;
pub mod gaps;
pub mod http;
pub mod loader;
pub mod marts;
mod migration;
pub mod sandbox;
mod serve;
pub mod tiers;

pub use client::Client;
pub use config::{SandboxMode, UserConfig, WarehouseConfig};
pub use error::WarehouseError;
pub use exception::Exception;
pub use migration::ClickHouseTarget;
pub use serve::serve;
