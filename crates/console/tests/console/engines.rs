//! The real engines, started here on free ports and ended with the test.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kt_migrate::{MigrationSet, Migrator, Options};
use kt_warehouse::ClickHouseTarget;
use kt_warehouse::{Client, SandboxMode, WarehouseConfig};

/// Set in the process that is to become the warehouse: its data directory and port.
const MARKER: &str = "KT_TEST_CONSOLE_WAREHOUSE";

/// Becomes the warehouse when this process was started for it; returns its exit code.
pub fn warehouse_if_asked() -> Option<i32> {
    let text = std::env::var(MARKER).ok()?;
    let (port, data) = text.split_once(' ').expect("port and directory");
    let listen = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
    let library = engines()?.join("lib/libchdb.so");
    let mut config = WarehouseConfig::new(listen, data.into(), library);
    config.run_as = Some("nobody".to_owned());
    config.sandbox = SandboxMode::BestEffort;
    config.stop_timeout = Duration::from_secs(2);
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Some(match kt_warehouse::serve(config) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    })
}

/// Where the engines are, if this machine has them.
pub fn engines() -> Option<PathBuf> {
    let default = || PathBuf::from("/var/lib/kubetrader/engines");
    let path = std::env::var_os("KT_ENGINES").map_or_else(default, PathBuf::from);
    (path.join("lib/libchdb.so").exists() && path.join("bin/nats-server").exists()).then_some(path)
}

/// A process that ends with this value.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port()
}

/// Messaging and warehouse, migrated and empty.
pub struct Engines {
    pub nats_port: u16,
    pub warehouse_port: u16,
    pub client: Client,
    pub directory: tempfile::TempDir,
    nats: Option<Process>,
    warehouse: Option<Process>,
}

impl Engines {
    pub async fn start() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a temporary directory");
        // The engine's unprivileged user has to reach its data.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
        let (nats_port, warehouse_port) = (free_port(), free_port());
        let client = Client::new(&format!("http://127.0.0.1:{warehouse_port}")).expect("an address");
        let mut started = Self { nats_port, warehouse_port, client, directory, nats: None, warehouse: None };
        started.start_nats();
        started.start_warehouse();
        started.migrate().await;
        started
    }

    pub fn start_nats(&mut self) {
        let path = engines().expect("engines").join("bin/nats-server");
        let store = self.directory.path().join("nats");
        let mut command = Command::new(path);
        command.args(["-a", "127.0.0.1", "-js", "-p", &self.nats_port.to_string()]).arg("-sd").arg(store);
        self.nats = Some(spawn(command, &self.directory.path().join("nats.log")));
    }

    pub fn stop_nats(&mut self) {
        self.nats = None;
    }

    pub fn start_warehouse(&mut self) {
        let data = self.directory.path().join("warehouse");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(MARKER, format!("{} {}", self.warehouse_port, data.display()));
        self.warehouse = Some(spawn(command, &self.directory.path().join("warehouse.log")));
    }

    pub fn stop_warehouse(&mut self) {
        self.warehouse = None;
    }

    pub async fn until_warehouse_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.client.execute("SELECT 1", &kt_warehouse::client::Options::new()).await.is_err() {
            let log = std::fs::read_to_string(self.directory.path().join("warehouse.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "no warehouse:\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn migrate(&self) {
        self.until_warehouse_answers().await;
        let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql/clickhouse");
        let set = MigrationSet::from_directory(&sql, &std::collections::BTreeMap::new()).expect("migrations");
        let mut target = ClickHouseTarget::new(self.client.clone(), "test");
        Migrator::new(&mut target, &set, Options::default()).apply().await.expect("migrated");
    }
}

fn spawn(mut command: Command, log: &Path) -> Process {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
    let streams = (log.try_clone().expect("a second handle"), log);
    let child = command.stdin(Stdio::null()).stdout(streams.0).stderr(streams.1).spawn();
    Process(child.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program())))
}
