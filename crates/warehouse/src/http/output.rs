//! A statement's answer on its way from the worker to the response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::encoding::Encoder;
use crate::engine::Statistics;
use crate::exception::Exception;

/// Parts in flight; a part is at most some MB.
const PARTS: usize = 4;

/// What a worker tells the response.
#[derive(Debug)]
pub(super) enum Message {
    /// The result's format; first, and once.
    Format(String),
    /// A piece of the body, encoded.
    Data(Bytes),
    /// The end, all is well.
    End(Statistics),
    /// The end, it failed; what was sent before ends with the exception in-band.
    Failed(Exception),
}

/// The client does not take the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// The worker's end of the channel.
pub(super) struct Output {
    sender: mpsc::Sender<Message>,
    runtime: Handle,
    idle: Duration,
    encoder: Encoder,
    tag: Arc<str>,
    begun: bool,
}

impl Output {
    /// A channel whose reader may pause for at most `idle`. `tag` marks exceptions in-band.
    pub(super) fn new(encoder: Encoder, tag: Arc<str>, idle: Duration) -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(PARTS);
        let output = Self { sender, runtime: Handle::current(), idle, encoder, tag, begun: false };
        (output, receiver)
    }

    fn send(&self, message: Message) -> Result<(), Gone> {
        // The timer must be made inside the runtime.
        let sending = async { tokio::time::timeout(self.idle, self.sender.send(message)).await };
        match self.runtime.block_on(sending) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// Whether the client is still there.
    pub(super) fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    /// Tells the format.
    pub(super) fn format(&mut self, format: &str) -> Result<(), Gone> {
        self.send(Message::Format(format.to_owned()))
    }

    /// Sends a piece of the result and returns the bytes it became.
    pub(super) fn data(&mut self, piece: Vec<u8>) -> Result<u64, Gone> {
        if piece.is_empty() {
            return Ok(0);
        }
        self.begun = true;
        let encoded = self.encoder.write(piece).map_err(|_| Gone)?;
        let size = encoded.len() as u64;
        if size > 0 {
            self.send(Message::Data(encoded.into()))?;
        }
        Ok(size)
    }

    /// Ends the answer.
    pub(super) fn end(mut self, outcome: Result<Statistics, Exception>, version: &str) -> Result<(), Gone> {
        if let Err(exception) = &outcome
            && self.begun
        {
            let text = exception.with_version(version);
            let tag = &self.tag;
            let length = text.len() + 1;
            self.data(
                format!("\r\n__exception__\r\n{tag}\r\n{text}\n{length} {tag}\r\n__exception__\r\n").into_bytes(),
            )?;
        }
        let encoder = std::mem::replace(&mut self.encoder, Encoder::Plain);
        // An empty result stays empty: not even an encoder's frame.
        if self.begun {
            let rest = encoder.finish().map_err(|_| Gone)?;
            if !rest.is_empty() {
                self.send(Message::Data(rest.into()))?;
            }
        }
        self.send(match outcome {
            Ok(statistics) => Message::End(statistics),
            Err(exception) => Message::Failed(exception),
        })
    }
}
