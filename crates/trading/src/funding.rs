//! Funding settlements: what is charged, and when it is refused because it is not known.

use kt_model::{Nanos, Price, Quantity, Rate};

use crate::market::{FundingRate, Market};
use crate::money::{Money, Rounding, multiply};

/// Why a funding cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FundingRefusal {
    /// The venue has said nothing.
    Missing,
    /// Its last word is too old.
    Stale,
    /// Nobody says how long an interval is.
    NoInterval,
    /// The instrument is listed no longer.
    Delisted,
    /// There is no fresh mark price to charge it on.
    NoMark,
    /// It was settled while nobody watched.
    Missed,
}

impl FundingRefusal {
    /// Its name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "funding_missing",
            Self::Stale => "funding_stale",
            Self::NoInterval => "funding_interval",
            Self::Delisted => "funding_delisted",
            Self::NoMark => "funding_mark",
            Self::Missed => "funding_missed",
        }
    }
}

/// A rate with all that is needed to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsableFunding {
    /// Rate for one interval; positive: longs pay shorts.
    pub rate: Rate,
    /// Seconds between two settlements, as somebody stated.
    pub interval: u32,
    /// The next settlement.
    pub settles_at: Nanos,
}

/// The funding of a market at a moment, if it is fully known and fresh.
///
/// # Errors
/// Why it must not be used.
pub fn usable(market: &Market, at: Nanos, maximum_age: i64) -> Result<UsableFunding, FundingRefusal> {
    if market.is_delisted(at) {
        return Err(FundingRefusal::Delisted);
    }
    let known: &FundingRate = market.funding.as_ref().ok_or(FundingRefusal::Missing)?;
    let rate = known.rate.ok_or(FundingRefusal::Missing)?;
    if at.0.saturating_sub(known.received.0) > maximum_age {
        return Err(FundingRefusal::Stale);
    }
    let interval = known.interval.ok_or(FundingRefusal::NoInterval)?;
    Ok(UsableFunding { rate, interval, settles_at: known.settles_at })
}

/// What a position receives at a settlement: `−quantity × mark × rate`, rounded against us. Positive
/// rates are paid by longs to shorts.
#[must_use]
pub fn payment(position: Quantity, mark: Price, rate: Rate) -> Option<Money> {
    let value = multiply(mark, position, Rounding::Up)?;
    multiply(kt_model::Decimal(value.0.checked_neg()?), rate, Rounding::Down)
}

/// The mark price to charge on at a settlement.
///
/// # Errors
/// [`FundingRefusal::NoMark`] without one that is fresh enough.
pub fn mark_at(market: &Market, at: Nanos, maximum_age: i64) -> Result<Price, FundingRefusal> {
    match market.mark {
        Some((price, received)) if price.0 > 0 && at.0.saturating_sub(received.0) <= maximum_age => Ok(price),
        _ => Err(FundingRefusal::NoMark),
    }
}
