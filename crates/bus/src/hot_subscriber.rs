//! The hot path's receiver: a connection of its own, whose messages are cut out of the read buffer.
//!
//! The general client parses each message's headers into a map and passes it through a channel to
//! another task; at the rate of the hot path that costs more than all that a consumer does with a row.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kt_model::schema::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::received::{Received, next_operation};
use crate::{Bus, BusConfig, BusError, CounterGap, CounterGaps, wire};

/// Room that every read has.
const READ: usize = 64 << 10;
/// Silence after which the server is asked for a sign of life; twice as long ends the connection.
const SILENCE: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// One row as it arrived.
#[derive(Clone, Debug)]
pub struct HotMessage {
    /// Kind of the row.
    pub kind: Kind,
    /// Version of the kind's columns.
    pub version: u16,
    /// The row.
    pub payload: Bytes,
    /// Rows of the same writer that are missing before this one. Always `None` on a subscription to
    /// a part of a writer's subjects, where holes are normal.
    pub missing: Option<CounterGap>,
}

/// Receives rows, and connects anew when its connection ends. A consumer that does not keep up is cut off
/// by the server when too much waits for it; what it missed shows as a gap.
pub struct HotSubscriber {
    config: BusConfig,
    subject: String,
    socket: Option<TcpStream>,
    buffer: BytesMut,
    early: VecDeque<(Bytes, Bytes)>,
    /// When the last bytes came.
    heard: Instant,
    /// Asked for a sign of life since then.
    asked: bool,
    connecting: Option<JoinHandle<Opened>>,
    gaps: Option<CounterGaps>,
    unreadable: u64,
    reconnects: u64,
}

impl Bus {
    /// Subscribes to all rows of one venue, or of all venues: every kind and instrument, so that holes
    /// in the writers' counters are losses.
    ///
    /// # Errors
    /// [`BusError::Connect`] when no server answers, [`BusError::Subscribe`] when it refuses.
    pub async fn subscribe_venue(&self, venue: Option<&str>) -> Result<HotSubscriber, BusError> {
        let venue = venue.map_or_else(
            || "*".to_owned(),
            |name| {
                let mut token = String::new();
                kt_model::subject::push_token(name, &mut token);
                token
            },
        );
        self.subscribe(format!("md.v1.*.{venue}.*"), Some(CounterGaps::default())).await
    }

    /// Subscribes to a part: one kind, one instrument, or both (`None` means all). Losses cannot be seen.
    ///
    /// # Errors
    /// [`BusError::Connect`] when no server answers, [`BusError::Subscribe`] when it refuses.
    pub async fn subscribe_part(
        &self,
        kind: Option<Kind>,
        venue: &str,
        instrument: Option<&str>,
    ) -> Result<HotSubscriber, BusError> {
        let mut subject = format!("md.v1.{}.", kind.map_or("*", Kind::as_str));
        kt_model::subject::push_token(venue, &mut subject);
        subject.push('.');
        match instrument {
            Some(instrument) => kt_model::subject::push_token(instrument, &mut subject),
            None => subject.push('*'),
        }
        self.subscribe(subject, None).await
    }

    /// Subscribes to one step of all orders (`sent`, `fill`, …). Losses cannot be seen.
    ///
    /// # Errors
    /// As [`Bus::subscribe_venue`].
    pub async fn subscribe_orders(&self, step: &str) -> Result<HotSubscriber, BusError> {
        let mut subject = "ord.v1.".to_owned();
        kt_model::subject::push_token(step, &mut subject);
        subject.push_str(".*.*");
        self.subscribe(subject, None).await
    }

    async fn subscribe(&self, subject: String, gaps: Option<CounterGaps>) -> Result<HotSubscriber, BusError> {
        let config = self.config.clone();
        let opened = open(&config, &subject).await?;
        Ok(HotSubscriber {
            config,
            subject,
            socket: Some(opened.socket),
            buffer: opened.buffer,
            early: opened.early,
            heard: Instant::now(),
            asked: false,
            connecting: None,
            gaps,
            unreadable: 0,
            reconnects: 0,
        })
    }
}

impl HotSubscriber {
    /// The next row. Nothing is lost when the call is given up before it answers.
    ///
    /// # Errors
    /// [`BusError::Subscribe`] when the server refuses the subscription.
    pub async fn next(&mut self) -> Result<HotMessage, BusError> {
        loop {
            let received = match self.early.pop_front() {
                Some((headers, payload)) => Ok(Some(Received::Message { headers, payload })),
                None => next_operation(&mut self.buffer),
            };
            match received {
                Ok(Some(Received::Message { headers, payload })) => {
                    if let Some(message) = self.read(&headers, payload) {
                        return Ok(message);
                    }
                    self.unreadable += 1;
                    if self.unreadable == 1 {
                        tracing::warn!(subject = self.subject, "a message without a readable Kt-Schema header or row");
                    }
                }
                Ok(Some(Received::Ping)) => self.say(b"PONG\r\n").await,
                Ok(Some(Received::Error(cause))) if cause.contains("Permissions Violation") => {
                    return Err(BusError::Subscribe { subject: self.subject.clone(), cause });
                }
                Ok(Some(Received::Error(cause))) => tracing::error!(cause, "NATS ends the hot path's subscription"),
                Ok(Some(Received::Pong | Received::Other)) => {}
                Ok(None) => self.receive().await,
                Err(cause) => self.broken(&cause),
            }
        }
    }

