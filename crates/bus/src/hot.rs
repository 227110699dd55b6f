//! The hot path's sender: one row a message, at most once, as early as possible.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kt_model::schema::Kind;
use kt_model::subject;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::wire::{self, Lines, Prepared};
use crate::{Bus, BusConfig, BusError};

/// Bounds of a [`HotPublisher`].
#[derive(Clone, Debug)]
pub struct HotConfig {
    /// Bytes that may wait while the server does not take them; beyond that rows are dropped and counted.
    pub buffer_bytes: usize,
}

impl Default for HotConfig {
    fn default() -> Self {
        Self { buffer_bytes: 8 << 20 }
    }
}

/// A subject prepared for publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route(u32);

#[cfg(feature = "comparison")]
impl Route {
    pub(crate) fn at(index: usize) -> Self {
        Self(index as u32)
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What happened to the rows so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HotCounts {
    /// Rows handed to the socket.
    pub sent: u64,
    /// Rows dropped because there was no connection, or lost with one.
    pub dropped_disconnected: u64,
    /// Rows dropped because the server did not take them fast enough.
    pub dropped_full: u64,
    /// Rows larger than the server's largest message.
    pub dropped_too_large: u64,
}

/// Publishes rows. Belongs to one thread; nothing in it locks or allocates for a row.
pub struct HotPublisher {
    config: HotConfig,
    routes: Vec<Prepared>,
    buffer: Vec<u8>,
    /// How much of the buffer the socket has taken.
    written: usize,
    /// Rows in the buffer.
    buffered: u64,
    socket: Option<Arc<TcpStream>>,
    generation: u64,
    shared: Arc<Shared>,
    counts: HotCounts,
    keeper: JoinHandle<()>,
}

/// Between the publisher and the task that keeps its connection.
struct Shared {
    /// Raised with each new connection.
    generation: AtomicU64,
    socket: Mutex<Option<Arc<TcpStream>>>,
    /// The server asked for a sign of life; only the publisher may write to the socket.
    pong_due: AtomicBool,
    broken: Notify,
    max_payload: AtomicU64,
}

impl HotPublisher {
    /// Connects to the server of `bus` with a connection of its own and keeps it up.
    ///
    /// # Errors
    /// [`BusError::Connect`] when no server answers now, [`BusError::Credentials`] for a `.creds` file,
    /// which the hot path cannot use.
    pub async fn connect(bus: &Bus, config: HotConfig) -> Result<Self, BusError> {
        let bus = &bus.config;
        let (socket, info) = wire::open(bus).await?;
        let socket = Arc::new(socket);
        let shared = Arc::new(Shared {
            generation: AtomicU64::new(1),
            socket: Mutex::new(Some(socket.clone())),
            pong_due: AtomicBool::new(false),
            broken: Notify::new(),
            max_payload: AtomicU64::new(info.max_payload as u64),
        });
        let keeper = tokio::spawn(keep(bus.clone(), shared.clone(), socket));
        Ok(Self {
            config,
            routes: Vec::new(),
            buffer: Vec::with_capacity(256 << 10),
            written: 0,
            buffered: 0,
            socket: None,
            generation: 0,
            shared,
            counts: HotCounts::default(),
            keeper,
        })
    }

    /// Prepares a subject. Call once for each kind and instrument and keep the result.
    pub fn route(&mut self, kind: Kind, venue: &str, instrument: &str) -> Route {
        self.route_to(kind, &subject::hot(kind, venue, instrument))
    }

    /// As [`Self::route`], for rows that travel under a subject of their own: signals and orders.
    pub fn route_to(&mut self, kind: Kind, subject: &str) -> Route {
        self.routes.push(Prepared::new(subject, &kind.schema().tag()));
        Route(self.routes.len() as u32 - 1)
    }

    /// Buffers one row; [`Self::flush`] sends it.
    #[inline]
    pub fn publish(&mut self, route: Route, row: &[u8]) {
        if self.socket.is_none() && !self.adopt() {
            self.counts.dropped_disconnected += 1;
            return;
        }
        if self.buffer.len() - self.written + row.len() > self.config.buffer_bytes {
            self.counts.dropped_full += 1;
            return;
        }
        if row.len() + 64 > self.shared.max_payload.load(Ordering::Relaxed) as usize {
            self.counts.dropped_too_large += 1;
            return;
        }
        self.routes[route.0 as usize].append(row, &mut self.buffer);
        self.buffered += 1;
    }

    /// Bytes waiting to be sent.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// What happened to the rows so far.
    #[must_use]
    pub fn counts(&self) -> HotCounts {
        self.counts
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.socket.is_some() || self.shared.current().is_some()
    }

    /// Sends what is buffered without waiting; `true` when nothing is left. Call after each batch of
    /// rows and at least every 100 ms.
    pub fn flush(&mut self) -> bool {
        if self.generation != self.shared.generation.load(Ordering::Acquire) || self.socket.is_none() {
            self.adopt();
        }
        if self.shared.pong_due.load(Ordering::Relaxed) && self.shared.pong_due.swap(false, Ordering::AcqRel) {
            self.buffer.extend_from_slice(b"PONG\r\n");
        }
        let Some(socket) = &self.socket else { return self.backlog() == 0 };
        while self.written < self.buffer.len() {
            match socket.try_write(&self.buffer[self.written..]) {
                Ok(count) if count > 0 => self.written += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.compact();
                    return false;
                }
                Ok(_) | Err(_) => {
                    self.disconnected();
                    return true;
                }
            }
        }
        self.buffer.clear();
        self.written = 0;
        self.counts.sent += self.buffered;
        self.buffered = 0;
        true
    }

    /// Takes the newest connection, if there is one; rows buffered for an older one are lost.
    #[cold]
    fn adopt(&mut self) -> bool {
        let generation = self.shared.generation.load(Ordering::Acquire);
        let socket = self.shared.current();
        if self.generation != generation {
            self.forget();
            self.generation = generation;
        }
        self.socket = socket;
        self.socket.is_some()
    }

    #[cold]
    fn disconnected(&mut self) {
        self.forget();
        self.socket = None;
        *self.shared.socket.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.broken.notify_one();
    }

    fn forget(&mut self) {
        self.counts.dropped_disconnected += self.buffered;
        self.buffered = 0;
        self.buffer.clear();
        self.written = 0;
    }

    fn compact(&mut self) {
        if self.written > 1 << 20 {
            self.buffer.drain(..self.written);
            self.written = 0;
        }
    }
}

impl Drop for HotPublisher {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Shared {
    fn current(&self) -> Option<Arc<TcpStream>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads what the server says and connects anew when the connection ends.
async fn keep(config: BusConfig, shared: Arc<Shared>, mut socket: Arc<TcpStream>) {
    loop {
        tokio::select! {
            () = listen(&socket, &shared) => {}
            () = shared.broken.notified() => {}
        }
        *shared.socket.lock().unwrap_or_else(PoisonError::into_inner) = None;
        tracing::warn!(client = config.name, "the hot path lost its connection to NATS, reconnecting");
        let mut pause = Duration::from_millis(20);
        socket = loop {
            match wire::open(&config).await {
                Ok((socket, info)) => {
                    shared.max_payload.store(info.max_payload as u64, Ordering::Relaxed);
                    break Arc::new(socket);
                }
                Err(error) => tracing::debug!(%error, "the hot path cannot reconnect yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(config.reconnect_pause);
        };
        *shared.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket.clone());
        shared.generation.fetch_add(1, Ordering::AcqRel);
        tracing::info!(client = config.name, "the hot path is connected again");
    }
}

/// Returns when the connection has ended.
async fn listen(socket: &TcpStream, shared: &Shared) {
    let mut lines = Lines::default();
    let mut bytes = [0u8; 4096];
    while socket.readable().await.is_ok() {
        match socket.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => lines.feed(&bytes[..count], |line| match line {
                "PING" => shared.pong_due.store(true, Ordering::Release),
                error if error.starts_with("-ERR") => tracing::error!(error, "NATS refused a hot-path message"),
                _ => {}
            }),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
