//! `kt up`.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::Up;
use crate::config::Config;
use crate::error::Error;
use crate::progress::Progress;
use crate::supervisor::lock::{Holder, Lock};
use crate::supervisor::logs::RotatingLog;
use crate::supervisor::status::{Phase, now_ms};
use crate::supervisor::{self, control, lock, prepare};
use crate::{doctor, logging, sys};

pub(crate) fn run(config: &Config, options: &Up) -> Result<(), Error> {
    if options.detach {
        return detach(config, options);
    }
    refuse_obstacles(config)?;
    prepare::directories(config)?;
    let holder = Holder {
        pid: std::process::id(),
        since_ms: now_ms(),
        version: env!("CARGO_PKG_VERSION").into(),
        address: supervisor::address(config),
    };
    let _lock = Lock::take(config, &holder)?;
    let path = config.data("logs").join("supervisor.log");
    let log = RotatingLog::open(&path, config.supervisor.log_file_size.0, config.supervisor.log_files_kept)
        .map_err(Error::doing(path.display()))?;
    logging::start(config, log)?;
    sys::raise_open_files().map_err(Error::doing("raising the limit of open files"))?;
    let mut progress = if options.in_background { Progress::silent() } else { Progress::new(options.plain) };
    let result = super::block_on(supervisor::run(config, &mut progress));
    if let Err(error) = &result {
        tracing::error!("{error}");
    }
    result
}

/// Refuses to start while something is in the way, before anything is written.
fn refuse_obstacles(config: &Config) -> Result<(), Error> {
    if let Some(key) = config.remote_engine() {
        return Err(Error::usage(format!(
            "{key} names an engine elsewhere, but `kt up` starts its own; leave it empty, or start the services one by one"
        )));
    }
    // Ports are held and files are locked by the platform that runs already: say only that.
    if let Some(holder) = lock::holder(config) {
        return Err(lock::taken(config, Some(holder)));
    }
    let obstacles = doctor::obstacles(config);
    if obstacles.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = obstacles.iter().map(ToString::to_string).collect();
    Err(Error::failed(format!("the platform cannot start, nothing was changed:\n  {}", lines.join("\n  "))))
}

/// Starts the supervisor in a session of its own and shows its progress until it is ready.
fn detach(config: &Config, options: &Up) -> Result<(), Error> {
    if let Some(holder) = lock::holder(config) {
        super::print(format!("KubeTrader already runs (process {}): {}", holder.pid, holder.address));
        return Ok(());
    }
    refuse_obstacles(config)?;
    prepare::directories(config)?;
    let output_path = config.data("logs").join("supervisor.out");
    let output = File::create(&output_path).map_err(Error::doing(output_path.display()))?;
    let errors = output.try_clone().map_err(Error::doing(output_path.display()))?;
    let program = std::env::current_exe().map_err(Error::doing("finding the kt binary"))?;
    // The same words again: only the supervisor that stays interprets them.
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--detach");
    let mut command = Command::new(program);
    command.args(arguments).arg("--in-background").stdin(Stdio::null()).stdout(output).stderr(errors);
    sys::own_session(&mut command);
    let child = command.spawn().map_err(Error::doing("starting the supervisor"))?;
    let progress = Progress::new(options.plain);
    if let Some(absence) = crate::orchestration::absence(config) {
        progress.say(&absence);
    }
    follow(config, child, progress, &output_path)
}

fn follow(
    config: &Config,
    mut child: Child,
    mut progress: Progress,
    output_path: &std::path::Path,
) -> Result<(), Error> {
    const POLL: Duration = Duration::from_millis(50);
    let mut answered = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(Error::doing("waiting for the supervisor"))? {
            let text = std::fs::read_to_string(output_path).unwrap_or_default();
            let reason = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
            let reason = if reason.is_empty() { format!("it ended with {status}") } else { reason.to_owned() };
            return Err(Error::failed(reason));
        }
        if let Ok(status) = control::status(config, false) {
            answered = Instant::now();
            progress.show(&status);
            if status.phase == Phase::Ready {
                progress.ready(&status);
                return Ok(());
            }
        }
        if answered.elapsed() > Duration::from_secs(60) {
            return Err(Error::failed("the supervisor gives no answer; see `kt logs supervisor`"));
        }
        std::thread::sleep(POLL);
    }
}
