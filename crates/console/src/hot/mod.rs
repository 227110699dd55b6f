//! The hot path as the page shows it: one task owns the state, clients read snapshots.

pub mod contract;
pub mod market;
pub mod scanner;
pub mod snapshot;
pub mod state;
pub mod tally;
pub mod task;
