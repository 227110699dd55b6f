//! ClickHouse's own compression of HTTP bodies (`compress=1`, `decompress=1`).
//!
//! A body is a sequence of blocks: 16 bytes CityHash128 (version 1.0.2, high half first) over the
//! rest, then a method byte, the size of method, sizes and data (u32 LE), the size of the plain
//! data (u32 LE), and the data.

use std::io::{self, Read};

use cityhash_rs::cityhash_102_128;

/// Compression of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// LZ4, ClickHouse's default.
    Lz4,
    /// Zstandard.
    Zstd,
}

const LZ4: u8 = 0x82;
const ZSTD: u8 = 0x90;
const PLAIN: u8 = 0x02;
const HASH: usize = 16;
const HEADER: usize = 9;
/// Plain bytes per block that we write, as ClickHouse does.
const BLOCK: usize = 1 << 20;
/// Largest block that we accept.
const LIMIT: usize = 256 << 20;

/// Appends `plain` to `out` as framed blocks.
///
/// # Errors
/// When the compressor fails (memory).
pub fn encode(plain: &[u8], method: Method, out: &mut Vec<u8>) -> io::Result<()> {
    for block in plain.chunks(BLOCK) {
        let (byte, packed) = match method {
            Method::Lz4 => (LZ4, lz4_flex::block::compress(block)),
            Method::Zstd => (ZSTD, zstd::bulk::compress(block, 1)?),
        };
        let start = out.len();
        out.extend_from_slice(&[0; HASH]);
        out.push(byte);
        out.extend_from_slice(&((packed.len() + HEADER) as u32).to_le_bytes());
        out.extend_from_slice(&(block.len() as u32).to_le_bytes());
        out.extend_from_slice(&packed);
        let hash = hash(&out[start + HASH..]);
        out[start..start + HASH].copy_from_slice(&hash);
    }
    Ok(())
}

fn hash(data: &[u8]) -> [u8; HASH] {
    let value = cityhash_102_128(data);
    let mut bytes = [0; HASH];
    bytes[..8].copy_from_slice(&((value >> 64) as u64).to_le_bytes());
    bytes[8..].copy_from_slice(&(value as u64).to_le_bytes());
    bytes
}

/// Reads framed blocks from `inner` and yields the plain bytes.
pub struct Decoder<R> {
    inner: R,
    plain: Vec<u8>,
    position: usize,
}

impl<R: Read> Decoder<R> {
    /// Decodes what `inner` yields.
    pub fn new(inner: R) -> Self {
        Self { inner, plain: Vec::new(), position: 0 }
    }

    /// Reads the next block; `false` at a clean end.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut head = [0; HASH + HEADER];
        if !read_or_end(&mut self.inner, &mut head)? {
            return Ok(false);
        }
        let packed_size = u32::from_le_bytes([head[17], head[18], head[19], head[20]]) as usize;
        let plain_size = u32::from_le_bytes([head[21], head[22], head[23], head[24]]) as usize;
        if !(HEADER..=LIMIT).contains(&packed_size) || plain_size > LIMIT {
            return Err(invalid("compressed block with an impossible size"));
        }
        let mut block = vec![0; packed_size];
        block[..HEADER].copy_from_slice(&head[HASH..]);
        self.inner.read_exact(&mut block[HEADER..])?;
        if hash(&block) != head[..HASH] {
            return Err(invalid("compressed block with a wrong checksum"));
        }
        let packed = &block[HEADER..];
        self.plain = match block[0] {
            LZ4 => lz4_flex::block::decompress(packed, plain_size)
                .map_err(|error| invalid(&format!("LZ4 block: {error}")))?,
            ZSTD => zstd::bulk::decompress(packed, plain_size)?,
            PLAIN => packed.to_vec(),
            other => return Err(invalid(&format!("unknown compression method {other:#04x}"))),
        };
        if self.plain.len() != plain_size {
            return Err(invalid("compressed block of another size than it says"));
        }
        self.position = 0;
        Ok(true)
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.plain.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.plain.len() - self.position);
        buffer[..count].copy_from_slice(&self.plain[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Fills `buffer`; `false` when the source ended before its first byte.
fn read_or_end(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..])? {
            0 if filled == 0 => return Ok(false),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_round_trip_and_damage_is_found() {
        let plain: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 7) as u8).collect();
        for method in [Method::Lz4, Method::Zstd] {
            let mut framed = Vec::new();
            encode(&plain, method, &mut framed).unwrap();
            let mut back = Vec::new();
            Decoder::new(framed.as_slice()).read_to_end(&mut back).unwrap();
            assert!(back == plain);
            for at in [3, 18, 40, framed.len() - 1] {
                let mut damaged = framed.clone();
                damaged[at] ^= 0x10;
                assert!(Decoder::new(damaged.as_slice()).read_to_end(&mut Vec::new()).is_err());
            }
            let short = &framed[..framed.len() - 1];
            assert!(Decoder::new(short).read_to_end(&mut Vec::new()).is_err());
        }
    }
}
