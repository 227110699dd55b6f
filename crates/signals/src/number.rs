//! Numbers: from exact decimals to floats, and the maths that must agree on all machines.
//!
//! Addition, multiplication, division and square root are correctly rounded everywhere (IEEE 754). The
//! logarithm is not, so it comes from `libm`, which is Rust throughout.

use kt_model::Decimal;

/// `10^exponent` for 0 to 22: all that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// `mantissa × 10^exponent`, rounded once while the mantissa has at most 53 bits and the exponent lies
/// within ±22.
#[must_use]
pub fn scaled(mantissa: i64, exponent: i8) -> f64 {
    let digits = usize::from(exponent.unsigned_abs());
    let Some(power) = EXACT_POWERS.get(digits) else {
        return mantissa as f64 * libm::pow(10.0, f64::from(exponent));
    };
    if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power }
}

/// The nearest double of a decimal: as correctly rounded as reading its text would be, for up to 15 digits.
#[must_use]
#[inline]
pub fn float<const SCALE: u32>(value: Decimal<SCALE>) -> f64 {
    match short(value) {
        Some(magnitude) if value.0 < 0 => -magnitude,
        Some(magnitude) => magnitude,
        None => of_any_length(value),
    }
}

/// The magnitude, where everything fits 64 bits: prices and quantities as markets have them.
#[inline]
fn short<const SCALE: u32>(value: Decimal<SCALE>) -> Option<f64> {
    const CHUNK: u64 = 1_000_000;
    if SCALE != 18 {
        return None;
    }
    let (whole, rest) = value.split()?;
    let rest = u64::try_from(rest).ok()?;
    // Trailing zeros go in chunks of six digits: prices have at most 12 of 18 in use.
    let (factor, rest, mut digits) = match rest {
        0 => (1, 0, 0),
        _ if rest % (CHUNK * CHUNK) == 0 => (CHUNK, rest / (CHUNK * CHUNK), 6),
        _ if rest % CHUNK == 0 => (CHUNK * CHUNK, rest / CHUNK, 12),
        _ => (CHUNK * CHUNK * CHUNK, rest, 18),
    };
    let mut mantissa = whole.checked_mul(factor)?.checked_add(rest)?;
    while mantissa > 1 << 53 && digits > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        digits -= 1;
    }
    i64::try_from(mantissa).ok().map(|mantissa| scaled(mantissa, -digits))
}

fn of_any_length<const SCALE: u32>(value: Decimal<SCALE>) -> f64 {
    const CHUNK: i128 = 1_000_000;
    let (mut mantissa, mut digits) = (value.0, SCALE as i8);
    while digits >= 6 && mantissa % CHUNK == 0 {
        mantissa /= CHUNK;
        digits -= 6;
    }
    while mantissa.unsigned_abs() > 1 << 53 && digits > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        digits -= 1;
    }
    match i64::try_from(mantissa) {
        Ok(small) => scaled(small, -digits),
        Err(_) => value.to_f64(),
    }
}

/// Natural logarithm, the same bits on every machine.
#[must_use]
pub fn ln(value: f64) -> f64 {
    libm::log(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kt_model::Price;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_short_way_gives_the_same_bits(units in -5_000_000_000_i64..5_000_000_000, digits in 0_u32..=18, large in any::<i128>()) {
            for value in [Decimal::<18>(i128::from(units) * 10_i128.pow(digits)), Decimal(large), Decimal(large >> 40), Decimal(large >> 64)] {
                prop_assert_eq!(float(value).to_bits(), of_any_length(value).to_bits(), "{}", value);
                let unit = 10_i128.pow(18);
                let plain = (value.0 / unit) as f64 + (value.0 % unit) as f64 / unit as f64;
                prop_assert_eq!(value.to_f64(), plain, "{}", value);
            }
        }
    }

    #[test]
    fn decimals_become_what_their_text_says() {
        for text in ["27123.45", "0.1", "0.00000001234", "61234567.123456", "1000", "-3.7", "0", "99999.99999999"] {
            let exact: Price = text.parse().expect("a decimal");
            assert_eq!(float(exact).to_bits(), text.parse::<f64>().expect("a float").to_bits(), "{text}");
        }
        assert_eq!(scaled(2_712_345, -2), 27123.45);
        assert_eq!(scaled(5, 3), 5000.0);
    }
}
