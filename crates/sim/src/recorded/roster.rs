//! The clients of one recording: who takes what, and who has subscribed.

use std::sync::Arc;

use bytes::Bytes;

use super::dialect;
use super::recording::{Frame, Recording};
use crate::client::{Chunk, Client, Content};
use crate::status::VenueStatus;
use crate::websocket::{Opcode, append};

/// A frame on its way out: as recorded, or altered by a fault.
pub(super) struct Outgoing {
    pub frame: usize,
    pub altered: Option<Vec<u8>>,
}

/// All clients of a recording.
pub(super) struct Roster {
    recording: Arc<Recording>,
    status: Arc<VenueStatus>,
    /// Subscribed clients to wait for; `None`: one for each recorded connection.
    expected: Option<usize>,
    listeners: Vec<Listener>,
}

struct Listener {
    client: Client,
    /// Which recorded connections the client takes.
    takes: Vec<bool>,
    subscribed: bool,
}

impl Roster {
    pub fn new(recording: Arc<Recording>, status: Arc<VenueStatus>, expected: Option<usize>) -> Self {
        Self { recording, status, expected, listeners: Vec::new() }
    }

    /// A client takes the connection it names by `kt_connection`, else those recorded under
    /// its path, else all.
    pub fn attach(&mut self, client: Client) {
        let connections = &self.recording.connections;
        let wanted = client.target.get("kt_connection");
        let same_path = connections.iter().map(|connection| {
            let recorded = connection.target.as_ref();
            recorded.is_some_and(|target| target.path == client.target.path)
        });
        let same_path: Vec<bool> = same_path.collect();
        let takes = match wanted {
            Some(id) => connections.iter().map(|connection| connection.id == id).collect(),
            None if same_path.contains(&true) => same_path,
            None => vec![true; connections.len()],
        };
        if !takes.contains(&true) {
            tracing::warn!(venue = %self.recording.venue, ?wanted, "a client asks for a connection that was not recorded and will get nothing");
        }
        let subscribed = dialect::subscribed_by_url(&client.target);
        self.listeners.push(Listener { client, takes, subscribed });
    }

    pub fn detach(&mut self, client: u64) {
        self.listeners.retain(|listener| listener.client.id != client);
    }

    /// Hears a client's message and answers it in the venue's way.
    pub fn hear(&mut self, client: u64, text: &str) {
        let venue = &self.recording.venue;
        let mut listeners = self.listeners.iter_mut();
        let Some(listener) = listeners.find(|listener| listener.client.id == client) else { return };
        let heard = dialect::hear(venue, client, text);
        let answers = if self.recording.has_answers { Vec::new() } else { heard.answers };
        for answer in heard.pong.iter().chain(&answers) {
            if !listener.client.answer(answer) {
                tracing::warn!(%venue, client, "an answer could not be queued: the client is gone or too slow");
            }
        }
        listener.subscribed |= heard.subscribes;
    }

    fn subscribed(&self) -> impl Iterator<Item = &Listener> + Clone {
        self.listeners.iter().filter(|listener| listener.subscribed)
    }

    /// Whether someone listens to everything that shall be listened to.
    pub fn is_covered(&self) -> bool {
        let connections = self.recording.connections.len();
        match self.expected {
            Some(_) => self.subscribed().next().is_some(),
            None => (0..connections).all(|index| self.subscribed().any(|listener| listener.takes[index])),
        }
    }

    /// Whether all are there that the recording waits for.
    pub fn is_complete(&self) -> bool {
        self.subscribed().count() >= self.expected.unwrap_or(1).max(1) && self.is_covered()
    }

    /// Waits until every client can take more.
    pub async fn room(&self) {
        for listener in &self.listeners {
            listener.client.room().await;
        }
    }

    /// Whether no client takes only a part.
    pub fn all_take_all(&self) -> bool {
        self.listeners.iter().all(|listener| listener.takes.iter().all(|takes| *takes))
    }

    /// Hands out neighbouring frames of one file to clients who take everything: one piece of
    /// memory for all.
    pub fn deliver_whole(&self, frames: &[Frame]) {
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return };
        let wire = &self.recording.files[usize::from(first.file)].wire;
        let wire = wire.slice(first.range().start..last.range().end);
        let connections = tally(frames.iter());
        let reached = self.subscribed().filter(|listener| deliver(listener, wire.clone(), connections.clone()));
        if reached.count() == 0 {
            self.status.metrics.unclaimed_frames.inc_by(frames.len() as u64);
        }
    }

    /// Hands out frames one by one to those who take their connection.
    pub fn deliver_each(&self, frames: &[Outgoing]) {
        let recording = &self.recording;
        let mut claimed = vec![false; frames.len()];
        for listener in self.subscribed() {
            let (mut bytes, mut sent) = (Vec::new(), Vec::new());
            for (claimed, outgoing) in claimed.iter_mut().zip(frames) {
                let frame = &recording.frames[outgoing.frame];
                if !listener.takes[usize::from(frame.connection)] {
                    continue;
                }
                *claimed = true;
                sent.push(frame);
                match &outgoing.altered {
                    None => bytes.extend_from_slice(recording.wire(frame)),
                    Some(altered) => {
                        bytes.extend_from_slice(recording.clock(frame));
                        append(&mut bytes, Opcode::Text, altered);
                    }
                }
            }
            if !sent.is_empty() && !deliver(listener, bytes.into(), tally(sent.into_iter())) {
                tracing::debug!(client = listener.client.id, "frames for a client that has gone");
            }
        }
        let unclaimed = claimed.iter().filter(|claimed| !**claimed).count();
        self.status.metrics.unclaimed_frames.inc_by(unclaimed as u64);
    }

    /// Sends bytes that are no market data to all; answers to how many.
    pub fn broadcast(&self, bytes: &Bytes) -> u64 {
        let send =
            |listener: &&Listener| listener.client.send(Chunk { bytes: bytes.clone(), content: Content::Answer });
        self.listeners.iter().filter(send).count() as u64
    }

    /// Cuts all connections; answers how many.
    pub fn cut(&self) -> u64 {
        self.listeners.iter().for_each(|listener| listener.client.cut());
        self.listeners.len() as u64
    }
}

fn deliver(listener: &Listener, bytes: Bytes, connections: Vec<(u16, u32)>) -> bool {
    let frames = connections.iter().map(|(_, frames)| frames).sum();
    listener.client.send(Chunk { bytes, content: Content::Data { frames, connections } })
}

/// Frames per connection.
fn tally<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<(u16, u32)> {
    let mut tally: Vec<(u16, u32)> = Vec::new();
    for frame in frames {
        match tally.iter_mut().find(|(connection, _)| *connection == frame.connection) {
            Some((_, count)) => *count += 1,
            None => tally.push((frame.connection, 1)),
        }
    }
    tally
}
