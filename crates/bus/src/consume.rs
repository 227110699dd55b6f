//! Reading the durable log from a position that the caller keeps.
//!
//! The position that counts is the caller's (what has landed), not the server's: the consumer is
//! made anew at every start and whenever the delivery shows a hole. What cannot be delivered any
//! more comes back as a [`LogAlarm`], never as silence.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::{self, stream::ConsumerErrorKind};
use bytes::Bytes;
use futures::StreamExt;
use kt_model::BlockHeader;

use crate::{Bus, BusError, LOG_STREAM, LogState};

/// A place in the log. Sequence numbers alone mean nothing: a recreated stream counts from 1 again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogPosition {
    /// [`LogState::created`] of the stream it was read from.
    pub stream_created: i64,
    /// Sequence number within that stream.
    pub sequence: u64,
}

/// A block as the log delivered it.
#[derive(Clone, Debug)]
pub struct LogBlock {
    /// What it says of itself. The payload is not yet checked against it.
    pub header: BlockHeader,
    /// The rows.
    pub payload: Bytes,
    /// Where it lies in the log.
    pub position: LogPosition,
}

/// What is wrong with the log, for the caller to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogAlarm {
    /// The log no longer holds these sequence numbers (inclusive): its limits discarded them before
    /// they were read. Their writers still have them in their spools.
    Discarded {
        /// First number that is gone.
        first: u64,
        /// Last number that is gone.
        last: u64,
    },
    /// The stream is not the one the position was read from, or it lost its end: reading starts again at
    /// its first block, and blocks come that were seen before.
    Recreated {
        /// Where reading had arrived.
        before: LogPosition,
        /// The stream as it is now.
        now: LogState,
    },
    /// A message without a readable block header; it is passed over.
    Unreadable {
        /// Its sequence number.
        sequence: u64,
        /// What is wrong.
        reason: String,
    },
}

/// What one [`LogConsumer::fetch`] brought.
#[derive(Debug, Default)]
pub struct LogBatch {
    /// Blocks in the order of the log.
    pub blocks: Vec<LogBlock>,
    /// Alarms, to be looked at before the blocks.
    pub alarms: Vec<LogAlarm>,
}

/// How to read.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// Name of the durable consumer, one per loader.
    pub name: String,
    /// The last position up to which everything has landed; `None` reads from the first block.
    pub start_after: Option<LogPosition>,
    /// Blocks that may be delivered and not acknowledged.
    pub max_unacknowledged: u32,
}

/// Reads blocks in order.
pub struct LogConsumer {
    bus: Bus,
    config: ConsumerConfig,
    consumer: Option<Consumer<pull::Config>>,
    stream_created: i64,
    /// The next sequence number to come.
    expected: u64,
    generation: u64,
    /// Alarms found while opening, handed out with the next batch.
    alarms: Vec<LogAlarm>,
    /// Sequence number and acknowledgement subject of each block that is not acknowledged.
    replies: VecDeque<(u64, async_nats::Subject)>,
}

impl LogConsumer {
    /// Opens the log behind `config.start_after`.
    ///
    /// # Errors
    /// [`BusError::Stream`] when there is no log or the server refuses.
    pub async fn open(bus: &Bus, config: ConsumerConfig) -> Result<Self, BusError> {
        let before = config.start_after;
        let mut opened = Self {
            bus: bus.clone(),
            stream_created: before.map_or(0, |position| position.stream_created),
            expected: before.map_or(1, |position| position.sequence + 1),
            config,
            consumer: None,
            generation: bus.connections_made(),
            alarms: Vec::new(),
            replies: VecDeque::new(),
        };
        opened.align(before.is_some()).await?;
        Ok(opened)
    }

    /// Up to `most` blocks. Returns as soon as there is one, or empty after `wait`.
    ///
    /// # Errors
    /// [`BusError`] when the server does not answer or there is no log; call again, the position is kept.
    pub async fn fetch(&mut self, most: usize, wait: Duration) -> Result<LogBatch, BusError> {
        // A second round where the first ended at a hole or at a consumer that is gone: it finds out
        // what became of the missing blocks.
        match self.round(most, wait).await {
            Ok(batch) if batch.blocks.is_empty() && batch.alarms.is_empty() && self.consumer.is_none() => {}
            Err(error) => tracing::debug!(%error, "the log's consumer failed, it is made anew"),
            Ok(batch) => return Ok(batch),
        }
        self.round(most, wait).await
    }

