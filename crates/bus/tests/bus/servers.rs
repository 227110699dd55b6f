//! Servers with accounts: a production server, and an environment's.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kt_bus::server::{Environment, ServerConfig, Upstream};
use kt_bus::{BusConfig, Credentials, Secret, permissions};

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

pub struct Server {
    pub config: ServerConfig,
    directory: tempfile::TempDir,
    binary: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// A server that is not started; `None`, with a loud line, where the engine is not installed.
    pub fn new(name: &str) -> Option<Self> {
        let engines =
            std::env::var_os("KT_ENGINES").map_or_else(|| "/var/lib/kubetrader/engines".into(), PathBuf::from);
        let binary = engines.join("bin/nats-server");
        if !binary.exists() {
            println!("SKIP: no nats-server at {}; set KT_ENGINES", binary.display());
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let config = ServerConfig {
            name: name.to_owned(),
            domain: name.to_uppercase(),
            listen: free(),
            monitor: free(),
            leaf_listen: free(),
            store: directory.path().join("js"),
            max_file: 20 << 30,
            max_memory: 1 << 26,
            users: permissions::USERS
                .iter()
                .map(|user| ((*user).to_owned(), Secret(format!("{user}-{name}"))))
                .collect(),
            environments: Vec::new(),
            upstream: None,
        };
        Some(Self { config, directory, binary, child: None })
    }

    /// Lets an environment in.
    pub fn offer(&mut self, environment: &str, selection: &str) {
        let selection = kt_bus::Selection::parse(selection).unwrap();
        let password = Secret(format!("leaf-{environment}"));
        self.config.environments.push(Environment { name: environment.to_owned(), password, selection });
    }

    /// Makes this server an environment of another.
    pub fn connect_to(&mut self, other: &Self, environment: &str) {
        self.config.upstream = Some(Upstream {
            address: other.config.leaf_listen,
            environment: environment.to_owned(),
            password: Secret(format!("leaf-{environment}")),
        });
    }

    fn write(&self) -> PathBuf {
        let file = self.directory.path().join("nats.conf");
        std::fs::write(&file, self.config.to_text()).unwrap();
        file
    }

    pub fn start(&mut self) {
        let file = self.write();
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(file).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.config.listen).is_err() {
            assert!(Instant::now() < end, "the server does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Writes the configuration again and has the server read it.
    pub fn reload(&self) {
        self.write();
        self.signal("HUP");
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// How a user connects.
    pub fn user(&self, user: &str) -> BusConfig {
        self.user_with(user, &format!("{user}-{}", self.config.name))
    }

    pub fn user_with(&self, user: &str, password: &str) -> BusConfig {
        let credentials = Credentials::UserPassword { user: user.to_owned(), password: Secret(password.to_owned()) };
        let local = BusConfig::local(self.config.listen.port(), user);
        BusConfig { credentials, connect_within: Duration::from_secs(2), ..local }
    }

    /// The general client as a user, for what the bus itself would never do.
    pub async fn client(&self, user: &str) -> async_nats::Client {
        let password = format!("{user}-{}", self.config.name);
        async_nats::ConnectOptions::new()
            .user_and_password(user.to_owned(), password)
            .custom_inbox_prefix(permissions::inbox(user))
            .connect(self.config.listen.to_string())
            .await
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
