//! Compression of whole bodies: `Content-Encoding` in both directions, and ClickHouse's framing.

use std::io::{self, Read, Write};

use axum::http::HeaderMap;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

use crate::exception::Exception;
use crate::framing;

/// A content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
    Lz4,
}

impl Encoding {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "identity" => Self::Identity,
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "zstd" => Self::Zstd,
            "lz4" => Self::Lz4,
            _ => return None,
        })
    }

    /// The name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    /// How the request's body is encoded.
    pub(super) fn of_content(headers: &HeaderMap) -> Result<Self, Exception> {
        let name = headers.get("content-encoding").map_or("", |value| value.to_str().unwrap_or("?"));
        Self::named(&name.trim().to_ascii_lowercase()).ok_or_else(|| {
            Exception::new(
                48,
                "NOT_IMPLEMENTED",
                format!("Content-Encoding {name} is not supported; use lz4, zstd, gzip or deflate"),
            )
        })
    }

    /// The first encoding of `Accept-Encoding` that the server can write, in the client's order.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let wishes = headers.get("accept-encoding").and_then(|value| value.to_str().ok()).unwrap_or("");
        wishes
            .split(',')
            .filter_map(|wish| Self::named(wish.split(';').next()?.trim()))
            .find(|encoding| *encoding != Self::Identity)
            .unwrap_or(Self::Identity)
    }
}

/// Wraps `source` so that it yields the plain body.
pub(super) fn decoder<'a>(source: impl Read + 'a, encoding: Encoding, framed: bool) -> io::Result<Box<dyn Read + 'a>> {
    let plain: Box<dyn Read + 'a> = match encoding {
        Encoding::Identity => Box::new(source),
        Encoding::Gzip => Box::new(MultiGzDecoder::new(source)),
        Encoding::Deflate => Box::new(ZlibDecoder::new(source)),
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::new(source)?),
        Encoding::Lz4 => Box::new(FrameDecoder::new(source)),
    };
    Ok(if framed { Box::new(framing::Decoder::new(plain)) } else { plain })
}

/// Encodes a response piece by piece.
pub(super) enum Encoder {
    Plain,
    Framed(framing::Method),
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
}

impl Encoder {
    pub(super) fn new(encoding: Encoding, framed: Option<framing::Method>) -> io::Result<Self> {
        if let Some(method) = framed {
            return Ok(Self::Framed(method));
        }
        Ok(match encoding {
            Encoding::Identity => Self::Plain,
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::fast())),
            Encoding::Deflate => Self::Deflate(ZlibEncoder::new(Vec::new(), flate2::Compression::fast())),
            Encoding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 1)?),
            Encoding::Lz4 => Self::Lz4(Box::new(FrameEncoder::new(Vec::new()))),
        })
    }

    /// Encodes a piece and returns what can be sent now, so that a slow result arrives as it
    /// comes.
    pub(super) fn write(&mut self, piece: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(match self {
            Self::Plain => piece,
            Self::Framed(method) => {
                let mut out = Vec::with_capacity(piece.len() / 2 + 64);
                framing::encode(&piece, *method, &mut out)?;
                out
            }
            Self::Gzip(encoder) => {
                encoder.write_all(&piece)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
            Self::Deflate(encoder) => {
                encoder.write_all(&piece)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
            Self::Zstd(encoder) => {
                encoder.write_all(&piece)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
            Self::Lz4(encoder) => {
                encoder.write_all(&piece)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
        })
    }

    /// Ends the encoding and returns its last bytes.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain | Self::Framed(_) => Ok(Vec::new()),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Deflate(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
        }
    }
}
