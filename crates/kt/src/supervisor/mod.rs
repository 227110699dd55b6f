//! `kt up`: starts every service in order, keeps it running, and leaves none behind.
//!
//! One thread does it all. It is the program's main thread on purpose: the parent-death signal
//! that ends the services when the supervisor is killed follows the thread that started them.

pub(crate) mod control;
pub(crate) mod health;
mod history;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod prepare;
mod service;
pub(crate) mod spawn;
pub(crate) mod spec;
pub(crate) mod status;
pub(crate) mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::error::Error;
use crate::progress::Progress;
use crate::supervisor::history::Recorder;
use crate::supervisor::lock::Processes;
use crate::supervisor::logs::{LastLines, RotatingLog};
use crate::supervisor::service::{Backoff, Command, Service};
use crate::supervisor::spec::ServiceSpec;
use crate::supervisor::status::{Phase, PlatformStatus, ServiceStatus, State};

/// How often states are looked at for progress, the process list and the platform's phase.
const TICK: Duration = Duration::from_millis(50);

/// A service as the supervisor and the control socket see it.
pub(crate) struct Handle {
    pub(crate) name: &'static str,
    pub(crate) status: watch::Receiver<ServiceStatus>,
    pub(crate) commands: mpsc::Sender<Command>,
}

/// What the control socket shares with the supervisor.
pub(crate) struct Platform {
    pub(crate) handles: Vec<Handle>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) stop: mpsc::Sender<()>,
    pub(crate) address: String,
    pub(crate) data_dir: String,
    pub(crate) started_ms: u64,
}

impl Platform {
    /// The state of everything, without memory.
    pub(crate) fn status(&self) -> PlatformStatus {
        PlatformStatus {
            phase: *self.phase.borrow(),
            version: env!("CARGO_PKG_VERSION").into(),
            supervisor_pid: std::process::id(),
            started_ms: self.started_ms,
            address: self.address.clone(),
            data_dir: self.data_dir.clone(),
            services: self.handles.iter().map(|handle| handle.status.borrow().clone()).collect(),
        }
    }
}

/// The address that `kt up` prints: the page, or without it the warehouse.
pub(crate) fn address(config: &Config) -> String {
    let port = if config.console.enabled { config.console.port } else { config.warehouse.port };
    format!("http://{}", config.address(port))
}

/// Runs the platform until it is asked to stop or cannot be started.
///
/// # Errors
/// The first service that could not be started, after everything else was stopped again.
pub(crate) async fn run(config: &Config, progress: &mut Progress) -> Result<(), Error> {
    let mut signals = Signals::new()?;
    let processes = Processes::new(config);
    let left = processes.end_leftovers();
    if left > 0 {
        progress.say(&format!("ended {left} processes that an earlier run left behind"));
    }
    prepare::prepare(config).await?;
    if let Some(absence) = crate::orchestration::absence(config) {
        tracing::warn!("{absence}");
        progress.say(&absence);
    }
    if let Some(absence) = crate::research::absence(config) {
        tracing::warn!("{absence}");
        progress.say(&absence);
    }
    let specs = spec::services(config)?;
    let started_ms = status::now_ms();
    let (recorder, queue) = Recorder::new(&format!("{started_ms}-{}", std::process::id()));
    tokio::spawn(history::write(prepare::store_config(config)?, queue));
    let (stop, mut stopped) = mpsc::channel(1);
    let (handles, tasks) = start_services(config, specs, &recorder)?;
    let platform = Arc::new(Platform {
        handles,
        phase: watch::Sender::new(Phase::Starting),
        stop,
        address: address(config),
        data_dir: config.platform.data_dir.display().to_string(),
        started_ms,
    });
    let control = control::serve(config, Arc::clone(&platform))?;
    let mut known = BTreeSet::new();
    let failed = loop {
        tokio::select! {
            () = signals.any() => break None,
            _ = stopped.recv() => break None,
            () = tokio::time::sleep(TICK) => {}
        }
        let status = platform.status();
        keep_list(&processes, &status, &mut known);
        progress.show(&status);
        let failed = |service: &&ServiceStatus| service.state == State::Failed && !service.background;
        if let Some(failed) = status.services.iter().find(failed) {
            break Some(Error::failed(format!("{} could not be started: {}", failed.service, failed.detail)));
        }
        advance(&platform, &status, progress);
    };
    tracing::info!(failed = failed.as_ref().map(ToString::to_string), "stopping");
    platform.phase.send_replace(Phase::Stopping);
    stop_services(&platform, tasks, progress, &mut signals, &recorder).await;
    processes.write(std::iter::empty());
    control.end();
    failed.map_or(Ok(()), Err)
}

