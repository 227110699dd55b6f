//! Production's and the test VPC's NATS as real servers: market data goes one way, nothing comes back.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kt_deploy_check::nats;
use serde_json::{Value, json};

use crate::engines::nats_server;
use crate::support::{root, skip};

/// A server with its rendered configuration on ports of its own. Dropping it ends it.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Starts an environment's server alone: without its cluster's other servers, on loopback.
fn start(program: &Path, folder: &Path, environment: &str, leaf_port: u16, changes: Value) -> Server {
    let mut values = nats::values(&root().join("deploy"), environment).expect("values");
    nats::merge(&mut values, changes);
    let port = free_port();
    let ports = json!({"port": port, "http_port": free_port(), "host": "127.0.0.1"});
    nats::merge(&mut values, json!({"config": {"merge": ports}}));
    let store = folder.join(environment);
    let text = nats::render(&values, environment, &store.display().to_string());
    let file = folder.join(format!("{environment}.conf"));
    std::fs::write(&file, text).expect("write");
    let mut command = Command::new(program);
    for (name, value) in values["container"]["env"].as_object().expect("the container's environment") {
        if value.get("valueFrom").is_some() {
            command.env(name, password(name));
        }
    }
    command.env("URL_LEAF", format!("nats-leaf://test:{}@127.0.0.1:{leaf_port}", password("PASSWORD_LEAF")));
    let log = std::fs::File::create(folder.join(format!("{environment}.log"))).expect("a log");
    let process = command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(log).spawn().expect("nats-server starts");
    let server = Server { process, port };
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let said = std::fs::read_to_string(folder.join(format!("{environment}.log"))).unwrap_or_default();
        assert!(Instant::now() < deadline, "{environment} does not answer: {said}");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

fn password(variable: &str) -> String {
    format!("p{}", variable.to_lowercase())
}

/// A client that speaks NATS's text protocol.
struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    fn connect(server: &Server, user: &str, variable: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connects");
        stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        let lines = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut client = Self { stream, lines };
        let options =
            json!({"verbose": false, "user": user, "pass": password(variable), "lang": "test", "version": "1"});
        client.send(&format!("CONNECT {options}\r\nPING\r\n"));
        assert_eq!(client.until(&["PONG", "-ERR"], 40).as_deref(), Some("PONG"), "{user} may connect");
        client
    }

    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("sends");
    }

    /// The first line that begins with one of these words, within `tries` half seconds.
    fn until(&mut self, words: &[&str], tries: u32) -> Option<String> {
        for _ in 0..tries {
            let mut line = String::new();
            while self.lines.read_line(&mut line).is_ok_and(|count| count > 0) {
                if let Some(word) = words.iter().find(|word| line.starts_with(**word)) {
                    return Some((*word).to_owned());
                }
                line.clear();
            }
        }
        None
    }

    fn subscribe(&mut self, subject: &str) {
        self.send(&format!("SUB {subject} 1\r\nPING\r\n"));
        assert_eq!(self.until(&["PONG", "-ERR"], 40).as_deref(), Some("PONG"), "may subscribe {subject}");
    }

    fn publish(&mut self, subject: &str) {
        self.send(&format!("PUB {subject} 5\r\nhello\r\n"));
    }
}

#[test]
fn market_data_reaches_the_test_environment_and_nothing_comes_back() {
    let Some(program) = nats_server() else { return skip("the leaf node: no engines; run `make setup`") };
    let folder = tempfile::tempdir().expect("a folder");
    let leaf_port = free_port();
    let alone = json!({"config": {"cluster": {"enabled": false}, "leafnodes": {"merge": {"port": leaf_port, "host": "127.0.0.1"}}}});
    let production = start(&program, folder.path(), "prod", leaf_port, alone);
    let own_port = json!({"config": {"leafnodes": {"merge": {"port": free_port(), "host": "127.0.0.1"}}}});
    let test = start(&program, folder.path(), "test", leaf_port, own_port);

    let mut feed = Client::connect(&production, "kt-feed", "PASSWORD_FEED");
    let mut there = Client::connect(&test, "kt-console", "PASSWORD_CONSOLE");
    there.subscribe("md.v1.>");
    // The leaf connects by itself, and its interest reaches production a moment later.
    let arrived = (0..120).any(|_| {
        feed.publish("md.v1.trade.okx.BTC-USDT-SPOT");
        there.until(&["MSG md.v1.trade"], 1).is_some()
    });
    assert!(arrived, "production's market data reaches the test environment");

    let mut here = Client::connect(&production, "kt-console", "PASSWORD_CONSOLE");
    here.subscribe("md.v1.>");
    here.subscribe("ops.v1.>");
    let mut stranger = Client::connect(&test, "kt-feed", "PASSWORD_FEED");
    for _ in 0..3 {
        stranger.publish("md.v1.trade.okx.ETH-USDT-SPOT");
        stranger.publish("ops.v1.status.okx.x");
    }
    let back = here.until(&["MSG md.v1.trade.okx.ETH", "MSG ops.v1"], 4);
    assert_eq!(back, None, "what the test environment publishes stays there");

    // Within production: who may only listen cannot speak.
    let mut service = Client::connect(&production, "kt-service", "PASSWORD_SERVICE");
    service.publish("md.v1.trade.okx.FAKE-USDT-SPOT");
    assert_eq!(service.until(&["-ERR 'Permissions Violation"], 20).as_deref(), Some("-ERR 'Permissions Violation"));
}
