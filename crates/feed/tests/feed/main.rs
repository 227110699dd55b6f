//! The feed against a real nats-server and the simulated exchange.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod arbiter;
mod events;
mod pauses;
mod service;
mod spool;
mod writer;