fn start_services(
    config: &Config,
    specs: Vec<ServiceSpec>,
    recorder: &Recorder,
) -> Result<(Vec<Handle>, Vec<JoinHandle<()>>), Error> {
    let mut statuses = BTreeMap::new();
    let (mut handles, mut tasks) = (Vec::new(), Vec::new());
    for spec in specs {
        let (sender, receiver) = watch::channel(ServiceStatus {
            service: spec.name.into(),
            state: State::Waiting,
            detail: String::new(),
            pid: None,
            started_ms: None,
            restarts: 0,
            ports: spec.ports.clone(),
            memory_bytes: None,
            background: spec.background,
        });
        statuses.insert(spec.name, receiver.clone());
        let (commands, received) = mpsc::channel(4);
        let path = config.data("logs").join(format!("{}.log", spec.name));
        let log = RotatingLog::open(&path, config.supervisor.log_file_size.0, config.supervisor.log_files_kept)
            .map_err(Error::doing(path.display()))?;
        let needs = |name: &&'static str| Some((*name, statuses.get(name)?.clone()));
        let service = Service {
            dependencies: spec.after.iter().filter_map(needs).collect(),
            settings: config.supervisor.clone(),
            commands: received,
            status: sender,
            log,
            recorder: recorder.clone(),
            last: LastLines::default(),
            backoff: Backoff::new(&config.supervisor),
            ever_healthy: false,
            spec,
        };
        handles.push(Handle { name: service.spec.name, status: receiver, commands });
        tasks.push(tokio::spawn(service.run()));
    }
    Ok((handles, tasks))
}

/// Keeps the list of processes for a next run that would have to clean up.
fn keep_list(processes: &Processes, status: &PlatformStatus, known: &mut BTreeSet<u32>) {
    let now: BTreeSet<u32> = status.services.iter().filter_map(|service| service.pid).collect();
    if now != *known {
        processes.write(now.iter().copied());
        *known = now;
    }
}

/// Moves the platform's phase on.
fn advance(platform: &Platform, status: &PlatformStatus, progress: &mut Progress) {
    let ready = status.services.iter().all(|service| service.background || service.state.is_up());
    let all_up = ready && !status.services.iter().any(ServiceStatus::is_down);
    let next = match (status.phase, if status.phase == Phase::Starting { ready } else { all_up }) {
        (Phase::Starting, false) => Phase::Starting,
        (_, true) => Phase::Ready,
        (_, false) => Phase::Degraded,
    };
    if next == status.phase {
        return;
    }
    if status.phase == Phase::Starting {
        progress.ready(status);
    }
    tracing::info!(phase = ?next, address = platform.address, "platform");
    platform.phase.send_replace(next);
}

/// Stops services one after another, last started first. A second signal kills what still runs.
async fn stop_services(
    platform: &Platform,
    tasks: Vec<JoinHandle<()>>,
    progress: &mut Progress,
    signals: &mut Signals,
    recorder: &Recorder,
) {
    let mut impatient = false;
    for (handle, task) in platform.handles.iter().zip(tasks).rev() {
        if handle.name == "postgres" && handle.status.borrow().state == State::Healthy {
            recorder.settle(Duration::from_secs(1)).await;
        }
        // An error means that the service's task has ended, which is what is wanted.
        let _ = handle.commands.send(Command::Stop).await;
        let mut task = std::pin::pin!(task);
        loop {
            tokio::select! {
                _ = &mut task => break,
                () = tokio::time::sleep(TICK) => progress.show(&platform.status()),
                () = signals.any(), if !impatient => {
                    impatient = true;
                    progress.say("killing what still runs");
                }
            }
            if impatient && let Some(pid) = handle.status.borrow().pid {
                let _ = crate::sys::kill(-pid.cast_signed(), libc::SIGKILL);
            }
        }
        progress.show(&platform.status());
    }
}

/// The signals that ask the supervisor to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(Error::doing("listening for signals"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
