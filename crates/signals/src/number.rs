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
pub fn float<const SCALE: u32>(value: Decimal<SCALE>) -> f64 {
    const CHUNK: i128 = 1_000_000;
    let (mut mantissa, mut digits) = (value.0, SCALE as i8);
    // Trailing zeros go in chunks of six digits: prices have at most 12 of 18 in use.
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
