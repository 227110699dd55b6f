//! Feed handlers: connections to the exchanges, decoded by `kt-venue`, published by one writer a venue.
#![forbid(unsafe_code)]

mod block_builder;
pub mod clock;
mod error;
pub mod histogram;
mod log_stage;
pub mod metrics;
pub mod spool;
mod startup;
mod writer;

pub use block_builder::CutPolicy;
pub use error::FeedError;
pub use log_stage::{LogStageConfig, REPUBLISH_TOPIC, Republished};
pub use startup::{OpenWriter, WriterConfig};
pub use writer::{Writer, WriterIdentity};
