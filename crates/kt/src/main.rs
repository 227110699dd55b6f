//! `kt`: every service of the platform, and the supervisor that runs them.
//!
//! This crate wires the others together. Only it reads the environment, and the configuration
//! that it hands to the services is complete.

mod bench;
mod cli;
mod commands;
mod config;
mod doctor;
mod embedded;
mod error;
mod http;
mod lifeline;
mod logging;
mod messaging;
mod object_store;
mod orchestration;
mod page_progress;
mod process;
mod progress;
mod python;
mod research;
mod supervisor;
mod sys;
mod venue_check;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use config::Config;
use error::Error;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output with code 0, a wrong command line to standard error with 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let supervised = cli.global.supervised;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if supervised && tracing::dispatcher::has_been_set() {
                tracing::error!("{error}");
            } else {
                let _ = writeln!(std::io::stderr(), "error: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Error> {
    if let Command::Research { action } = &cli.command
        && let Some(outcome) = commands::research::without_configuration(action)
    {
        return outcome;
    }
    let overrides = cli.global.overrides(&cli.command);
    let config = config::load(&overrides)?;
    // What asks a running platform uses the configuration that it runs with.
    let running = || commands::running_config(&config);
    match cli.command {
        Command::Up(options) => commands::up::run(&config, &options),
        Command::Down => commands::down::run(&config),
        Command::Status(options) => commands::status::run(&running(), &options),
        Command::Logs(options) => commands::logs::run(&config, &options),
        Command::Restart { service } => commands::down::restart(&config, service),
        Command::Kill { service, signal } => commands::down::kill(&config, service, signal),
        Command::Doctor { json } => commands::doctor::run(&config, json),
        Command::Query(options) => commands::query::run(&running(), &options),
        Command::Audit(options) => commands::audit::run(&running(), &options),
        Command::Backfill(options) => commands::backfill::run(&running(), &options),
        Command::Tiers(options) if cli.global.supervised => {
            service(&config, true)?;
            commands::tiers::run(&config, &options)
        }
        Command::Tiers(options) => commands::tiers::run(&running(), &options),
        Command::Env { action } => commands::env::run(&running(), &action),
        Command::Cost(options) => commands::cost::run(&running(), &options),
        Command::Migrate(options) if cli.global.supervised => {
            service(&config, true)?;
            commands::migrate::run(&config, &options)
        }
        Command::Migrate(options) => commands::migrate::run(&running(), &options),
        Command::Config { effective } => commands::config::run(&config, effective),
        Command::Venue { action: cli::VenueAction::Check(options) } => venue_check::run(&options),
        Command::Venue { action: cli::VenueAction::Instruments(options) } => {
            commands::instruments::run(&running(), &options)
        }
        Command::Orchestration { action } => {
            commands::orchestration::run(&config, &running, &action, cli.global.supervised)
        }
        Command::Research { action } => commands::research::run(&config, &running, &action, cli.global.supervised),
        Command::Backtest(options) => commands::backtest::run(&running(), &options),
        Command::Bench(options) => bench::run(&config, &options),
        Command::Warehouse => {
            // No second thread may exist before the warehouse has restricted itself.
            logging::start(&config, std::io::stderr)?;
            if cli.global.supervised {
                lifeline::arm_signal()?;
            }
            commands::warehouse::run(&config)
        }
        Command::S3 => {
            service(&config, cli.global.supervised)?;
            commands::s3::run(&config)
        }
        Command::Sim => {
            service(&config, cli.global.supervised)?;
            commands::services::sim(&config)
        }
        Command::Feed => {
            service(&config, cli.global.supervised)?;
            commands::feed::run(&config)
        }
        Command::Load => {
            service(&config, cli.global.supervised)?;
            commands::services::load(&config)
        }
        Command::Signals { action: Some(action) } => commands::signals::ask(&running(), &action),
        Command::Signals { action: None } => {
            service(&config, cli.global.supervised)?;
            commands::signals::serve(&config)
        }
        Command::Trade { action: Some(action) } => commands::trade::ask(&running(), &action),
        Command::Trade { action: None } => {
            service(&config, cli.global.supervised)?;
            commands::trade::serve(&config)
        }
        Command::Order { action } => commands::order::run(&running(), &action),
        Command::Alerts { action: Some(action) } => commands::alerts::ask(&config, &action),
        Command::Alerts { action: None } => {
            service(&config, cli.global.supervised)?;
            commands::alerts::serve(&config)
        }
        Command::Console => {
            service(&config, cli.global.supervised)?;
            commands::services::console(&config)
        }
    }
}

/// What every service of this binary does first.
fn service(config: &Config, supervised: bool) -> Result<(), Error> {
    logging::start(config, std::io::stderr)?;
    if supervised { lifeline::arm() } else { Ok(()) }
}
