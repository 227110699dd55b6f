//! `kt env`: further platforms that get a part of this one's data and cannot change it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Subcommand;
use kt_bus::server::{consumer_name, leaf_user};
use kt_bus::{Bus, Selection};
use serde_json::{Value, json};

use super::services::bus;
use crate::config::{self, Config, Overrides};
use crate::error::Error;
use crate::messaging::{self, EnvironmentEntry};
use crate::supervisor::control::Request;
use crate::supervisor::status::Phase;
use crate::supervisor::{control, lock, prepare};

/// Between the ports of two environments, and of an environment and this platform.
const OFFSET_STEP: u16 = 1000;
/// How long the server gets to read its configuration again.
const RELOADED: Duration = Duration::from_secs(2);

/// What `kt env` does.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Action {
    /// Start an environment, or change what it gets
    #[command(after_help = "Example:\n  kt env up test --select 'trade.binance,quote.binance'")]
    Up {
        /// Its name: small letters and digits
        name: String,
        /// What it gets: kind.venue,kind.venue; * stands for all
        #[arg(long, value_name = "SELECTION")]
        select: String,
        /// Added to this platform's ports for its own [default: the next free thousand]
        #[arg(long, value_name = "N")]
        offset: Option<u16>,
        /// Start its page too
        #[arg(long)]
        console: bool,
    },
    /// Stop an environment and close its way to this platform's data; its own data stays
    #[command(after_help = "Example:\n  kt env down test")]
    Down {
        /// Its name
        name: String,
    },
    /// Show every environment: what it gets, where it is, how far behind
    #[command(after_help = "Example:\n  kt env status --json")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(config: &Config, action: &Action) -> Result<(), Error> {
    if !config.mirror.environment.is_empty() {
        let name = &config.mirror.environment;
        return Err(Error::usage(format!("this is the environment {name} itself; ask the platform it belongs to")));
    }
    match action {
        Action::Up { name, select, offset, console } => up(config, name, select, *offset, *console),
        Action::Down { name } => down(config, name),
        Action::Status { json } => status(config, *json),
    }
}

fn failed(error: impl std::error::Error) -> Error {
    Error::failed(error.to_string())
}

fn needs_platform(config: &Config) -> Result<(), Error> {
    if lock::holder(config).is_some() {
        return Ok(());
    }
    let data = config.platform.data_dir.display();
    Err(Error::failed(format!("no platform runs on {data}, and an environment lives from one: `kt up` first")))
}

fn up(config: &Config, name: &str, select: &str, offset: Option<u16>, console: bool) -> Result<(), Error> {
    let plain = name.len() <= 16 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if name.is_empty() || !plain || name == "prod" {
        return Err(Error::usage(format!(
            "{name:?}: an environment's name is up to 16 small letters and digits, not prod"
        )));
    }
    let selection = Selection::parse(select).map_err(|error| Error::usage(error.to_string()))?;
    needs_platform(config)?;
    let mut entries = messaging::environments(config)?;
    let known = entries.get(name).map(|entry| entry.port_offset);
    let port_offset = offset.or(known).map_or_else(|| free_offset(config), Ok)?;
    let entry = EnvironmentEntry { selection: selection.to_string(), port_offset };
    super::block_on(async {
        let bus = Bus::connect(&bus(config, "kt-env")).await.map_err(failed)?;
        refuse_nothing(&bus, &selection).await?;
        bus.offer_log(name, &selection).await.map_err(failed)
    })?;
    messaging::create_password(config, &leaf_user(name))?;
    entries.insert(name.to_owned(), entry);
    messaging::keep_environments(config, &entries)?;
    reload(config)?;
    let file = write_config(config, name, port_offset, console)?;
    let status = kt(&file, &["up", "--detach"])?.status().map_err(Error::doing("starting the environment"))?;
    if !status.success() {
        return Err(Error::failed(format!(
            "the environment {name} did not start; `kt env status` and its logs say why"
        )));
    }
    super::print(format!("environment {name} gets {selection}; `kt --config {} status`", file.display()));
    Ok(())
}

/// A selection that selects nothing is a mistake more often than a plan.
async fn refuse_nothing(bus: &Bus, selection: &Selection) -> Result<(), Error> {
    for subject in selection.log_subjects() {
        let found = bus.log_subjects(&subject).await.map_err(failed)?;
        if found.is_empty() {
            let all = bus.log_subjects("log.v1.>").await.map_err(failed)?;
            let mut there: Vec<String> = all.keys().filter_map(|subject| kind_and_venue(subject)).collect();
            there.dedup();
            let part = kind_and_venue(&subject).unwrap_or(subject);
            return Err(Error::failed(format!(
                "the selection's part {part} matches nothing in the log; there are {}",
                if there.is_empty() { "no rows yet".to_owned() } else { there.join(", ") }
            )));
        }
    }
    Ok(())
}

/// `trade.binance` of `log.v1.trade.binance.<writer>`.
fn kind_and_venue(subject: &str) -> Option<String> {
    let mut tokens = subject.split('.').skip(2);
    Some(format!("{}.{}", tokens.next()?, tokens.next()?))
}

/// Makes the running server read its configuration again. Connections stay.
///
/// Twice: nats-server 2.15.1 answers a call of JetStream's interface that a new account imports only after the
/// reload that follows the one which brought the account.
fn reload(config: &Config) -> Result<(), Error> {
    prepare::nats_configuration(config)?;
    for _ in 0..2 {
        control::ask(config, &Request::Kill { service: "nats".to_owned(), signal: libc::SIGHUP })?;
        std::thread::sleep(RELOADED);
    }
    Ok(())
}

