//! Starting kernels with their users' rights, and ending them so that nothing is left.

mod cgroup;
mod homes;
mod process;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines, Take};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, watch};

use crate::attach::{Ask, Hello, Told, line};
use crate::audit::Entry;
use crate::config::ResearchConfig;
use crate::error::Error;
use crate::kernels::Kernel;
use crate::service::Shared;
use crate::size::Size;
use crate::spawn::Spawner;
use cgroup::{Controller, Hierarchy};
use homes::Homes;
use process::Process;

/// The largest first line: a connection file is half a kilobyte.
const LARGEST_HELLO: u64 = 64 << 10;
/// All signals of a kernel's life together: some ten thousand.
const MOST_ASKED: u64 = 1 << 20;
/// How long what attaches may take to say its first line.
const HELLO: Duration = Duration::from_secs(10);
/// How long a kernel's former process may take to be gone when it is started again.
const FORMER: Duration = Duration::from_secs(15);

/// Everything that kernels' processes need.
pub(crate) struct Launcher {
    config: Arc<ResearchConfig>,
    spawner: Spawner,
    hierarchy: Hierarchy,
    homes: Homes,
    /// The running processes: what ends one is `true` sent to it, and its entry goes when all of it is gone.
    running: Mutex<BTreeMap<String, watch::Sender<bool>>>,
    /// Users' running kernels: credentials come with the first and go with the last.
    users: Mutex<BTreeMap<String, BTreeMap<String, Size>>>,
}

impl Launcher {
    /// Makes folders, finds out what can be limited, and removes what an earlier run left.
    pub(crate) async fn new(config: Arc<ResearchConfig>, spawner: Spawner) -> Result<Self, Error> {
        let homes = Homes::new(&config)?;
        let digest = Sha256::digest(config.directory.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let hierarchy = Hierarchy::detect(&format!("kubetrader-{name}"));
        for group in hierarchy.leftovers() {
            tracing::warn!(members = ?group.members(), "ending what an earlier run left");
            group.destroy().await;
        }
        homes.clean();
        config.credentials.withdraw_all().map_err(Error::Kernel)?;
        Ok(Self { config, spawner, hierarchy, homes, running: Mutex::default(), users: Mutex::default() })
    }

    /// By what each limit is kept here.
    pub(crate) fn enforcement(&self) -> [(&'static str, &'static str); 4] {
        let by = |controller, otherwise| self.hierarchy.by(controller).unwrap_or(otherwise);
        let private = self.config.first_uid.is_some();
        [
            ("memory", by(Controller::Memory, "rlimit")),
            ("cpu", by(Controller::Cpu, "nothing")),
            ("processes", by(Controller::Pids, if private { "rlimit" } else { "nothing" })),
            ("user", if private { "uid" } else { "nothing" }),
        ]
    }

    /// Listens where only the gateway's user can come.
    pub(crate) fn listen(&self) -> Result<UnixListener, Error> {
        let socket = socket_in(&self.config.directory);
        let folder = socket.parent().unwrap_or(&socket);
        ResearchConfig::make(folder, 0o700, self.config.gateway_account)?;
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).map_err(Error::file(&socket))?;
        if let Some(account) = self.config.gateway_account {
            let owned = std::os::unix::fs::chown(&socket, Some(account.uid), Some(account.gid));
            owned.map_err(Error::file(&socket))?;
        }
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&socket, private).map_err(Error::file(&socket))?;
        Ok(listener)
    }

    /// Ends a kernel's process, if it runs, and waits until nothing of it is left.
    pub(crate) async fn finish(&self, kernel: &str) {
        let running = self.running.lock().await.get(kernel).cloned();
        if let Some(running) = running {
            running.send_replace(true);
            running.closed().await;
        }
    }

    /// Removes what belongs to the service as a whole, once every kernel has ended.
    pub(crate) fn close(&self) {
        self.hierarchy.remove();
        let _ = std::fs::remove_file(socket_in(&self.config.directory));
    }

    /// The credentials of a user who now runs this kernel too.
    async fn take_credentials(&self, kernel: &Kernel) -> Result<String, Error> {
        let mut users = self.users.lock().await;
        let own = users.entry(kernel.user.clone()).or_default();
        own.insert(kernel.id.clone(), kernel.size);
        let largest = own.values().copied().max().unwrap_or(kernel.size);
        self.config.credentials.issue(&kernel.user, largest).map_err(Error::Kernel)
    }

    /// Takes them back with the last kernel.
    async fn give_credentials_back(&self, kernel: &Kernel) {
        let mut users = self.users.lock().await;
        let Some(own) = users.get_mut(&kernel.user) else { return };
        own.remove(&kernel.id);
        let outcome = match own.values().copied().max() {
            Some(largest) => self.config.credentials.issue(&kernel.user, largest).map(drop),
            None => {
                users.remove(&kernel.user);
                self.homes.remove_credentials(&kernel.user);
                self.config.credentials.withdraw(&kernel.user)
            }
        };
        if let Err(error) = outcome {
            tracing::error!(%error, user = kernel.user, "credentials stay as they were");
        }
    }
}

/// Where the launcher listens, below the directory of the research service.
#[must_use]
pub fn socket_in(directory: &Path) -> PathBuf {
    directory.join("launch").join("socket")
}