    async fn round(&mut self, most: usize, wait: Duration) -> Result<LogBatch, BusError> {
        if self.generation != self.bus.connections_made() {
            // What was on its way when the connection broke would come only after the server's ack wait.
            self.consumer = None;
        }
        if self.consumer.is_none() {
            self.generation = self.bus.connections_made();
            self.align(true).await?;
        }
        let mut batch = LogBatch { blocks: Vec::new(), alarms: std::mem::take(&mut self.alarms) };
        if let Err(error) = self.pull(most, wait, &mut batch).await {
            self.consumer = None;
            if batch.blocks.is_empty() && batch.alarms.is_empty() {
                return Err(error);
            }
            tracing::warn!(%error, "the log's consumer failed within a batch, it will be made anew");
        }
        Ok(batch)
    }

    /// Tells the server that everything up to `position` has landed. Once per batch: the consumer
    /// acknowledges all before it. Only for the server's bookkeeping; correctness rests on the caller's position.
    ///
    /// # Errors
    /// [`BusError`] when the client is closed.
    pub async fn acknowledge_through(&mut self, position: LogPosition) -> Result<(), BusError> {
        if position.stream_created != self.stream_created {
            return Ok(()); // a stream that is gone
        }
        let landed = self.replies.partition_point(|(sequence, _)| *sequence <= position.sequence);
        let Some((_, reply)) = self.replies.drain(..landed).next_back() else { return Ok(()) };
        let failed = |cause: String| BusError::Publish { subject: reply.to_string(), cause };
        self.bus
            .client
            .publish(reply.clone(), Bytes::from_static(b"+ACK"))
            .await
            .map_err(|error| failed(error.to_string()))
    }

    /// Blocks in the log behind the last one delivered.
    ///
    /// # Errors
    /// [`BusError::Stream`] when the server does not answer.
    pub async fn behind(&self) -> Result<u64, BusError> {
        let state = self.bus.log_state().await?;
        Ok(state.map_or(0, |state| (state.last + 1).saturating_sub(self.expected)))
    }

    async fn pull(&mut self, most: usize, wait: Duration, batch: &mut LogBatch) -> Result<(), BusError> {
        // At most three rounds: what is there; else wait for one; then what came with it.
        self.pull_available(most, batch).await?;
        if !batch.blocks.is_empty() || !batch.alarms.is_empty() {
            return Ok(());
        }
        self.pull_one(wait, batch).await?;
        if batch.blocks.is_empty() {
            // A quiet log, or one that was cut back behind our position.
            return self.check_rewound().await;
        }
        self.pull_available(most - 1, batch).await
    }

    async fn pull_available(&mut self, most: usize, batch: &mut LogBatch) -> Result<(), BusError> {
        let Some(consumer) = self.consumer.clone().filter(|_| most > 0) else { return Ok(()) };
        let messages = consumer
            .fetch()
            .max_messages(most)
            .messages()
            .await
            .map_err(|error| failed("fetching", error.to_string()))?;
        self.take(messages, Duration::from_secs(5), batch).await
    }

    async fn pull_one(&mut self, wait: Duration, batch: &mut LogBatch) -> Result<(), BusError> {
        let Some(consumer) = self.consumer.clone() else { return Ok(()) };
        let messages = consumer
            .batch()
            .max_messages(1)
            .expires(wait)
            .messages()
            .await
            .map_err(|error| failed("fetching", error.to_string()))?;
        self.take(messages, wait + Duration::from_secs(5), batch).await
    }

