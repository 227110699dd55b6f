//! Compressed frames.

use crate::error::Fault;
use crate::spec::Encoding;
use std::io::Read;

/// Largest unpacked frame: a bound against bombs, far above any venue's snapshots.
const MOST_BYTES: u64 = 64 << 20;

/// The frame's text: `bytes` themselves, or what they unpack to in `buffer`.
pub(crate) fn unpack<'a>(encoding: Encoding, bytes: &'a [u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Fault> {
    // Venues that compress their frames still send some as text.
    if encoding == Encoding::Text || matches!(bytes.first(), Some(b'{' | b'[')) {
        return Ok(bytes);
    }
    buffer.clear();
    let read = match encoding {
        Encoding::Text => return Ok(bytes),
        Encoding::Gzip => flate2::read::GzDecoder::new(bytes).take(MOST_BYTES).read_to_end(buffer),
        Encoding::Deflate => flate2::read::DeflateDecoder::new(bytes).take(MOST_BYTES).read_to_end(buffer),
    };
    match read {
        Ok(_) => Ok(buffer),
        Err(_) => Err(Fault::Compression),
    }
}
