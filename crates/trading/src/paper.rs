//! Paper execution: orders against the live book, with every assumption stated.
//!
//! * An order or cancellation arrives `order_latency_ms` after it was sent and meets the book of that moment;
//!   what the venue says is known `report_latency_ms` later.
//! * An order that takes trades at the prices shown: the touch of the newest quote, then deeper levels while
//!   the book is whole. What we took is gone until the next quote of that market; there is no other impact.
//! * A waiting order stands behind all that its price showed when it arrived. Only trades at that price move
//!   it forward: cancellations ahead are assumed to have stood behind us. A trade through its price, or the
//!   other side's quote at or beyond it, fills it.
//! * An order that finds no book to trust (none, one-sided, crossed) is rejected.
//! * Fees are a share of the value traded, rounded against us.

use std::collections::{BTreeMap, VecDeque};

use kt_model::{Decimal, Event, Nanos, Price, Quantity, Side, TimeInForce, Trade};

use crate::config::{FeeConfig, PaperConfig};
use crate::entry::{OrderEntry, Placement};
use crate::market::{Market, Top};
use crate::money::{self, Rounding};
use crate::report::{Fill, Liquidity, Outcome, Report};

/// An order that lives here.
#[derive(Clone, Debug)]
struct PaperOrder {
    client_order_id: Box<str>,
    venue_order_id: String,
    market: usize,
    side: Side,
    limit: Price,
    open: Quantity,
    time_in_force: TimeInForce,
    /// Quantity that stands before it at its price.
    ahead: Quantity,
    fills: u32,
}

#[derive(Clone, Debug)]
enum Action {
    Place(PaperOrder),
    Cancel(Box<str>),
}

/// The simulated order entry of all venues.
#[derive(Debug)]
pub struct PaperVenue {
    order_latency: i64,
    report_latency: i64,
    fees: BTreeMap<String, FeeConfig>,
    /// Names this run's orders.
    run: i64,
    last_order: u64,
    /// On their way to the venue, oldest first.
    arriving: VecDeque<(Nanos, Action)>,
    waiting: Vec<PaperOrder>,
    /// On their way back, oldest first.
    returning: VecDeque<(Nanos, Vec<u8>)>,
    /// What we took from each market's shown quote, and which quote that was.
    taken: BTreeMap<(usize, Side), (Nanos, Quantity)>,
}

impl PaperVenue {
    /// Nothing under way.
    #[must_use]
    pub fn new(config: &PaperConfig) -> Self {
        Self {
            order_latency: config.order_latency_ms.milliseconds(),
            report_latency: config.report_latency_ms.milliseconds(),
            fees: config.fees.clone(),
            run: 0,
            last_order: 0,
            arriving: VecDeque::new(),
            waiting: Vec::new(),
            returning: VecDeque::new(),
            taken: BTreeMap::new(),
        }
    }

    fn report(&mut self, client_order_id: &str, at: Nanos, outcome: Outcome<'_>) {
        let report = Report::Order { client_order_id, happened_at: at, outcome };
        self.returning.push_back((Nanos(at.0 + self.report_latency), report.to_bytes()));
    }

    fn arrived(&mut self, action: Action, at: Nanos, markets: &[Market]) {
        match action {
            Action::Place(order) => self.place_now(order, at, markets),
            Action::Cancel(client_order_id) => {
                let found = self.waiting.iter().position(|order| order.client_order_id == client_order_id);
                match found {
                    Some(index) => {
                        self.waiting.remove(index);
                        self.report(&client_order_id, at, Outcome::Cancelled { reason: "asked" });
                    }
                    None => self.report(&client_order_id, at, Outcome::CancelRejected { reason: "no_such_order" }),
                }
            }
        }
    }

    fn place_now(&mut self, mut order: PaperOrder, at: Nanos, markets: &[Market]) {
        let market = &markets[order.market];
        // The age of the quote was judged when the order was sent; here the venue's own book decides.
        let top = match market.trusted(at, i64::MAX) {
            Ok(top) => *top,
            Err(distrust) => {
                let id = order.client_order_id.clone();
                return self.report(&id, at, Outcome::Rejected { reason: distrust.as_str() });
            }
        };
        let crosses = if order.side == Side::Buy { order.limit >= top.ask_price } else { order.limit <= top.bid_price };
        let id = order.client_order_id.clone();
        if order.time_in_force == TimeInForce::PostOnly && crosses {
            return self.report(&id, at, Outcome::Rejected { reason: "would_take" });
        }
        self.last_order += 1;
        order.venue_order_id = format!("paper-{:x}-{}", self.run, self.last_order);
        let venue_order_id = order.venue_order_id.clone();
        self.report(&id, at, Outcome::Acknowledged { venue_order_id: &venue_order_id });
        if order.time_in_force == TimeInForce::PostOnly {
            order.ahead = shown_at(market, &top, order.side, order.limit);
            self.waiting.push(order);
            return;
        }
        self.take(&mut order, &top, market, at);
        if order.open.0 > 0 {
            self.report(&id, at, Outcome::Cancelled { reason: "ioc" });
        }
    }

