//! Trading: strategies, risk, the life of orders, and paper execution. Pure and deterministic.
//!
//! A [`Desk`] consumes the ordered [`kt_signals::Input`] and gives a [`Record`] for every step: a decision,
//! risk's verdict, what was sent, what the venue said, fundings, anomalies. Live trading, replay of a journal
//! and backtests run the same desk; what comes out depends on the inputs and their order alone. Money is
//! kept in exact decimals; floats appear only in statistics that decide when to trade, never in cash.
#![forbid(unsafe_code)]

mod basis;
pub mod config;
mod config_values;
mod depth;
mod desk;
pub mod entry;
mod floor;
mod floor_reports;
pub mod funding;
pub mod ledger;
pub mod market;
pub mod money;
pub mod order;
pub mod paper;
mod record;
mod recovery;
pub mod report;
pub mod risk;
pub mod strategy;
mod window;

pub use basis::Basis;
pub use config::{ConfigError, TradingConfig};
pub use config_values::{Age, Bps, Leg, Name, Positive, Unsigned};
pub use depth::Depth;
pub use desk::{Desk, EntryMaker, Holding};
pub use record::{CHANNEL, Record};
pub use recovery::{Recovered, RecoveredOrder, RecoveredPosition};
