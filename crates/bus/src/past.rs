//! What the log holds of one kind and venue, read block by block: for who starts late and needs what was
//! said before.

use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use kt_model::BlockHeader;
use kt_model::schema::Kind;
use kt_model::subject;

use crate::{Bus, BusError, LOG_STREAM};

impl Bus {
    /// The blocks of a kind and venue that the log holds, oldest first, whoever wrote them; at most `most`.
    /// Meant for kinds that are few: one request a block.
    ///
    /// # Errors
    /// [`BusError::Stream`] when there is no log or the server does not answer.
    pub async fn blocks_in_log(
        &self,
        kind: Kind,
        venue: &str,
        most: usize,
    ) -> Result<Vec<(BlockHeader, Bytes)>, BusError> {
        let failed = |cause: String| BusError::Stream { stream: LOG_STREAM, action: "reading past blocks", cause };
        let stream = self.context.get_stream_no_info(LOG_STREAM).await.map_err(|error| failed(error.to_string()))?;
        // The last token is the writer.
        let mut filter = subject::log(kind, venue, "");
        filter.pop();
        filter.push('*');
        let mut blocks = Vec::new();
        let mut from = 1;
        while blocks.len() < most {
            match stream.direct_get_next_for_subject(filter.clone(), Some(from)).await {
                Ok(message) => {
                    from = message.sequence + 1;
                    let header = BlockHeader::from_lines(|name| message.headers.get(name).map(|value| value.as_str()));
                    match header {
                        Ok(header) => blocks.push((header, message.payload)),
                        Err(error) => tracing::warn!(%error, sequence = from - 1, "a block in the log cannot be read"),
                    }
                }
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => break,
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        Ok(blocks)
    }
}
