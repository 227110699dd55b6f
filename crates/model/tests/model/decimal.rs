use kt_model::decimal::{Decimal, DecimalError, Digits};
use kt_model::{Price, Rate};
use proptest::prelude::*;

proptest! {
    /// Every digit survives: text → decimal → text gives the same number.
    #[test]
    fn text_round_trip(integer in 0u64..10_000_000_000_000_000_000, fraction in "[0-9]{0,18}", negative: bool) {
        let sign = if negative { "-" } else { "" };
        let text = if fraction.is_empty() { format!("{sign}{integer}") } else { format!("{sign}{integer}.{fraction}") };
        let value: Price = text.parse().expect("fits");
        let mut expected = text.clone();
        if expected.contains('.') {
            expected = expected.trim_end_matches('0').trim_end_matches('.').to_owned();
        }
        if expected.trim_start_matches('-') == "0" {
            expected = "0".into();
        }
        prop_assert_eq!(value.to_string(), expected);
    }

    /// The quick path for short numbers and the general one agree.
    #[test]
    fn exponent_form_agrees(mantissa in -1_000_000_000i64..1_000_000_000, shift in 0u32..9) {
        let plain: Price = Decimal::from_mantissa(mantissa, -(shift as i8)).expect("fits");
        let scientific: Price = format!("{mantissa}e-{shift}").parse().expect("fits");
        prop_assert_eq!(plain, scientific);
        prop_assert_eq!(plain.to_string().parse::<Price>().expect("own text parses"), plain);
    }

    /// Foreign bytes never panic, and what parses is the number that was written.
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = Price::parse(&bytes) {
            let again = value.to_string();
            prop_assert_eq!(Price::parse(again.as_bytes()), Ok(value));
        }
    }

    #[test]
    fn order_is_numeric(a in any::<i32>(), b in any::<i32>()) {
        let (x, y): (Price, Price) = (a.to_string().parse().expect("fits"), b.to_string().parse().expect("fits"));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert!((x.to_f64() - f64::from(a)).abs() < 1e-9);
    }
}

#[test]
fn refuses_instead_of_rounding() {
    assert_eq!(Price::parse(b"0.0000000000000000001"), Err(DecimalError::TooPrecise));
    assert_eq!(Price::parse(b"0.1000000000000000000"), Ok(Decimal(100_000_000_000_000_000)));
    assert_eq!(Price::parse(b"170141183460469231732"), Err(DecimalError::TooLarge));
    assert_eq!(Price::parse(b"99999999999999999999999999999999999999999"), Err(DecimalError::TooLarge));
    for bad in ["", "-", ".", "1.2.3", "1e", "e5", "1,5", " 1", "NaN", "0x10", "1e999999"] {
        assert!(Price::parse(bad.as_bytes()).is_err(), "{bad:?} was read as a number");
    }
    assert_eq!(Rate::parse(b"-0.000000756414717067").map(|rate| rate.to_string()), Ok("-0.000000756414717067".into()));
    assert_eq!(
        Digits::parse(b"61737.630").map(|digits| (digits.mantissa, digits.fraction_digits)),
        Ok((61_737_630, 3))
    );
}
