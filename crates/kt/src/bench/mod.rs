//! `kt bench`: every stage alone, then the whole way from frames to landing, on real engines that it starts
//! itself and ends again.
//!
//! Figures are medians of rounds. CPU time for each item is told beside rates, because elapsed times say
//! little on a machine that others use. Nothing here fails because it was slow: a report says what was
//! reached and what was missed.

mod backtest;
mod baseline;
mod decode;
mod desk;
mod end_to_end;
mod fill;
mod flow;
mod host;
mod hot;
mod latency;
mod load;
mod log;
mod log_writer;
mod market;
mod metrics;
mod options;
mod orders;
mod pacer;
mod platform;
mod profile;
mod publisher;
mod recordings;
mod report;
mod roles;
mod rows;
mod signals;
mod subscriber;
mod tiers;
mod trade;
mod usage;
mod worker;

use crate::config::Config;
use crate::error::Error;
use host::Host;
pub(crate) use options::Options;
use options::Stage;
use report::{Report, Section};

/// Runs the stages that were asked for, and reports.
pub(crate) fn run(config: &Config, options: &Options) -> Result<(), Error> {
    if let Some(role) = &options.role {
        return roles::run(role);
    }
    let mut report = Report { host: Host::this(), rounds: options.rounds, stages: Vec::new() };
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its figures say nothing; use `make bench`");
    }
    for stage in options.chosen() {
        eprintln!("bench: {}, load average {}", stage.name(), usage::load_average());
        let section = measure(config, options, stage)?;
        for target in &section.targets {
            let word = if target.reached { "REACHED" } else { "MISSED" };
            eprintln!("{word} {}: {}, wanted {}", target.what, target.measured, target.wanted);
        }
        report.stages.push(section);
    }
    if let Some(folder) = &options.append {
        eprintln!("bench: appended to {}", report.append(folder)?.display());
    }
    if options.json {
        return crate::commands::print_json(&report);
    }
    crate::commands::print(report.markdown());
    Ok(())
}

fn measure(config: &Config, options: &Options, stage: Stage) -> Result<Section, Error> {
    match stage {
        Stage::Decode => decode::run(config, options.rounds),
        Stage::Hot => hot::run(config, options.rounds),
        Stage::Log => log::run(config, options.rounds),
        Stage::Load => load::run(config, options.rounds),
        Stage::Signals => signals::run(config, options.rounds),
        Stage::Trade => trade::run(config, options.rounds, options.seconds),
        Stage::Backtest => backtest::run(config, options.rounds),
        Stage::Tiers => tiers::run(config, options),
        Stage::EndToEnd => end_to_end::run(config, options),
    }
}
