//! The latest of everything per instrument, as the hot path tells it.

use std::collections::HashMap;
use std::sync::Arc;

use kt_model::{
    Decimal, FundingStage, InstrumentStatus, IntervalSource, Nanos, Price, Quantity, QuantityUnit, Rate, Side,
};
use kt_model::{Funding, Mark, Quote, Trade};

use super::contract::{Contract, ContractKind, same_exchange};

/// Best bid and offer.
#[derive(Clone, Copy, Debug)]
pub struct QuoteNow {
    /// Highest bid; `None` when that side is empty.
    pub bid: Option<Price>,
    /// Quantity at the bid.
    pub bid_quantity: Option<Quantity>,
    /// Lowest offer; `None` when that side is empty.
    pub ask: Option<Price>,
    /// Quantity at the offer.
    pub ask_quantity: Option<Quantity>,
    /// What the quantities count.
    pub unit: QuantityUnit,
    /// When it was received.
    pub recv: Nanos,
}

impl QuoteNow {
    /// Middle of bid and offer; `None` unless both sides are there and not crossed.
    #[must_use]
    pub fn middle(&self) -> Option<f64> {
        match (self.bid, self.ask) {
            (Some(bid), Some(ask)) if bid <= ask => Some(f64::midpoint(bid.to_f64(), ask.to_f64())),
            _ => None,
        }
    }

    /// Offer minus bid in basis points of the middle; negative when crossed.
    #[must_use]
    pub fn spread_bps(&self) -> Option<f64> {
        let (bid, ask) = (self.bid?.to_f64(), self.ask?.to_f64());
        let middle = f64::midpoint(bid, ask);
        (middle > 0.0).then(|| (ask - bid) / middle * 10_000.0)
    }
}

/// Last trade.
#[derive(Clone, Copy, Debug)]
pub struct TradeNow {
    /// Price.
    pub price: Price,
    /// Quantity in `unit`.
    pub quantity: Quantity,
    /// What the quantity counts.
    pub unit: QuantityUnit,
    /// Side of the taker.
    pub side: Side,
    /// When it was received.
    pub recv: Nanos,
}

/// Mark and index price, each with its own age: a venue may send them apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct MarkNow {
    /// Price at which positions are valued, and when it was received.
    pub mark: Option<(Price, Nanos)>,
    /// Price of the underlying index, and when it was received.
    pub index: Option<(Price, Nanos)>,
}

/// The latest funding rate.
#[derive(Clone, Copy, Debug)]
pub struct FundingNow {
    /// Relative rate for one interval.
    pub rate: Rate,
    /// Whether it is final.
    pub stage: FundingStage,
    /// When it is charged.
    pub settles_at: Option<Nanos>,
    /// Time between settlements in seconds, where known.
    pub interval: Option<u32>,
    /// Where the interval is known from.
    pub interval_source: IntervalSource,
    /// Key time of the row on the venue's clock: a replay's settlements are judged by it.
    pub event: Nanos,
    /// When it was received.
    pub recv: Nanos,
}

/// Everything known about one instrument.
#[derive(Clone, Debug)]
pub struct InstrumentNow {
    /// Venue and market segment.
    pub venue: Arc<str>,
    /// Canonical id.
    pub instrument: Arc<str>,
    /// What the id says.
    pub contract: Arc<Contract>,
    /// Index of the spot instrument that a perpetual is compared with.
    pub spot: Option<usize>,
    /// Latest quote.
    pub quote: Option<QuoteNow>,
    /// Latest trade.
    pub trade: Option<TradeNow>,
    /// Latest mark and index.
    pub mark: MarkNow,
    /// Latest predicted funding, or the last settled one where the venue predicts none.
    pub funding: Option<FundingNow>,
    /// Whether the venue's instrument list says that it can be traded; `None` while not known.
    pub trading: Option<bool>,
    /// Seconds between settlements as the venue's reference data states it.
    pub reference_interval: Option<u32>,
    /// Events counted since the console started.
    pub events: u64,
}

