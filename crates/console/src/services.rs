//! The supervisor's view of the services, asked through its control socket.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// How long the supervisor may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const LONGEST_ANSWER: u64 = 1 << 20;

/// One service, for the page.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its state in one word or two.
    pub state: String,
    /// Whether it does its work.
    pub healthy: bool,
    /// Why it is in this state.
    pub detail: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Starts after the first.
    pub restarts: u32,
    /// When its process started, ms UTC.
    pub since_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Answer {
    answer: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    services: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    service: String,
    state: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    started_ms: Option<u64>,
    #[serde(default)]
    restarts: u32,
}

/// Asks the supervisor.
///
/// # Errors
/// In words: no supervisor there, or no sensible answer.
pub async fn ask(socket: &Path) -> Result<Vec<Service>, String> {
    read(&told(socket, r#"{"command":"status","memory":false}"#).await?)
}

/// Has the supervisor end a service's process without warning (SIGKILL).
///
/// # Errors
/// In words: no supervisor there, or it refuses.
pub async fn kill(socket: &Path, service: &str) -> Result<(), String> {
    let request = serde_json::json!({"command": "kill", "service": service, "signal": 9});
    let line = told(socket, &request.to_string()).await?;
    let answer: Answer = serde_json::from_str(&line).map_err(|error| format!("the supervisor's answer: {error}"))?;
    if answer.answer == "done" { Ok(()) } else { Err(format!("the supervisor refused: {}", answer.reason)) }
}

async fn told(socket: &Path, request: &str) -> Result<String, String> {
    let asking = tokio::time::timeout(ANSWER_WITHIN, converse(socket, request));
    let line = asking.await.map_err(|_| "the supervisor does not answer".to_owned())?;
    line.map_err(|error| format!("cannot ask the supervisor at {}: {error}", socket.display()))
}

async fn converse(socket: &Path, request: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("{request}\n").as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_ANSWER)).read_line(&mut line).await?;
    Ok(line)
}

fn read(line: &str) -> Result<Vec<Service>, String> {
    let answer: Answer = serde_json::from_str(line).map_err(|error| format!("the supervisor's answer: {error}"))?;
    if answer.answer != "status" {
        return Err(format!("the supervisor refused: {}", answer.reason));
    }
    let service = |told: Told| Service {
        healthy: matches!(told.state.as_str(), "healthy" | "finished"),
        name: told.service,
        state: told.state.replace('_', " "),
        detail: told.detail,
        pid: told.pid,
        restarts: told.restarts,
        since_ms: told.started_ms,
    };
    Ok(answer.services.into_iter().map(service).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supervisors_line_is_understood_and_a_refusal_is_told() {
        let line = r#"{"answer":"status","phase":"degraded","version":"0.1.0","services":[
            {"service":"nats","state":"healthy","detail":"","pid":7,"started_ms":5,"restarts":0,"ports":[4222]},
            {"service":"feed","state":"backing_off","detail":"exit 1","pid":null,"started_ms":null,"restarts":3,"ports":[]}]}"#;
        let services = read(&line.replace('\n', "")).expect("status");
        assert!(services[0].healthy && !services[1].healthy);
        assert_eq!((services[1].state.as_str(), services[1].restarts), ("backing off", 3));
        assert!(read(r#"{"answer":"refused","reason":"busy"}"#).expect_err("refused").contains("busy"));
        assert!(read("").is_err());
    }
}
