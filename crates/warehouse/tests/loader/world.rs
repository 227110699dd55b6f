//! A messaging server, a warehouse with its tables and a loader, each a process of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kt_bus::testing::NatsServer;
use kt_bus::{Bus, BusConfig, Credentials};
use kt_migrate::{MigrationSet, Migrator, Options as MigrateOptions};
use kt_warehouse::client::Options;
use kt_warehouse::loader::{LoaderConfig, run};
use kt_warehouse::marts::MartsConfig;
use kt_warehouse::{ClickHouseTarget, Client};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::harness::{Setup, Warehouse};

const MARKER: &str = "KT_TEST_LOADER";

#[derive(Serialize, Deserialize)]
struct LoaderSetup {
    nats: String,
    warehouse: String,
    marts: bool,
}

/// Runs the loader when this process was started for it; returns its exit code.
pub fn load_if_asked() -> Option<i32> {
    let setup: LoaderSetup = serde_json::from_str(&std::env::var(MARKER).ok()?).unwrap();
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let bus = BusConfig {
        url: setup.nats,
        name: "loader".to_owned(),
        credentials: Credentials::None,
        connect_within: Duration::from_secs(20),
        reconnect_pause: Duration::from_millis(200),
    };
    let mut config = LoaderConfig::new(bus, &setup.warehouse, "127.0.0.1:0".parse().unwrap());
    config.marts = setup.marts.then(|| MartsConfig { pause: Duration::from_millis(100), ..MartsConfig::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let shutdown = async {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal handler");
        terminate.recv().await;
    };
    match runtime.block_on(run(config, shutdown)) {
        Ok(()) => Some(0),
        Err(error) => {
            eprintln!("error: {error}");
            Some(1)
        }
    }
}

/// A running loader; killed when dropped.
pub struct Loader(Child);

impl Loader {
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Ends it as the supervisor does.
    pub fn stop(mut self) -> Option<i32> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    #[allow(dead_code)] // the bench asks
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All of it.
pub struct World {
    pub nats: NatsServer,
    pub setup: Setup,
    pub warehouse: Option<Warehouse>,
    pub client: Client,
    pub directory: tempfile::TempDir,
}

impl World {
    pub async fn start() -> Self {
        let nats = NatsServer::start().expect("nats-server, as the tests need it");
        let directory = crate::harness::directory();
        let mut setup = Setup::new(directory.path());
        let warehouse = setup.start();
        // The next start listens where this one did, so that a loader finds it again.
        setup.port = warehouse.url.rsplit_once(':').unwrap().1.parse().unwrap();
        let client = warehouse.client();
        migrate(&client).await;
        Self { nats, setup, warehouse: Some(warehouse), client, directory }
    }

    pub async fn bus(&self) -> Bus {
        let bus = Bus::connect(&self.nats.config("test")).await.unwrap();
        bus.ensure_log(&kt_bus::LogConfig::default()).await.unwrap();
        bus
    }

    pub fn loader(&self, marts: bool) -> Loader {
        let setup = LoaderSetup { nats: self.nats.config("loader").url, warehouse: self.url(), marts };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .env(MARKER, serde_json::to_string(&setup).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Loader(child.unwrap())
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.setup.port)
    }

    fn log(&self) -> std::path::PathBuf {
        self.directory.path().join("loader.log")
    }

    pub fn loader_log(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub fn kill_warehouse(&mut self) {
        self.warehouse.take().unwrap().kill();
    }

    pub fn start_warehouse(&mut self) {
        self.warehouse = Some(self.setup.start());
    }

    /// The one value of a query.
    pub async fn value<T: DeserializeOwned>(&self, expression: &str) -> T {
        #[derive(Deserialize)]
        struct Value<T> {
            value: T,
        }
        let sql = format!("SELECT ({expression}) AS value");
        self.client.query_row::<Value<T>>(&sql, &Options::new()).await.unwrap().unwrap().value
    }

    /// Waits until the expression has the value.
    pub async fn wait_for<T: DeserializeOwned + PartialEq + std::fmt::Debug>(&self, expression: &str, wanted: T) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let value: T = self.value(expression).await;
            if value == wanted {
                return;
            }
            let log = self.loader_log();
            let waits = Instant::now() < deadline && !log.contains("error: loader");
            assert!(waits, "{expression} is {value:?}, not {wanted:?}\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn execute(&self, sql: &str) {
        self.client.execute(sql, &Options::new()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Applies the repository's migrations.
pub async fn migrate(client: &Client) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql/clickhouse");
    let set = MigrationSet::from_directory(&directory, &BTreeMap::new()).unwrap();
    let mut target = ClickHouseTarget::new(client.clone(), "test");
    Migrator::new(&mut target, &set, MigrateOptions::default()).apply().await.unwrap();
}