    /// Trades against the levels shown, best first, up to the limit.
    fn take(&mut self, order: &mut PaperOrder, top: &Top, market: &Market, at: Nanos) {
        let (touch, quantity) = match order.side {
            Side::Buy => (top.ask_price, top.ask_quantity),
            _ => (top.bid_price, top.bid_quantity),
        };
        let key = (order.market, order.side);
        let before = self.taken.get(&key).filter(|(quote, _)| *quote == top.received).map_or(0, |(_, taken)| taken.0);
        let mut hidden = before;
        let mut levels = vec![(touch, quantity)];
        let deeper = |level: &(Price, Quantity)| match order.side {
            Side::Buy => level.0 > touch && level.0 <= order.limit,
            _ => level.0 < touch && level.0 >= order.limit,
        };
        match order.side {
            Side::Buy => levels.extend(market.depth.asks().filter(deeper)),
            _ => levels.extend(market.depth.bids().filter(deeper)),
        }
        let mut traded = 0;
        for (price, shown) in levels {
            let reaches = if order.side == Side::Buy { price <= order.limit } else { price >= order.limit };
            if !reaches || order.open.0 == 0 {
                break;
            }
            let passed = hidden.min(shown.0);
            hidden -= passed;
            let quantity = (shown.0 - passed).min(order.open.0);
            if quantity > 0 {
                traded += quantity;
                self.fill(order, price, Decimal(quantity), Liquidity::Taker, market, at);
            }
        }
        self.taken.insert(key, (top.received, Decimal(before + traded)));
    }

    fn fill(
        &mut self,
        order: &mut PaperOrder,
        price: Price,
        quantity: Quantity,
        liquidity: Liquidity,
        market: &Market,
        at: Nanos,
    ) {
        order.open = Decimal(order.open.0 - quantity.0);
        order.fills += 1;
        let fill_id = format!("{}-{}", order.venue_order_id, order.fills);
        let bps = self.fees.get(&*market.venue).map(|fee| match liquidity {
            Liquidity::Maker => fee.maker_bps.0,
            Liquidity::Taker => fee.taker_bps.0,
        });
        let value = money::multiply(price, quantity, Rounding::Up);
        // Fees of every venue were demanded by the configuration; sizes are bounded by risk.
        let fee = value.and_then(|value| money::basis_points(value, bps?, Rounding::Up)).unwrap_or_default();
        let client_order_id = order.client_order_id.clone();
        let fill = Fill { fill_id: &fill_id, price, quantity, fee, liquidity };
        self.report(&client_order_id, at, Outcome::Filled(fill));
    }

    /// A trade moves waiting orders forward and fills those it reaches.
    fn traded(&mut self, market_number: usize, trade: &Trade<'_>, market: &Market, at: Nanos) {
        let mut left = trade.quantity.0;
        self.fill_waiting(market_number, market, at, |order| {
            let against = match order.side {
                Side::Buy => trade.side != Side::Buy,
                _ => trade.side != Side::Sell,
            };
            let through = match order.side {
                Side::Buy => trade.price < order.limit,
                _ => trade.price > order.limit,
            };
            if !against || (!through && trade.price != order.limit) {
                return 0;
            }
            if !through {
                let passed = order.ahead.0.min(left);
                order.ahead = Decimal(order.ahead.0 - passed);
                left -= passed;
            }
            let quantity = order.open.0.min(left);
            left -= quantity;
            quantity
        });
    }

    /// The other side's quote has come to a waiting order.
    fn quoted(&mut self, market_number: usize, market: &Market, at: Nanos) {
        let Ok(top) = market.trusted(at, i64::MAX).copied() else { return };
        let mut shown = [top.ask_quantity.0, top.bid_quantity.0];
        self.fill_waiting(market_number, market, at, |order| {
            let (reached, shown) = match order.side {
                Side::Buy => (top.ask_price <= order.limit, &mut shown[0]),
                _ => (top.bid_price >= order.limit, &mut shown[1]),
            };
            let quantity = if reached { order.open.0.min(*shown) } else { 0 };
            *shown -= quantity;
            quantity
        });
    }

