//! Basis and funding of every perpetual, with the age of each number and why one is missing.

use std::sync::Arc;
use std::time::Duration;

use kt_model::{FundingStage, Nanos};
use serde::Serialize;

use super::contract::ContractKind;
use super::market::{FundingNow, InstrumentNow};

/// Up to which age a number may be used for another one.
#[derive(Clone, Copy, Debug)]
pub struct AgeLimits {
    /// Each leg of a basis.
    pub leg: Duration,
    /// A funding rate.
    pub funding: Duration,
}

impl Default for AgeLimits {
    /// Legs 10 s; funding 15 minutes (venues repeat a predicted rate every few seconds to minutes).
    fn default() -> Self {
        Self { leg: Duration::from_secs(10), funding: Duration::from_mins(15) }
    }
}

/// The basis of one perpetual.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Basis {
    /// `(perpetual − reference) / reference × 10 000`.
    pub bps: f64,
    /// What the perpetual is compared with: `spot` or `index`.
    pub reference: &'static str,
    /// Venue of the reference.
    pub reference_venue: Arc<str>,
    /// Instrument of the reference; the perpetual itself for its own index.
    pub reference_instrument: Arc<str>,
    /// Price of the reference per unit of the underlying.
    pub reference_price: f64,
    /// Price of the perpetual per unit of the underlying.
    pub perpetual_price: f64,
    /// Age of the older leg, ms.
    pub age_ms: i64,
    /// Whether a leg is older than allowed.
    pub stale: bool,
}

/// A funding rate, annualised where that is sound.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FundingView {
    /// Rate for one interval.
    pub rate: f64,
    /// Exact text of the rate.
    pub rate_text: String,
    /// `predicted` or `settled`.
    pub stage: &'static str,
    /// Seconds between settlements, where known.
    pub interval_seconds: Option<u32>,
    /// Where the interval is known from.
    pub interval_source: &'static str,
    /// `rate × 24 / interval_hours × 365`, as a fraction; `None` for the reason in `refused`.
    pub apr: Option<f64>,
    /// Why there is no APR.
    pub refused: Option<&'static str>,
    /// Time to settlement on the venue's clock, ms; negative when it has passed.
    pub settles_in_ms: Option<i64>,
    /// Age of the rate, ms.
    pub age_ms: i64,
}

/// Milliseconds between a moment and `now`, never negative.
#[must_use]
pub fn age_ms(now: Nanos, at: Nanos) -> i64 {
    (now.0.saturating_sub(at.0) / 1_000_000).max(0)
}

/// Price of one unit of the underlying, and when it was received: middle of the quote, else mark.
fn perpetual_price(of: &InstrumentNow) -> Option<(f64, Nanos)> {
    let middle = of.quote.and_then(|quote| Some((quote.middle()?, quote.recv)));
    let (price, at) = middle.or_else(|| of.mark.mark.map(|(price, at)| (price.to_f64(), at)))?;
    Some((price / of.contract.multiplier as f64, at))
}

/// The basis of a perpetual against its spot, else against its own index. `None` without both legs.
#[must_use]
pub fn basis(all: &[Arc<InstrumentNow>], of: &InstrumentNow, now: Nanos, limits: &AgeLimits) -> Option<Basis> {
    if of.contract.kind != ContractKind::Perpetual {
        return None;
    }
    let (perpetual, at) = perpetual_price(of)?;
    let spot = of.spot.and_then(|index| all.get(index)).and_then(|spot| {
        let quote = spot.quote?;
        Some(("spot", spot.as_ref(), quote.middle()? / spot.contract.multiplier as f64, quote.recv))
    });
    let index = || of.mark.index.map(|(price, at)| ("index", of, price.to_f64() / of.contract.multiplier as f64, at));
    let (reference, source, price, reference_at) = spot.or_else(index).filter(|leg| leg.2 > 0.0)?;
    let age = age_ms(now, at.min(reference_at));
    Some(Basis {
        bps: (perpetual - price) / price * 10_000.0,
        reference,
        reference_venue: source.venue.clone(),
        reference_instrument: source.instrument.clone(),
        reference_price: price,
        perpetual_price: perpetual,
        age_ms: age,
        stale: u128::from(age.unsigned_abs()) > limits.leg.as_millis(),
    })
}

