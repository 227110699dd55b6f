//! The trading service: the ordered input through the trading desk, out to hot path, log and PostgreSQL.
//!
//! Each batch of arrivals is journaled before anything that follows from it leaves the process. After a kill
//! the journal is replayed through the same desk: steps that PostgreSQL and the log hold already are known
//! by their numbers and not written again, the others are the same as they would have been. So no order is
//! made twice and no fill is lost. Orders are carried out on paper, inside the desk
//! ([`kt_trading::paper`]); an adapter to an exchange implements [`kt_trading::entry::OrderEntry`] and
//! reports through the same input.
#![forbid(unsafe_code)]

mod config;
mod control;
mod core;
mod error;
mod metrics;
mod recover;
mod service;
mod steps;

pub use config::ExecutionConfig;
pub use control::{KILL_SWITCH_TOPIC, KillSwitchAnswer, KillSwitchQuestion, SERVICE};
pub use error::ExecutionError;
pub use recover::replay_orders;
pub use service::run;
