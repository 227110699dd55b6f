//! One connected client: its bounded queue, and the two tasks that read from and write to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::command::Command;
use crate::query::Target;
use crate::status::VenueStatus;
use crate::websocket::{Opcode, frame};

/// Chunks that may wait for one client, whatever their size.
const CHUNKS: usize = 65_536;
/// Pings a client may leave unanswered.
const UNANSWERED_PINGS: u32 = 3;

/// Bytes for one client, and what they count as.
pub(crate) struct Chunk {
    pub bytes: Bytes,
    pub content: Content,
}

/// What the bytes of a [`Chunk`] are.
pub(crate) enum Content {
    /// Pongs, close frames: counted nowhere.
    Control,
    /// Answers to subscriptions which the simulator made itself.
    Answer,
    /// Market data: all frames, and frames per recorded connection.
    Data { frames: u32, connections: Vec<(u16, u32)> },
}

impl Content {
    fn frames(&self) -> u64 {
        match self {
            Content::Data { frames, .. } => u64::from(*frames),
            _ => 0,
        }
    }
}

/// A source's handle to a client.
#[derive(Clone)]
pub(crate) struct Client {
    pub id: u64,
    pub target: Target,
    pub status: Arc<VenueStatus>,
    sender: mpsc::Sender<Chunk>,
    state: Arc<State>,
}

/// What the handle and the client's tasks share.
struct State {
    limit: usize,
    queued: AtomicUsize,
    unanswered_pings: AtomicU32,
    closed: AtomicBool,
    /// Told when the queue shrinks or the client goes.
    room: Notify,
    /// Told when the client shall go at once.
    end: Notify,
}

impl Client {
    /// Queues a chunk. `false`: the client is gone or has more waiting than it may.
    pub fn send(&self, chunk: Chunk) -> bool {
        if self.state.closed.load(Ordering::Acquire) || self.is_full() {
            return false;
        }
        let (bytes, frames) = (chunk.bytes.len(), chunk.content.frames());
        self.state.queued.fetch_add(bytes, Ordering::AcqRel);
        self.status.queued_frames.fetch_add(frames, Ordering::AcqRel);
        let sent = self.sender.try_send(chunk).is_ok();
        if !sent {
            self.state.queued.fetch_sub(bytes, Ordering::AcqRel);
            self.status.queued_frames.fetch_sub(frames, Ordering::AcqRel);
        }
        sent
    }

    /// Queues a text frame which the simulator made itself.
    pub fn answer(&self, text: &str) -> bool {
        self.send(Chunk { bytes: frame(Opcode::Text, text.as_bytes()).into(), content: Content::Answer })
    }

    /// Whether more waits for the client than it may.
    pub fn is_full(&self) -> bool {
        self.state.queued.load(Ordering::Acquire) >= self.state.limit || self.sender.capacity() == 0
    }

