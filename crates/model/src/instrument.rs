//! Canonical instrument ids and surrogates.

use crate::Nanos;
use crate::enums::{InstrumentType, OptionSide, Payoff};

/// What a canonical id is made of.
#[derive(Clone, Copy, Debug)]
pub struct IdParts<'a> {
    /// Kind of contract.
    pub instrument_type: InstrumentType,
    /// How profit depends on price.
    pub payoff: Payoff,
    /// Base currency as the venue names it (`1000SHIB` stays so).
    pub base: &'a str,
    /// Quote currency.
    pub quote: &'a str,
    /// Settlement currency; not part of a spot id.
    pub settle: &'a str,
    /// Expiry of a dated contract.
    pub expiry: Option<Nanos>,
    /// Strike as printed, for options.
    pub strike: Option<&'a str>,
    /// Right of an option.
    pub option_side: OptionSide,
}

/// The canonical id: `BTC-USDT-SPOT`, `BTC-USDT-USDT-PERP`, `BTC-USD-BTC-20261225-FUT`,
/// `BTC-USD-BTC-20261225-60000-C-OPT`. A quanto contract ends in `-QUANTO` before its kind, so that
/// contracts of one pair with different payoffs never collide.
///
/// `None` where a part that the kind needs is missing.
#[must_use]
pub fn canonical_id(parts: &IdParts<'_>) -> Option<String> {
    let pair = format!("{}-{}", clean(parts.base)?, clean(parts.quote)?);
    let payoff = if parts.payoff == Payoff::Quanto { "-QUANTO" } else { "" };
    Some(match parts.instrument_type {
        InstrumentType::Spot => format!("{pair}-SPOT"),
        InstrumentType::Perpetual => format!("{pair}-{}{payoff}-PERP", clean(parts.settle)?),
        InstrumentType::Future => {
            format!("{pair}-{}-{}{payoff}-FUT", clean(parts.settle)?, date(parts.expiry?))
        }
        InstrumentType::Option => {
            let side = match parts.option_side {
                OptionSide::Call => "C",
                OptionSide::Put => "P",
                OptionSide::None => return None,
            };
            format!("{pair}-{}-{}-{}-{side}-OPT", clean(parts.settle)?, date(parts.expiry?), clean(parts.strike?)?)
        }
    })
}

fn clean(text: &str) -> Option<String> {
    let cleaned: String =
        text.chars().map(|c| if c == '.' { '_' } else { c.to_ascii_uppercase() }).filter(|c| *c != '-').collect();
    (!cleaned.is_empty()).then_some(cleaned)
}

/// `YYYYMMDD` of a moment in UTC.
#[must_use]
pub fn date(at: Nanos) -> String {
    let (year, month, day) = civil(at.day());
    format!("{year:04}{month:02}{day:02}")
}

/// Year, month and day of a number of days since 1970-01-01 (proleptic Gregorian calendar; Howard
/// Hinnant's `civil_from_days`).
#[must_use]
pub fn civil(days: i32) -> (i32, u32, u32) {
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_shifted + 2) / 5 + 1) as u32;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 } as u32;
    let year = (year_of_era + era * 400 + i64::from(month <= 2)) as i32;
    (year, month, day)
}

/// Days since 1970-01-01 of a date (Howard Hinnant's `days_from_civil`).
#[must_use]
pub fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) as i32
}

/// Splits a multiplier off a base currency: `1000SHIB` is 1000 × `SHIB`, `1MBABYDOGE` is 10^6.
///
/// Only exact powers of ten from 1000 on count, so that `1INCH` stays itself.
#[must_use]
pub fn split_multiplier(base: &str) -> (u64, &str) {
    if let Some(rest) = base.strip_prefix("1M").filter(|rest| rest.len() >= 3) {
        return (1_000_000, rest);
    }
    let digits = base.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = base.split_at(digits);
    match number.parse::<u64>() {
        Ok(value) if value >= 1000 && !rest.is_empty() && is_power_of_ten(value) => (value, rest),
        _ => (1, base),
    }
}

fn is_power_of_ten(mut value: u64) -> bool {
    while value > 1 && value.is_multiple_of(10) {
        value /= 10;
    }
    value == 1
}

/// Surrogate of one listing of a symbol: a ticker that is listed anew gets another.
#[must_use]
pub fn surrogate(venue: &str, symbol: &str, listed: Option<Nanos>) -> u64 {
    let listed = listed.map_or(i64::MIN, |at| at.0);
    xxhash_rust::xxh3::xxh3_64_with_seed(format!("{venue}\u{1f}{symbol}").as_bytes(), listed as u64)
}