/// Funding of an instrument, annualised only with a known interval, a fresh rate and an open market.
#[must_use]
pub fn funding(of: &InstrumentNow, now: Nanos, limits: &AgeLimits) -> Option<FundingView> {
    let held = of.funding?;
    let age = age_ms(now, held.recv);
    let venue_now = Nanos(held.event.0.saturating_add(now.0.saturating_sub(held.recv.0)));
    let settles_in_ms = held.settles_at.map(|at| at.0.saturating_sub(venue_now.0) / 1_000_000);
    let (interval, interval_source) = of.funding_interval();
    let interval = interval.filter(|seconds| *seconds > 0);
    let refused = refusal(of, &held, interval, age, settles_in_ms, limits);
    let per_day = interval.map(|seconds| 86_400.0 / f64::from(seconds));
    let rate = held.rate.to_f64();
    Some(FundingView {
        rate,
        rate_text: held.rate.to_string(),
        stage: held.stage.as_str(),
        interval_seconds: interval,
        interval_source: interval_source.as_str(),
        apr: per_day.filter(|_| refused.is_none()).map(|per_day| rate * per_day * 365.0),
        refused,
        settles_in_ms,
        age_ms: age,
    })
}

fn refusal(
    of: &InstrumentNow,
    held: &FundingNow,
    interval: Option<u32>,
    age: i64,
    settles_in_ms: Option<i64>,
    limits: &AgeLimits,
) -> Option<&'static str> {
    // A rate just settled may be a little late to be replaced by the next prediction.
    const GRACE_MS: i64 = 60_000;
    if of.trading == Some(false) {
        Some("not trading")
    } else if interval.is_none() {
        Some("interval unknown")
    } else if u128::from(age.unsigned_abs()) > limits.funding.as_millis() {
        Some("rate stale")
    } else if held.stage == FundingStage::Predicted && settles_in_ms.is_some_and(|ms| ms < -GRACE_MS) {
        Some("settlement passed")
    } else {
        None
    }
}

/// The scanner's table: one entry per perpetual in every column.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scanner {
    /// When it was computed, ms UTC.
    pub now_ms: i64,
    /// Venues.
    pub venue: Vec<Arc<str>>,
    /// Instruments.
    pub instrument: Vec<Arc<str>>,
    /// Basis; null without both legs.
    pub basis: Vec<Option<Basis>>,
    /// Funding; null before the first rate.
    pub funding: Vec<Option<FundingView>>,
    /// Whether the venue lists it as open; null while not known.
    pub trading: Vec<Option<bool>>,
}

/// Computes the scanner over all perpetuals, widest basis first; those without one last.
#[must_use]
pub fn scan(all: &[Arc<InstrumentNow>], now: Nanos, limits: &AgeLimits) -> Scanner {
    let mut rows: Vec<_> = all
        .iter()
        .filter(|of| of.contract.kind == ContractKind::Perpetual)
        .map(|of| (of, basis(all, of, now, limits), funding(of, now, limits)))
        .collect();
    let width = |basis: &Option<Basis>| basis.as_ref().filter(|b| !b.stale).map_or(-1.0, |b| b.bps.abs());
    rows.sort_by(|left, right| width(&right.1).total_cmp(&width(&left.1)));
    let mut table = Scanner { now_ms: now.0 / 1_000_000, ..Scanner::default() };
    for (of, basis, funding) in rows {
        table.venue.push(of.venue.clone());
        table.instrument.push(of.instrument.clone());
        table.basis.push(basis);
        table.funding.push(funding);
        table.trading.push(of.trading);
    }
    table
}