fn directory(config: &Config, name: &str) -> PathBuf {
    config.data("env").join(name)
}

fn config_file(config: &Config, name: &str) -> PathBuf {
    directory(config, name).join("kubetrader.toml")
}

/// The environment's own configuration: this platform's, with its own directory, ports and source of data.
fn write_config(config: &Config, name: &str, port_offset: u16, console: bool) -> Result<PathBuf, Error> {
    let mut own = config.clone();
    own.platform.data_dir = directory(config, name).join("data");
    own.platform.port_offset = config.platform.port_offset + port_offset;
    own.console.enabled = console;
    own.mirror.environment = name.to_owned();
    own.mirror.upstream = config.address(config.nats.leaf_port).to_string();
    own.mirror.password_file = messaging::password_file(config, &leaf_user(name));
    let file = config_file(config, name);
    std::fs::create_dir_all(&own.platform.data_dir).map_err(Error::doing(file.display()))?;
    let text = toml::to_string(&own).map_err(Error::doing("writing the environment's configuration"))?;
    prepare::replace(&file, text.as_bytes(), None)?;
    Ok(file)
}

/// `kt` on an environment.
fn kt(file: &std::path::Path, words: &[&str]) -> Result<Command, Error> {
    let program = std::env::current_exe().map_err(Error::doing("finding the kt binary"))?;
    let mut command = Command::new(program);
    command.args(words).arg("--config").arg(file).stdin(Stdio::null());
    Ok(command)
}

/// The first thousand above this platform's ports where all are free.
fn free_offset(config: &Config) -> Result<u16, Error> {
    let taken: Vec<u16> = messaging::environments(config)?.values().map(|entry| entry.port_offset).collect();
    let free = |offset: &u16| {
        !taken.contains(offset)
            && config.ports().iter().all(|(_, port)| {
                let port = port.checked_add(config.platform.port_offset).and_then(|port| port.checked_add(*offset));
                port.is_some_and(|port| std::net::TcpListener::bind((config.platform.bind, port)).is_ok())
            })
    };
    let offsets = (1..=30).map(|step| step * OFFSET_STEP);
    offsets.into_iter().find(free).ok_or_else(|| Error::failed("no free ports for an environment; give --offset"))
}

fn down(config: &Config, name: &str) -> Result<(), Error> {
    let mut entries = messaging::environments(config)?;
    if entries.remove(name).is_none() {
        let known: Vec<_> = entries.keys().cloned().collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Error::failed(format!("there is no environment {name}; there are: {known}")));
    }
    let stopped =
        kt(&config_file(config, name), &["down"])?.status().map_err(Error::doing("stopping the environment"))?;
    if !stopped.success() {
        return Err(Error::failed(format!("the environment {name} did not stop; nothing else was changed")));
    }
    messaging::keep_environments(config, &entries)?;
    if lock::holder(config).is_some() {
        reload(config)?;
        super::block_on(async {
            let bus = Bus::connect(&bus(config, "kt-env")).await.map_err(failed)?;
            bus.withdraw_log(name).await.map_err(failed)
        })?;
    }
    super::print(format!("environment {name} is stopped; its data stays in {}", directory(config, name).display()));
    Ok(())
}

fn status(config: &Config, as_json: bool) -> Result<(), Error> {
    needs_platform(config)?;
    let entries = messaging::environments(config)?;
    let mut rows = Vec::new();
    for (name, entry) in &entries {
        rows.push(super::block_on(row(config, name, entry))?);
    }
    if as_json {
        return super::print_json(&rows);
    }
    let mut table = super::plain_table();
    table.set_header(["environment", "gets", "state", "address", "behind", "unconfirmed", "blocks", "consumer"]);
    for row in &rows {
        let cell = |key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
        table.add_row(
            ["environment", "gets", "state", "address", "behind", "unconfirmed", "blocks", "consumer"].map(cell),
        );
    }
    super::print(table);
    Ok(())
}

async fn row(config: &Config, name: &str, entry: &EnvironmentEntry) -> Result<Value, Error> {
    let production = Bus::connect(&bus(config, "kt-env")).await.map_err(failed)?;
    let lag = production.environment_lag(name).await.map_err(failed)?;
    let file = config_file(config, name);
    let own = config::load(&Overrides { file: Some(file), ..Overrides::default() })?;
    let (state, address) = match control::status(&own, false) {
        Ok(status) if status.phase == Phase::Ready => ("ready", status.address),
        Ok(status) => ("not ready", status.address),
        Err(_) => ("stopped", String::new()),
    };
    let mut there = bus(&own, "kt-env");
    there.connect_within = Duration::from_secs(2);
    let blocks = match Bus::connect(&there).await {
        Ok(bus) => bus.log_subjects("log.v1.>").await.map(|subjects| subjects.values().sum::<u64>()).ok(),
        Err(_) => None,
    };
    Ok(json!({
        "environment": name, "gets": entry.selection, "state": state, "address": address,
        "behind": lag.map(|lag| lag.pending), "unconfirmed": lag.map(|lag| lag.unconfirmed),
        "blocks": blocks, "consumer": consumer_name(name),
    }))
}