    /// Waits until the client can take more, or is gone.
    pub async fn room(&self) {
        loop {
            let notified = self.state.room.notified();
            if !self.is_full() || self.state.closed.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }

    /// Cuts the connection without a closing handshake; what is queued is lost.
    pub fn cut(&self) {
        self.state.closed.store(true, Ordering::Release);
        self.state.end.notify_one();
        self.state.room.notify_waiters();
    }
}

/// Everything a new client's tasks need.
pub(crate) struct Session {
    pub id: u64,
    pub target: Target,
    pub status: Arc<VenueStatus>,
    pub commands: mpsc::Sender<Command>,
    pub queue_bytes: usize,
    pub ping_interval: Option<Duration>,
    pub shutdown: watch::Receiver<bool>,
}

/// Serves one client until it goes, is cut off, or the simulator stops.
pub(crate) async fn serve(upgrade: hyper::upgrade::OnUpgrade, session: Session) {
    let stream = match upgrade.await {
        Ok(upgraded) => TokioIo::new(upgraded),
        Err(error) => {
            tracing::warn!(venue = %session.status.venue, %error, "a WebSocket handshake was not completed");
            return;
        }
    };
    let (reader, writer) = tokio::io::split(stream);
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let client = Client {
        id: session.id,
        target: session.target,
        status: session.status.clone(),
        sender,
        state: Arc::new(State {
            limit: session.queue_bytes,
            queued: AtomicUsize::new(0),
            unanswered_pings: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            room: Notify::new(),
            end: Notify::new(),
        }),
    };
    if session.commands.send(Command::Attach(client.clone())).await.is_err() {
        return;
    }
    client.status.client_came();
    let writing = write(writer, receiver, client.clone(), session.ping_interval);
    let reading = read(reader, client.clone(), session.commands.clone());
    let mut shutdown = session.shutdown;
    tokio::select! {
        () = writing => {}
        () = reading => {}
        _ = shutdown.wait_for(|stop| *stop) => {}
    }
    client.cut();
    client.status.client_went();
    let detach = Command::Detach { client: client.id };
    if session.commands.send(detach).await.is_err() {
        tracing::debug!(client = client.id, "the source ended before its client");
    }
}

/// Takes messages from the client until it closes or breaks the protocol.
async fn read(reader: impl AsyncRead + Unpin, client: Client, commands: mpsc::Sender<Command>) {
    // tungstenite also answers pings and closes by itself; those answers go to a sink,
    // because all writing belongs to the other task.
    let stream = tokio::io::join(reader, tokio::io::sink());
    let mut messages = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(message) = messages.next().await {
        let control =
            |opcode, payload: &[u8]| Chunk { bytes: frame(opcode, payload).into(), content: Content::Control };
        match message {
            Ok(Message::Text(text)) => {
                let text = text.as_str().to_owned();
                let command = Command::Text { client: client.id, text };
                if commands.send(command).await.is_err() {
                    return;
                }
            }
            Ok(Message::Ping(payload)) => {
                client.send(control(Opcode::Pong, &payload));
            }
            Ok(Message::Pong(_)) => client.state.unanswered_pings.store(0, Ordering::Release),
            Ok(Message::Close(reason)) => {
                let code = reason.map_or(1000, |reason| u16::from(reason.code));
                client.send(control(Opcode::Close, &code.to_be_bytes()));
                // Time for the writer to get it out before the connection is dropped.
                tokio::time::sleep(Duration::from_millis(50)).await;
                return;
            }
            Ok(Message::Binary(_) | Message::Frame(_)) => {}
            Err(error) => {
                tracing::debug!(client = client.id, %error, "a client's connection ended");
                return;
            }
        }
    }
}

/// Writes what is queued, and pings, until the client is cut off or unreachable.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut chunks: mpsc::Receiver<Chunk>,
    client: Client,
    ping_interval: Option<Duration>,
) {
    let mut guard = Leftover { client: &client, frames: 0, chunks: &mut chunks };
    let ping = frame(Opcode::Ping, b"");
    let mut pings = tokio::time::interval(ping_interval.unwrap_or(Duration::from_secs(3600)));
    pings.reset();
    loop {
        let chunk = tokio::select! {
            biased;
            () = client.state.end.notified() => return,
            _ = pings.tick() => None,
            chunk = guard.chunks.recv() => match chunk {
                Some(chunk) => Some(chunk),
                None => return,
            },
        };
        let bytes = match &chunk {
            Some(chunk) => chunk.bytes.as_ref(),
            None if ping_interval.is_some() => {
                if client.state.unanswered_pings.fetch_add(1, Ordering::AcqRel) >= UNANSWERED_PINGS {
                    tracing::warn!(client = client.id, venue = %client.status.venue, "a client answered no pings and is cut off");
                    client.status.metrics.unanswered_pings.inc();
                    return;
                }
                &ping
            }
            None => continue,
        };
        guard.frames = chunk.as_ref().map_or(0, |chunk| chunk.content.frames());
        let written = tokio::select! {
            written = async { writer.write_all(bytes).await?; writer.flush().await } => written,
            () = client.state.end.notified() => return,
        };
        if let Err(error) = written {
            tracing::debug!(client = client.id, %error, "a client's connection broke");
            return;
        }
        if let Some(chunk) = chunk {
            client.status.written(&chunk);
            guard.frames = 0;
            client.status.queued_frames.fetch_sub(chunk.content.frames(), Ordering::AcqRel);
            client.state.queued.fetch_sub(chunk.bytes.len(), Ordering::AcqRel);
            client.state.room.notify_waiters();
        }
    }
}

/// Takes what a client leaves unsent out of the venue's count of queued frames, however
/// its writing ends.
struct Leftover<'a> {
    client: &'a Client,
    frames: u64,
    chunks: &'a mut mpsc::Receiver<Chunk>,
}

impl Drop for Leftover<'_> {
    fn drop(&mut self) {
        self.client.state.closed.store(true, Ordering::Release);
        self.chunks.close();
        let mut frames = self.frames;
        while let Ok(chunk) = self.chunks.try_recv() {
            frames += chunk.content.frames();
        }
        self.client.status.queued_frames.fetch_sub(frames, Ordering::AcqRel);
        self.client.status.lost_with_client(frames);
        self.client.state.room.notify_waiters();
    }
}
