//! The stream of the durable log.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, context::GetStreamErrorKind};
use kt_model::schema::Kind;
use kt_model::{BlockHeader, subject};

use crate::{Bus, BusError};

/// Name of the stream.
pub const LOG_STREAM: &str = "LOG";
const SUBJECTS: &str = "log.v1.>";

/// Limits of the durable log. The oldest blocks go first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Bytes on disk.
    pub max_bytes: u64,
    /// Age.
    pub max_age: Duration,
    /// How long a `Nats-Msg-Id` is remembered.
    pub duplicate_window: Duration,
    /// Copies in a cluster.
    pub replicas: usize,
}

impl Default for LogConfig {
    /// One machine: 8 GiB or three days, whatever comes first.
    fn default() -> Self {
        Self {
            max_bytes: 8 << 30,
            max_age: Duration::from_secs(3 * 86_400),
            duplicate_window: Duration::from_secs(120),
            replicas: 1,
        }
    }
}

impl LogConfig {
    /// The stream with these limits.
    pub(crate) fn stream(&self) -> Config {
        Config {
            name: LOG_STREAM.to_owned(),
            subjects: vec![SUBJECTS.to_owned()],
            description: Some("Blocks of rows, the durable log".to_owned()),
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            max_bytes: i64::try_from(self.max_bytes).unwrap_or(i64::MAX),
            max_age: self.max_age,
            duplicate_window: self.duplicate_window.min(self.max_age),
            num_replicas: self.replicas,
            allow_direct: true,
            ..Config::default()
        }
    }
}

/// What the stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// When this stream was created, ns since the epoch: tells a recreated stream from its predecessor.
    pub created: i64,
    /// Sequence number of the oldest block it holds; one more than `last` when it is empty.
    pub first: u64,
    /// Sequence number of the newest block.
    pub last: u64,
    /// Bytes held.
    pub bytes: u64,
}

impl LogState {
    pub(crate) fn of(info: &jetstream::stream::Info) -> Self {
        let state = &info.state;
        Self {
            created: i64::try_from(info.created.unix_timestamp_nanos()).unwrap_or(0),
            // A stream that never held a message says 0 for both.
            first: state.first_sequence.max(1),
            last: state.last_sequence,
            bytes: state.bytes,
        }
    }
}

impl Bus {
    /// Creates the stream of the log, or adapts an existing one to these limits.
    ///
    /// # Errors
    /// [`BusError::Stream`] when JetStream is off, its disk is full, or the stream has other subjects.
    pub async fn ensure_log(&self, config: &LogConfig) -> Result<LogState, BusError> {
        let wanted = config.stream();
        let failed = |action: &'static str, cause: String| BusError::Stream { stream: LOG_STREAM, action, cause };
        let stream = self
            .context
            .get_or_create_stream(wanted.clone())
            .await
            .map_err(|error| failed("creating it", error.to_string()))?;
        let held = &stream.cached_info().config;
        let same = held.max_bytes == wanted.max_bytes
            && held.max_age == wanted.max_age
            && held.duplicate_window == wanted.duplicate_window
            && held.num_replicas == wanted.num_replicas
            && held.subjects == wanted.subjects;
        if same {
            return Ok(LogState::of(stream.cached_info()));
        }
        // An environment's log is filled from elsewhere.
        let wanted = Config { sources: held.sources.clone(), ..wanted };
        let info =
            self.context.update_stream(&wanted).await.map_err(|error| failed("changing it", error.to_string()))?;
        Ok(LogState::of(&info))
    }

    /// What the stream holds now; `None` when there is no such stream.
    ///
    /// # Errors
    /// [`BusError::Stream`] when the server does not answer.
    pub async fn log_state(&self) -> Result<Option<LogState>, BusError> {
        match self.context.get_stream(LOG_STREAM).await {
            Ok(stream) => Ok(Some(LogState::of(stream.cached_info()))),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(cause)
                    if cause.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                _ => {
                    Err(BusError::Stream { stream: LOG_STREAM, action: "reading its state", cause: error.to_string() })
                }
            },
        }
    }

    /// Deletes the stream with all it holds. For tests and for `kt down --erase`.
    ///
    /// # Errors
    /// [`BusError::Stream`] when the server refuses.
    pub async fn delete_log(&self) -> Result<(), BusError> {
        self.context.delete_stream(LOG_STREAM).await.map(drop).map_err(|error| BusError::Stream {
            stream: LOG_STREAM,
            action: "deleting it",
            cause: error.to_string(),
        })
    }

    /// Header of the newest block of one subject, for a writer that recovers after a restart.
    ///
    /// # Errors
    /// [`BusError::Stream`] when the server does not answer or the block's header cannot be read.
    pub async fn last_block(&self, kind: Kind, venue: &str, writer: &str) -> Result<Option<BlockHeader>, BusError> {
        let failed = |cause: String| BusError::Stream { stream: LOG_STREAM, action: "reading the last block", cause };
        let stream = self.context.get_stream_no_info(LOG_STREAM).await.map_err(|error| failed(error.to_string()))?;
        let subject = subject::log(kind, venue, writer);
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => BlockHeader::from_lines(|name| message.headers.get(name).map(|value| value.as_str()))
                .map(Some)
                .map_err(|error| failed(error.to_string())),
            Err(error) if error.kind() == jetstream::stream::DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}
