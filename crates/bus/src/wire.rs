//! The few words of the NATS client protocol that the hot path needs (NATS documentation, "Client
//! Protocol"): `INFO`, `CONNECT`, `HPUB`, `PING`, `PONG`, `-ERR`.
//!
//! The general client clones a header map and formats each message; the hot path prepares the bytes
//! of a subject once and appends rows to one buffer.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connect::password_in;
use crate::{BusConfig, BusError, Credentials};

/// What the server said when the connection opened.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ServerInfo {
    /// Largest message, headers included.
    pub max_payload: usize,
    #[serde(default)]
    tls_required: bool,
    /// What was read beyond the handshake.
    #[serde(skip)]
    pub rest: Vec<u8>,
}

/// Opens a connection and proves that the server accepted it.
pub(crate) async fn open(config: &BusConfig) -> Result<(TcpStream, ServerInfo), BusError> {
    let failed = |cause: String| BusError::Connect { url: config.url.clone(), cause };
    let within = Duration::from_secs(5);
    match tokio::time::timeout(within, handshake(config)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(failed(format!("no answer within {within:?}"))),
    }
}

async fn handshake(config: &BusConfig) -> Result<(TcpStream, ServerInfo), BusError> {
    let failed = |cause: String| BusError::Connect { url: config.url.clone(), cause };
    let Some(address) = config.url.strip_prefix("nats://") else {
        return Err(failed("the hot path speaks plain NATS (nats://host:port) only".to_owned()));
    };
    let mut socket = TcpStream::connect(address).await.map_err(|error| failed(error.to_string()))?;
    socket.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
    let mut received = Vec::new();
    let line = read_line(&mut socket, &mut received).await.map_err(|error| failed(error.to_string()))?;
    let json = line.strip_prefix("INFO ").ok_or_else(|| failed(format!("it is no NATS server: {line}")))?;
    let info: ServerInfo = serde_json::from_str(json).map_err(|error| failed(error.to_string()))?;
    if info.tls_required {
        return Err(failed("the server demands TLS, which the hot path does not speak".to_owned()));
    }
    let connect = connect_line(config)?;
    socket.write_all(connect.as_bytes()).await.map_err(|error| failed(error.to_string()))?;
    loop {
        let line = read_line(&mut socket, &mut received).await.map_err(|error| failed(error.to_string()))?;
        match line.as_str() {
            "PONG" => return Ok((socket, ServerInfo { rest: received, ..info })),
            "PING" => socket.write_all(b"PONG\r\n").await.map_err(|error| failed(error.to_string()))?,
            other if other.starts_with("-ERR") => return Err(failed(other.to_owned())),
            _ => {}
        }
    }
}

fn connect_line(config: &BusConfig) -> Result<String, BusError> {
    let mut options = serde_json::json!({
        "verbose": false, "pedantic": false, "headers": true, "protocol": 1, "echo": false,
        "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": format!("{}-hot", config.name),
    });
    match &config.credentials {
        Credentials::None => {}
        Credentials::UserPassword { user, password } => {
            options["user"] = user.as_str().into();
            options["pass"] = password.0.as_str().into();
        }
        Credentials::UserPasswordFile { user, file } => {
            options["user"] = user.as_str().into();
            options["pass"] = password_in(file)?.0.into();
        }
        Credentials::File(path) => {
            let path = path.display();
            return Err(BusError::Credentials(format!("{path}: the hot path takes user and password only")));
        }
    }
    Ok(format!("CONNECT {options}\r\nPING\r\n"))
}

async fn read_line(socket: &mut TcpStream, received: &mut Vec<u8>) -> std::io::Result<String> {
    loop {
        if let Some(end) = received.windows(2).position(|pair| pair == b"\r\n") {
            let line = String::from_utf8_lossy(&received[..end]).into_owned();
            received.drain(..end + 2);
            return Ok(line);
        }
        if received.len() > 1 << 20 {
            return Err(std::io::Error::other("a line without end"));
        }
        if socket.read_buf(received).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Splits what the server sends into lines, keeping an unfinished one.
#[derive(Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Hands each whole line to `each`.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(length) = self.rest[start..].windows(2).position(|pair| pair == b"\r\n") {
            each(&String::from_utf8_lossy(&self.rest[start..start + length]));
            start += length + 2;
        }
        self.rest.drain(..start);
    }
}

/// The part of a publish that never changes: everything up to the total size.
pub(crate) struct Prepared {
    /// `HPUB <subject> <header bytes> `.
    pub verb: Vec<u8>,
    /// The header block.
    pub headers: Vec<u8>,
}

impl Prepared {
    /// For one subject and one schema.
    pub fn new(subject: &str, schema: &str) -> Self {
        let headers = format!("NATS/1.0\r\nKt-Schema: {schema}\r\n\r\n").into_bytes();
        Self { verb: format!("HPUB {subject} {} ", headers.len()).into_bytes(), headers }
    }

    /// Appends a message with this payload.
    #[inline]
    pub fn append(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.verb);
        append_number(self.headers.len() + payload.len(), out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.headers);
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }
}

#[inline]
fn append_number(mut number: usize, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