/// Answers what the gateway starts, until the service ends.
pub(crate) async fn serve(shared: Arc<Shared>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { converse(&shared, stream).await });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept what the gateway started");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One launch from its first line to its end.
async fn converse(shared: &Shared, stream: UnixStream) {
    let begun = Instant::now();
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader.take(LARGEST_HELLO)).lines();
    let kernel = match tokio::time::timeout(HELLO, lines.next_line()).await {
        Ok(Ok(Some(text))) => known(shared, &text),
        _ => Err("no first line".to_owned()),
    };
    let (kernel, hello) = match kernel {
        Ok(found) => found,
        Err(reason) => {
            refuse(shared, None, &mut writer, &reason).await;
            return;
        }
    };
    let Some(mut told) = enter_running(&shared.launcher, &kernel.id).await else {
        refuse(shared, Some(&kernel), &mut writer, "its former process is still there").await;
        return;
    };
    match start(shared, &kernel, hello).await {
        Ok(process) => {
            shared.metrics.launched(kernel.size, begun.elapsed());
            audit(shared, &kernel, "launch", "allowed", "", process.confined());
            let _ = writer.write_all(&line(&Told::Started)).await;
            lines.get_mut().get_mut().set_limit(MOST_ASKED);
            let (code, cause) = live(process, lines, &mut told, shared, &kernel).await;
            shared.metrics.ended(kernel.size, cause);
            audit(shared, &kernel, "ended", "allowed", cause, "");
            let _ = writer.write_all(&line(&Told::Ended(code))).await;
        }
        Err(error) => refuse(shared, Some(&kernel), &mut writer, &error.to_string()).await,
    }
    shared.launcher.homes.remove_run(&kernel.id);
    shared.launcher.give_credentials_back(&kernel).await;
    // Last: whoever waits for the end sees nothing left. The receiver goes with this function.
    shared.launcher.running.lock().await.remove(&kernel.id);
}

/// The kernel that a first line is the ticket of.
fn known(shared: &Shared, text: &str) -> Result<(Kernel, Hello), String> {
    let hello: Hello = serde_json::from_str(text).map_err(|error| format!("the first line makes no sense: {error}"))?;
    let kernel = shared.kernels.of_ticket(&hello.ticket).ok_or("there is no kernel for this ticket")?;
    match kernel.ending {
        Some(cause) => Err(format!("the kernel is being ended: {cause}")),
        None => Ok((kernel, hello)),
    }
}

async fn refuse(shared: &Shared, kernel: Option<&Kernel>, writer: &mut OwnedWriteHalf, reason: &str) {
    tracing::warn!(kernel = kernel.map(|kernel| &kernel.id), reason, "a kernel is not started");
    shared.metrics.refused("launch");
    shared.audit.write(&Entry {
        what: "launch",
        verdict: "refused",
        user: kernel.map_or("", |kernel| &kernel.user),
        kernel: kernel.map_or("", |kernel| &kernel.id),
        cause: "launch",
        detail: reason,
        ..Entry::default()
    });
    let _ = writer.write_all(&line(&Told::Refused(reason.to_owned()))).await;
}

fn audit(shared: &Shared, kernel: &Kernel, what: &str, verdict: &str, cause: &str, detail: &str) {
    shared.audit.write(&Entry {
        what,
        verdict,
        user: &kernel.user,
        kernel: &kernel.id,
        size: Some(kernel.size),
        cause,
        detail,
        ..Entry::default()
    });
}

/// Takes the kernel's one place among the running, waiting for a former process to leave it.
async fn enter_running(launcher: &Launcher, id: &str) -> Option<watch::Receiver<bool>> {
    let deadline = tokio::time::Instant::now() + FORMER;
    loop {
        let mut running = launcher.running.lock().await;
        if !running.contains_key(id) {
            let (sender, receiver) = watch::channel(false);
            running.insert(id.to_owned(), sender);
            return Some(receiver);
        }
        drop(running);
        if tokio::time::Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn start(shared: &Shared, kernel: &Kernel, hello: Hello) -> Result<Process, Error> {
    let launcher = &shared.launcher;
    let account = launcher.homes.account(&kernel.user, launcher.config.commands.as_ref())?;
    let home = launcher.homes.home(&kernel.user, account)?;
    let run = launcher.homes.run(&kernel.id, account)?;
    let credentials = launcher.take_credentials(kernel).await?;
    let spec = process::spec(&launcher.config, kernel, home, run, credentials, hello.connection)?;
    Process::start(&launcher.config, &launcher.spawner, &launcher.hierarchy, kernel, account, spec).await
}

/// Lives with the process until it ends by itself or is ended; answers its exit code and why it ended.
async fn live(
    mut process: Process,
    mut asked: Lines<BufReader<Take<OwnedReadHalf>>>,
    told: &mut watch::Receiver<bool>,
    shared: &Shared,
    kernel: &Kernel,
) -> (i32, &'static str) {
    let code = loop {
        tokio::select! {
            code = process.wait() => break code,
            _ = told.wait_for(|end| *end) => break -9,
            ask = asked.next_line() => match ask.ok().flatten().map(|text| serde_json::from_str(&text)) {
                Some(Ok(Ask::Signal(signal))) => process.signal(signal),
                Some(Err(error)) => tracing::warn!(%error, "the gateway's words make no sense"),
                // What stood in for the kernel was killed: so is the kernel.
                None => break -9,
            },
        }
    };
    let out_of_memory = process.end().await;
    let current = shared.kernels.all().into_iter().find(|known| known.id == kernel.id);
    let ending = current.and_then(|known| known.ending);
    let cause = if out_of_memory && ending.is_none() { "memory" } else { ending.unwrap_or("exited") };
    (code, cause)
}
