//! NATS as `kt up` runs it: its users' passwords, its environments, its configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use kt_bus::server::{Environment, PRODUCTION, ServerConfig, Upstream, leaf_user};
use kt_bus::{Credentials, Secret, Selection, permissions};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Error;
use crate::supervisor::prepare;

/// What `kt env` keeps of an environment that gets data from here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EnvironmentEntry {
    /// What it gets, `trade.binance,quote.binance`.
    pub(crate) selection: String,
    /// Added to its ports.
    pub(crate) port_offset: u16,
}

/// Where the password of a user lies, readable by its owner alone.
pub(crate) fn password_file(config: &Config, user: &str) -> PathBuf {
    config.data("secrets").join("nats").join(user)
}

/// The user of whoever calls itself `name`: its own, a person's for commands, else the least.
fn user(name: &str) -> &str {
    match name {
        "kt-audit" | "kt-env" | "kt-kill-switch" => permissions::OPERATOR,
        name if permissions::USERS.contains(&name) => name,
        _ => permissions::SERVICE,
    }
}

/// How `name` proves who it is at the server that `kt up` starts.
pub(crate) fn credentials(config: &Config, name: &str) -> Credentials {
    let user = user(name);
    let file = password_file(config, user);
    // Without a file the server's refusal says more than an error about a file would.
    if file.exists() { Credentials::UserPasswordFile { user: user.to_owned(), file } } else { Credentials::None }
}

/// Creates the passwords that do not exist yet.
pub(crate) fn create_passwords(config: &Config) -> Result<(), Error> {
    permissions::USERS.iter().try_for_each(|user| create_password(config, user))
}

/// Creates one password, once.
pub(crate) fn create_password(config: &Config, user: &str) -> Result<(), Error> {
    let file = password_file(config, user);
    if file.exists() {
        return Ok(());
    }
    prepare::replace(&file, format!("{}\n", prepare::random_text()?).as_bytes(), None)
}

fn password(file: &PathBuf) -> Result<Secret, Error> {
    let text = fs::read_to_string(file).map_err(Error::doing(file.display()))?;
    Ok(Secret(text.trim().to_owned()))
}

fn environments_file(config: &Config) -> PathBuf {
    config.data("env").join("environments.json")
}

/// The environments that get data from here.
pub(crate) fn environments(config: &Config) -> Result<BTreeMap<String, EnvironmentEntry>, Error> {
    let file = environments_file(config);
    match fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text).map_err(Error::doing(file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(Error::doing(file.display())(error)),
    }
}

/// Keeps the list of environments.
pub(crate) fn keep_environments(config: &Config, entries: &BTreeMap<String, EnvironmentEntry>) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(entries).map_err(Error::doing("writing the list of environments"))?;
    prepare::replace(&environments_file(config), &text, None)
}

/// The server's configuration as it follows from ours and from the environments.
pub(crate) fn server_config(config: &Config) -> Result<String, Error> {
    let mirror = &config.mirror;
    let upstream = if mirror.environment.is_empty() {
        None
    } else {
        let address = mirror.upstream.parse().map_err(|_| {
            Error::usage(format!("mirror.upstream: {:?} is no address such as 127.0.0.1:7422", mirror.upstream))
        })?;
        let password = password(&mirror.password_file)?;
        Some(Upstream { address, environment: mirror.environment.clone(), password })
    };
    let users = permissions::USERS.iter().map(|user| Ok(((*user).to_owned(), password(&password_file(config, user))?)));
    let environments = environments(config)?.into_iter().map(|(name, entry)| {
        let selection = Selection::parse(&entry.selection).map_err(|error| Error::failed(error.to_string()))?;
        let password = password(&password_file(config, &leaf_user(&name)))?;
        Ok(Environment { name, password, selection })
    });
    let domain = if mirror.environment.is_empty() { PRODUCTION.to_owned() } else { mirror.environment.to_uppercase() };
    let server = ServerConfig {
        name: format!("kubetrader-{}", domain.to_lowercase()),
        domain,
        listen: config.address(config.nats.port),
        monitor: config.address(config.nats.monitor_port),
        leaf_listen: config.address(config.nats.leaf_port),
        store: config.data("nats").join("jetstream"),
        max_file: config.nats.store_limit.0,
        max_memory: config.nats.memory_limit.0,
        users: users.collect::<Result<_, Error>>()?,
        environments: environments.collect::<Result<_, Error>>()?,
        upstream,
    };
    Ok(server.to_text())
}

/// Gives what was stored before there were accounts to the platform's account. Only while the server is down.
pub(crate) fn adopt_streams(config: &Config) -> Result<(), Error> {
    let store = config.data("nats").join("jetstream").join("jetstream");
    let (before, now) = (store.join("$G"), store.join(kt_bus::server::PLATFORM));
    if before.exists() && !now.exists() {
        fs::rename(&before, &now).map_err(Error::doing(format!("moving {}", before.display())))?;
    }
    Ok(())
}
