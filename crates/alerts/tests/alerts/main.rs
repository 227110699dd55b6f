//! The rules file, evaluated on made-up courses of metrics.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod promtool;
mod rules;
