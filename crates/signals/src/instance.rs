//! One signal of one instrument: its state, how events change it, and its value.

use kt_model::{Nanos, Side, Trade};
use serde::{Deserialize, Serialize};

use crate::definition::Definition;
use crate::feature::Feature;
use crate::formula;
use crate::market::{Best, Market};
use crate::number::{float, ln};
use crate::output::{Computed, Reason};
use crate::window::{Buckets, Ring};

/// Seconds of a year of 365 days.
const YEAR: f64 = 365.0 * 86_400.0;
const SECOND: f64 = 1e9;

/// What a feature remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    /// Everything it needs is in the markets.
    None,
    /// Order flow: the sum of e, and the quotes before.
    Flow(Buckets<1>, Option<Best>),
    /// Trades: bought and sold quantity, or value and quantity.
    Trades(Buckets<2>),
    /// Returns of the sampled mid, and the sample before.
    Returns(Ring, Option<f64>),
    /// Samples of another signal.
    Samples(Ring),
}

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// Place of its definition.
    pub definition: usize,
    /// Places of its legs among the markets; a signal without a second leg names the first twice.
    pub legs: [usize; 2],
    /// The signal it is computed from.
    pub of: Option<usize>,
    /// What it stated last.
    pub stated: Option<Computed>,
    /// When.
    pub stated_at: i64,
    /// When its window began: at its start, and again after trades were lost.
    began_at: i64,
    /// Number of the sampling interval under way.
    interval: Option<i64>,
    /// What the samples give: it changes with a sample only.
    sampled: Computed,
    state: State,
}

impl Instance {
    pub fn new(definition: usize, declared: &Definition, legs: [usize; 2], of: Option<usize>, now: Nanos) -> Self {
        let samples = (declared.window / declared.sample) as usize;
        let state = match declared.feature {
            Feature::OrderFlowImbalance => State::Flow(Buckets::new(declared.window), None),
            Feature::TradeImbalance | Feature::Vwap => State::Trades(Buckets::new(declared.window)),
            Feature::RealisedVolatility => State::Returns(Ring::new(samples), None),
            Feature::ZScore | Feature::Percentile => State::Samples(Ring::new(samples)),
            _ => State::None,
        };
        let sampled = Err(if declared.feature.is_rolling() { Reason::Samples } else { Reason::Window });
        Self { definition, legs, of, stated: None, stated_at: 0, began_at: now.0, interval: None, sampled, state }
    }

    /// Whether it takes samples, so that [`Self::is_due`] matters.
    pub fn is_sampled(&self) -> bool {
        matches!(self.state, State::Returns(..) | State::Samples(_))
    }

    /// Whether a sampling interval ended at or before `now`. Then [`Self::sample`] must be called before the
    /// input takes effect: the sample is the value as it was at the boundary.
    pub fn is_due(&mut self, declared: &Definition, now: Nanos) -> bool {
        let interval = now.0.div_euclid(declared.sample);
        match self.interval.replace(interval) {
            Some(before) if interval > before => {
                if interval > before + 1
                    && let State::Returns(returns, previous) = &mut self.state
                {
                    // Nothing at all came for longer than an interval: the chain of returns is broken.
                    returns.clear();
                    *previous = None;
                    self.sampled = Err(Reason::Window);
                }
                true
            }
            _ => false,
        }
    }

    /// Takes a sample: of the mid, or of the other signal's value.
    pub fn sample(&mut self, declared: &Definition, markets: &[Market], of: Option<Computed>, now: Nanos) {
        match &mut self.state {
            State::Returns(returns, previous) => {
                let mid = markets[self.legs[0]].best(declared.top, now, declared.max_age).map(|best| best.mid());
                match (mid, *previous) {
                    (Ok(mid), Some(before)) => returns.push(now, ln(mid / before)),
                    (Ok(_), None) => {}
                    (Err(_), _) => returns.clear(),
                }
                *previous = mid.ok();
            }
            State::Samples(samples) => {
                if let Some(Ok(value)) = of {
                    samples.push(now, value);
                }
                samples.expire(Nanos(now.0 - declared.window));
            }
            State::None | State::Flow(..) | State::Trades(_) => {}
        }
        self.sampled = match &self.state {
            State::Returns(returns, _) => volatility(declared, returns),
            State::Samples(samples) => rolling(declared, samples),
            State::None | State::Flow(..) | State::Trades(_) => return,
        };
    }

