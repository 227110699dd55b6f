//! The two tasks of a client's connection: one reads, one writes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::{Chunk, Client};
use crate::command::Command;
use crate::query::Target;
use crate::status::VenueStatus;
use crate::websocket::{Opcode, frame};

/// Pings a client may leave unanswered.
const UNANSWERED_PINGS: u32 = 3;
/// Time the answer to a closing handshake has to get out.
const FAREWELL: Duration = Duration::from_millis(50);

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
    let (client, chunks) = Client::new(session.id, session.target, session.status, session.queue_bytes);
    if session.commands.send(Command::Attach(client.clone())).await.is_err() {
        return;
    }
    client.status.client_came();
    let mut shutdown = session.shutdown;
    tokio::select! {
        () = write(writer, Queue { client: &client, chunks, in_hand: 0 }, session.ping_interval) => {}
        () = read(reader, &client, &session.commands) => {}
        _ = shutdown.wait_for(|stop| *stop) => {}
    }
    client.cut();
    client.status.client_went();
    if session.commands.send(Command::Detach { client: client.id }).await.is_err() {
        tracing::debug!(client = client.id, "the source ended before its client");
    }
}

/// Takes messages from the client until it closes or breaks the protocol.
async fn read(reader: impl AsyncRead + Unpin, client: &Client, commands: &mpsc::Sender<Command>) {
    // tungstenite also answers pings and closes by itself; those answers go to a sink,
    // because all writing belongs to the other task.
    let stream = tokio::io::join(reader, tokio::io::sink());
    let mut messages = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(message) = messages.next().await {
        client.heard();
        match message {
            Ok(Message::Text(text)) => {
                let command = Command::Text { client: client.id, text: text.as_str().to_owned() };
                if commands.send(command).await.is_err() {
                    return;
                }
            }
            Ok(Message::Ping(payload)) => {
                if !client.control(Opcode::Pong, &payload) {
                    tracing::debug!(client = client.id, "a ping stays unanswered: the queue is full");
                }
            }
            Ok(Message::Close(reason)) => {
                let code = reason.map_or(1000, |reason| u16::from(reason.code));
                if client.control(Opcode::Close, &code.to_be_bytes()) {
                    tokio::time::sleep(FAREWELL).await;
                }
                return;
            }
            Ok(Message::Pong(_) | Message::Binary(_) | Message::Frame(_)) => {}
            Err(error) => {
                tracing::debug!(client = client.id, %error, "a client's connection ended");
                return;
            }
        }
    }
}

/// Writes what is queued, and pings, until the client is cut off or unreachable.
async fn write(mut writer: impl AsyncWrite + Unpin, mut queue: Queue<'_>, ping_interval: Option<Duration>) {
    let client = queue.client;
    let ping = frame(Opcode::Ping, b"");
    let mut pings = ping_interval.map(tokio::time::interval);
    pings.iter_mut().for_each(|pings| pings.reset());
    loop {
        let chunk = tokio::select! {
            biased;
            () = client.ended() => return,
            () = tick(&mut pings) => None,
            chunk = queue.chunks.recv() => match chunk {
                Some(chunk) => Some(chunk),
                None => return,
            },
        };
        if chunk.is_none() && client.pinged() > UNANSWERED_PINGS {
            tracing::warn!(client = client.id, venue = %client.status.venue, "a client answers no pings and is cut off");
            client.status.metrics.unanswered_pings.inc();
            return;
        }
        let bytes = chunk.as_ref().map_or(ping.as_slice(), |chunk| &chunk.bytes);
        queue.in_hand = chunk.as_ref().map_or(0, |chunk| chunk.content.frames());
        let written = tokio::select! {
            written = async { writer.write_all(bytes).await?; writer.flush().await } => written,
            () = client.ended() => return,
        };
        if let Err(error) = written {
            tracing::debug!(client = client.id, %error, "a client's connection broke");
            return;
        }
        queue.in_hand = 0;
        if let Some(chunk) = chunk {
            client.written(&chunk);
        }
    }
}

async fn tick(pings: &mut Option<tokio::time::Interval>) {
    match pings {
        Some(pings) => _ = pings.tick().await,
        None => std::future::pending().await,
    }
}

/// What waits to be written. However the writing ends, what is left unsent is taken out of the
/// venue's count of queued frames and counted as lost.
struct Queue<'a> {
    client: &'a Client,
    chunks: mpsc::Receiver<Chunk>,
    /// Frames of the chunk being written.
    in_hand: u64,
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        self.client.close();
        self.chunks.close();
        let mut lost = self.in_hand;
        while let Ok(chunk) = self.chunks.try_recv() {
            lost += chunk.content.frames();
        }
        self.client.status.queued_frames.fetch_sub(lost, Ordering::AcqRel);
        self.client.status.lost_with_client(lost);
    }
}