    /// Messages passed over because they were no rows.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Whether the connection stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// How often the connection had to be made again.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Reads more, or waits for the new connection. A caller may give up at any time and lose nothing, so
    /// connecting is a task of its own and silence is counted from the last byte.
    async fn receive(&mut self) {
        let Some(socket) = &mut self.socket else {
            let connecting = self
                .connecting
                .get_or_insert_with(|| tokio::spawn(open_at_last(self.config.clone(), self.subject.clone())));
            if let Ok(opened) = connecting.await {
                (self.socket, self.buffer, self.early) = (Some(opened.socket), opened.buffer, opened.early);
                (self.heard, self.asked) = (Instant::now(), false);
                self.reconnects += 1;
                tracing::info!(subject = self.subject, "the hot path's subscription is back");
            }
            self.connecting = None;
            return;
        };
        self.buffer.reserve(READ);
        let patience = if self.asked { SILENCE * 2 } else { SILENCE };
        match tokio::time::timeout_at(self.heard + patience, socket.read_buf(&mut self.buffer)).await {
            Ok(Ok(0)) => self.broken("the server closed the connection"),
            Ok(Ok(_)) => (self.heard, self.asked) = (Instant::now(), false),
            Ok(Err(error)) => self.broken(&error.to_string()),
            Err(_) if self.asked => self.broken("the server gives no sign of life"),
            Err(_) => {
                self.asked = true;
                self.say(b"PING\r\n").await;
            }
        }
    }

    async fn say(&mut self, words: &'static [u8]) {
        let Some(socket) = &mut self.socket else { return };
        if let Err(error) = socket.write_all(words).await {
            self.broken(&error.to_string());
        }
    }

    #[cold]
    fn broken(&mut self, cause: &str) {
        tracing::warn!(subject = self.subject, cause, "the hot path's subscription lost its connection, reconnecting");
        self.socket = None;
        self.buffer.clear();
    }

    fn read(&mut self, headers: &[u8], payload: Bytes) -> Option<HotMessage> {
        let (kind, version) = schema(headers)?.split_once('/')?;
        let missing = match &mut self.gaps {
            Some(gaps) => gaps.observe(&payload).ok()?,
            None => None,
        };
        Some(HotMessage { kind: Kind::from_name(kind)?, version: version.parse().ok()?, payload, missing })
    }
}

impl Drop for HotSubscriber {
    fn drop(&mut self) {
        if let Some(connecting) = &self.connecting {
            connecting.abort();
        }
    }
}

/// The value of `Kt-Schema`.
fn schema(headers: &[u8]) -> Option<&str> {
    let mut lines = headers.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"Kt-Schema: "))?;
    std::str::from_utf8(value.trim_ascii_end()).ok()
}

/// A connection on which the server knows the subscription.
struct Opened {
    socket: TcpStream,
    buffer: BytesMut,
    /// Rows of a running flow that came before the server confirmed.
    early: VecDeque<(Bytes, Bytes)>,
}

/// Tries until it succeeds.
async fn open_at_last(config: BusConfig, subject: String) -> Opened {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(config.reconnect_pause);
        match open(&config, &subject).await {
            Ok(opened) => return opened,
            Err(error) => tracing::debug!(%error, "the hot path's subscription cannot reconnect yet"),
        }
    }
}

async fn open(config: &BusConfig, subject: &str) -> Result<Opened, BusError> {
    let refused = |cause: String| BusError::Subscribe { subject: subject.to_owned(), cause };
    let failed = |error: std::io::Error| refused(error.to_string());
    let (mut socket, info) = wire::open(config).await?;
    let confirmed = async {
        // The caller may let others publish as soon as this returns, so the server has to answer first.
        socket.write_all(format!("SUB {subject} 1\r\nPING\r\n").as_bytes()).await.map_err(failed)?;
        let (mut buffer, mut early) = (BytesMut::from(info.rest.as_slice()), VecDeque::new());
        loop {
            match next_operation(&mut buffer).map_err(refused)? {
                Some(Received::Pong) => return Ok((buffer, early)),
                Some(Received::Message { headers, payload }) => early.push_back((headers, payload)),
                Some(Received::Error(cause)) => return Err(refused(cause)),
                Some(Received::Ping) => socket.write_all(b"PONG\r\n").await.map_err(failed)?,
                Some(Received::Other) => {}
                None if socket.read_buf(&mut buffer).await.map_err(failed)? == 0 => {
                    return Err(refused("the server closed the connection".to_owned()));
                }
                None => {}
            }
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(5), confirmed).await;
    let (buffer, early) = outcome.map_err(|_| refused("the server does not confirm it within 5 s".to_owned()))??;
    Ok(Opened { socket, buffer, early })
}
