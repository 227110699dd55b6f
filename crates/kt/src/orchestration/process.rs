//! Dagster's processes, and that none of them outlives the platform.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use kt_store::{Login, Store};

use super::{Part, layout};
use crate::config::Config;
use crate::error::Error;
use crate::supervisor::{prepare, spawn};

/// Dagster's database and the user that owns it.
pub(super) const DATABASE: &str = "dagster";
/// How long it may take to stop by itself: what it has written is in PostgreSQL.
const STOP_WITHIN: Duration = Duration::from_secs(6);

/// `kt orchestration serve`: runs one process of Dagster until it ends or this one is asked to stop,
/// and takes down with it whatever it started.
pub(crate) fn serve(config: &Config, part: Part) -> Result<(), Error> {
    if part == Part::Code {
        crate::commands::block_on(create_database(config))?;
        remove_socket(config)?;
        layout::lend_passwords(config)?;
    }
    let mut command = python(config)?;
    command.args(arguments(config, part));
    // Its own death is enough when this process is killed: the supervisor ends the whole group.
    crate::sys::die_with_parent(&mut command, libc::SIGKILL);
    crate::commands::services::run(async {
        let stop = crate::commands::services::stop_requested()?;
        let mut child = tokio::process::Command::from(command).spawn().map_err(Error::doing("starting Dagster"))?;
        let ended = tokio::select! {
            ended = child.wait() => Some(ended.map_err(Error::doing("waiting for Dagster"))?),
            () = stop => None,
        };
        if ended.is_none() {
            if let Some(pid) = child.id() {
                let _ = crate::sys::kill(pid.cast_signed(), libc::SIGTERM);
            }
            // A run in progress does not hold up the platform's end.
            let _ = tokio::time::timeout(STOP_WITHIN, child.wait()).await;
        }
        end_others();
        let _ = child.wait().await;
        ended.map_or(Ok(()), |status| Err(unexpected(part, status)))
    })
}

/// `kt orchestration materialise`: every asset once, with the platform's own services.
pub(crate) fn materialise(config: &Config, json: bool, selection: &[String]) -> Result<(), Error> {
    if crate::supervisor::lock::holder(config).is_none() {
        return Err(Error::failed("no platform runs here; start it with `kt up`"));
    }
    let mut command = python(config)?;
    command.args(["-m", "kt_orchestration.materialise"]).args(selection);
    if json {
        command.arg("--json");
    }
    crate::sys::die_with_parent(&mut command, libc::SIGTERM);
    let status = command.status().map_err(Error::doing("starting Python"))?;
    if status.success() { Ok(()) } else { Err(Error::failed("not everything was materialised; see above")) }
}

/// The environment's Python as Dagster's user, knowing where everything is. Secrets come by the environment.
fn python(config: &Config) -> Result<Command, Error> {
    let interpreter = super::interpreter(config).map_err(Error::failed)?;
    let programs = interpreter.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let warehouse = config.address(config.warehouse.port);
    let mut command = Command::new(&interpreter);
    command.current_dir(layout::work(config)).stdin(Stdio::null());
    spawn::plain_environment(&mut command);
    command
        .env("PATH", format!("{programs}:{path}"))
        .env("HOME", layout::work(config))
        .env("PYTHONPATH", layout::project(config))
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("DAGSTER_HOME", layout::home(config))
        // A daemon that stopped ticking is unhealthy after this many seconds.
        .env("DAGSTER_DAEMON_HEARTBEAT_TOLERANCE", "120")
        .env("DO_NOT_TRACK", "1")
        .env("AWS_SHARED_CREDENTIALS_FILE", layout::store_credentials(config))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        // Plain uploads: the store checks the signature of the whole body.
        .env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        .env("KT_DAGSTER_PASSWORD", layout::password(config)?)
        .env("KT_PROGRAM", layout::program(config)?)
        .env("KT_CONFIG", layout::configuration(config))
        .env("KT_ORCHESTRATION_WORK", layout::work(config))
        .env("KT_WAREHOUSE_URL", format!("http://{warehouse}"))
        .env("KT_WAREHOUSE_HOST", warehouse.ip().to_string())
        .env("KT_WAREHOUSE_PORT", warehouse.port().to_string());
    spawn::run_as(&mut command, super::user(config)?.as_ref());
    Ok(command)
}

fn arguments(config: &Config, part: Part) -> Vec<String> {
    let text = |path: std::path::PathBuf| path.display().to_string();
    let web = config.address(config.orchestration.web_port);
    let words: Vec<String> = match part {
        Part::Code => ["-m", "dagster", "api", "grpc", "--module-name", "kt_orchestration.definitions"]
            .into_iter()
            .chain(["--use-python-environment-entry-point", "--location-name", "kubetrader"])
            .map(str::to_owned)
            .chain(["--socket".into(), text(layout::socket(config))])
            .chain(["--working-directory".into(), text(layout::project(config))])
            .collect(),
        Part::Web => vec![
            "-m".into(),
            "dagster_webserver".into(),
            "--host".into(),
            web.ip().to_string(),
            "--port".into(),
            web.port().to_string(),
            "--workspace".into(),
            text(layout::workspace(config)),
        ],
        Part::Daemon => vec![
            "-m".into(),
            "dagster._daemon".into(),
            "run".into(),
            "--workspace".into(),
            text(layout::workspace(config)),
        ],
    };
    words.into_iter().chain(["--log-format".into(), "json".into()]).collect()
}

/// Creates Dagster's own user and database once; its password is set anew each time.
async fn create_database(config: &Config) -> Result<(), Error> {
    let login = Login { user: DATABASE.to_owned(), password: layout::password(config)? };
    let owner = prepare::store_config(config)?;
    Store::create_login(&owner, &login).await.map_err(Error::doing("creating Dagster's database"))
}

/// A socket that a killed process left behind would be mistaken for a listening one.
fn remove_socket(config: &Config) -> Result<(), Error> {
    let socket = layout::socket(config);
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::failed(format!("{}: {error}", socket.display())))
        }
        _ => Ok(()),
    }
}

/// Kills what is left of the process group that the supervisor gave this process: runs among it.
fn end_others() {
    let own = std::process::id();
    for pid in crate::process::group(own).into_iter().filter(|pid| *pid != own) {
        let _ = crate::sys::kill(pid.cast_signed(), libc::SIGKILL);
    }
}

fn unexpected(part: Part, status: ExitStatus) -> Error {
    Error::failed(format!("Dagster's {part:?} process ended by itself: {status}"))
}
