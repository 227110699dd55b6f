//! Keeps the books of a run from its order events: positions, cash, fees and funding of each leg, exact.
//!
//! The books are kept from the events that the log would carry, not from the core's own memory: what the
//! report says can be found again in `landing.order`, and a core that booked something without saying so
//! would show as a difference.

use std::collections::BTreeMap;

use kt_model::{Decimal, Nanos, Order, OrderStep, Price, Quantity, Side};

use crate::error::BacktestError;
use crate::outcome::{Account, LegOutcome, Outcome, TradeRow};

/// Samples of the equity kept at most; beyond it every second one is dropped and the interval doubled.
const SAMPLES: usize = 8_192;
/// The first interval between two samples.
const INTERVAL: i64 = 1_000_000_000;

/// One strategy's market.
#[derive(Debug, Default)]
struct Leg {
    quantity: i128,
    cash: i128,
    fees: i128,
    funding: i128,
    bought: i128,
    sold: i128,
    turnover: f64,
    fills: u64,
    /// The last price that valued it.
    price: Option<Price>,
}

impl Leg {
    /// Profit of price moves, without fees and funding.
    fn trading(&self) -> f64 {
        let price = self.price.map_or(0.0, Decimal::to_f64);
        amount(self.cash) + amount(self.quantity) * price
    }

    fn worth(&self) -> f64 {
        self.trading() - amount(self.fees) + amount(self.funding)
    }
}

type LegKey = (String, String, String);

/// The books.
#[derive(Debug)]
pub struct Ledger {
    legs: BTreeMap<LegKey, Leg>,
    trades: Vec<TradeRow>,
    samples: BTreeMap<String, Vec<(i64, f64)>>,
    interval: i64,
    sampled: i64,
    /// The first sample's time, from which equity is drawn even when the first fill comes later.
    begun: i64,
    orders: u64,
    refused: u64,
    order_events: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            legs: BTreeMap::new(),
            trades: Vec::new(),
            samples: BTreeMap::new(),
            interval: INTERVAL,
            sampled: i64::MIN,
            begun: i64::MAX,
            orders: 0,
            refused: 0,
            order_events: 0,
        }
    }
}

impl Ledger {
    /// Books one order event.
    ///
    /// # Errors
    /// A sum that does not fit 128 bits.
    pub fn book(&mut self, order: &Order<'_>) -> Result<(), BacktestError> {
        self.order_events += 1;
        match order.step {
            OrderStep::Sent => self.orders += 1,
            OrderStep::Refused | OrderStep::Rejected => self.refused += 1,
            OrderStep::Fill | OrderStep::Funding | OrderStep::Settled => return self.move_money(order),
            _ => {}
        }
        Ok(())
    }

    fn move_money(&mut self, order: &Order<'_>) -> Result<(), BacktestError> {
        let header = &order.header;
        let key = (order.strategy.0.to_owned(), header.venue.0.to_owned(), header.instrument.0.to_owned());
        let leg = self.legs.entry(key).or_default();
        let cash = order.cash.unwrap_or_default().0;
        let too_large =
            || BacktestError::Request(format!("{}: a sum does not fit 128-bit decimals", &*header.instrument));
        let add = |sum: i128, more: i128| sum.checked_add(more).ok_or_else(too_large);
        match order.step {
            OrderStep::Funding => leg.funding = add(leg.funding, cash)?,
            _ => leg.cash = add(leg.cash, cash)?,
        }
        leg.fees = add(leg.fees, order.fee.unwrap_or_default().0)?;
        if let Some(position) = order.position {
            leg.quantity = position.0;
        }
        if order.step == OrderStep::Fill {
            let traded = order.fill_quantity.unwrap_or_default();
            let side = if order.side == Side::Buy { &mut leg.bought } else { &mut leg.sold };
            *side = add(*side, traded.0)?;
            leg.turnover += amount(cash).abs();
            leg.fills += 1;
            // Until the book says otherwise.
            leg.price = leg.price.or(order.fill_price);
            self.trades.push(trade(order));
        }
        Ok(())
    }

