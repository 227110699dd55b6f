//! The files that Dagster and dbt find: sources, configuration, secrets.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::embedded;
use crate::error::Error;
use crate::object_store;
use crate::supervisor::prepare::{directory, random_text, replace};

/// The messaging user of `kt backfill`.
const BACKFILL: &str = "kt-backfill";

/// Its own folder of the data directory.
fn root(config: &Config) -> PathBuf {
    config.data("orchestration")
}

/// The unpacked sources; nobody but the supervisor's user may change them.
pub(super) fn project(config: &Config) -> PathBuf {
    root(config).join("project")
}

/// `DAGSTER_HOME`: configuration, logs, artefacts.
pub(super) fn home(config: &Config) -> PathBuf {
    root(config).join("home")
}

/// Where dbt writes.
pub(super) fn work(config: &Config) -> PathBuf {
    root(config).join("work")
}

/// Where the process that holds the definitions listens: in a folder that only its user may enter.
pub(super) fn socket(config: &Config) -> PathBuf {
    home(config).join("code.sock")
}

/// The configuration in force, readable by Dagster's user, for the `kt` commands that assets run.
pub(super) fn configuration(config: &Config) -> PathBuf {
    home(config).join("kt.toml")
}

pub(super) fn workspace(config: &Config) -> PathBuf {
    home(config).join("workspace.yaml")
}

/// The password of Dagster's own PostgreSQL user.
pub(super) fn password(config: &Config) -> Result<String, Error> {
    let file = config.data("secrets").join("dagster-password");
    if !file.exists() {
        replace(&file, format!("{}\n", random_text()?).as_bytes(), None)?;
    }
    let text = fs::read_to_string(&file).map_err(Error::doing(file.display()))?;
    Ok(text.trim().to_owned())
}

/// Writes everything that Dagster finds when it starts. Repeating it changes nothing.
pub(crate) fn prepare(config: &Config) -> Result<(), Error> {
    if !config.orchestration.enabled || super::interpreter(config).is_err() {
        return Ok(());
    }
    let user = super::user(config)?;
    directory(&root(config), 0o755, None)?;
    for private in [home(config), work(config)] {
        directory(&private, 0o700, user.as_ref())?;
    }
    unpack(&project(config))?;
    password(config)?;
    // What a command of kt writes for Dagster lies in a folder of Dagster's user.
    let mut own = config.clone();
    own.platform.data_dir = work(config).join("kt");
    let text = toml::to_string(&own).map_err(Error::doing("writing Dagster's configuration of kt"))?;
    replace(&configuration(config), text.as_bytes(), user.as_ref())?;
    replace(&home(config).join("dagster.yaml"), instance(config).as_bytes(), user.as_ref())?;
    let location = format!(
        "load_from:\n  - grpc_server:\n      socket: {}\n      location_name: kubetrader\n",
        quoted(&socket(config))
    );
    replace(&workspace(config), location.as_bytes(), user.as_ref())
}

/// Copies the passwords that Dagster's processes need to where its user can read them, and no others.
pub(super) fn lend_passwords(config: &Config) -> Result<(), Error> {
    let user = super::user(config)?;
    let lend = |from: &Path, to: &Path| {
        let text = fs::read(from).map_err(Error::doing(from.display()))?;
        replace(to, &text, user.as_ref())
    };
    let mut own = config.clone();
    own.platform.data_dir = work(config).join("kt");
    let backfill = crate::messaging::password_file(&own, BACKFILL);
    for folder in backfill.ancestors().take_while(|folder| folder.starts_with(work(config))).skip(1) {
        directory(folder, 0o700, user.as_ref())?;
    }
    lend(&crate::messaging::password_file(config, BACKFILL), &backfill)?;
    lend(&object_store::credentials_file(config, object_store::LOGS), &store_credentials(config))
}

/// Who writes the logs of runs to the object store: the file that the AWS library reads.
pub(super) fn store_credentials(config: &Config) -> PathBuf {
    home(config).join("store.credentials")
}

