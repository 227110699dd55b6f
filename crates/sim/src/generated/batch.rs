//! The frames of one market step, laid out as they go over the wire.

use crate::websocket::{LONGEST_HEADER, Opcode, header};

/// One generated frame inside a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MarketFrame {
    /// Number of the stream it belongs to.
    pub stream: u32,
    /// WebSocket frame of the combined form `{"stream":…,"data":…}`, header included.
    start: u32,
    end: u32,
    /// The event alone.
    payload: u32,
    payload_end: u32,
}

/// Frames, back to back in one buffer that is used again for each step.
#[derive(Default)]
pub(crate) struct Batch {
    pub buffer: Vec<u8>,
    pub frames: Vec<MarketFrame>,
}

impl Batch {
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.frames.clear();
    }

    /// Appends a frame whose event `write` puts into the buffer. `opening` is the stream's
    /// `{"stream":"…","data":`.
    pub fn push(&mut self, stream: u32, opening: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.buffer.len();
        self.buffer.extend_from_slice(&[0; LONGEST_HEADER]);
        self.buffer.extend_from_slice(opening);
        let payload = self.buffer.len();
        write(&mut self.buffer);
        let payload_end = self.buffer.len();
        self.buffer.push(b'}');
        let end = self.buffer.len();
        // The header's length depends on what it heads, so it is set against the payload.
        let (bytes, length) = header(Opcode::Text, end - begin - LONGEST_HEADER);
        let start = begin + LONGEST_HEADER - length;
        self.buffer[start..start + length].copy_from_slice(&bytes[..length]);
        let position = |index: usize| u32::try_from(index).expect("one step's frames are far smaller than 4 GiB");
        self.frames.push(MarketFrame {
            stream,
            start: position(start),
            end: position(end),
            payload: position(payload),
            payload_end: position(payload_end),
        });
    }

    /// The event alone, as the raw streams carry it.
    pub fn payload(&self, frame: &MarketFrame) -> &[u8] {
        &self.buffer[frame.payload as usize..frame.payload_end as usize]
    }

    /// The whole WebSocket frame of the combined form.
    pub fn combined(&self, frame: &MarketFrame) -> &[u8] {
        &self.buffer[frame.start as usize..frame.end as usize]
    }
}
