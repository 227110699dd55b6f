//! A tape: one ordered input in one local file, rows and all.
//!
//! A journal holds the order but not the rows. Putting both together costs a trip to the warehouse;
//! a tape keeps the result, so that the same stretch is replayed again at the speed of decoding.
//!
//! Layout, all numbers little-endian: [`MAGIC`], a `u32` length and that much JSON ([`TapeHeader`]), then
//! blocks: `u32` raw bytes, `u32` stored bytes, `u64` xxh3-64 of the raw bytes, and the stored bytes
//! (LZ4). Raw bytes are entries: a tag (`u8`), a `u32` length and a body. Tags below [`FIRST_MARK`] are
//! indices into the header's kinds and their body is the encoded row; the others are the inputs that are
//! not events. A block of 0 raw bytes ends the tape; its hash field then counts all entries, so that
//! a tape that was cut short does not pass for a whole one.

mod entry;
mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use read::TapeReader;
pub use write::TapeWriter;

/// First bytes of every tape.
pub const MAGIC: &[u8; 8] = b"KTTAPE1\n";
/// Tags from here on are not events.
const FIRST_MARK: u8 = 0x80;
/// Raw bytes of a block before it is written.
const BLOCK_BYTES: usize = 1 << 20;
/// The most a block may claim to hold: one entry may exceed [`BLOCK_BYTES`], but a damaged length must
/// not ask for all memory.
const BLOCK_LIMIT: usize = 1 << 28;

/// What a tape is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeHeader {
    /// `kind/version` of each event tag.
    pub kinds: Vec<String>,
    /// What it was made from: a journal's fingerprint or a warehouse range, for whoever asks whether a
    /// tape is still the right one.
    pub source: String,
}

impl TapeHeader {
    /// The header of a tape made by this version.
    #[must_use]
    pub fn new(source: impl Into<String>) -> Self {
        let kinds = kt_model::Kind::ALL.iter().map(|kind| kind.schema().tag()).collect();
        Self { kinds, source: source.into() }
    }
}
