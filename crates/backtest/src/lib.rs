//! Backtests: the past through the very code that runs live.
#![forbid(unsafe_code)]

pub mod coverage;
pub mod error;
pub mod history;
pub mod manifest;
pub mod outcome;
pub mod report;
pub mod results;
pub mod scope;
pub mod tape;

pub use error::BacktestError;
pub use scope::{INPUT_KINDS, Market, Scope};
