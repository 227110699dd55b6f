//! Blocks of the log by their sequence numbers: for a reader that looks back a short way and keeps no place.

use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use kt_model::BlockHeader;

use crate::{Bus, BusError, LOG_STREAM};

/// Requests on their way at a time.
const AT_ONCE: usize = 64;

impl Bus {
    /// The blocks with the sequence numbers `first` to `last`, in order. What the log no longer holds, and what
    /// has no readable block header, is left out.
    ///
    /// # Errors
    /// [`BusError::Stream`] when there is no log or the server does not answer.
    pub async fn blocks_between(&self, first: u64, last: u64) -> Result<Vec<(BlockHeader, Bytes)>, BusError> {
        let failed = |cause: String| BusError::Stream { stream: LOG_STREAM, action: "reading a block", cause };
        let log = self.context.get_stream_no_info(LOG_STREAM).await.map_err(|error| failed(error.to_string()))?;
        let log = &log;
        let read = |sequence: u64| async move {
            match log.direct_get(sequence).await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed(error.to_string())),
            }
        };
        let found: Vec<_> = stream::iter(first..=last).map(read).buffered(AT_ONCE).try_collect().await?;
        let block = |message: async_nats::jetstream::message::StreamMessage| {
            let line = |name: &'static str| message.headers.get(name).map(|value| value.as_str());
            Some((BlockHeader::from_lines(line).ok()?, message.payload))
        };
        Ok(found.into_iter().flatten().filter_map(block).collect())
    }
}