    fn fill_waiting(
        &mut self,
        market_number: usize,
        market: &Market,
        at: Nanos,
        mut quantity_for: impl FnMut(&mut PaperOrder) -> i128,
    ) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for order in waiting.iter_mut().filter(|order| order.market == market_number) {
            let quantity = quantity_for(order);
            if quantity > 0 {
                let price = order.limit;
                self.fill(order, price, Decimal(quantity), Liquidity::Maker, market, at);
            }
        }
        waiting.retain(|order| order.open.0 > 0);
        self.waiting = waiting;
    }

    /// The venue ends an instrument: its orders go, its perpetual positions are settled at the last mark.
    fn delisted(&mut self, market_number: usize, market: &Market, at: Nanos) {
        let (gone, kept) =
            std::mem::take(&mut self.waiting).into_iter().partition(|order| order.market == market_number);
        self.waiting = kept;
        let gone: Vec<PaperOrder> = gone;
        for order in gone {
            self.report(&order.client_order_id, at, Outcome::Cancelled { reason: "delisted" });
        }
        let perpetual = market.instrument.ends_with("-PERP");
        if let (true, Some((price, _))) = (perpetual, market.mark) {
            let (venue, instrument) = (&*market.venue, &*market.instrument);
            let report = Report::Settled { venue, instrument, price }.to_bytes();
            self.returning.push_back((Nanos(at.0 + self.report_latency), report));
        }
    }
}

/// What a price shows of its own side: the queue that a new order joins.
fn shown_at(market: &Market, top: &Top, side: Side, price: Price) -> Quantity {
    let (touch, quantity) =
        if side == Side::Buy { (top.bid_price, top.bid_quantity) } else { (top.ask_price, top.ask_quantity) };
    let better = if side == Side::Buy { price > touch } else { price < touch };
    if better {
        return Decimal::ZERO;
    }
    if price == touch {
        return quantity;
    }
    let level = |mut levels: Box<dyn Iterator<Item = (Price, Quantity)> + '_>| levels.find(|level| level.0 == price);
    let found =
        if side == Side::Buy { level(Box::new(market.depth.bids())) } else { level(Box::new(market.depth.asks())) };
    // Behind the touch and not shown: as much as at the touch is assumed to stand there.
    found.map_or(quantity, |(_, quantity)| quantity)
}

impl OrderEntry for PaperVenue {
    fn restart(&mut self, at: Nanos) {
        self.run = at.0 / 1_000_000;
        self.last_order = 0;
        self.arriving.clear();
        self.waiting.clear();
        self.returning.clear();
        self.taken.clear();
    }

    fn place(&mut self, order: &Placement<'_>, now: Nanos) {
        let paper = PaperOrder {
            client_order_id: order.client_order_id.into(),
            venue_order_id: String::new(),
            market: order.market,
            side: order.side,
            limit: order.limit,
            open: order.quantity,
            time_in_force: order.time_in_force,
            ahead: Decimal::ZERO,
            fills: 0,
        };
        self.arriving.push_back((Nanos(now.0 + self.order_latency), Action::Place(paper)));
    }

    fn cancel(&mut self, client_order_id: &str, now: Nanos) {
        self.arriving.push_back((Nanos(now.0 + self.order_latency), Action::Cancel(client_order_id.into())));
    }

    fn advance(&mut self, now: Nanos, markets: &[Market], reports: &mut Vec<Vec<u8>>) {
        while self.arriving.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((due, action)) = self.arriving.pop_front() {
                self.arrived(action, due, markets);
            }
        }
        while self.returning.front().is_some_and(|(due, _)| *due <= now) {
            reports.extend(self.returning.pop_front().map(|(_, report)| report));
        }
    }

    fn observe(&mut self, market: usize, event: &Event<'_>, markets: &[Market], now: Nanos) {
        match event {
            Event::Trade(trade) if !self.waiting.is_empty() => self.traded(market, trade, &markets[market], now),
            Event::Quote(_) if !self.waiting.is_empty() => self.quoted(market, &markets[market], now),
            Event::Instrument(_) if markets[market].is_delisted(now) => self.delisted(market, &markets[market], now),
            _ => {}
        }
    }
}
