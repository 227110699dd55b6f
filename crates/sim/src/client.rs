//! A source's handle to a connected client: a queue bounded in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::query::Target;
use crate::status::VenueStatus;
use crate::websocket::{Opcode, frame};

/// Chunks that may wait for one client, whatever their size.
const CHUNKS: usize = 65_536;

/// Bytes for one client, and what they count as.
pub(crate) struct Chunk {
    pub bytes: Bytes,
    pub content: Content,
}

/// What the bytes of a [`Chunk`] are.
pub(crate) enum Content {
    /// Pongs, close frames: counted nowhere.
    Control,
    /// Answers to subscriptions and other frames which the simulator made beside the flow.
    Answer,
    /// Market data: all frames, and frames per recorded connection.
    Data { frames: u32, connections: Vec<(u16, u32)> },
}

impl Content {
    pub fn frames(&self) -> u64 {
        match self {
            Content::Data { frames, .. } => u64::from(*frames),
            _ => 0,
        }
    }
}

/// The handle. Clones speak of the same client.
#[derive(Clone)]
pub(crate) struct Client {
    pub id: u64,
    pub target: Target,
    pub status: Arc<VenueStatus>,
    sender: mpsc::Sender<Chunk>,
    state: Arc<State>,
}

/// What the handles and the client's tasks share.
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
    /// A new client and the queue its writer takes from. `limit` is the bytes that may wait.
    pub fn new(id: u64, target: Target, status: Arc<VenueStatus>, limit: usize) -> (Self, mpsc::Receiver<Chunk>) {
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let state = Arc::new(State {
            limit,
            queued: AtomicUsize::new(0),
            unanswered_pings: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            room: Notify::new(),
            end: Notify::new(),
        });
        (Self { id, target, status, sender, state }, receiver)
    }

    /// Queues a chunk. `false`: the client is gone or has more waiting than it may.
    pub fn send(&self, chunk: Chunk) -> bool {
        if self.is_closed() || self.is_full() {
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

    /// Queues a text frame which the simulator made beside the flow.
    pub fn answer(&self, text: &str) -> bool {
        self.send(Chunk { bytes: frame(Opcode::Text, text.as_bytes()).into(), content: Content::Answer })
    }

    /// Queues a control frame.
    pub fn control(&self, opcode: Opcode, payload: &[u8]) -> bool {
        self.send(Chunk { bytes: frame(opcode, payload).into(), content: Content::Control })
    }

    /// Whether more waits for the client than it may.
    pub fn is_full(&self) -> bool {
        self.state.queued.load(Ordering::Acquire) >= self.state.limit || self.sender.capacity() == 0
    }

    fn is_closed(&self) -> bool {
        self.state.closed.load(Ordering::Acquire)
    }

    /// Waits until the client can take more, or is gone.
    pub async fn room(&self) {
        loop {
            let notified = self.state.room.notified();
            if !self.is_full() || self.is_closed() {
                return;
            }
            notified.await;
        }
    }

    /// Cuts the connection without a closing handshake; what is queued is lost.
    pub fn cut(&self) {
        self.close();
        self.state.end.notify_one();
    }

    /// Takes nothing more.
    pub fn close(&self) {
        self.state.closed.store(true, Ordering::Release);
        self.state.room.notify_waiters();
    }

    /// Waits until the client shall go.
    pub async fn ended(&self) {
        self.state.end.notified().await;
    }

    /// Takes a chunk that is on the wire out of the queue.
    pub fn written(&self, chunk: &Chunk) {
        self.status.written(chunk);
        self.status.queued_frames.fetch_sub(chunk.content.frames(), Ordering::AcqRel);
        self.state.queued.fetch_sub(chunk.bytes.len(), Ordering::AcqRel);
        self.state.room.notify_waiters();
    }

    /// Notes a ping; answers how many are now unanswered. A client that still has something
    /// to read cannot have seen it, so nothing counts against it.
    pub fn pinged(&self) -> u32 {
        match self.state.queued.load(Ordering::Acquire) {
            0 => self.state.unanswered_pings.fetch_add(1, Ordering::AcqRel) + 1,
            _ => 0,
        }
    }

    /// Notes that the client is there.
    pub fn heard(&self) {
        self.state.unanswered_pings.store(0, Ordering::Release);
    }
}