    /// The best quotes may have changed.
    pub fn quotes_changed(&mut self, declared: &Definition, markets: &[Market], now: Nanos) {
        let State::Flow(flow, before) = &mut self.state else { return };
        let best = markets[self.legs[0]].best(declared.top, now, declared.max_age).ok();
        if let Some((new, old)) = best.as_ref().zip(before.as_ref()) {
            flow.add(now, [order_flow(old, new)]);
        }
        *before = best;
    }

    /// A trade came.
    pub fn traded(&mut self, declared: &Definition, row: &Trade<'_>, now: Nanos) {
        const NOT_MARKET: u16 = 4 | 8 | 16 | 128;
        let State::Trades(sums) = &mut self.state else { return };
        let (price, quantity) = (float(row.price), float(row.quantity));
        if row.flags & NOT_MARKET != 0 || price <= 0.0 || quantity <= 0.0 {
            return;
        }
        match (declared.feature, row.side) {
            (Feature::Vwap, _) => sums.add(now, [price * quantity, quantity]),
            (_, Side::Buy) => sums.add(now, [quantity, 0.0]),
            (_, Side::Sell) => sums.add(now, [0.0, quantity]),
            (_, Side::Unknown) => {}
        }
    }

    /// Something of the first leg was lost: windows begin anew.
    pub fn lost(&mut self, now: Nanos) {
        match &mut self.state {
            State::Flow(flow, before) => {
                flow.clear();
                *before = None;
            }
            State::Trades(sums) => sums.clear(),
            State::Returns(..) | State::Samples(_) | State::None => return,
        }
        self.began_at = now.0;
    }

    /// The value now. `of` is the value of the signal it is computed from.
    pub fn compute(&mut self, declared: &Definition, markets: &[Market], of: Option<Computed>, now: Nanos) -> Computed {
        let value = self.value(declared, markets, of, now)?;
        if value.is_finite() { Ok(value) } else { Err(Reason::Undefined) }
    }

    fn value(&mut self, declared: &Definition, markets: &[Market], of: Option<Computed>, now: Nanos) -> Computed {
        let [first, second] = self.legs.map(|leg| &markets[leg]);
        let best = || first.best(declared.top, now, declared.max_age);
        match declared.feature {
            Feature::Mid => best().map(|best| best.mid()),
            Feature::Spread => best().map(|best| (best.ask - best.bid) / best.mid() * 10_000.0),
            Feature::Microprice => microprice(&best()?),
            Feature::BookImbalance => book_imbalance(first, declared, now),
            Feature::OrderFlowImbalance => {
                best()?;
                self.flow(declared, now)
            }
            Feature::TradeImbalance | Feature::Vwap => {
                first.check_alive(now, declared.max_age)?;
                self.trades(declared, now)
            }
            Feature::RealisedVolatility => {
                best()?;
                self.sampled
            }
            Feature::Basis => relative_basis(first, second, declared, now).map(|basis| basis * 10_000.0),
            Feature::AnnualisedBasis => {
                let basis = relative_basis(first, second, declared, now)?;
                Ok(basis * 365.0 / first.days_to_expiry(now)?)
            }
            Feature::FundingApr => {
                let (rate, seconds) = first.funding(now, declared.max_age)?;
                Ok(rate * YEAR / seconds)
            }
            Feature::ZScore | Feature::Percentile => {
                of.unwrap_or(Err(Reason::Samples))?;
                self.sampled
            }
        }
    }

