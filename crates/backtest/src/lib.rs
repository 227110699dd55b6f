//! Backtests: the past through the very code that runs live.
#![forbid(unsafe_code)]

pub mod coverage;
pub mod error;
pub mod history;
pub mod ledger;
pub mod manifest;
pub mod order;
pub mod outcome;
pub mod parity;
pub mod report;
pub mod results;
pub mod run;
pub mod runner;
pub mod scope;

pub use error::BacktestError;
pub use scope::{INPUT_KINDS, Market, Scope};
