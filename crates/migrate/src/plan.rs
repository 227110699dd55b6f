//! Compares the scripts with the history: what is applied, what is to do, what is wrong.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Migration, MigrationSet, Problem, Version};

/// One row of the history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Order of installation, from 1.
    pub installed_rank: i32,
    /// The version; `None` for repeatable scripts.
    pub version: Option<String>,
    /// The description.
    pub description: String,
    /// `SQL` for scripts; Flyway also writes `BASELINE`, `SCHEMA` and `DELETE`.
    pub kind: String,
    /// The script's path below the location.
    pub script: String,
    /// The checksum; none in rows that are not scripts.
    pub checksum: Option<i32>,
    /// When it was installed, as the database words it.
    pub installed_on: String,
    /// Whether the script ran to its end.
    pub success: bool,
}

/// Where a script stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Applied, and unchanged since.
    Applied,
    /// Waiting to be applied.
    Pending,
    /// A repeatable script whose text changed: waiting to be applied again.
    Outdated,
    /// Applied, but the file was changed or renamed since.
    Edited,
    /// Applied, but the file is gone.
    Missing,
    /// Applied by a newer release than this one.
    Future,
    /// The last run failed.
    Failed,
    /// Not applied although a later version is.
    OutOfOrder,
    /// At or below the baseline: taken as applied.
    BelowBaseline,
}

/// One line of `kt migrate info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The version; `None` for repeatable scripts.
    pub version: Option<String>,
    /// The description.
    pub description: String,
    /// The script's path below the location.
    pub script: String,
    /// Where it stands.
    pub state: State,
    /// When it was installed, if it was.
    pub installed_on: Option<String>,
}

/// The comparison's result.
pub(crate) struct Plan<'a> {
    pub(crate) entries: Vec<Entry>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) to_apply: Vec<&'a Migration>,
}

/// The history reduced to what counts now.
struct History<'a> {
    versions: BTreeMap<Version, &'a Row>,
    repeatables: BTreeMap<&'a str, &'a Row>,
    baseline: Option<Version>,
}

impl<'a> History<'a> {
    fn read(rows: &'a [Row]) -> Self {
        let mut history = Self { versions: BTreeMap::new(), repeatables: BTreeMap::new(), baseline: None };
        for row in rows {
            let version = row.version.as_deref().and_then(Version::parse);
            match (row.kind.as_str(), version) {
                ("BASELINE", version) => history.baseline = version,
                ("DELETE", Some(version)) => drop(history.versions.remove(&version)),
                ("SCHEMA", _) => {}
                (_, Some(version)) => drop(history.versions.insert(version, row)),
                (_, None) => drop(history.repeatables.insert(&row.description, row)),
            }
        }
        history
    }
}

/// Compares; `rows` must be sorted by rank.
pub(crate) fn plan<'a>(set: &'a MigrationSet, rows: &[Row], out_of_order: bool) -> Plan<'a> {
    let mut history = History::read(rows);
    let newest_applied = history.versions.keys().next_back().cloned();
    let newest_file = set.migrations().iter().filter_map(|m| m.version.clone()).max();
    let mut plan = Plan { entries: Vec::new(), problems: Vec::new(), to_apply: Vec::new() };
    for migration in set.migrations() {
        let row = match &migration.version {
            Some(version) => history.versions.remove(version),
            None => history.repeatables.remove(migration.description.as_str()),
        };
        let below_baseline = migration.version.is_some() && migration.version <= history.baseline;
        let state = match row {
            Some(row) => compare(migration, row, &mut plan.problems),
            None if below_baseline => State::BelowBaseline,
            None => match (&migration.version, &newest_applied) {
                (Some(version), Some(newest)) if version < newest => {
                    late(migration, newest, out_of_order, &mut plan.problems)
                }
                _ => State::Pending,
            },
        };
        if matches!(state, State::Pending | State::Outdated) || (state == State::OutOfOrder && out_of_order) {
            plan.to_apply.push(migration);
        }
        plan.entries.push(Entry {
            version: migration.version.as_ref().map(ToString::to_string),
            description: migration.description.clone(),
            script: migration.script.clone(),
            state,
            installed_on: row.map(|row| row.installed_on.clone()),
        });
    }
    for (version, row) in history.versions {
        let state = without_file(&version, row, newest_file.as_ref(), &mut plan.problems);
        plan.entries.push(entry_of_row(row, state));
    }
    plan
}

fn compare(migration: &Migration, row: &Row, problems: &mut Vec<Problem>) -> State {
    let script = migration.script.clone();
    if !row.success {
        problems.push(Problem::Failed { script });
        return State::Failed;
    }
    if row.checksum == Some(migration.checksum) {
        if row.script != script && migration.version.is_some() {
            problems.push(Problem::Renamed { script, recorded: row.script.clone() });
            return State::Edited;
        }
        return State::Applied;
    }
    if migration.version.is_none() {
        return State::Outdated;
    }
    let applied = row.checksum.unwrap_or_default();
    problems.push(Problem::Edited { script, applied, found: migration.checksum });
    State::Edited
}

fn late(migration: &Migration, newest: &Version, allowed: bool, problems: &mut Vec<Problem>) -> State {
    if !allowed {
        problems.push(Problem::OutOfOrder { script: migration.script.clone(), newest: newest.to_string() });
    }
    State::OutOfOrder
}

fn without_file(version: &Version, row: &Row, newest_file: Option<&Version>, problems: &mut Vec<Problem>) -> State {
    if !row.success {
        problems.push(Problem::Failed { script: row.script.clone() });
        State::Failed
    } else if newest_file.is_some_and(|newest| version > newest) {
        State::Future
    } else {
        problems.push(Problem::Missing { script: row.script.clone() });
        State::Missing
    }
}

fn entry_of_row(row: &Row, state: State) -> Entry {
    Entry {
        version: row.version.clone(),
        description: row.description.clone(),
        script: row.script.clone(),
        state,
        installed_on: Some(row.installed_on.clone()),
    }
}
