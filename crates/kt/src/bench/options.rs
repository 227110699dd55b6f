//! What `kt bench` is asked to do.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of `kt bench`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Only this stage; may be given several times
    #[arg(long = "stage", value_enum, value_name = "NAME")]
    pub(super) stages: Vec<Stage>,
    /// Rounds of each measurement; their median is reported
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(super) rounds: u32,
    /// How long the end-to-end flow is kept up
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(super) seconds: u64,
    /// How much the stage `tiers` moves, in MB (10^6 bytes)
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(super) megabytes: u64,
    /// Append the report to <DIR>/<date>-<host>.md
    #[arg(long, value_name = "DIR")]
    pub(super) append: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Set by the benchmark for the processes that it starts
    #[arg(long, hide = true, value_name = "JSON")]
    pub(super) role: Option<String>,
}

/// A part of the platform that is measured alone, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    /// Exchange frames to events, in memory
    Decode,
    /// Publisher to subscriber over core NATS
    Hot,
    /// Blocks through the spool into the durable log
    Log,
    /// Durable log into the warehouse's landing tables
    Load,
    /// Rows through all features to signals, in memory
    Signals,
    /// Frame received to order sent, the whole platform running
    Trade,
    /// The past through the code that trades: from a journal and from the warehouse
    Backtest,
    /// Landing to the object store and back, and kills in the midst
    Tiers,
    /// The whole platform: rows a second, latency, memory, and where the time goes
    EndToEnd,
}

impl Stage {
    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Options {
    /// The stages to run, in the order of the data's way.
    pub(super) fn chosen(&self) -> Vec<Stage> {
        let all = Stage::value_variants();
        all.iter().copied().filter(|stage| self.stages.is_empty() || self.stages.contains(stage)).collect()
    }
}
