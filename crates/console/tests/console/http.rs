//! Asking the console as a browser would.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that ignores the machine's proxy.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// Status and JSON body of a question.
pub async fn ask(base: &str, path: &str) -> (u16, Value) {
    let answer = client().get(format!("{base}{path}")).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_else(|error| panic!("{path}: no JSON: {error}")))
}

/// The body of a question that must succeed.
pub async fn get(base: &str, path: &str) -> Value {
    let (status, body) = ask(base, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// As [`get`], but asks again while the warehouse is too busy to answer in time: no test is about that.
pub async fn patient(base: &str, path: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, body) = ask(base, path).await;
        if status != 504 {
            assert_eq!(status, 200, "{path}: {body}");
            return body;
        }
        assert!(Instant::now() < deadline, "{path}: {body}");
    }
}

/// Asks again until the answer fits; panics after `within` with the last answer.
pub async fn until(base: &str, path: &str, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + within;
    loop {
        let (_, body) = ask(base, path).await;
        if fits(&body) {
            return body;
        }
        assert!(Instant::now() < deadline, "{path} does not become as expected; last answer {body}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The answer to a request written byte by byte, which no client would normalise.
pub async fn raw(base: &str, request: &str) -> String {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A live stream.
pub struct Live {
    stream: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<reqwest::Body>> + Send>>,
    held: String,
}

impl Live {
    pub async fn open(base: &str, watch: &str) -> Self {
        let answer = client().get(format!("{base}/api/v1/live?watch={watch}")).send().await.expect("a stream");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let stream = answer.bytes_stream().map(|piece| piece.map(reqwest::Body::from));
        Self { stream: Box::pin(stream), held: String::new() }
    }

    /// The next snapshot; `None` when the stream ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((message, rest)) = self.held.split_once("\n\n") {
                let data = message.lines().find_map(|line| line.strip_prefix("data:")).map(str::trim_start);
                let value = data.map(|data| serde_json::from_str(data).expect("JSON"));
                self.held = rest.to_owned();
                if value.is_some() {
                    return value;
                }
                continue;
            }
            let piece = self.stream.next().await?.ok()?;
            self.held.push_str(std::str::from_utf8(piece.as_bytes()?).expect("text"));
        }
    }
}
