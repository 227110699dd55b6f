//! The values of a trading configuration: each says what it may be.

use kt_model::Decimal;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use crate::money::Money;

/// An amount above zero, written as text (`"2000"`) so that no digit is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positive(pub Money);

/// Hundredths of a percent, written as text, from -10 000 to 10 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bps(pub Money);

/// A span of time: a whole number above zero in the unit of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(pub u32);

/// A number of zero or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unsigned(pub f64);

/// A name of letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Box<str>);

/// One leg: `venue/instrument`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The venue.
    pub venue: String,
    /// The instrument's canonical id.
    pub instrument: String,
}

impl Age {
    /// In nanoseconds, where the key counts milliseconds.
    #[must_use]
    pub fn milliseconds(self) -> i64 {
        i64::from(self.0) * 1_000_000
    }

    /// In nanoseconds, where the key counts seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::from(self.0) * 1_000_000_000
    }
}

impl std::ops::Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// A decimal as text. A bare TOML number is refused: it would be a float.
struct DecimalText;

impl Visitor<'_> for DecimalText {
    type Value = Money;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a decimal number in quotes, such as \"0.5\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Money, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Money, E> {
        Decimal::from_mantissa(number, 0).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(DecimalText)?;
        if value.0 > 0 { Ok(Self(value)) } else { Err(D::Error::custom(format!("{value} must be above 0"))) }
    }
}

impl<'de> Deserialize<'de> for Bps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(DecimalText)?;
        let limit = Decimal::from_mantissa(10_000, 0).unwrap_or_default();
        let fits = -limit.0 <= value.0 && value <= limit;
        if fits {
            Ok(Self(value))
        } else {
            Err(D::Error::custom(format!("{value} is not between -10000 and 10000 bps")))
        }
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u32::deserialize(deserializer)?;
        if value > 0 { Ok(Self(value)) } else { Err(D::Error::custom("must be above 0")) }
    }
}

impl<'de> Deserialize<'de> for Unsigned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        let fits = value.is_finite() && value >= 0.0;
        if fits { Ok(Self(value)) } else { Err(D::Error::custom(format!("{value} must be a number of 0 or more"))) }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.into()))
        } else {
            Err(D::Error::custom(format!("{text:?} must have 1 to 32 letters, digits, - or _")))
        }
    }
}

impl<'de> Deserialize<'de> for Leg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.split_once('/') {
            Some((venue, instrument)) if !venue.is_empty() && !instrument.is_empty() => {
                Ok(Self { venue: venue.to_owned(), instrument: instrument.to_owned() })
            }
            _ => Err(D::Error::custom(format!("{text:?}: write it as venue/instrument, as in binance/BTC-USDT-SPOT"))),
        }
    }
}
