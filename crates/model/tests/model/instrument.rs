use kt_model::instrument::{IdParts, canonical_id, civil, days_from_civil, split_multiplier, surrogate};
use kt_model::{InstrumentType, Nanos, OptionSide, Payoff};
use proptest::prelude::*;

fn parts(instrument_type: InstrumentType, payoff: Payoff, settle: &str) -> IdParts<'_> {
    IdParts {
        instrument_type,
        payoff,
        base: "BTC",
        quote: if payoff == Payoff::Linear || payoff == Payoff::None { "USDT" } else { "USD" },
        settle,
        expiry: Some(Nanos(i64::from(days_from_civil(2026, 12, 25)) * 86_400_000_000_000 + 28_800_000_000_000)),
        strike: Some("60000"),
        option_side: OptionSide::Call,
    }
}

#[test]
fn contracts_of_one_pair_do_not_collide() {
    use InstrumentType::{Future, Option, Perpetual, Spot};
    let id = |kind, payoff, settle| canonical_id(&parts(kind, payoff, settle)).expect("complete");
    assert_eq!(id(Spot, Payoff::None, "USDT"), "BTC-USDT-SPOT");
    assert_eq!(id(Perpetual, Payoff::Linear, "USDT"), "BTC-USDT-USDT-PERP");
    assert_eq!(id(Perpetual, Payoff::Inverse, "BTC"), "BTC-USD-BTC-PERP");
    assert_eq!(id(Perpetual, Payoff::Inverse, "USD"), "BTC-USD-USD-PERP");
    assert_eq!(id(Future, Payoff::Inverse, "BTC"), "BTC-USD-BTC-20261225-FUT");
    assert_eq!(id(Option, Payoff::Inverse, "BTC"), "BTC-USD-BTC-20261225-60000-C-OPT");
    assert_eq!(id(Perpetual, Payoff::Quanto, "ETH"), "BTC-USD-ETH-QUANTO-PERP");
    let incomplete = IdParts { expiry: None, ..parts(Future, Payoff::Inverse, "BTC") };
    assert_eq!(canonical_id(&incomplete), None);
}

#[test]
fn multipliers_are_split_only_where_they_are_multipliers() {
    assert_eq!(split_multiplier("1000SHIB"), (1000, "SHIB"));
    assert_eq!(split_multiplier("1000000MOG"), (1_000_000, "MOG"));
    assert_eq!(split_multiplier("1MBABYDOGE"), (1_000_000, "BABYDOGE"));
    assert_eq!(split_multiplier("1INCH"), (1, "1INCH"));
    assert_eq!(split_multiplier("1500X"), (1, "1500X"));
    assert_eq!(split_multiplier("BTC"), (1, "BTC"));
    assert_eq!(split_multiplier("1000"), (1, "1000"));
}

#[test]
fn a_reused_ticker_gets_another_surrogate() {
    let first = surrogate("binance", "LUNAUSDT", Some(Nanos(1)));
    assert_ne!(first, surrogate("binance", "LUNAUSDT", Some(Nanos(2))));
    assert_ne!(first, surrogate("binance", "LUNAUSDT", None));
    assert_eq!(first, surrogate("binance", "LUNAUSDT", Some(Nanos(1))));
}

proptest! {
    #[test]
    fn dates_invert(days in -100_000i32..100_000) {
        let (year, month, day) = civil(days);
        prop_assert_eq!(days_from_civil(year, month, day), days);
        prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day));
    }

    #[test]
    fn truncation_never_moves_forward(nanos in any::<i64>(), precision in 1i64..1_000_000_000_000) {
        prop_assume!(nanos > i64::MIN + precision);
        let truncated = Nanos(nanos).truncate(precision);
        prop_assert!(truncated.0 <= nanos && nanos - truncated.0 < precision && truncated.0 % precision == 0);
    }
}
