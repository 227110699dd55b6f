//! Exact decimal numbers as the exchanges print them.
//!
//! A [`Decimal`] is a 128-bit integer counting units of `10^-SCALE`. Text is converted digit by
//! digit; a number that needs more digits than the scale has is refused, never rounded.

use std::fmt;

/// Scale of prices and quantities: 18 digits after the point, up to 1.7e20 before it.
pub const PRICE_SCALE: u32 = 18;
/// Scale of rates (funding): 24 digits after the point, up to 1.7e14 before it.
pub const RATE_SCALE: u32 = 24;

/// A price, in quote currency per unit of the contract or base currency.
pub type Price = Decimal<PRICE_SCALE>;
/// A quantity, in the unit that the row's `quantity_unit` names.
pub type Quantity = Decimal<PRICE_SCALE>;
/// A dimensionless rate (0.0001 is one basis point).
pub type Rate = Decimal<RATE_SCALE>;

/// Why a text is not an exact decimal of the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The text holds no digit.
    #[error("an empty number")]
    Empty,
    /// A byte that belongs to no decimal number.
    #[error("not a decimal number")]
    Invalid,
    /// More digits after the point than the scale keeps; rounding would lose what was sent.
    #[error("more digits after the decimal point than can be kept exactly")]
    TooPrecise,
    /// Too large for 128 bits at this scale.
    #[error("a number too large to be kept exactly")]
    TooLarge,
}

/// A number as printed: `mantissa × 10^-fraction_digits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// All digits as one signed integer, trailing zeros included.
    pub mantissa: i128,
    /// How many of the digits stand after the point; negative after a positive exponent.
    pub fraction_digits: i32,
}

const POWERS: [i128; 39] = {
    let mut powers = [1i128; 39];
    let mut index = 1;
    while index < 39 {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// `10^exponent`, or `None` beyond 38.
#[must_use]
pub fn power_of_ten(exponent: u32) -> Option<i128> {
    POWERS.get(exponent as usize).copied()
}

impl Digits {
    /// Reads `-12.340`, `.5`, `7`, `1e-8` and `2.5E+3`.
    ///
    /// # Errors
    /// [`DecimalError`] names what is wrong with the text.
    #[inline]
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        let (negative, body) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let mut small: u64 = 0;
        let mut count = 0usize;
        let mut point: Option<usize> = None;
        for (index, &byte) in body.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 {
                if count == 18 {
                    return Self::parse_long(negative, body);
                }
                small = small * 10 + u64::from(digit);
                count += 1;
            } else if byte == b'.' && point.is_none() {
                point = Some(index);
            } else {
                return Self::parse_long(negative, body);
            }
        }
        if count == 0 {
            return Err(DecimalError::Empty);
        }
        let fraction_digits = point.map_or(0, |at| (body.len() - 1 - at) as i32);
        let mantissa = i128::from(small);
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, fraction_digits })
    }

    /// The uncommon forms: more than 18 digits, or an exponent.
    #[cold]
    fn parse_long(negative: bool, body: &[u8]) -> Result<Self, DecimalError> {
        let mut mantissa: i128 = 0;
        let mut fraction_digits: i32 = 0;
        let mut seen_point = false;
        let mut seen_digit = false;
        for (index, &byte) in body.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    seen_digit = true;
                    mantissa = mantissa
                        .checked_mul(10)
                        .and_then(|value| value.checked_add(i128::from(byte - b'0')))
                        .ok_or(DecimalError::TooLarge)?;
                    fraction_digits += i32::from(seen_point);
                }
                b'.' if !seen_point => seen_point = true,
                b'e' | b'E' if seen_digit => {
                    let exponent = std::str::from_utf8(&body[index + 1..])
                        .ok()
                        .and_then(|text| text.parse::<i16>().ok())
                        .ok_or(DecimalError::Invalid)?;
                    fraction_digits -= i32::from(exponent);
                    break;
                }
                _ => return Err(DecimalError::Invalid),
            }
        }
        if !seen_digit {
            return Err(DecimalError::Empty);
        }
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, fraction_digits })
    }

    /// The same number with exactly `scale` digits after the point.
    ///
    /// # Errors
    /// [`DecimalError::TooPrecise`] when a digit other than 0 would be cut, `TooLarge` on overflow.
    #[inline]
    pub fn rescale(self, scale: i32) -> Result<i128, DecimalError> {
        let shift = scale - self.fraction_digits;
        if self.mantissa == 0 {
            return Ok(0);
        }
        let power = power_of_ten(shift.unsigned_abs());
        if shift >= 0 {
            let power = power.ok_or(DecimalError::TooLarge)?;
            self.mantissa.checked_mul(power).ok_or(DecimalError::TooLarge)
        } else {
            let power = power.ok_or(DecimalError::TooPrecise)?;
            if self.mantissa % power == 0 { Ok(self.mantissa / power) } else { Err(DecimalError::TooPrecise) }
        }
    }
}

/// An exact decimal: an integer count of `10^-SCALE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal<const SCALE: u32>(pub i128);

impl<const SCALE: u32> Decimal<SCALE> {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// Reads the text of a number exactly.
    ///
    /// # Errors
    /// [`DecimalError`] when the text is no number or cannot be kept without loss.
    #[inline]
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        Digits::parse(text)?.rescale(SCALE as i32).map(Self)
    }

    /// From an integer mantissa and a power of ten (`mantissa × 10^exponent`).
    ///
    /// # Errors
    /// [`DecimalError`] when the value cannot be kept exactly at this scale.
    pub fn from_mantissa(mantissa: i64, exponent: i8) -> Result<Self, DecimalError> {
        Digits { mantissa: i128::from(mantissa), fraction_digits: -i32::from(exponent) }.rescale(SCALE as i32).map(Self)
    }

    /// Nearest `f64`: for statistics and screens only, never on the way in.
    #[must_use]
    #[inline]
    pub fn to_f64(self) -> f64 {
        let unit = POWERS[SCALE as usize];
        let Some((whole, rest)) = self.split() else {
            return (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64;
        };
        let magnitude = whole as f64 + rest as f64 / unit as f64;
        if self.0 < 0 { -magnitude } else { magnitude }
    }

    /// What stands before and behind the point, without the sign, the latter in units of `10^-SCALE`; `None`
    /// for numbers so large that it takes a division of 128 bits (beyond 4.8 million at 18 digits).
    #[must_use]
    #[inline]
    pub fn split(self) -> Option<(u64, u128)> {
        // 10^n = 2^n × 5^n: the first is a shift, and a power of five divides 64 bits.
        let five = const { 5_u64.pow(SCALE) };
        let magnitude = self.0.unsigned_abs();
        let high = u64::try_from(magnitude >> SCALE).ok()?;
        let low = magnitude & ((1 << SCALE) - 1);
        Some((high / five, (u128::from(high % five) << SCALE) | low))
    }

    /// Whether the value is exactly zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl<const SCALE: u32> fmt::Display for Decimal<SCALE> {
    /// The shortest exact text: no exponent, no trailing zero after the point.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = POWERS[SCALE as usize].unsigned_abs();
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = magnitude % unit;
        if fraction == 0 {
            return write!(formatter, "{sign}{}", magnitude / unit);
        }
        let digits = format!("{fraction:0width$}", width = SCALE as usize);
        write!(formatter, "{sign}{}.{}", magnitude / unit, digits.trim_end_matches('0'))
    }
}

impl<const SCALE: u32> std::str::FromStr for Decimal<SCALE> {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text.as_bytes())
    }
}
