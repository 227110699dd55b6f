//! Starts the real warehouse: this very binary, run again with a configuration in its environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kt_warehouse::{Client, SandboxMode, UserConfig, WarehouseConfig};
use serde::{Deserialize, Serialize};

const MARKER: &str = "KT_TEST_WAREHOUSE";

/// What a test chooses about its warehouse.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup {
    pub data: PathBuf,
    pub library: PathBuf,
    pub port: u16,
    pub users: Vec<UserConfig>,
    /// Whether there is an address for research.
    pub research: bool,
    pub workers: usize,
    pub sandbox: SandboxMode,
    pub idle_seconds: u64,
}

/// Runs the warehouse when this process was started for it; returns its exit code.
pub fn serve_if_asked() -> Option<i32> {
    let text = std::env::var(MARKER).ok()?;
    let setup: Setup = serde_json::from_str(&text).unwrap();
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let mut config = WarehouseConfig::new(SocketAddr::from(([127, 0, 0, 1], setup.port)), setup.data, setup.library);
    config.run_as = Some("nobody".to_owned());
    config.users = setup.users;
    config.research_listen = setup.research.then(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    config.workers = setup.workers;
    config.sandbox = setup.sandbox;
    config.idle_timeout = Duration::from_secs(setup.idle_seconds);
    config.stop_timeout = Duration::from_secs(3);
    match kt_warehouse::serve(config) {
        Ok(()) => Some(0),
        Err(error) => {
            eprintln!("error: {error}");
            Some(1)
        }
    }
}

/// The engine's library, if this machine has it.
pub fn library() -> Option<PathBuf> {
    let engines =
        std::env::var_os("KT_ENGINES").map_or_else(|| PathBuf::from("/var/lib/kubetrader/engines"), PathBuf::from);
    let path = engines.join("lib/libchdb.so");
    path.exists().then_some(path)
}

/// A temporary directory that the unprivileged user can reach.
pub fn directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

impl Setup {
    pub fn new(directory: &Path) -> Self {
        Self {
            data: directory.join("warehouse"),
            library: library().unwrap(),
            port: 0,
            users: Vec::new(),
            research: false,
            workers: 8,
            sandbox: SandboxMode::Required,
            idle_seconds: 10,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(MARKER, serde_json::to_string(self).unwrap())
            .env("SECRET_OF_THE_TEST", "do-not-leak")
            .stdin(Stdio::null());
        command
    }

    /// Starts and waits until it answers.
    pub fn start(&self) -> Warehouse {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let mut child = self.command().stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let lock = self.data.join("warehouse.lock");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let text = std::fs::read_to_string(&lock).unwrap_or_default();
            let mut lines = text.lines();
            if lines.next() == Some(child.id().to_string().as_str())
                && let Some(address) = lines.next()
            {
                let research = lines.next().map(|address| format!("http://{address}"));
                return Warehouse { child, url: format!("http://{address}"), research, setup: self.clone() };
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no warehouse: {ended:?}\n{}", self.read_log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts what must fail, and returns what it said.
    pub fn start_failing(&self) -> String {
        let output = self.command().output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.lines().rfind(|line| line.starts_with("error: ")).unwrap_or(&text).to_owned()
    }

    fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    pub fn read_log(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

/// A running warehouse; killed when dropped.
pub struct Warehouse {
    child: Child,
    pub url: String,
    /// The address for research.
    pub research: Option<String>,
    pub setup: Setup,
}

impl Warehouse {
    pub fn client(&self) -> Client {
        Client::new(&self.url).unwrap()
    }

    /// A client of the address for research.
    pub fn research_client(&self, name: &str, password: &str) -> Client {
        Client::new(self.research.as_ref().unwrap()).unwrap().with_user(name, password)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory now, in MiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Ends it as a power cut would end the process.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as the supervisor does; returns exit code and seconds.
    pub fn stop(mut self) -> (Option<i32>, f64) {
        let started = Instant::now();
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let deadline = started + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), started.elapsed().as_secs_f64());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        (None, started.elapsed().as_secs_f64())
    }
}

impl Drop for Warehouse {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