/// All instruments; an instrument keeps its index for the life of the console.
///
/// Entries are shared with the snapshots that clients still read: an entry is copied at its first
/// change after a snapshot, so that taking one costs no more than counting references.
#[derive(Debug, Default)]
pub struct Market {
    by_venue: HashMap<Box<str>, HashMap<Box<str>, usize>>,
    instruments: Vec<Arc<InstrumentNow>>,
    limit_refused: u64,
}

/// More instruments than all mapped venues list together; beyond it new ones are refused and counted.
const LIMIT: usize = 50_000;

/// A row older than what is held does not replace it.
fn newer(held: Option<Nanos>, offered: Nanos) -> bool {
    held.is_none_or(|held| offered >= held)
}

impl Market {
    /// Index of an instrument, entering it at its first event. `None` for rows of the whole venue.
    pub fn enter(&mut self, venue: &str, instrument: &str) -> Option<usize> {
        if let Some(index) = self.find(venue, instrument) {
            return Some(index);
        }
        if instrument.is_empty() || venue.is_empty() {
            return None;
        }
        if self.instruments.len() >= LIMIT {
            self.limit_refused += 1;
            return None;
        }
        let index = self.instruments.len();
        let entry = self.by_venue.entry(venue.into()).or_default();
        entry.insert(instrument.into(), index);
        self.instruments.push(Arc::new(InstrumentNow {
            venue: venue.into(),
            instrument: instrument.into(),
            contract: Contract::parse(instrument).into(),
            spot: None,
            quote: None,
            trade: None,
            mark: MarkNow::default(),
            funding: None,
            trading: None,
            reference_interval: None,
            events: 0,
        }));
        self.pair(index);
        Some(index)
    }

    /// Index of a known instrument.
    #[must_use]
    pub fn find(&self, venue: &str, instrument: &str) -> Option<usize> {
        self.by_venue.get(venue)?.get(instrument).copied()
    }

    /// All instruments in the order of their first event.
    #[must_use]
    pub fn instruments(&self) -> &[Arc<InstrumentNow>] {
        &self.instruments
    }

