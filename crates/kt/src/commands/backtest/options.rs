//! What `kt backtest` is asked to do.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::ByteSize;

/// Options of `kt backtest`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(super) action: Option<Action>,
    #[command(flatten)]
    pub(super) run: Run,
}

/// What else it does.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Action {
    /// Show earlier runs, newest first
    #[command(after_help = "Example:\n  kt backtest list --limit 5")]
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set runs side by side
    #[command(after_help = "Example:\n  kt backtest compare 3f2a 91cc")]
    Compare {
        /// Names of runs, or their beginnings
        #[arg(required = true, num_args = 2..=6, value_name = "RUN")]
        runs: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// One run.
#[derive(Debug, Clone, Args)]
pub(super) struct Run {
    /// Start of the range, by receive time: 2026-11-22T10:00:00Z, 2026-11-22, or -2h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) from: Option<String>,
    /// End of the range, not included [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) to: Option<String>,
    /// The strategies, as `kt trade` takes them
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    pub(super) strategy: Option<PathBuf>,
    /// Signals to compute along with them, as `kt signals` takes them
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    pub(super) signals: Option<PathBuf>,
    /// Replay the warehouse in the order of receipt (what is done unless --journal is given)
    #[arg(long, conflicts_with = "journal")]
    warehouse: bool,
    /// Replay a service's journal, exactly: <data>/journal/trade or <data>/journal/signals
    #[arg(long, value_name = "DIR", conflicts_with_all = ["from", "to"])]
    pub(super) journal: Option<PathBuf>,
    /// Compare every row of the replay with what the service logged; exit code 1 where one differs
    #[arg(long, requires = "journal")]
    pub(super) parity: bool,
    /// Where rows are put together when the journal no longer has them [default: <data>/backtest/tape]
    #[arg(long, value_name = "DIR", requires = "journal")]
    pub(super) tape: Option<PathBuf>,
    /// What is read before the range, so that books and windows are full when it begins
    #[arg(long, default_value = "10m", value_name = "TIME")]
    pub(super) warm_up: String,
    /// The most memory that rows may take
    #[arg(long, default_value = "512MiB", value_name = "SIZE", value_parser = size)]
    pub(super) memory: ByteSize,
    /// Write the report, one HTML file
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Write the whole result as JSON: the record, each leg, every execution, equity over time
    #[arg(long, value_name = "FILE")]
    pub(super) result: Option<PathBuf>,
    /// Do not write the result into the warehouse
    #[arg(long)]
    pub(super) no_store: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn size(text: &str) -> Result<ByteSize, String> {
    ByteSize::parse(text).ok_or_else(|| format!("{text:?} is no size; write 512MiB or 2GiB"))
}
