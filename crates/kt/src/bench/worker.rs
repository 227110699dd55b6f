//! Processes that the benchmark starts: engines, services, and its own roles. All end with it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::usage;
use crate::error::Error;
use crate::supervisor::spec::nats_threads;

/// How long a process may take to come up or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child process. Ends when dropped, and when the benchmark is killed.
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command; its error output goes to this process's own.
    pub(super) fn start(mut command: Command) -> Result<Self, Error> {
        crate::sys::die_with_parent(&mut command, libc::SIGKILL);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(Error::doing(format!("starting {name}")))?;
        Ok(Self { child })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far.
    pub(super) fn cpu(&self) -> Duration {
        usage::of_process(self.pid())
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Asks it to stop, and waits.
    pub(super) fn stop(mut self) -> Result<(), Error> {
        let pid = i32::try_from(self.pid()).map_err(Error::doing("a process id"))?;
        crate::sys::kill(pid, libc::SIGTERM).map_err(Error::doing(format!("stopping process {pid}")))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait().map_err(Error::doing(format!("waiting for process {pid}")))?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(Error::failed(format!("process {pid} does not stop")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A real `nats-server` with JetStream, on a free port.
pub(super) struct Nats {
    pub(super) process: Process,
    pub(super) port: u16,
}

impl Nats {
    /// Starts it with its store below `folder`.
    pub(super) fn start(binary: &Path, folder: &Path) -> Result<Self, Error> {
        let port = free_port()?;
        let mut command = Command::new(binary);
        let (name, value) = nats_threads();
        command.env(name, value);
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(folder.join("jetstream"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(command)?;
        wait_for_port(port, "nats-server")?;
        Ok(Self { process, port })
    }
}

/// A port that nobody listens on now.
pub(super) fn free_port() -> Result<u16, Error> {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    taken.map(|address| address.port()).map_err(Error::doing("looking for a free port"))
}

/// Waits until something listens.
pub(super) fn wait_for_port(port: u16, name: &str) -> Result<(), Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(Error::failed(format!("{name} does not answer on port {port}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// This binary in a role of the benchmark: says a line when it is ready, and one with its result.
pub(super) struct Worker {
    pub(super) process: Process,
    said: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts a role and waits until it is ready; answers what it said then.
    pub(super) fn start<T: DeserializeOwned>(role: &impl Serialize) -> Result<(Self, T), Error> {
        let role = serde_json::to_string(role).map_err(Error::doing("describing a role"))?;
        let program = std::env::current_exe().map_err(Error::doing("finding the kt binary"))?;
        let mut command = Command::new(program);
        command.args(["bench", "--role", &role]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(command)?;
        let output = process.child.stdout.take().ok_or_else(|| Error::failed("a role without output"))?;
        let mut worker = Self { process, said: BufReader::new(output) };
        let ready = worker.hear()?;
        Ok((worker, ready))
    }

    /// The next line that it says.
    pub(super) fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let mut line = String::new();
        self.said.read_line(&mut line).map_err(Error::doing("listening to a role"))?;
        if line.is_empty() {
            return Err(Error::failed("a part of the benchmark ended early; what it said stands above"));
        }
        serde_json::from_str(&line).map_err(Error::doing(format!("understanding {line:?}")))
    }

    /// Tells it that no more is to come, and answers its result.
    pub(super) fn finish<T: DeserializeOwned>(mut self) -> Result<T, Error> {
        drop(self.process.child.stdin.take());
        self.hear()
    }
}

/// What a role says: one line.
pub(super) fn say(value: &impl Serialize) -> Result<(), Error> {
    use std::io::Write as _;
    let text = serde_json::to_string(value).map_err(Error::doing("writing a result"))?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}").and_then(|()| output.flush()).map_err(Error::doing("writing a result"))
}

/// Completes when the benchmark wants the role's result, or is gone.
pub(super) fn asked_to_finish() -> impl Future<Output = ()> {
    let (closed, heard) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: the runtime would wait for a blocking read when it ends for another reason.
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        let _ = closed.send(());
    });
    async move {
        // Either way there is no more to wait for.
        let _ = heard.await;
    }
}