    /// Notes the equity when a sample is due. `price` gives the middle of a market's book.
    #[inline]
    pub fn tick(&mut self, now: Nanos, price: impl Fn(&str, &str) -> Option<Price>) {
        if now.0.saturating_sub(self.sampled) >= self.interval {
            self.sample(now, price);
        }
    }

    /// Notes the equity now.
    pub fn sample(&mut self, now: Nanos, price: impl Fn(&str, &str) -> Option<Price>) {
        self.sampled = now.0;
        self.begun = self.begun.min(now.0);
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for ((_, venue, instrument), leg) in &mut self.legs {
            leg.price = price(venue, instrument).or(leg.price);
            *sums.entry(currency(instrument)).or_default() += leg.worth();
        }
        for (currency, worth) in sums {
            let samples = self.samples.entry(currency.to_owned()).or_default();
            if samples.is_empty() && self.begun < now.0 {
                samples.push((self.begun, 0.0));
            }
            samples.push((now.0, worth));
        }
        if self.samples.values().any(|samples| samples.len() > SAMPLES) {
            self.interval *= 2;
            for samples in self.samples.values_mut() {
                let mut keep = false;
                samples.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
        }
    }

    /// The result. The counts of inputs, events and signals are the caller's to fill in.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.counts.orders = self.orders;
        outcome.counts.refused = self.refused;
        outcome.counts.order_events = self.order_events;
        outcome.counts.fills = self.trades.len() as u64;
        outcome.trades = self.trades;
        outcome.legs = self.legs.into_iter().map(|(key, leg)| leg_outcome(key, &leg)).collect();
        outcome.accounts = self.samples.into_iter().map(|(currency, equity)| account(currency, equity)).collect();
        outcome
    }
}

fn leg_outcome((strategy, venue, instrument): LegKey, leg: &Leg) -> LegOutcome {
    let exact = [leg.quantity, leg.cash, leg.fees, leg.funding].map(|value| Quantity::to_string(&Decimal(value)));
    LegOutcome {
        currency: currency(&instrument).to_owned(),
        strategy,
        venue,
        instrument,
        fills: leg.fills,
        bought: amount(leg.bought),
        sold: amount(leg.sold),
        turnover: leg.turnover,
        trading: leg.trading(),
        fees: amount(leg.fees),
        funding: amount(leg.funding),
        position: amount(leg.quantity),
        exact,
    }
}

fn account(currency: String, equity: Vec<(i64, f64)>) -> Account {
    let (mut peak, mut drawdown, mut drawdown_at) = (0.0_f64, 0.0_f64, equity.first().map_or(0, |sample| sample.0));
    for (at, value) in &equity {
        peak = peak.max(*value);
        if peak - value > drawdown {
            (drawdown, drawdown_at) = (peak - value, *at);
        }
    }
    let profit = equity.last().map_or(0.0, |sample| sample.1);
    Account { currency, equity, profit, drawdown, drawdown_at }
}

fn trade(order: &Order<'_>) -> TradeRow {
    let text = |value: Option<Quantity>| value.unwrap_or_default().to_string();
    TradeRow {
        at: order.header.recv_ts.0,
        strategy: order.strategy.0.to_owned(),
        venue: order.header.venue.0.to_owned(),
        instrument: order.header.instrument.0.to_owned(),
        order: order.client_order_id.to_owned(),
        intent: order.intent.0.to_owned(),
        side: order.side.as_str().to_owned(),
        price: text(order.fill_price),
        quantity: text(order.fill_quantity),
        fee: text(order.fee),
        liquidity: order.liquidity.0.to_owned(),
        position: order.position.map_or(0.0, Decimal::to_f64),
    }
}

/// The quote currency of a canonical id.
fn currency(instrument: &str) -> &str {
    instrument.split('-').nth(1).unwrap_or("?")
}

fn amount(value: i128) -> f64 {
    Decimal::<18>(value).to_f64()
}