/// Replaces the unpacked sources by those of this binary.
fn unpack(project: &Path) -> Result<(), Error> {
    unpack_into(project, embedded::ORCHESTRATION)
}

/// Replaces a folder by files of this binary, readable by everybody.
pub(crate) fn unpack_into(project: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    let failed = |path: &Path| Error::doing(format!("unpacking {}", path.display()));
    let new = project.with_extension("new");
    for old in [&new, &project.to_path_buf()] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(failed(old))?;
        }
    }
    directory(&new, 0o755, None)?;
    for (name, content) in files {
        let path = new.join(name);
        let folder = path.parent().unwrap_or(&new);
        directory(folder, 0o755, None)?;
        fs::write(&path, content).map_err(failed(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).map_err(failed(&path))?;
    }
    fs::rename(&new, project).map_err(failed(project))
}

/// Dagster's own configuration. The password comes by the environment.
fn instance(config: &Config) -> String {
    let address = config.address(config.postgres.port);
    let home = home(config);
    format!(
        "# Written by kt at every start from its own configuration: change that instead.\n\
         storage:\n  postgres:\n    postgres_db:\n      username: {user}\n      password:\n        env: KT_DAGSTER_PASSWORD\n\
         \x20     hostname: {host}\n      port: {port}\n      db_name: {user}\n      scheme: postgresql+psycopg2\n\
         concurrency:\n  runs:\n    max_concurrent_runs: 2\n  pools:\n    granularity: run\n    default_limit: 1\n\
         compute_logs:\n  module: dagster_aws.s3.compute_log_manager\n  class: S3ComputeLogManager\n\
         \x20 config:\n    bucket: {bucket}\n    prefix: dagster\n    endpoint_url: {store}\n    region: us-east-1\n\
         \x20   upload_interval: 30\n    local_dir: {logs}\n    skip_empty_files: true\n\
         local_artifact_storage:\n  module: dagster._core.storage.root\n  class: LocalArtifactStorage\n\
         \x20 config:\n    base_dir: {home}\n\
         retention:\n  sensor:\n    purge_after_days: 3\n  schedule:\n    purge_after_days: 30\n\
         telemetry:\n  enabled: false\n",
        user = super::process::DATABASE,
        host = address.ip(),
        port = address.port(),
        bucket = object_store::LOGS,
        store = object_store::url(config),
        logs = quoted(&home.join("compute-logs")),
        home = quoted(&home),
    )
}

/// A path as a YAML string: JSON's are valid there.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.display().to_string()).to_string()
}

/// A `kt` that Dagster's user can run.
pub(super) fn program(config: &Config) -> Result<PathBuf, Error> {
    program_in(&root(config).join("bin"))
}

/// A `kt` that every user can run: this binary where every folder above lets others pass, else a copy in `folder`.
pub(crate) fn program_in(folder: &Path) -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(Error::doing("finding the kt binary"))?;
    let passable = |path: &Path| fs::metadata(path).is_ok_and(|folder| folder.mode() & 0o001 != 0);
    if !crate::process::is_root() || own.ancestors().all(passable) {
        return Ok(own);
    }
    let copy = folder.join("kt");
    let same = |one: &fs::Metadata, other: &fs::Metadata| {
        one.len() == other.len() && one.modified().ok() <= other.modified().ok()
    };
    let source = fs::metadata(&own).map_err(Error::doing(own.display()))?;
    if !fs::metadata(&copy).is_ok_and(|there| same(&source, &there)) {
        directory(folder, 0o755, None)?;
        let new = copy.with_extension("new");
        fs::copy(&own, &new).map_err(Error::doing(new.display()))?;
        chown(&new, Some(0), Some(0)).map_err(Error::doing(new.display()))?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).map_err(Error::doing(new.display()))?;
        fs::rename(&new, &copy).map_err(Error::doing(copy.display()))?;
    }
    Ok(copy)
}
