//! `kt signals`: the service, and what it can be asked.

use std::time::Duration;

use clap::Subcommand;
use kt_journal::signals::{SignalsConfig, replay_outputs};
use kt_journal::{Limits, replay};
use kt_signals::{Definition, definition};
use serde_json::json;

use super::services::{bus, failed, log, run as run_service, stop_requested};
use crate::config::Config;
use crate::error::Error;

/// The declarations that are in force unless `signals.declarations` names others.
const BUILT_IN: &str = include_str!("../config/signals.toml");

/// What `kt signals` does besides serving.
#[derive(Debug, Subcommand)]
pub(crate) enum SignalsAction {
    /// Show the declared signals
    #[command(after_help = "Example:\n  kt signals list --toml > signals.toml")]
    List {
        /// Print JSON
        #[arg(long, conflicts_with = "toml")]
        json: bool,
        /// Print the declarations themselves
        #[arg(long)]
        toml: bool,
    },
    /// Replay the journal and print each signal as a line of JSON
    #[command(after_help = "Example:\n  kt signals replay | head")]
    Replay {
        /// Epoch of the journal [default: the newest]
        #[arg(long)]
        epoch: Option<u32>,
    },
    /// Print the order of the inputs, without the events, as lines of JSON
    #[command(after_help = "Example:\n  kt signals order | tail")]
    Order {
        /// Epoch of the journal [default: the newest]
        #[arg(long)]
        epoch: Option<u32>,
    },
}

/// Serves until asked to stop.
pub(crate) fn serve(config: &Config) -> Result<(), Error> {
    let settings = &config.signals;
    let service = SignalsConfig {
        bus: bus(config, "kt-signals"),
        log: log(config),
        folder: folder(config),
        limits: Limits { tape_bytes: settings.tape_size.0, ..Limits::default() },
        definitions: text(config)?,
        tick: Duration::from_millis(settings.tick_ms),
        snapshot_every: Duration::from_secs(settings.snapshot_s),
        listen: config.address(settings.metrics_port),
    };
    declarations(config)?;
    run_service(async { kt_journal::signals::run(service, stop_requested()?).await.map_err(failed) })
}

/// Answers a question.
pub(crate) fn ask(config: &Config, action: &SignalsAction) -> Result<(), Error> {
    match action {
        SignalsAction::List { toml: true, .. } => {
            super::print(text(config)?.trim_end());
            Ok(())
        }
        SignalsAction::List { json, .. } => list(&declarations(config)?, *json),
        SignalsAction::Replay { epoch } => replay_journal(config, *epoch),
        SignalsAction::Order { epoch } => print_order(config, *epoch),
    }
}

fn folder(config: &Config) -> std::path::PathBuf {
    config.data("journal").join("signals")
}

/// The text of the declarations.
pub(crate) fn text(config: &Config) -> Result<String, Error> {
    let file = &config.signals.declarations;
    if file.as_os_str().is_empty() {
        return Ok(BUILT_IN.to_owned());
    }
    std::fs::read_to_string(file).map_err(|error| Error::usage(format!("cannot read {}: {error}", file.display())))
}

fn declarations(config: &Config) -> Result<Vec<Definition>, Error> {
    let file = &config.signals.declarations;
    let name = if file.as_os_str().is_empty() { "the built-in signals".to_owned() } else { file.display().to_string() };
    definition::parse(&text(config)?).map_err(|error| Error::usage(format!("{name}: {error}")))
}

fn list(declared: &[Definition], json: bool) -> Result<(), Error> {
    if json {
        let rows: Vec<_> = declared
            .iter()
            .map(|signal| {
                let about = signal.feature.describe();
                json!({
                    "name": signal.name, "feature": about.name, "venue": signal.venue,
                    "instrument": signal.instrument, "second_venue": signal.second_venue,
                    "second_instrument": signal.second_instrument, "unit": about.unit, "formula": about.formula,
                    "window_ns": signal.window, "sample_ns": signal.sample, "every_ns": signal.every,
                    "max_age_ns": signal.max_age,
                })
            })
            .collect();
        return super::print_json(&rows);
    }
    let mut table = super::plain_table();
    table.set_header(["signal", "feature", "venue", "instrument", "second leg", "unit"]);
    for signal in declared {
        let second = match signal.second_instrument.as_str() {
            "" => String::new(),
            instrument => format!("{} {instrument}", signal.second_venue),
        };
        let about = signal.feature.describe();
        table.add_row([&signal.name, about.name, &signal.venue, &signal.instrument, &second, about.unit]);
    }
    super::print(table);
    Ok(())
}

/// Folder and number of an epoch, the newest where none is named.
fn epoch_folder(config: &Config, epoch: Option<u32>) -> Result<(std::path::PathBuf, u32), Error> {
    let folder = folder(config);
    let epochs = replay::epochs(&folder).map_err(failed)?;
    let newest = epoch.or_else(|| epochs.last().copied());
    match newest.filter(|epoch| epochs.contains(epoch)) {
        Some(epoch) => Ok((folder.join(epoch.to_string()), epoch)),
        None => Err(Error::failed(format!("{} holds no such journal; it has {epochs:?}", folder.display()))),
    }
}

fn replay_journal(config: &Config, epoch: Option<u32>) -> Result<(), Error> {
    let (folder, epoch) = epoch_folder(config, epoch)?;
    replay_outputs(&folder, epoch, |row| {
        super::print(json!({
            "writer": row.header.writer.0, "epoch": row.header.epoch, "counter": row.header.counter,
            "venue": row.header.venue.0, "instrument": row.header.instrument.0, "event_ts": row.header.event_ts.0,
            "name": row.name.0, "feature": row.feature.0, "other_venue": row.other_venue.0,
            "other_instrument": row.other_instrument.0, "value": row.value, "bits": row.value.map(f64::to_bits),
            "validity": row.validity.as_str(), "reason": row.reason.0, "age": row.age, "other_age": row.other_age,
            "input": row.input, "cause_writer": row.cause_writer.0, "cause_epoch": row.cause_epoch,
            "cause_counter": row.cause_counter, "configuration": row.configuration,
        }));
    })
    .map(drop)
    .map_err(failed)
}

fn print_order(config: &Config, epoch: Option<u32>) -> Result<(), Error> {
    let (folder, _) = epoch_folder(config, epoch)?;
    replay::read_order(&folder, |number, entry| match entry {
        kt_journal::Ordered::Run { writer, epoch, from, to } => {
            super::print(json!({"input": number, "writer": writer, "epoch": epoch, "from": from, "to": to}));
        }
        kt_journal::Ordered::Input(input) => super::print(json!({"input": number, "is": format!("{input:?}")})),
    })
    .map_err(failed)
}
