//! Exact arithmetic of money: integers all the way, one stated rounding where a product has more digits
//! than can be kept.

use kt_model::{Decimal, Price, Quantity};

/// An amount of quote currency, or a price or quantity: 18 digits after the point.
pub type Money = Decimal<18>;

/// Where a product that cannot be kept exactly goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards minus infinity: for what is paid to us.
    Down,
    /// Towards plus infinity: for what we pay.
    Up,
}

const TEN_TO_18: u64 = 1_000_000_000_000_000_000;
const TEN_TO_12: u64 = 1_000_000_000_000;
const TEN_TO_6: u64 = 1_000_000;

/// `a × b` with 18 digits after the point; `None` when it does not fit 128 bits.
///
/// The product is formed in 256 bits, so only the final cut to 18 digits can round. Prices and quantities
/// on their venue's grid multiply exactly.
#[must_use]
pub fn multiply<const SCALE: u32>(a: Money, b: Decimal<SCALE>, rounding: Rounding) -> Option<Money> {
    let divisors: &[u64] = match SCALE {
        18 => &[TEN_TO_18],
        24 => &[TEN_TO_12, TEN_TO_12],
        _ => return None,
    };
    let negative = (a.0 < 0) != (b.0 < 0);
    let mut limbs = wide_product(a.0.unsigned_abs(), b.0.unsigned_abs());
    let mut inexact = false;
    for &divisor in divisors {
        inexact |= divide(&mut limbs, divisor) != 0;
    }
    finish(limbs, negative, inexact, rounding)
}

/// `amount × bps / 10 000`, for fees in hundredths of a percent.
#[must_use]
pub fn basis_points(amount: Money, bps: Decimal<18>, rounding: Rounding) -> Option<Money> {
    let negative = (amount.0 < 0) != (bps.0 < 0);
    let mut limbs = wide_product(amount.0.unsigned_abs(), bps.0.unsigned_abs());
    let inexact = divide(&mut limbs, TEN_TO_18) != 0;
    let inexact = (divide(&mut limbs, 10_000) != 0) || inexact;
    finish(limbs, negative, inexact, rounding)
}

/// Value of `quantity` at `price`, rounded down.
#[must_use]
pub fn notional(price: Price, quantity: Quantity) -> Option<Money> {
    multiply(price, quantity, Rounding::Down)
}

/// Value of `quantity` at `price`, rounded up.
#[must_use]
pub fn notional_up(price: Price, quantity: Quantity) -> Option<Money> {
    multiply(price, quantity, Rounding::Up)
}

/// The largest multiple of `step` not above `amount`; `None` for a step of zero or less.
#[must_use]
pub fn floor_to(amount: Money, step: Money) -> Option<Money> {
    (step.0 > 0).then(|| Decimal(amount.0 - amount.0.rem_euclid(step.0)))
}

/// The smallest multiple of `step` not below `amount`; `None` for a step of zero or less.
#[must_use]
pub fn ceil_to(amount: Money, step: Money) -> Option<Money> {
    let down = floor_to(amount, step)?;
    if down == amount { Some(down) } else { down.0.checked_add(step.0).map(Decimal) }
}

/// Half of the sum, rounded down: the middle of two prices.
#[must_use]
pub fn middle(a: Price, b: Price) -> Price {
    Decimal(a.0.midpoint(b.0))
}

/// A statistic as a decimal of six digits, for records: never used in cash.
#[must_use]
pub fn from_statistic(value: f64) -> Option<Money> {
    let scaled = (value * TEN_TO_6 as f64).round();
    (scaled.abs() < 9e18).then(|| Decimal(scaled as i128 * i128::from(TEN_TO_12)))
}

fn wide_product(a: u128, b: u128) -> [u64; 4] {
    const LOW: u128 = u64::MAX as u128;
    let (a0, a1, b0, b1) = (a & LOW, a >> 64, b & LOW, b >> 64);
    let (low, cross_a, cross_b, high) = (a0 * b0, a0 * b1, a1 * b0, a1 * b1);
    let middle = (low >> 64) + (cross_a & LOW) + (cross_b & LOW);
    let top = high + (cross_a >> 64) + (cross_b >> 64) + (middle >> 64);
    [low as u64, middle as u64, top as u64, (top >> 64) as u64]
}

/// Divides in place and returns the remainder.
fn divide(limbs: &mut [u64; 4], by: u64) -> u64 {
    let mut rest = 0u128;
    for limb in limbs.iter_mut().rev() {
        let current = (rest << 64) | u128::from(*limb);
        *limb = (current / u128::from(by)) as u64;
        rest = current % u128::from(by);
    }
    rest as u64
}

fn finish(limbs: [u64; 4], negative: bool, inexact: bool, rounding: Rounding) -> Option<Money> {
    if limbs[2] != 0 || limbs[3] != 0 {
        return None;
    }
    let magnitude = u128::from(limbs[0]) | (u128::from(limbs[1]) << 64);
    let away = inexact && negative == (rounding == Rounding::Down);
    let magnitude = i128::try_from(magnitude).ok()?.checked_add(i128::from(away))?;
    Some(Decimal(if negative { -magnitude } else { magnitude }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn d(text: &str) -> Money {
        text.parse().expect("a decimal")
    }

    #[test]
    fn products_are_exact_and_round_as_told() {
        assert_eq!(notional(d("61800.10"), d("0.123")), Some(d("7601.4123")));
        assert_eq!(basis_points(d("7601.4123"), d("0.5"), Rounding::Up), Some(d("0.380070615")));
        let rate: kt_model::Rate = "-0.000000000000000000000001".parse().expect("a rate");
        assert_eq!(multiply(d("1"), rate, Rounding::Down), Some(Decimal(-1)));
        assert_eq!(multiply(d("1"), rate, Rounding::Up), Some(Decimal(0)));
        assert_eq!(multiply(d("100000000000000000000"), d("100000000000000000000"), Rounding::Down), None);
        assert_eq!((floor_to(d("-0.05"), d("0.1")), ceil_to(d("0.31"), d("0.1"))), (Some(d("-0.1")), Some(d("0.4"))));
        assert_eq!(from_statistic(2.5), Some(d("2.5")));
        assert_eq!(from_statistic(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn rounding_brackets_the_product(a in -1_000_000_000_000i64..1_000_000_000_000, b in any::<i64>()) {
            let (a, b): (Money, Money) = (Decimal(a.into()), Decimal(b.into()));
            let exact = a.0 * b.0;
            let unit = i128::from(TEN_TO_18);
            let down = multiply(a, b, Rounding::Down).expect("fits").0;
            let up = multiply(a, b, Rounding::Up).expect("fits").0;
            prop_assert!(down * unit <= exact && exact <= up * unit && up - down <= 1);
            prop_assert_eq!(down == up, exact % unit == 0);
        }
    }
}