    async fn take(
        &mut self,
        mut messages: pull::Batch,
        within: Duration,
        batch: &mut LogBatch,
    ) -> Result<(), BusError> {
        let end = tokio::time::Instant::now() + within;
        loop {
            match tokio::time::timeout_at(end, messages.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(message))) => self.accept(message, batch)?,
                Ok(Some(Err(error))) => return Err(failed("fetching", error.to_string())),
                Err(_) => return Err(BusError::Timeout { what: "fetching from the log", after: within }),
            }
            if self.consumer.is_none() {
                return Ok(()); // a hole: the rest of this batch would be out of order
            }
        }
    }

    /// Takes one message when it is the next in order. A hole ends the batch: the next fetch finds out
    /// whether the message was lost on the way or discarded by the log.
    fn accept(&mut self, message: jetstream::Message, batch: &mut LogBatch) -> Result<(), BusError> {
        let sequence = message.info().map_err(|error| failed("reading a message", error.to_string()))?.stream_sequence;
        if sequence < self.expected {
            return Ok(()); // delivered again
        }
        if sequence > self.expected {
            self.consumer = None;
            return Ok(());
        }
        self.expected = sequence + 1;
        self.replies.extend(message.reply.clone().map(|reply| (sequence, reply)));
        let headers = message.headers.as_ref();
        match BlockHeader::from_lines(|name| headers?.get(name).map(|value| value.as_str())) {
            Ok(header) => {
                let position = LogPosition { stream_created: self.stream_created, sequence };
                batch.blocks.push(LogBlock { header, payload: message.message.payload, position });
            }
            Err(error) => batch.alarms.push(LogAlarm::Unreadable { sequence, reason: error.to_string() }),
        }
        Ok(())
    }

    /// Compares our position with the stream and makes the consumer anew behind it.
    async fn align(&mut self, has_position: bool) -> Result<(), BusError> {
        let state =
            self.bus.log_state().await?.ok_or_else(|| {
                failed("opening a consumer", "there is no such stream; its writers create it".to_owned())
            })?;
        let rewound = self.expected > state.last + 1;
        if has_position && self.stream_created != 0 && (state.created != self.stream_created || rewound) {
            let sequence = self.expected.saturating_sub(1);
            let before = LogPosition { stream_created: self.stream_created, sequence };
            self.alarms.push(LogAlarm::Recreated { before, now: state });
            self.expected = state.first;
        } else if self.expected < state.first {
            if has_position || self.expected > 1 {
                self.alarms.push(LogAlarm::Discarded { first: self.expected, last: state.first - 1 });
            }
            self.expected = state.first;
        }
        self.stream_created = state.created;
        self.replies.clear();
        self.consumer = Some(self.create_consumer().await?);
        Ok(())
    }

    async fn create_consumer(&self) -> Result<Consumer<pull::Config>, BusError> {
        let stream = self
            .bus
            .context
            .get_stream_no_info(LOG_STREAM)
            .await
            .map_err(|error| failed("opening a consumer", error.to_string()))?;
        match stream.delete_consumer(&self.config.name).await {
            Ok(_) => {}
            // It is gone already, which is what was wanted.
            Err(error) if error.to_string().contains("not found") => {}
            Err(error) => return Err(failed("replacing the consumer", error.to_string())),
        }
        let config = pull::Config {
            durable_name: Some(self.config.name.clone()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.expected },
            ack_policy: AckPolicy::All,
            ack_wait: Duration::from_secs(60),
            max_ack_pending: i64::from(self.config.max_unacknowledged),
            // The server forgets a loader that never comes back.
            inactive_threshold: Duration::from_secs(7 * 86_400),
            ..pull::Config::default()
        };
        stream.create_consumer(config).await.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(cause) => failed("creating the consumer", cause.to_string()),
            _ => failed("creating the consumer", error.to_string()),
        })
    }

    async fn check_rewound(&mut self) -> Result<(), BusError> {
        match self.bus.log_state().await? {
            Some(state) if state.created == self.stream_created && self.expected <= state.last + 1 => Ok(()),
            _ => {
                self.consumer = None;
                Ok(())
            }
        }
    }
}

fn failed(action: &'static str, cause: String) -> BusError {
    BusError::Stream { stream: LOG_STREAM, action, cause }
}
