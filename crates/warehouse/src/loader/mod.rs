//! The loader: moves blocks from the durable log into `landing`, each row exactly once.
//!
//! * [`block`] checks a block against its header; [`plan`] decides what is inserted together;
//!   [`insert`] makes an insert land whatever the warehouse answers; [`recover`] settles what an unclean
//!   stop left open; [`lease`] sees to it that only one loader works.
//! * Correctness rests on the books in `ops.intents` and on counting rows, not on insert tokens and
//!   not on acknowledgements of the log. A block's identity is its writer's, so the log may be lost
//!   whole: blocks that come again are known by their numbers.
//! * Order does not matter to `landing`: a block behind a hole is landed at once. Only the watermark,
//!   by which its writer trims its spool, waits for the hole to be filled.
//!
//! Memory is bounded by [`LoaderConfig::buffer_bytes`]: when the warehouse is slow or down, the log is
//! no longer read and keeps the rows, then the writers' spools do.

mod batch;
mod block;
mod coordinate;
mod error;
mod fetch;
pub mod identity;
mod insert;
mod intents;
mod landed;
mod lease;
mod metrics;
mod plan;
#[cfg(test)]
mod plan_properties;
mod position;
mod recover;
mod run;
mod watermarks;

use std::net::SocketAddr;

pub use batch::{BatchLimits, Insert, Recovered};
pub use block::{CheckedBlock, StreamKey};
pub use error::LoaderError;
pub use landed::LandedBlocks;
pub use lease::LeaseState;
pub use plan::{Admission, Planner};
pub use run::run;

/// What the loader is told.
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    /// The messaging server.
    pub bus: kt_bus::BusConfig,
    /// Limits of the durable log, should the loader be the first to need it.
    pub log: kt_bus::LogConfig,
    /// Address of the warehouse, `http://127.0.0.1:8123`.
    pub warehouse_url: String,
    /// User and password for the warehouse, where it asks for them.
    pub warehouse_user: Option<(String, String)>,
    /// Where `/metrics` and `/health` are served.
    pub metrics: SocketAddr,
    /// When batches are cut.
    pub limits: BatchLimits,
    /// Bytes of rows that may wait for their insert.
    pub buffer_bytes: usize,
    /// Inserts made at the same time.
    pub inserters: usize,
    /// How marts are recomputed; `None` leaves them alone.
    pub marts: Option<crate::marts::MartsConfig>,
}

impl LoaderConfig {
    /// The platform's defaults.
    #[must_use]
    pub fn new(bus: kt_bus::BusConfig, warehouse_url: &str, metrics: SocketAddr) -> Self {
        Self {
            bus,
            log: kt_bus::LogConfig::default(),
            warehouse_url: warehouse_url.to_owned(),
            warehouse_user: None,
            metrics,
            limits: BatchLimits::default(),
            buffer_bytes: 96 << 20,
            inserters: 2,
            marts: Some(crate::marts::MartsConfig::default()),
        }
    }
}
