//! The record of a run: enough to repeat it, and to know what it can be trusted for.

use serde::{Deserialize, Serialize};

use crate::coverage::Coverage;

/// Everything that decided a run's result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the run: the same inputs, configuration and code give the same name.
    pub run: String,
    /// When it was made, in nanoseconds.
    pub made_at: i64,
    /// `warehouse`, `journal` or `tape`.
    pub source: String,
    /// Where that is: the warehouse's address, the journal's directory.
    pub place: String,
    /// First receive time, in nanoseconds.
    pub from: i64,
    /// End of the range, in nanoseconds.
    pub to: i64,
    /// What was read before `from` to fill books and windows, in nanoseconds.
    pub warm_up: i64,
    /// The markets.
    pub markets: Vec<crate::Market>,
    /// Kinds of event that were read.
    pub kinds: Vec<String>,
    /// The program: its version, the commit it was built from, and a hash of its file.
    pub code: String,
    /// File of the strategy's configuration.
    pub strategy_file: String,
    /// xxh3-64 of its text, in hexadecimal.
    pub strategy_hash: String,
    /// The text itself.
    pub strategy_text: String,
    /// Mapping revisions that decoded the rows, by venue.
    pub mappings: Vec<(String, String)>,
    /// xxh3-64 over every input in order, in hexadecimal: equal means that the very same was replayed.
    pub input_hash: String,
    /// xxh3-64 over every signal and order event in order, in hexadecimal.
    pub output_hash: String,
    /// What is there and what is not.
    pub coverage: Coverage,
    /// How the order of the rows came about, and how it differs from the live service's where that is known.
    pub order: OrderStatement,
    /// How long the replay took, in seconds, and on how much processor time.
    pub took_seconds: f64,
}

/// Where a run's order comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderStatement {
    /// In one sentence.
    pub said: String,
    /// The comparison with a journal of the same stretch, where there is one.
    pub difference: Option<OrderDifference>,
}

/// How the order of receipt differs from a journal's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDifference {
    /// Events in the journal's stretch.
    pub events: u64,
    /// Events that the journal has after one that was received later: the warehouse puts them before it.
    pub overtaken: u64,
    /// The largest difference of receive times among these, in nanoseconds.
    pub largest: i64,
    /// Overtaken within one writer: its rows are logged in the order of its counter, not of receipt.
    pub within_writer: u64,
    /// Overtaken between two writers: they crossed on their way to the service.
    pub between_writers: u64,
}
