//! `kt orchestration`.

use clap::Subcommand;

use crate::config::Config;
use crate::error::Error;
use crate::orchestration::{self, Part};

/// What to do with the orchestration.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Action {
    /// Materialise every asset now, in this terminal, and say how each ended
    #[command(
        after_help = "Examples:\n  kt orchestration materialise\n  kt orchestration materialise instruments --json\n\n\
                            Exit code 0 only when everything succeeded."
    )]
    Materialise {
        /// Only these jobs: instruments, transformations, backtests, backfill
        #[arg(value_name = "JOB")]
        jobs: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run one of Dagster's processes (started by `kt up`)
    #[command(after_help = "Example:\n  kt orchestration serve web")]
    Serve {
        /// Which
        #[arg(value_enum)]
        part: Part,
    },
}

/// Runs the action; `running` gives the configuration of the running platform.
pub(crate) fn run(
    config: &Config,
    running: &dyn Fn() -> Config,
    action: &Action,
    supervised: bool,
) -> Result<(), Error> {
    match action {
        Action::Materialise { jobs, json } => orchestration::materialise(&running(), *json, jobs),
        Action::Serve { part } => {
            crate::service(config, supervised)?;
            orchestration::serve(config, *part)
        }
    }
}
