//! Numbers and times from their text.

use crate::spec::TimeUnit;
use kt_model::decimal::{Digits, power_of_ten};
use kt_model::{Decimal, Nanos};

/// Most digits after the point that are kept.
pub(crate) const MOST_DIGITS: u8 = 18;

/// Why a text is no mantissa at the wanted number of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It needs this many digits after the point.
    Finer(u8),
    /// Not a number, or one that cannot be kept exactly.
    Invalid,
}

/// The number as an integer count of `10^-digits`.
#[inline]
pub(crate) fn mantissa(text: &[u8], digits: u8) -> Result<i128, Misfit> {
    let mut value: u64 = 0;
    let mut fraction: Option<u8> = None;
    if text.is_empty() || text.len() > 18 {
        return mantissa_slow(text, digits);
    }
    for (index, &byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        match fraction {
            _ if digit < 10 => match fraction {
                Some(count) if count == digits => {
                    // Beyond the wanted digits only zeros may stand.
                    if digit != 0 {
                        return mantissa_slow(text, digits);
                    }
                }
                _ => {
                    value = value * 10 + u64::from(digit);
                    fraction = fraction.map(|count| count + 1);
                }
            },
            None if byte == b'.' && index > 0 && index + 1 < text.len() => fraction = Some(0),
            _ => return mantissa_slow(text, digits),
        }
    }
    let missing = digits - fraction.unwrap_or(0).min(digits);
    match power_of_ten(u32::from(missing)) {
        Some(power) => Ok(i128::from(value) * power),
        None => Err(Misfit::Invalid),
    }
}

/// An exact decimal. Prices and quantities, by far the most, take the path of book levels.
#[inline]
pub(crate) fn decimal<const SCALE: u32>(text: &[u8]) -> Option<Decimal<SCALE>> {
    if SCALE == u32::from(MOST_DIGITS) {
        return mantissa(text, MOST_DIGITS).ok().map(Decimal);
    }
    Decimal::parse(text).ok()
}

/// Signs, exponents, long numbers, and digits beyond the wanted ones.
#[cold]
fn mantissa_slow(text: &[u8], digits: u8) -> Result<i128, Misfit> {
    let mut parsed = Digits::parse(text).map_err(|_| Misfit::Invalid)?;
    while parsed.mantissa != 0 && parsed.fraction_digits > 0 && parsed.mantissa % 10 == 0 {
        parsed.mantissa /= 10;
        parsed.fraction_digits -= 1;
    }
    if parsed.mantissa == 0 {
        return Ok(0);
    }
    match u8::try_from(parsed.fraction_digits) {
        Ok(needed) if needed > MOST_DIGITS => Err(Misfit::Invalid),
        Ok(needed) if needed > digits => Err(Misfit::Finer(needed)),
        _ => {
            // Also refuses what no Decimal(38, 18) holds.
            parsed.rescale(i32::from(MOST_DIGITS)).map_err(|_| Misfit::Invalid)?;
            parsed.rescale(i32::from(digits)).map_err(|_| Misfit::Invalid)
        }
    }
}

/// An unsigned whole number.
#[inline]
pub(crate) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let mut value: u64 = 0;
    // Nineteen digits fit 64 bits whatever they are; only the twentieth needs care.
    let (most, last) = text.split_at(text.len().min(19));
    for &byte in most {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    for &byte in last {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// A signed whole number.
pub(crate) fn signed(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', rest @ ..] => unsigned(rest).and_then(|value| 0i64.checked_sub_unsigned(value)),
        _ => unsigned(text).and_then(|value| i64::try_from(value).ok()),
    }
}

/// A moment, or a length of time, in nanoseconds.
#[inline]
pub(crate) fn time(text: &[u8], unit: TimeUnit) -> Option<Nanos> {
    if unit == TimeUnit::Iso8601 {
        return iso8601(text);
    }
    let scale = unit.nanoseconds();
    if let Some(whole) = unsigned(text) {
        return i64::try_from(whole).ok()?.checked_mul(scale).map(Nanos);
    }
    // `1616663113.694120`: a fraction of the unit.
    let parsed = Digits::parse(text).ok()?;
    let scaled = parsed.mantissa.checked_mul(i128::from(scale))?;
    let divisor = power_of_ten(u32::try_from(parsed.fraction_digits).ok()?)?;
    i64::try_from(scaled / divisor).ok().map(Nanos)
}

/// `2021-07-22T22:36:07.123Z`, in UTC.
fn iso8601(text: &[u8]) -> Option<Nanos> {
    let number = |from: usize, to: usize| text.get(from..to).and_then(unsigned);
    if text.get(4) != Some(&b'-') || text.get(10) != Some(&b'T') || text.last() != Some(&b'Z') {
        return None;
    }
    let (month, day) = (number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = kt_model::instrument::days_from_civil(number(0, 4)? as i32, month as u32, day as u32);
    let seconds = i64::from(days) * 86_400 + (hour * 3_600 + minute * 60 + second) as i64;
    let fraction = match text.get(19..text.len() - 1)? {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            unsigned(digits)? as i64 * 10i64.pow(9 - digits.len() as u32)
        }
        _ => return None,
    };
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction).map(Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fast_and_slow_mantissas_agree(text in "-?[0-9]{0,20}(\\.[0-9]{0,12})?", digits in 0u8..=18) {
            let fast = mantissa(text.as_bytes(), digits);
            prop_assert_eq!(fast, mantissa_slow(text.as_bytes(), digits));
        }
    }

    #[test]
    fn times_of_every_unit() {
        assert_eq!(time(b"1616663113.694120", TimeUnit::Seconds), Some(Nanos(1_616_663_113_694_120_000)));
        assert_eq!(time(b"1626992741017", TimeUnit::Milliseconds), Some(Nanos(1_626_992_741_017_000_000)));
        assert_eq!(time(b"2021-07-22T22:36:07.123Z", TimeUnit::Iso8601), Some(Nanos(1_626_993_367_123_000_000)));
        assert_eq!(time(b"240", TimeUnit::Minutes), Some(Nanos(14_400_000_000_000)));
        assert_eq!(time(b"soon", TimeUnit::Milliseconds), None);
    }
}
