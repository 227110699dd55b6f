//! Reading a result piece by piece and finding an exception in its midst.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

use super::{ClientError, reasons};
use crate::exception::Exception;

/// The rows of a result as they arrive, cut anywhere.
pub struct RowsReader {
    response: Response,
    /// `__exception__` and the response's tag: the data cannot hold it by chance.
    marker: Option<Vec<u8>>,
    /// Read, but perhaps the beginning of the marker.
    held: BytesMut,
    ended: bool,
}

impl RowsReader {
    pub(super) fn new(response: Response) -> Self {
        let tag = response.headers().get("x-clickhouse-exception-tag");
        let marker = tag.map(|tag| [b"__exception__\r\n", tag.as_bytes()].concat());
        Self { response, marker, held: BytesMut::new(), ended: false }
    }

    /// The format of the data, as the warehouse names it.
    pub fn format(&self) -> Option<&str> {
        self.response.headers().get("x-clickhouse-format")?.to_str().ok()
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// An exception of the warehouse, or a broken connection: what was read before is then not
    /// the whole result.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        while !self.ended {
            let chunk = match self.response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    self.ended = true;
                    break;
                }
                Err(error) => {
                    return Err(ClientError::Transport {
                        url: self.response.url().to_string(),
                        reason: reasons(&error),
                    });
                }
            };
            let Some(marker) = &self.marker else { return Ok(Some(chunk)) };
            // Almost every piece is plain data and need not be copied.
            if self.held.is_empty() && find(&chunk, marker).is_none() && longest_beginning(&chunk, marker) == 0 {
                return Ok(Some(chunk));
            }
            self.held.extend_from_slice(&chunk);
            if let Some(at) = find(&self.held, marker) {
                return Err(self.exception(at).await);
            }
            let keep = longest_beginning(&self.held, marker);
            let piece = self.held.split_to(self.held.len() - keep);
            if !piece.is_empty() {
                return Ok(Some(piece.freeze()));
            }
        }
        let rest = self.held.split();
        Ok((!rest.is_empty()).then(|| rest.freeze()))
    }

    /// Reads to the end and drops the data.
    pub(super) async fn finish(mut self) -> Result<(), ClientError> {
        while self.next_piece().await?.is_some() {}
        Ok(())
    }

    async fn exception(&mut self, at: usize) -> ClientError {
        // The rest of the exception's text follows; the connection may be cut after it.
        while let Ok(Some(chunk)) = self.response.chunk().await {
            self.held.extend_from_slice(&chunk);
        }
        self.ended = true;
        let marker = self.marker.as_ref().map_or(0, Vec::len);
        let text = String::from_utf8_lossy(&self.held[at + marker..]).trim_start().to_owned();
        self.held.clear();
        let text = text.rsplit_once("\r\n__exception__").map_or(text.as_str(), |(text, _)| text);
        let text = text.rsplit_once('\n').map_or(text, |(text, _)| text);
        Exception::parse(text).into()
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, wanted)
}

/// How many bytes at the end of `text` are a beginning of `wanted`.
fn longest_beginning(text: &[u8], wanted: &[u8]) -> usize {
    (1..wanted.len().min(text.len() + 1)).rev().find(|length| text.ends_with(&wanted[..*length])).unwrap_or(0)
}
