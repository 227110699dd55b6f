//! The platform's messaging: the only crate that knows NATS.
//!
//! * [`Bus`] connects and makes sure that the durable log ([`LogConfig`]) and the landed watermark exist.
//! * Hot path: [`HotPublisher`] sends one row a message, at most once; [`HotSubscriber`] receives
//!   them and counts what it missed.
//! * Durable log: [`LogPublisher`] sends blocks and does not rest until each is acknowledged;
//!   [`LogConsumer`] reads them from a position that its caller keeps.
//! * [`Landed`] holds, for each writer, epoch and kind, the last block up to which everything lies in
//!   the warehouse. The writer trims its spool by it and by nothing else.
//! * [`Accepted`] says how far each writer has accepted rows, for the audit; [`Leases`] who alone may load.
//! * [`server`] writes the server's configuration: accounts, a user with its [`permissions`] for each service,
//!   and what an environment ([`Selection`]) gets.
//! * [`Bus::request`] and [`Bus::answer`] carry operations.
//!
//! Subjects, headers and block identity come from `kt-model`. The log is a buffer that may be lost
//! whole: positions carry the identity of the stream they were read from, and nothing here takes a
//! sequence number of the log for the identity of a block.
#![forbid(unsafe_code)]

mod accepted;
mod bucket;
#[cfg(feature = "comparison")]
pub mod comparison;
mod connect;
mod consume;
mod environment;
mod error;
mod gaps;
mod hot;
mod hot_subscriber;
mod landed;
mod lease;
mod log_range;
mod operations;
mod past;
pub mod permissions;
mod publish;
mod received;
mod selection;
pub mod server;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
mod wire;

pub use accepted::Accepted;
pub use connect::{Bus, BusConfig, Credentials, Secret};
pub use consume::{ConsumerConfig, LogAlarm, LogBatch, LogBlock, LogConsumer, LogPosition};
pub use environment::EnvironmentLag;
pub use error::BusError;
pub use gaps::{CounterGap, CounterGaps};
pub use hot::{HotConfig, HotCounts, HotPublisher, Route};
pub use hot_subscriber::{HotMessage, HotSubscriber};
pub use landed::{Landed, LandedKey, LandedWatch};
pub use lease::{LeaseEntry, Leases};
pub use operations::{OperationsRequest, OperationsService};
pub use publish::{BlockId, LogPublisher, PublishEvent, PublisherConfig};
pub use selection::Selection;
pub use stream::{LOG_STREAM, LogConfig, LogState};
