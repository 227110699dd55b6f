//! The control socket: one JSON request per line, one JSON answer per line.

use std::io::{BufRead, BufReader as BlockingReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::error::Error;
use crate::supervisor::Platform;
use crate::supervisor::service::Command;
use crate::supervisor::status::PlatformStatus;

/// Longest request that is read.
const LONGEST_REQUEST: u64 = 4096;

/// What can be asked of a supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// The state of all services; `memory` costs a look into each process.
    Status { memory: bool },
    /// Stop everything.
    Down,
    /// Stop and start one service.
    Restart { service: String },
    /// Send a signal to one service's process: for tests of what happens then.
    Kill { service: String, signal: i32 },
}

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    /// To [`Request::Status`].
    Status(PlatformStatus),
    /// Done, or begun.
    Done,
    /// Not done, and why.
    Refused { reason: String },
}

/// The listening socket; its file disappears with [`Control::end`].
pub(crate) struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Control {
    pub(crate) fn end(self) {
        self.task.abort();
        // Whether it is still there does not matter: the next start replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens in the data directory, for this user alone.
pub(crate) fn serve(config: &Config, platform: Arc<Platform>) -> Result<Control, Error> {
    let path = config.run_file("control.sock");
    // The lock is ours, so a file that is there belongs to a supervisor that is gone.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(|error| {
        Error::failed(format!(
            "cannot listen on {}: {error}; a data directory with a shorter path may help",
            path.display()
        ))
    })?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(Error::doing(path.display()))?;
    let task = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(converse(stream, Arc::clone(&platform)))),
                Err(error) => {
                    tracing::warn!(%error, "control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    Ok(Control { path, task })
}

async fn converse(stream: UnixStream, platform: Arc<Platform>) {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reading.take(LONGEST_REQUEST));
    if reader.read_line(&mut line).await.is_err() {
        return;
    }
    let answer = match serde_json::from_str(&line) {
        Ok(request) => answer(request, &platform).await,
        Err(error) => Answer::Refused { reason: format!("not a request: {error}") },
    };
    let mut text = serde_json::to_string(&answer).unwrap_or_default();
    text.push('\n');
    // Whoever asked may have gone.
    let _ = writing.write_all(text.as_bytes()).await;
}

async fn answer(request: Request, platform: &Platform) -> Answer {
    match request {
        Request::Status { memory } => {
            let mut status = platform.status();
            if memory {
                status = tokio::task::spawn_blocking(move || with_memory(status))
                    .await
                    .unwrap_or_else(|_| platform.status());
            }
            Answer::Status(status)
        }
        Request::Down => match platform.stop.try_send(()) {
            // A full queue means that a stop is already on its way.
            Ok(()) | Err(_) => Answer::Done,
        },
        Request::Restart { service } => match platform.handles.iter().find(|handle| handle.name == service) {
            None => Answer::Refused { reason: unknown(&service, platform) },
            Some(handle) => match handle.commands.try_send(Command::Restart) {
                Ok(()) => Answer::Done,
                Err(error) => Answer::Refused { reason: format!("{service} is busy: {error}") },
            },
        },
        Request::Kill { service, signal } => match platform.handles.iter().find(|handle| handle.name == service) {
            None => Answer::Refused { reason: unknown(&service, platform) },
            Some(handle) => match handle.status.borrow().pid {
                None => Answer::Refused { reason: format!("{service} has no process now") },
                Some(pid) => match crate::sys::kill(pid.cast_signed(), signal) {
                    Ok(()) => Answer::Done,
                    Err(error) => Answer::Refused { reason: format!("signal {signal} to {service}: {error}") },
                },
            },
        },
    }
}

fn unknown(service: &str, platform: &Platform) -> String {
    let names: Vec<_> = platform.handles.iter().map(|handle| handle.name).collect();
    format!("there is no service {service:?}; the services are {}", names.join(", "))
}

fn with_memory(mut status: PlatformStatus) -> PlatformStatus {
    for service in &mut status.services {
        service.memory_bytes = service.pid.and_then(crate::process::memory);
    }
    status
}

/// Asks the supervisor of a data directory.
///
/// # Errors
/// When nobody answers there, or the supervisor refuses.
pub(crate) fn ask(config: &Config, request: &Request) -> Result<Answer, Error> {
    let path = config.run_file("control.sock");
    let stream = BlockingStream::connect(&path).map_err(|error| {
        let directory = config.platform.data_dir.display();
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                Error::failed(format!("no platform runs on {directory}; start it with `kt up`"))
            }
            _ => Error::failed(format!("cannot reach the supervisor at {}: {error}", path.display())),
        }
    })?;
    let failed = || Error::doing("talking to the supervisor");
    let not_json = || Error::doing("talking to the supervisor");
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(failed())?;
    let mut text = serde_json::to_string(request).map_err(not_json())?;
    text.push('\n');
    (&stream).write_all(text.as_bytes()).map_err(failed())?;
    let mut line = String::new();
    BlockingReader::new(&stream).read_line(&mut line).map_err(failed())?;
    match serde_json::from_str(&line).map_err(not_json())? {
        Answer::Refused { reason } => Err(Error::failed(reason)),
        answer => Ok(answer),
    }
}

/// The state of the platform that runs on a data directory.
///
/// # Errors
/// As [`ask`].
pub(crate) fn status(config: &Config, memory: bool) -> Result<PlatformStatus, Error> {
    match ask(config, &Request::Status { memory })? {
        Answer::Status(status) => Ok(status),
        other => Err(Error::failed(format!("the supervisor answered {other:?} instead of its status"))),
    }
}
