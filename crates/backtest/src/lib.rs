//! Backtests: the past through the very code that runs live.
#![forbid(unsafe_code)]

pub mod error;
pub mod history;
pub mod scope;

pub use error::BacktestError;
pub use scope::{INPUT_KINDS, Market, Scope};
