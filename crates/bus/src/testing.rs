//! A real `nats-server` for tests: on a free port of the loopback interface, in a temporary directory,
//! ended when dropped. Only with the feature `testing`.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::BusConfig;

/// A running server.
pub struct NatsServer {
    binary: PathBuf,
    directory: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts a server with JetStream; `None`, with a loud line, where the engine is not installed.
    ///
    /// # Panics
    /// When the server is there but does not come up.
    #[must_use]
    pub fn start() -> Option<Self> {
        let engines =
            std::env::var_os("KT_ENGINES").map_or_else(|| "/var/lib/kubetrader/engines".into(), PathBuf::from);
        let binary = engines.join("bin/nats-server");
        if !binary.exists() {
            println!("SKIP: no nats-server at {}; set KT_ENGINES", binary.display());
            return None;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut server = Self { binary, directory, port, child: None };
        server.restart();
        Some(server)
    }

    /// Where to connect.
    #[must_use]
    pub fn config(&self, name: &str) -> BusConfig {
        BusConfig::local(self.port, name)
    }

    /// Process id of the server.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends the server without warning, as `kill -9` does.
    ///
    /// # Panics
    /// When the process cannot be ended.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be ended");
            child.wait().expect("the server has ended");
        }
    }

    /// Removes all that JetStream stored; only while the server is down.
    ///
    /// # Panics
    /// When the server runs or the files cannot be removed.
    pub fn erase(&mut self) {
        assert!(self.child.is_none(), "the server still runs");
        std::fs::remove_dir_all(self.directory.path().join("js")).expect("the store can be removed");
    }

    /// Starts the server again with the same port and store.
    ///
    /// # Panics
    /// When it does not answer within 10 s.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(&self.binary);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"]);
        command.arg(self.directory.path().join("js")).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("nats-server starts"));
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Instant::now() < end, "nats-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}
