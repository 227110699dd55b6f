//! Array columns, held by the caller or still encoded.

use crate::codec::{DecodeError, Field, Reader, write_length};

/// Text values of an escape column, in order: `Array(String)`.
#[derive(Clone, Copy, Debug)]
pub enum Texts<'a> {
    /// Values held by the caller.
    Slice(&'a [&'a str]),
    /// Encoded values, checked when they were read.
    Encoded {
        /// How many values.
        count: usize,
        /// Their `RowBinary` bytes.
        bytes: &'a [u8],
    },
}

impl<'a> Texts<'a> {
    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        let (slice, mut reader): (&'a [&'a str], Reader<'a>) = match *self {
            Texts::Slice(slice) => (slice, Reader::new(&[])),
            Texts::Encoded { bytes, .. } => (&[], Reader::new(bytes)),
        };
        slice.iter().copied().chain(std::iter::from_fn(move || <&str>::decode(&mut reader).ok()))
    }

    /// How many values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Texts::Slice(slice) => slice.len(),
            Texts::Encoded { count, .. } => *count,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Texts<'_> {
    fn default() -> Self {
        Texts::Slice(&[])
    }
}

impl PartialEq for Texts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> Field<'a> for Texts<'a> {
    const CLICKHOUSE: &'static str = "Array(String)";
    fn encode(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        self.iter().for_each(|text| text.encode(out));
    }
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.length()?;
        let mut probe = *reader;
        for _ in 0..count {
            <&str>::decode(&mut probe)?;
        }
        let bytes = reader.take(probe.position() - reader.position())?;
        Ok(Texts::Encoded { count, bytes })
    }
}

/// A list of 64-bit integers, held by the caller or still encoded: `Array(Int64)`.
#[derive(Clone, Copy, Debug)]
pub enum Integers<'a> {
    /// Values held by the caller.
    Slice(&'a [i64]),
    /// Little-endian bytes, eight a value.
    Bytes(&'a [u8]),
}

impl<'a> Integers<'a> {
    /// How many values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Integers::Slice(values) => values.len(),
            Integers::Bytes(bytes) => bytes.len() / 8,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        match self {
            Integers::Slice(values) => values.get(index).copied(),
            Integers::Bytes(bytes) => {
                let part = bytes.get(index.checked_mul(8)?..)?.first_chunk::<8>()?;
                Some(i64::from_le_bytes(*part))
            }
        }
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.len()).map_while(|index| self.get(index))
    }
}

impl Default for Integers<'_> {
    fn default() -> Self {
        Integers::Slice(&[])
    }
}

impl PartialEq for Integers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> Field<'a> for Integers<'a> {
    const CLICKHOUSE: &'static str = "Array(Int64)";
    fn encode(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        match self {
            Integers::Slice(values) => {
                out.reserve(values.len() * 8);
                values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
            }
            Integers::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.length()?;
        let bytes = reader.take(count.checked_mul(8).ok_or(DecodeError::BadLength)?)?;
        Ok(Integers::Bytes(bytes))
    }
}
