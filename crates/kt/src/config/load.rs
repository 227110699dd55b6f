//! Reads the configuration strictly: an unknown key or a bad value names file, line and key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{Config, DEFAULTS, SourceMode, paths};
use crate::error::Error;

/// What the command line adds to the files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// `--config`; without it `kubetrader.toml` in the working directory, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// `--set key=value`, in order.
    pub(crate) settings: Vec<String>,
    /// Keys that have a flag of their own: key, value, flag.
    pub(crate) flags: Vec<(&'static str, Value, &'static str)>,
}

/// The defaults with everything that was set over them, and where each key was set.
struct Merged {
    values: Table,
    origins: BTreeMap<String, String>,
}

/// Loads defaults, file and overrides.
///
/// # Errors
/// A usage error that names where the key was set, the key, and what would be right.
pub(crate) fn load(overrides: &Overrides) -> Result<Config, Error> {
    let values = DEFAULTS.parse().expect("the defaults are valid TOML, kept so by a test");
    let mut merged = Merged { values, origins: BTreeMap::new() };
    let (file, required) = match &overrides.file {
        Some(file) => (file.as_path(), true),
        None => (Path::new("kubetrader.toml"), false),
    };
    match std::fs::read_to_string(file) {
        Ok(text) => merged.add_file(file, &text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {}
        Err(error) => return Err(Error::usage(format!("cannot read {}: {error}", file.display()))),
    }
    for setting in &overrides.settings {
        merged.add_setting(setting)?;
    }
    for (key, value, flag) in &overrides.flags {
        merged.set(key, value.clone(), (*flag).to_owned());
    }
    let mut config = merged.read()?;
    check(&config, &merged).map_err(|(key, problem)| merged.error(&key, &problem))?;
    paths::resolve(&mut config).map_err(Error::usage)?;
    Ok(config)
}

impl Merged {
    fn add_file(&mut self, file: &Path, text: &str) -> Result<(), Error> {
        let name = file.display().to_string();
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            Error::usage(format!("{name}:{line}: {}", error.message()))
        })?;
        let mut found = Vec::new();
        flatten(table.get_ref(), "", &mut found);
        for (key, at, value) in found {
            self.add(&key, value, format!("{name}:{}", line_of(text, at)))?;
        }
        Ok(())
    }

    fn add_setting(&mut self, setting: &str) -> Result<(), Error> {
        let Some((key, text)) = setting.split_once('=') else {
            return Err(Error::usage(format!("--set {setting}: write it as key=value, for example nats.port=5222")));
        };
        // A word that is no TOML value is taken as text: quotes would have to pass the shell.
        let parsed = format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
        let wants_text = self.get(key.trim()).is_some_and(Value::is_str);
        let value = parsed.filter(|value| !wants_text || value.is_str());
        let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
        self.add(key.trim(), value, format!("--set {setting}"))
    }

    /// Sets one key after checking that it exists and that its value is of the right type.
    fn add(&mut self, key: &str, value: Value, origin: String) -> Result<(), Error> {
        let Some(default) = self.get(key) else {
            let hint = match nearest(key, &self.keys()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "`kt config` prints all keys".into(),
            };
            return Err(Error::usage(format!("{origin}: unknown key \"{key}\"; {hint}")));
        };
        let size = default.as_str().is_some_and(|text| text.ends_with("iB")) && value.is_integer();
        if default.type_str() != value.type_str() && !size {
            let article = if default.is_integer() || default.is_array() { "an" } else { "a" };
            let wanted = if default.is_table() {
                "a table of keys".into()
            } else {
                format!("{article} {} such as {default}", default.type_str())
            };
            return Err(Error::usage(format!(
                "{origin}: {key}: expected {wanted}, found {} {value}",
                value.type_str()
            )));
        }
        self.set(key, value, origin);
        Ok(())
    }

    fn get(&self, key: &str) -> Option<&Value> {
        let mut parts = key.split('.');
        let first = self.values.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    fn set(&mut self, key: &str, value: Value, origin: String) {
        if let Some((section, name)) = key.split_once('.')
            && let Some(Value::Table(table)) = self.values.get_mut(section)
        {
            table.insert(name.to_owned(), value);
        }
        self.origins.insert(key.to_owned(), origin);
    }

    fn keys(&self) -> Vec<String> {
        let sections = self.values.iter().filter_map(|(section, value)| Some((section, value.as_table()?)));
        sections.flat_map(|(section, table)| table.keys().map(move |key| format!("{section}.{key}"))).collect()
    }

    fn read(&self) -> Result<Config, Error> {
        let values = Value::Table(self.values.clone());
        serde_path_to_error::deserialize(values.into_deserializer())
            .map_err(|error| self.error(&error.path().to_string(), error.inner().message()))
    }

    /// An error about a key's value, with the place where it was set.
    fn error(&self, key: &str, problem: &str) -> Error {
        let origin = self.origins.get(key).map_or("the defaults", String::as_str);
        Error::usage(format!("{origin}: {key}: {problem}"))
    }
}

