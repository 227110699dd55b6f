//! Publishing blocks so that each is stored, whatever happens to the server meanwhile.
//!
//! Acknowledgements come to an inbox of our own: the client's acknowledgement futures do not resolve
//! after a reconnect. When the oldest block waits too long, when the connection was made anew or
//! when the server refuses, the whole window is sent again with the same message ids.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::{HeaderMap, Subject, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use kt_model::schema::Kind;
use kt_model::{BlockHeader, subject};
use tokio::time::Instant;

use crate::{Bus, BusError};

/// Bounds of a [`LogPublisher`].
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// Blocks that may wait for their acknowledgement. Large windows starve the consumers.
    pub window: usize,
    /// How long the oldest may wait before the window is sent again.
    pub ack_timeout: Duration,
    /// Pause before a window that the server refused is sent again.
    pub refusal_pause: Duration,
}

impl Default for PublisherConfig {
    fn default() -> Self {
        Self { window: 64, ack_timeout: Duration::from_secs(3), refusal_pause: Duration::from_millis(250) }
    }
}

/// Which block of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId {
    /// Epoch of the writer.
    pub epoch: u32,
    /// Kind of the rows.
    pub kind: Kind,
    /// Number on the subject.
    pub number: u64,
}

/// What [`LogPublisher::next`] reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishEvent {
    /// The log holds the block.
    Acknowledged {
        /// Which.
        block: BlockId,
        /// Its sequence number in the log.
        sequence: u64,
        /// Whether the log held it already.
        duplicate: bool,
    },
    /// The window was sent again.
    Resent {
        /// How many blocks.
        blocks: usize,
        /// Why: `timeout`, `reconnect` or `refused`.
        cause: &'static str,
    },
    /// The server refused a block; the window will be sent again after a pause.
    Refused {
        /// What it said.
        cause: String,
    },
    /// No stream takes these subjects. Make it anew ([`Bus::ensure_log`]) and publish again all that
    /// has not landed; the window is sent again meanwhile.
    StreamMissing,
    /// The log's sequence numbers went back: it lost what it held. Publish again all that has not landed.
    SequenceRestarted {
        /// The largest number seen before.
        before: u64,
        /// The number of the block just stored.
        now: u64,
    },
}

struct InFlight {
    block: BlockId,
    headers: HeaderMap,
    payload: Bytes,
    sent: Instant,
    stored: bool,
}

/// Publishes the blocks of one writer.
pub struct LogPublisher {
    bus: Bus,
    config: PublisherConfig,
    subjects: Vec<Subject>,
    inbox: String,
    acks: Subscriber,
    window: VecDeque<InFlight>,
    /// Token of the first block of the window.
    base: u64,
    generation: u64,
    highest_sequence: u64,
    resend_at: Option<Instant>,
    pending: VecDeque<PublishEvent>,
}

impl LogPublisher {
    /// For the blocks of `writer`, which all come from `venue`.
    ///
    /// # Errors
    /// [`BusError::Subscribe`] when the inbox cannot be opened.
    pub async fn new(bus: &Bus, venue: &str, writer: &str, config: PublisherConfig) -> Result<Self, BusError> {
        let inbox = bus.client.new_inbox();
        let filter = format!("{inbox}.*");
        let acks = bus
            .client
            .subscribe(filter.clone())
            .await
            .map_err(|error| BusError::Subscribe { subject: filter, cause: error.to_string() })?;
        let subjects = Kind::ALL.iter().map(|kind| Subject::from(subject::log(*kind, venue, writer))).collect();
        Ok(Self {
            generation: bus.connections_made(),
            bus: bus.clone(),
            config,
            subjects,
            inbox,
            acks,
            window: VecDeque::new(),
            base: 0,
            highest_sequence: 0,
            resend_at: None,
            pending: VecDeque::new(),
        })
    }

