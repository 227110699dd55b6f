//! Order and report, without a warehouse. What needs one is in `crates/kt/tests/platform/backtest.rs`.
#![allow(clippy::unwrap_used)]

mod merging;
mod rows;