    fn has_window(&self, declared: &Definition, now: Nanos) -> Result<(), Reason> {
        if now.0 - self.began_at >= declared.window { Ok(()) } else { Err(Reason::Window) }
    }

    fn flow(&mut self, declared: &Definition, now: Nanos) -> Computed {
        self.has_window(declared, now)?;
        let State::Flow(flow, _) = &mut self.state else { return Err(Reason::Undefined) };
        flow.advance(now);
        Ok(flow.totals()[0])
    }

    fn trades(&mut self, declared: &Definition, now: Nanos) -> Computed {
        self.has_window(declared, now)?;
        let State::Trades(sums) = &mut self.state else { return Err(Reason::Undefined) };
        sums.advance(now);
        let [first, second] = sums.totals();
        if declared.feature == Feature::Vwap {
            return if second > 0.0 { Ok(first / second) } else { Err(Reason::NoTrades) };
        }
        let all = first + second;
        if all > 0.0 { Ok((first - second) / all) } else { Err(Reason::NoTrades) }
    }
}

fn volatility(declared: &Definition, returns: &Ring) -> Computed {
    if !returns.is_full() {
        return Err(Reason::Window);
    }
    let squares: f64 = returns.iter().map(|value| value * value).sum();
    Ok((squares * YEAR / (declared.window as f64 / SECOND)).sqrt())
}

fn rolling(declared: &Definition, samples: &Ring) -> Computed {
    let Some(newest) = samples.newest().filter(|_| samples.len() >= declared.minimum) else {
        return Err(Reason::Samples);
    };
    let count = samples.len() as f64;
    if declared.feature == Feature::Percentile {
        let below = samples.iter().filter(|value| *value < newest).count() as f64;
        let equal = samples.iter().filter(|value| *value == newest).count() as f64;
        return Ok((below + equal / 2.0) / count * 100.0);
    }
    let (mean, deviation) = formula::mean_and_deviation(samples.iter()).ok_or(Reason::Constant)?;
    Ok((newest - mean) / deviation)
}

fn microprice(best: &Best) -> Computed {
    let quantity = best.bid_quantity + best.ask_quantity;
    if quantity <= 0.0 {
        return Err(Reason::ZeroQuantity);
    }
    Ok((best.bid * best.ask_quantity + best.ask * best.bid_quantity) / quantity)
}

fn book_imbalance(market: &Market, declared: &Definition, now: Nanos) -> Computed {
    market.check_book(now, declared.max_age)?;
    let book = market.book();
    let bids: f64 = book.bids().take(declared.levels).map(|(_, quantity)| quantity).sum();
    let asks: f64 = book.asks().take(declared.levels).map(|(_, quantity)| quantity).sum();
    if let Some(((bid, _), (ask, _))) = book.bids().next().zip(book.asks().next())
        && bid > ask
    {
        return Err(Reason::Crossed);
    }
    if bids + asks > 0.0 { Ok((bids - asks) / (bids + asks)) } else { Err(Reason::ZeroQuantity) }
}

fn relative_basis(first: &Market, second: &Market, declared: &Definition, now: Nanos) -> Computed {
    if !second.is_active {
        return Err(Reason::NoSecondLeg);
    }
    let first = first.best(declared.top, now, declared.max_age)?.mid();
    let second = second.best(declared.top, now, declared.max_age)?.mid();
    Ok(formula::basis(first, second))
}

/// The contribution e of one change of the best quotes (Cont, Kukanov and Stoikov 2014).
fn order_flow(old: &Best, new: &Best) -> f64 {
    let when = |condition: bool, quantity: f64| if condition { quantity } else { 0.0 };
    when(new.bid >= old.bid, new.bid_quantity)
        - when(new.bid <= old.bid, old.bid_quantity)
        - when(new.ask <= old.ask, new.ask_quantity)
        + when(new.ask >= old.ask, old.ask_quantity)
}