    /// Instruments that were refused because the table is full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.limit_refused
    }

    /// The entry at an index that [`Market::enter`] gave.
    pub fn entry(&mut self, index: usize) -> Option<&mut InstrumentNow> {
        self.instruments.get_mut(index).map(Arc::make_mut)
    }

    /// Joins a new perpetual with its spot, and a new spot with the perpetuals that it fits better.
    fn pair(&mut self, new: usize) {
        let entered = self.instruments[new].clone();
        let fits = |other: &InstrumentNow, wanted: ContractKind| {
            other.contract.kind == wanted
                && other.contract.underlying == entered.contract.underlying
                && other.contract.quote == entered.contract.quote
                && !other.contract.quanto
                && same_exchange(&other.venue, &entered.venue)
        };
        match entered.contract.kind {
            ContractKind::Perpetual if !entered.contract.quanto => {
                let spots = self.instruments.iter().enumerate().filter(|(_, other)| fits(other, ContractKind::Spot));
                let spot = spots.min_by(|left, right| preference(&entered, left.1).cmp(&preference(&entered, right.1)));
                let spot = spot.map(|(index, _)| index);
                Arc::make_mut(&mut self.instruments[new]).spot = spot;
            }
            ContractKind::Spot => {
                for index in 0..self.instruments.len() {
                    let of = &self.instruments[index];
                    let held = of.spot.map(|spot| preference(of, &self.instruments[spot]));
                    let better = held.is_none_or(|held| preference(of, &entered) < held);
                    if better && fits(of, ContractKind::Perpetual) {
                        Arc::make_mut(&mut self.instruments[index]).spot = Some(new);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Which of several spot markets a perpetual is compared with: the least counts. The warehouse's pairs
/// (`ref.pairs`) are chosen by the same order.
fn preference<'a>(of: &InstrumentNow, spot: &'a InstrumentNow) -> (bool, u64, &'a str, &'a str) {
    (spot.venue != of.venue, spot.contract.multiplier, &spot.venue, &spot.instrument)
}

impl InstrumentNow {
    /// Takes a quote.
    pub fn take_quote(&mut self, row: &Quote<'_>) {
        if newer(self.quote.map(|q| q.recv), row.header.recv_ts) {
            self.quote = Some(QuoteNow {
                bid: row.bid_price,
                bid_quantity: row.bid_quantity,
                ask: row.ask_price,
                ask_quantity: row.ask_quantity,
                unit: row.quantity_unit,
                recv: row.header.recv_ts,
            });
        }
    }

    /// Takes a trade.
    pub fn take_trade(&mut self, row: &Trade<'_>) {
        if newer(self.trade.map(|t| t.recv), row.header.recv_ts) {
            self.trade = Some(TradeNow {
                price: row.price,
                quantity: row.quantity,
                unit: row.quantity_unit,
                side: row.side,
                recv: row.header.recv_ts,
            });
        }
    }

    /// Takes a mark or index price; a side the row does not state keeps its older value and age.
    pub fn take_mark(&mut self, row: &Mark<'_>) {
        let at = row.header.recv_ts;
        let merge = |held: &mut Option<(Price, Nanos)>, value: Option<Decimal<18>>| {
            if let Some(price) = value.filter(|_| newer(held.map(|h| h.1), at)) {
                *held = Some((price, at));
            }
        };
        merge(&mut self.mark.mark, row.mark_price);
        merge(&mut self.mark.index, row.index_price);
    }

    /// Takes a funding rate. A settled rate does not replace a predicted one: it says what was
    /// charged, the predicted one what will be. An interval once known stays known.
    pub fn take_funding(&mut self, row: &Funding<'_>) {
        let Some(rate) = row.rate else { return };
        let held = self.funding;
        let keeps_predicted =
            row.stage == FundingStage::Settled && held.is_some_and(|h| h.stage == FundingStage::Predicted);
        if keeps_predicted || !newer(held.map(|h| h.recv), row.header.recv_ts) {
            return;
        }
        let (interval, interval_source) = match (row.interval_seconds, held) {
            (None, Some(held)) => (held.interval, held.interval_source),
            (interval, _) => (interval, row.interval_source),
        };
        self.funding = Some(FundingNow {
            rate,
            stage: row.stage,
            settles_at: row.settles_at,
            interval,
            interval_source,
            event: row.header.event_ts,
            recv: row.header.recv_ts,
        });
    }

    /// Takes what the venue's instrument list says.
    pub fn take_definition(&mut self, status: InstrumentStatus, funding_interval: Option<u32>) {
        self.trading = match status {
            InstrumentStatus::Unknown => None,
            known => Some(known == InstrumentStatus::Trading),
        };
        self.reference_interval = funding_interval.or(self.reference_interval);
    }

    /// Time between settlements and where it is known from: the row's own, else the instrument list's.
    #[must_use]
    pub fn funding_interval(&self) -> (Option<u32>, IntervalSource) {
        match (self.funding, self.reference_interval) {
            (Some(FundingNow { interval: Some(seconds), interval_source, .. }), _) => (Some(seconds), interval_source),
            (_, Some(seconds)) => (Some(seconds), IntervalSource::Reference),
            _ => (None, IntervalSource::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perpetual_finds_its_spot_whatever_comes_first() {
        let names = [
            ("binance", "1000SHIB-USDT-SPOT"),
            ("binance_usdm", "1000SHIB-USDT-USDT-PERP"),
            ("binance", "SHIB-USDT-SPOT"),
            ("bybit", "SHIB-USDT-SPOT"),
            ("binance", "SHIB-USDC-SPOT"),
            ("okx", "SHIB-USD-BTC-QUANTO-PERP"),
        ];
        for turn in 0..names.len() {
            let mut market = Market::default();
            for at in 0..names.len() {
                let (venue, instrument) = names[(at + turn) % names.len()];
                market.enter(venue, instrument).expect("room");
            }
            let spot_of =
                |venue, instrument| market.instruments()[market.find(venue, instrument).expect("entered")].spot;
            let spot = spot_of("binance_usdm", "1000SHIB-USDT-USDT-PERP").expect("paired");
            let name = &market.instruments()[spot];
            assert_eq!((&*name.venue, &*name.instrument), ("binance", "SHIB-USDT-SPOT"), "turn {turn}");
            assert_eq!(spot_of("okx", "SHIB-USD-BTC-QUANTO-PERP"), None);
        }
    }
}