/// Flattens a parsed file into (key, byte offset, value); tables that are sections are entered.
fn flatten(table: &DeTable<'_>, prefix: &str, found: &mut Vec<(String, usize, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => flatten(inner, &key, found),
            _ => found.push((key, name.span().start, plain(value))),
        }
    }
}

fn plain(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.as_str().into()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::String(number.as_str().into()), Value::Float)
        }
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => Value::Array(items.iter().map(plain).collect()),
        DeValue::Table(table) => {
            Value::Table(table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value))).collect())
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The known key most like `key`: by its own spelling, or the same name in another section.
fn nearest<'a>(key: &str, known: &'a [String]) -> Option<&'a str> {
    let name = key.rsplit('.').next().unwrap_or(key);
    let same_name = known.iter().find(|candidate| candidate.rsplit('.').next() == Some(name));
    let (distance, best) = known.iter().map(|candidate| (edits(key, candidate), candidate)).min()?;
    if distance <= key.len().div_ceil(3) { Some(best) } else { same_name.map(String::as_str) }
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Checks what types cannot: ranges and relations. The error is (key, problem).
fn check(config: &Config, merged: &Merged) -> Result<(), (String, String)> {
    let mut taken: BTreeMap<u16, &str> = BTreeMap::new();
    for (key, port) in config.ports() {
        if port == 0 || u32::from(port) + u32::from(config.platform.port_offset) > 65_535 {
            let offset = config.platform.port_offset;
            return Err((key.into(), format!("port {port} with offset {offset} is not between 1 and 65535")));
        }
        if let Some(other) = taken.insert(port, key) {
            // Blame the one that somebody set, not a default.
            let (set, other) = if merged.origins.contains_key(key) { (key, other) } else { (other, key) };
            return Err((set.into(), format!("port {port} is also {other}'s; choose another")));
        }
    }
    let positive = [
        ("supervisor.start_timeout_s", config.supervisor.start_timeout_s),
        ("supervisor.start_attempts", config.supervisor.start_attempts.into()),
        ("supervisor.health_interval_ms", config.supervisor.health_interval_ms),
        ("supervisor.health_timeout_ms", config.supervisor.health_timeout_ms),
        ("supervisor.unhealthy_after", config.supervisor.unhealthy_after.into()),
        ("supervisor.restart_initial_ms", config.supervisor.restart_initial_ms),
        ("supervisor.log_file_size", config.supervisor.log_file_size.0),
        ("sim.instruments", config.sim.instruments.into()),
        ("sim.client_queue", config.sim.client_queue.0),
        ("console.max_clients", config.console.max_clients as u64),
        ("log.size", config.log.size.0),
        ("log.days", config.log.days.into()),
        ("feed.spool_size", config.feed.spool_size.0),
        ("load.buffer", config.load.buffer.0),
        ("load.inserters", config.load.inserters as u64),
        ("signals.tick_ms", config.signals.tick_ms),
        ("signals.snapshot_s", config.signals.snapshot_s),
        ("signals.tape_size", config.signals.tape_size.0),
        ("trade.tick_ms", config.trade.tick_ms),
        ("trade.tape_size", config.trade.tape_size.0),
        ("research.kernels_per_user", config.research.kernels_per_user as u64),
        ("research.kernels", config.research.kernels as u64),
        ("research.idle_s", config.research.idle_s),
        ("research.life_s", config.research.life_s),
        ("research.cell_s", config.research.cell_s),
        ("research.first_uid", config.research.first_uid.into()),
    ];
    for (key, value) in positive {
        if value == 0 {
            return Err((key.into(), "must be above 0".into()));
        }
    }
    let addresses = [("nats.url", &config.nats.url, "nats://"), ("warehouse.url", &config.warehouse.url, "http")];
    for (key, url, scheme) in addresses {
        let is_address = url.starts_with(scheme) && url.contains("://");
        if !url.is_empty() && !is_address {
            return Err((key.into(), format!("{url:?} is no address such as {scheme}…")));
        }
    }
    if config.supervisor.restart_max_ms < config.supervisor.restart_initial_ms {
        return Err(("supervisor.restart_max_ms".into(), "must not be below supervisor.restart_initial_ms".into()));
    }
    if config.source.mode == SourceMode::Replay && config.source.replay.is_empty() {
        return Err(("source.replay".into(), "must name at least one recording while source.mode is replay".into()));
    }
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    for (key, name) in [("postgres.database", &config.postgres.database), ("postgres.role", &config.postgres.role)] {
        if !plain(name) {
            return Err((key.into(), format!("{name:?} may hold only letters, digits and _")));
        }
    }
    Ok(())
}
