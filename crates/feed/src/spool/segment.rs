//! One file of the spool.
//!
//! ```text
//! segment: magic "KTSPOOL1", index u64, epoch u32, high counter u64, xxh3-64 of these     36 bytes
//! record:  header bytes u32, payload bytes u32, xxh3-64 of both and the header, header, payload
//! ```
//! Integers are little-endian. The block header is written as the lines that travel over the log; its
//! hash covers the payload, so that the payload is hashed once in its life.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use kt_model::BlockHeader;
use kt_model::schema::Kind;

use crate::FeedError;

const MAGIC: &[u8; 8] = b"KTSPOOL1";
/// Bytes before the first record.
pub(super) const SEGMENT_HEADER: u64 = 36;
/// Bytes of a record before its header.
pub(super) const RECORD_PREFIX: usize = 16;
/// No block header is longer; a larger length is damage.
const LONGEST_HEADER: usize = 4096;
/// No block is larger; a larger length is damage.
const LARGEST_PAYLOAD: usize = 64 << 20;

/// What is known of a segment without reading it again.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub index: u64,
    pub path: PathBuf,
    pub epoch: u32,
    /// Highest counter given to any row when the segment was begun.
    pub high_counter: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Highest block number of each kind in it; 0 where it holds none.
    pub highest: [u64; Kind::COUNT],
}

/// A record found in a segment.
pub(super) struct Record {
    pub header: BlockHeader,
    /// Where the payload begins.
    pub payload_at: u64,
    pub payload_bytes: usize,
    /// Where the next record begins.
    pub next: u64,
}

impl Segment {
    pub fn path_of(folder: &Path, index: u64) -> PathBuf {
        folder.join(format!("{index:012}.spool"))
    }

    /// The bytes with which a new segment begins.
    pub fn begin(index: u64, epoch: u32, high_counter: u64) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&epoch.to_le_bytes());
        bytes.extend_from_slice(&high_counter.to_le_bytes());
        bytes.extend_from_slice(&kt_model::block::hash(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the beginning of a segment; `None` when it was not written to its end.
    pub fn open(path: &Path) -> Result<Option<Self>, FeedError> {
        let mut file = File::open(path).map_err(FeedError::file("opening", path))?;
        let bytes = file.metadata().map_err(FeedError::file("reading", path))?.len();
        if bytes < SEGMENT_HEADER {
            return Ok(None);
        }
        let mut head = [0u8; SEGMENT_HEADER as usize];
        file.read_exact(&mut head).map_err(FeedError::file("reading", path))?;
        let (body, check) = head.split_at(28);
        if &body[..8] != MAGIC || check != kt_model::block::hash(body).to_le_bytes() {
            return Err(FeedError::SpoolFormat { path: path.to_owned() });
        }
        Ok(Some(Self {
            index: u64::from_le_bytes(fixed(&body[8..])),
            path: path.to_owned(),
            epoch: u32::from_le_bytes(fixed(&body[16..])),
            high_counter: u64::from_le_bytes(fixed(&body[20..])),
            bytes,
            highest: [0; Kind::COUNT],
        }))
    }

    /// Notes that a block was written.
    pub fn note(&mut self, header: &BlockHeader) {
        let highest = &mut self.highest[header.kind.index()];
        *highest = header.number.max(*highest);
    }
}

/// Appends the record of a block to `out`.
pub(super) fn encode(header: &BlockHeader, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_PREFIX]);
    for (name, value) in header.to_lines() {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
    let header_bytes = (out.len() - start - RECORD_PREFIX) as u32;
    out[start..start + 4].copy_from_slice(&header_bytes.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    let check = record_check(&out[start..start + 8], &out[start + RECORD_PREFIX..]);
    out[start + 8..start + RECORD_PREFIX].copy_from_slice(&check.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Reads a record's prefix and header from `bytes`, which begin at offset `at` of the file.
/// `None` when they are no whole record header.
pub(super) fn decode(bytes: &[u8], at: u64) -> Option<Record> {
    let prefix = bytes.get(..RECORD_PREFIX)?;
    let (header_bytes, payload_bytes) = lengths(prefix)?;
    let text = bytes.get(RECORD_PREFIX..RECORD_PREFIX + header_bytes)?;
    if record_check(&prefix[..8], text).to_le_bytes() != prefix[8..] {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let line = |name: &'static str| {
        text.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')))
    };
    let header = BlockHeader::from_lines(line).ok()?;
    let payload_at = at + (RECORD_PREFIX + header_bytes) as u64;
    Some(Record { header, payload_at, payload_bytes, next: payload_at + payload_bytes as u64 })
}

/// Lengths of header and payload, where they are possible.
pub(super) fn lengths(prefix: &[u8]) -> Option<(usize, usize)> {
    let header_bytes = u32::from_le_bytes(fixed(prefix.get(..4)?)) as usize;
    let payload_bytes = u32::from_le_bytes(fixed(prefix.get(4..8)?)) as usize;
    (header_bytes <= LONGEST_HEADER && payload_bytes <= LARGEST_PAYLOAD).then_some((header_bytes, payload_bytes))
}

fn record_check(lengths: &[u8], header: &[u8]) -> u64 {
    kt_model::block::hash(header) ^ u64::from_le_bytes(fixed(lengths))
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}
