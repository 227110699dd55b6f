//! ClickHouse `RowBinary`: how each column type is written and read.
//!
//! Format reference: ClickHouse documentation, "RowBinary". Integers are little-endian, strings
//! and arrays carry a LEB128 length, `Nullable` a leading byte (1 means NULL).

use crate::Nanos;
use crate::decimal::Decimal;

/// Why bytes are not a row of the expected schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end within a value.
    #[error("the row is cut short")]
    Truncated,
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    NotText,
    /// A discriminant that the enumeration does not have.
    #[error("unknown value {0} of an enumeration")]
    UnknownVariant(i8),
    /// A length prefix beyond what a row may hold.
    #[error("an impossible length")]
    BadLength,
    /// A boolean or NULL marker other than 0 and 1.
    #[error("a flag byte other than 0 and 1")]
    BadFlag,
}

/// A cursor over encoded rows.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next unread byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether all bytes are read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(count).ok_or(DecodeError::BadLength)?;
        let part = self.bytes.get(self.at..end).ok_or(DecodeError::Truncated)?;
        self.at = end;
        Ok(part)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let part = self.take(N)?;
        let mut out = [0u8; N];
        out.copy_from_slice(part);
        Ok(out)
    }

    /// A LEB128 length.
    ///
    /// # Errors
    /// `Truncated`, or `BadLength` beyond 32 bits.
    #[inline]
    pub fn length(&mut self) -> Result<usize, DecodeError> {
        let mut value: u64 = 0;
        for shift in [0u32, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).map_err(|_| DecodeError::BadLength);
            }
        }
        Err(DecodeError::BadLength)
    }
}

/// Writes a LEB128 length.
#[inline]
pub fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push((length as u8) | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// A value of one column.
pub trait Field<'a>: Sized {
    /// The column's ClickHouse type, spelt as `system.columns` spells it.
    const CLICKHOUSE: &'static str;

    /// Appends the value in `RowBinary`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the value.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such a value.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

macro_rules! integer_field {
    ($($rust:ty => $clickhouse:literal),*) => {$(
        impl<'a> Field<'a> for $rust {
            const CLICKHOUSE: &'static str = $clickhouse;
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            #[inline]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                Ok(Self::from_le_bytes(reader.array()?))
            }
        }
    )*};
}
integer_field!(u8 => "UInt8", u16 => "UInt16", u32 => "UInt32", u64 => "UInt64", i8 => "Int8", i64 => "Int64");

/// A computed value; what an exchange sent is never a float.
impl<'a> Field<'a> for f64 {
    const CLICKHOUSE: &'static str = "Float64";
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bits().to_le_bytes());
    }
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        u64::decode(reader).map(f64::from_bits)
    }
}

impl<'a> Field<'a> for Nanos {
    const CLICKHOUSE: &'static str = "DateTime64(9, 'UTC')";
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        i64::decode(reader).map(Self)
    }
}

macro_rules! decimal_field {
    ($($scale:literal => $clickhouse:literal, $nullable:literal);*) => {$(
        impl<'a> Field<'a> for Decimal<$scale> {
            const CLICKHOUSE: &'static str = $clickhouse;
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0.to_le_bytes());
            }
            #[inline]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                Ok(Self(i128::from_le_bytes(reader.array()?)))
            }
        }
        nullable_field!(Decimal<$scale> => $nullable);
    )*};
}

macro_rules! nullable_field {
    ($($rust:ty => $clickhouse:literal),*) => {$(
        impl<'a> Field<'a> for Option<$rust> {
            const CLICKHOUSE: &'static str = $clickhouse;
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    None => out.push(1),
                    Some(value) => {
                        out.push(0);
                        value.encode(out);
                    }
                }
            }
            #[inline]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                match u8::decode(reader)? {
                    0 => <$rust as Field>::decode(reader).map(Some),
                    1 => Ok(None),
                    _ => Err(DecodeError::BadFlag),
                }
            }
        }
    )*};
}
decimal_field!(18 => "Decimal(38, 18)", "Nullable(Decimal(38, 18))"; 24 => "Decimal(38, 24)", "Nullable(Decimal(38, 24))");
nullable_field!(
    Nanos => "Nullable(DateTime64(9, 'UTC'))",
    u32 => "Nullable(UInt32)",
    u64 => "Nullable(UInt64)",
    f64 => "Nullable(Float64)"
);

impl<'a> Field<'a> for bool {
    const CLICKHOUSE: &'static str = "Bool";
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match u8::decode(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::BadFlag),
        }
    }
}

impl<'a> Field<'a> for &'a str {
    const CLICKHOUSE: &'static str = "String";
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = reader.length()?;
        std::str::from_utf8(reader.take(length)?).map_err(|_| DecodeError::NotText)
    }
}

/// A string with few different values: `LowCardinality(String)` in the warehouse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label<'a>(pub &'a str);

impl<'a> Field<'a> for Label<'a> {
    const CLICKHOUSE: &'static str = "LowCardinality(String)";
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        <&str>::decode(reader).map(Self)
    }
}

impl std::ops::Deref for Label<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        self.0
    }
}