    /// Whether another block may be sent now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.window.len() < self.config.window
    }

    /// Blocks sent and not yet acknowledged.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.window.len()
    }

    /// Sends a block. It stays in the window until it is acknowledged. The caller keeps to
    /// [`Self::has_room`].
    ///
    /// # Errors
    /// [`BusError::TooLarge`] when the server would never take it, [`BusError::Closed`] after the end.
    pub async fn send(&mut self, header: &BlockHeader, payload: Bytes) -> Result<(), BusError> {
        self.enqueue(header, payload, true).await
    }

    /// Sends a block that the log may have had and discarded: without a message id, so that the memory
    /// of the first time does not suppress it. Readers know a repeated block by its identity.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_again(&mut self, header: &BlockHeader, payload: Bytes) -> Result<(), BusError> {
        self.enqueue(header, payload, false).await
    }

    async fn enqueue(&mut self, header: &BlockHeader, payload: Bytes, with_id: bool) -> Result<(), BusError> {
        debug_assert!(self.has_room(), "the window of the log publisher is bounded");
        let limit = self.bus.client.max_payload();
        // Header lines take less than 600 bytes beside the two names.
        let bytes = payload.len() + 600 + 2 * (header.writer.len() + header.venue.len());
        if bytes > limit {
            return Err(BusError::TooLarge { subject: self.subjects[header.kind.index()].to_string(), bytes, limit });
        }
        let mut headers = HeaderMap::new();
        for (name, value) in header.to_lines() {
            headers.insert(name, value.as_str());
        }
        if with_id {
            headers.insert("Nats-Msg-Id", header.message_id().as_str());
        }
        let block = BlockId { epoch: header.epoch, kind: header.kind, number: header.number };
        self.window.push_back(InFlight { block, headers, payload, sent: Instant::now(), stored: false });
        self.transmit(self.window.len() - 1).await
    }

    /// Waits for the next thing to happen. Safe to cancel. Pends while nothing is in flight.
    ///
    /// # Errors
    /// [`BusError::Closed`] when the connection has ended for good.
    pub async fn next(&mut self) -> Result<PublishEvent, BusError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let deadline = self.deadline();
            tokio::select! {
                message = self.acks.next() => {
                    let message = message.ok_or(BusError::Closed)?;
                    self.acknowledge(&message);
                }
                () = sleep_until(deadline), if deadline.is_some() => self.overdue().await?,
                changed = self.bus.generation.changed() => {
                    changed.map_err(|_| BusError::Closed)?;
                    self.reconnected().await?;
                }
            }
        }
    }

    /// Waits until everything sent is acknowledged, handing each event to `each`.
    ///
    /// # Errors
    /// [`BusError::Timeout`] when that takes longer than `within`.
    pub async fn drain(&mut self, within: Duration, mut each: impl FnMut(PublishEvent)) -> Result<(), BusError> {
        let end = Instant::now() + within;
        while !self.window.is_empty() || !self.pending.is_empty() {
            match tokio::time::timeout_at(end, self.next()).await {
                Ok(event) => each(event?),
                Err(_) => {
                    return Err(BusError::Timeout { what: "waiting for the log's acknowledgements", after: within });
                }
            }
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        let oldest = self.window.front().map(|block| block.sent + self.config.ack_timeout);
        match (self.resend_at, oldest) {
            (Some(at), Some(_)) => Some(at),
            (_, oldest) => oldest,
        }
    }

    async fn overdue(&mut self) -> Result<(), BusError> {
        let cause = if self.resend_at.is_some() { "refused" } else { "timeout" };
        self.resend(cause).await
    }

    async fn reconnected(&mut self) -> Result<(), BusError> {
        let generation = *self.bus.generation.borrow_and_update();
        if generation != self.generation && !self.window.is_empty() {
            self.resend("reconnect").await?;
        }
        self.generation = generation;
        Ok(())
    }

    /// Sends all that is unacknowledged again. While the connection is down the clock only restarts:
    /// what is handed to the client then would be sent on top of the resend after the reconnect.
    async fn resend(&mut self, cause: &'static str) -> Result<(), BusError> {
        self.resend_at = None;
        let connected = self.bus.is_connected();
        let mut blocks = 0;
        for index in 0..self.window.len() {
            self.window[index].sent = Instant::now();
            if connected && !self.window[index].stored {
                self.transmit(index).await?;
                blocks += 1;
            }
        }
        if blocks > 0 {
            self.pending.push_back(PublishEvent::Resent { blocks, cause });
        }
        Ok(())
    }

    async fn transmit(&mut self, index: usize) -> Result<(), BusError> {
        let token = self.base + index as u64;
        let entry = &self.window[index];
        let subject = self.subjects[entry.block.kind.index()].clone();
        let reply = format!("{}.{token}", self.inbox);
        self.bus
            .client
            .publish_with_reply_and_headers(subject, reply, entry.headers.clone(), entry.payload.clone())
            .await
            .map_err(|error| BusError::Publish {
                subject: self.subjects[entry.block.kind.index()].to_string(),
                cause: error.to_string(),
            })
    }

    fn acknowledge(&mut self, message: &async_nats::Message) {
        let token = message.subject.rsplit('.').next().and_then(|token| token.parse::<u64>().ok());
        let Some(index) = token.and_then(|token| token.checked_sub(self.base)).map(|index| index as usize) else {
            return; // the second acknowledgement of a block that was sent twice
        };
        if index >= self.window.len() {
            return;
        }
        if message.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            self.refuse(PublishEvent::StreamMissing);
            return;
        }
        match serde_json::from_slice::<Answer>(&message.payload) {
            Ok(Answer { error: None, seq: Some(sequence), duplicate }) => self.stored(index, sequence, duplicate),
            Ok(Answer { error: Some(error), .. }) => self.refuse(PublishEvent::Refused { cause: error.description }),
            Ok(_) | Err(_) => self.refuse(PublishEvent::Refused { cause: "an unreadable acknowledgement".to_owned() }),
        }
    }

    fn stored(&mut self, index: usize, sequence: u64, duplicate: bool) {
        let entry = &mut self.window[index];
        if std::mem::replace(&mut entry.stored, true) {
            return;
        }
        self.pending.push_back(PublishEvent::Acknowledged { block: entry.block, sequence, duplicate });
        if !duplicate {
            if sequence < self.highest_sequence {
                let before = self.highest_sequence;
                self.pending.push_back(PublishEvent::SequenceRestarted { before, now: sequence });
                self.highest_sequence = 0;
            }
            self.highest_sequence = self.highest_sequence.max(sequence);
        }
        while self.window.front().is_some_and(|block| block.stored) {
            self.window.pop_front();
            self.base += 1;
        }
    }

    fn refuse(&mut self, event: PublishEvent) {
        // A whole window is refused at once; one event and one resend for it are enough.
        if self.resend_at.is_none() {
            self.resend_at = Some(Instant::now() + self.config.refusal_pause);
            self.pending.push_back(event);
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The server's answer to a publish into a stream.
#[derive(serde::Deserialize)]
struct Answer {
    error: Option<AnswerError>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
}

#[derive(serde::Deserialize)]
struct AnswerError {
    #[serde(default)]
    description: String,
}
