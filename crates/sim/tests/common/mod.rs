//! What the tests of the whole simulator share: a running simulator and a plain client.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use futures::{SinkExt, StreamExt};
use kt_sim::{Sim, SimConfig, SimError};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A simulator on a free port, stopped when dropped.
pub struct Running {
    pub base: String,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Result<(), SimError>>>,
}

impl Running {
    pub async fn start(mut config: SimConfig) -> Self {
        config.listen = ([127, 0, 0, 1], 0).into();
        let sim = Sim::bind(config).await.unwrap();
        let base = sim.address().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(sim.run(async {
            let _ = stopped.await;
        }));
        Self { base, stop: Some(stop), serving: Some(serving) }
    }

    /// Stops and waits until nothing is served any more.
    pub async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        let serving = self.serving.take().unwrap();
        tokio::time::timeout(Duration::from_secs(5), serving).await.expect("a prompt end").unwrap().unwrap();
    }

    pub async fn connect(&self, path: &str) -> Client {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{}{path}", self.base)).await.unwrap();
        Client { socket }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.get_text(path).await.parse().unwrap()
    }

    pub async fn get_text(&self, path: &str) -> String {
        let response = reqwest::get(format!("http://{}{path}", self.base)).await.unwrap();
        response.text().await.unwrap()
    }

    pub async fn fault(&self, body: Value) -> Value {
        let request = reqwest::Client::new().post(format!("http://{}/sim/v1/faults", self.base));
        request.json(&body).send().await.unwrap().json().await.unwrap()
    }

    /// Waits until everything has been played and written; answers the status.
    pub async fn finished(&self) -> Value {
        let waiting = async {
            loop {
                let status = self.get("/sim/v1/status").await;
                if status["finished"] == true {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// A client that sees exactly what comes over the wire.
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next message, `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        next.expect("a message within the test's patience")?.ok()
    }

    /// The next text frame.
    pub async fn text(&mut self) -> String {
        loop {
            match self.next().await.expect("the connection to stay open") {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("a text frame was expected, not {other:?}"),
            }
        }
    }

    pub async fn json(&mut self) -> Value {
        let text = self.text().await;
        text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Text frames of the next `count`.
    pub async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::with_capacity(count);
        while texts.len() < count {
            texts.push(self.text().await);
        }
        texts
    }
}

/// One received frame of a recording.
pub struct Recorded {
    pub time: Option<i64>,
    pub connection: String,
    pub payload: Vec<u8>,
    pub binary: bool,
}

/// The folder with one folder of recordings per venue.
fn root() -> PathBuf {
    let root = std::env::var("KT_RECORDINGS").unwrap_or_else(|_| "../shared/data".to_owned());
    // Tests run in the crate's folder; the default is meant from the repository's root.
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(root).join("frames")
}

/// All recordings by venue, in the order of their first time; says so where there are none.
pub fn recordings() -> BTreeMap<String, Vec<PathBuf>> {
    let mut venues: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let folders = std::fs::read_dir(root()).into_iter().flatten().map(|folder| folder.unwrap().path());
    for folder in folders.filter(|folder| folder.is_dir()) {
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let is_stream = |file: &PathBuf| file.to_str().unwrap().ends_with("_stream.jsonl.zst");
        let mut files: Vec<PathBuf> = files.filter(is_stream).collect();
        files.sort_by_key(|file| lines(file)[0]["t"].as_i64());
        if !files.is_empty() {
            venues.insert(folder.file_name().unwrap().to_str().unwrap().to_owned(), files);
        }
    }
    if venues.is_empty() {
        println!("SKIP: no recordings under {}", root().display());
    }
    venues
}

/// A recording under `KT_RECORDINGS`; says so and answers `None` where it is absent.
pub fn recording(name: &str) -> Option<PathBuf> {
    let path = root().join(format!("{name}_stream.jsonl.zst"));
    if path.exists() {
        return Some(path);
    }
    println!("SKIP: no recording {}", path.display());
    None
}

fn lines(path: &PathBuf) -> Vec<Value> {
    let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The received frames of a recording, read independently of the simulator.
pub fn frames(path: &PathBuf) -> Vec<Recorded> {
    let lines = lines(path);
    let received = lines.iter().filter(|line| line.get("k").is_none());
    let frame = |line: &Value| {
        let binary = line.get("b64").is_some();
        let payload = match line.get("b64") {
            Some(encoded) => base64::engine::general_purpose::STANDARD.decode(encoded.as_str().unwrap()).unwrap(),
            None => line["d"].as_str().unwrap().as_bytes().to_vec(),
        };
        let connection = line["c"].as_str().unwrap_or("ws").to_owned();
        Recorded { time: line["t"].as_i64(), connection, payload, binary }
    };
    received.map(frame).collect()
}
