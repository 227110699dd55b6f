//! Feed handlers: connections to the exchanges, decoded by `kt-venue`, published by one writer a venue.
//!
//! [`run`] is the service. Each venue lives on a thread with a single-threaded runtime:
//!
//! ```text
//! sockets ─► sessions (kt-venue) ─► arbiter, where lines are redundant ─► writer ─┬► hot path, one row a message
//!                                                                                └► block ► spool ► log stage ► durable log
//! ```
//!
//! An event is accepted when its block is in the [`spool`]; from there on nothing loses it. The spool is
//! trimmed by the loader's landed watermark alone; when it is full, the sockets are no longer read.
//! [`OpenWriter`] is the part behind the sessions, for benchmarks and tests.
#![forbid(unsafe_code)]

pub mod arbiter;
mod block_builder;
pub mod clock;
mod config;
mod connection;
mod error;
pub mod histogram;
mod housekeeping;
mod inventory;
mod landed_follower;
mod lists;
mod log_stage;
pub mod metrics;
mod moderation;
mod recorder;
mod rest;
mod run;
mod sink;
mod socket;
pub mod spool;
mod startup;
mod venue_feed;
mod writer;

pub use block_builder::CutPolicy;
pub use clock::{ClockProbe, ClockReading};
pub use config::{BaseAddress, FeedConfig, LineConfig, SymbolChoice, VenueConfig};
pub use error::FeedError;
pub use inventory::{ListReading, Page, decode as decode_lists, read_lists};
pub use log_stage::{LogStageConfig, REPUBLISH_TOPIC, Republished};
pub use moderation::{WakeUps, sharpen_timers};
pub use run::run;
pub use startup::{OpenWriter, Purpose, WriterConfig};
pub use writer::{Writer, WriterIdentity};
