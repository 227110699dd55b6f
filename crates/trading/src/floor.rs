//! The state of trading: markets, strategies, orders and accounts, and how inputs change them.

use std::collections::VecDeque;

use kt_model::{Event, Nanos, OrderStep};

use crate::basis::Basis;
use crate::config::TradingConfig;
use crate::desk::{Holding, moves_strategies};
use crate::entry::{OrderEntry, Placement};
use crate::ledger::Account;
use crate::market::Market;
use crate::order::{NewOrder, Order};
use crate::record::Record;
use crate::recovery::{Recovered, RecoveredMarket, RecoveredOrder, RecoveredPosition};
use crate::risk::{Refusal, Risk};
use crate::strategy::{Decision, Strategy, View, Wish};

/// Ended orders that are remembered, so that a late or repeated report finds its order.
const REMEMBERED: usize = 4_096;

/// One strategy with what belongs to it.
pub(crate) struct Seat {
    pub strategy: Box<dyn Strategy>,
    /// By market.
    pub accounts: Vec<Account>,
    /// Orders that have not ended.
    pub orders: Vec<Order>,
    /// Whether a refusal of this halt stands in the records already.
    pub told_of_halt: bool,
}

/// See the module.
pub(crate) struct Floor {
    pub now: Nanos,
    started: Nanos,
    pub markets: Vec<Market>,
    pub seats: Vec<Seat>,
    pub risk: Risk,
    /// Ended orders, oldest first.
    pub ended: VecDeque<Order>,
    pub last_sequence: u64,
    pub last_order: u64,
    /// Per market: the newest funding settlement that is dealt with.
    pub settled: Vec<Nanos>,
    /// Settlements before this passed while nobody watched.
    pub watched_since: Nanos,
    /// Time of the newest market event.
    last_seen: Nanos,
    records: Vec<Record>,
    decisions: Vec<Decision>,
}

impl Floor {
    pub fn new(config: &TradingConfig, started: Nanos) -> Self {
        let legs = config.legs();
        let markets: Vec<Market> = legs.iter().map(|leg| Market::new(&leg.venue, &leg.instrument)).collect();
        let number = |leg| legs.iter().position(|known| known == leg).unwrap_or_default();
        let seats = config.basis.iter().map(|pair| {
            let pair = pair.get_ref();
            let (spot, perpetual) = (number(pair.spot.get_ref()), number(pair.perpetual.get_ref()));
            let strategy = Box::new(Basis::new(pair.clone(), &config.paper, spot, perpetual));
            let accounts = vec![Account::default(); legs.len()];
            Seat { strategy, accounts, orders: Vec::new(), told_of_halt: false }
        });
        Self {
            now: started,
            started,
            seats: seats.collect(),
            risk: Risk::new(config.risk.clone()),
            ended: VecDeque::new(),
            last_sequence: 0,
            last_order: 0,
            settled: vec![Nanos(0); markets.len()],
            watched_since: started,
            last_seen: Nanos(0),
            markets,
            records: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// A market event: only markets that it concerns change.
    pub fn event(&mut self, event: &Event<'_>, entry: &mut dyn OrderEntry) {
        self.last_seen = self.now;
        for number in 0..self.markets.len() {
            if self.markets[number].concerns(event) {
                self.markets[number].apply(event);
                entry.observe(number, event, &self.markets, self.now);
                if matches!(event, Event::Funding(_)) {
                    self.find_missed_funding(number);
                }
            }
        }
    }

    /// The process began anew with this state. Orders that were under way are gone with the paper venue.
    pub fn restarted(&mut self, at: Nanos) {
        self.watched_since = self.watched_since.max(self.last_seen);
        self.started = at;
        self.risk.live = false;
        for market in &mut self.markets {
            market.lost_events();
        }
        for seat in 0..self.seats.len() {
            for mut order in std::mem::take(&mut self.seats[seat].orders) {
                let name = self.seats[seat].strategy.name();
                let market = &self.markets[order.market];
                order.abandon();
                let record = Record::new(OrderStep::Cancelled, self.now, Some(market), name).of(&order);
                self.emit(record.because("restart"));
                self.remember(order);
            }
        }
    }

    /// What a new journal has to begin with, so that this state goes on.
    pub fn recovered(&self) -> Recovered {
        let positions = self.holdings().filter(|holding| *holding.account != Account::default());
        let positions = positions.map(|holding| RecoveredPosition {
            strategy: holding.strategy.to_owned(),
            venue: holding.market.venue.to_string(),
            instrument: holding.market.instrument.to_string(),
            quantity: holding.account.quantity,
            cash: holding.account.cash,
            fees: holding.account.fees,
            funding: holding.account.funding,
        });
        let orders = self.seats.iter().flat_map(|seat| &seat.orders).map(|order| RecoveredOrder {
            client_order_id: order.client_order_id.to_string(),
            strategy: self.seats[order.strategy].strategy.name().to_owned(),
            venue: self.markets[order.market].venue.to_string(),
            instrument: self.markets[order.market].instrument.to_string(),
        });
        Recovered {
            last_sequence: self.last_sequence,
            last_order: self.last_order,
            last_event: self.now,
            halted: self.risk.halted,
            markets: self.markets.iter().filter_map(RecoveredMarket::of).collect(),
            positions: positions.collect(),
            open_orders: orders.collect(),
        }
    }

    /// Events of a writer were lost.
    pub fn lost_events(&mut self, writer: &str) {
        for market in self.markets.iter_mut().filter(|market| *market.writer == *writer) {
            market.lost_events();
        }
    }

    /// Forbids or allows trading. What waits in a book is cancelled; positions stay as they are.
    pub fn kill_switch(&mut self, on: bool, word: &str, entry: &mut dyn OrderEntry) {
        if self.risk.halted == on {
            return;
        }
        self.risk.halted = on;
        let step = if on { OrderStep::Halted } else { OrderStep::Resumed };
        self.emit(Record::new(step, self.now, None, "").because(word));
        for seat in 0..self.seats.len() {
            self.seats[seat].told_of_halt = false;
            let ids: Vec<_> = self.seats[seat].orders.iter().map(|order| order.client_order_id.clone()).collect();
            for id in ids.iter().filter(|_| on) {
                self.cancel(seat, id, "kill_switch", entry);
            }
        }
    }

    /// Asks every strategy that `event` may concern what to do; all of them without an event.
    pub fn decide(&mut self, event: Option<&Event<'_>>, entry: &mut dyn OrderEntry) {
        if event.is_some_and(|event| !moves_strategies(event)) {
            return;
        }
        for seat in 0..self.seats.len() {
            let markets = self.seats[seat].strategy.markets();
            if event.is_some_and(|event| !markets.iter().any(|number| self.markets[*number].concerns(event))) {
                continue;
            }
            let mut decisions = std::mem::take(&mut self.decisions);
            let Seat { strategy, accounts, orders, .. } = &mut self.seats[seat];
            let view = View { now: self.now, markets: &self.markets, accounts, orders };
            strategy.decide(&view, &mut decisions);
            for decision in decisions.drain(..) {
                match decision {
                    Decision::Place(wish) => self.place(seat, &wish, entry),
                    Decision::Cancel { client_order_id, reason } => self.cancel(seat, &client_order_id, reason, entry),
                }
            }
            self.decisions = decisions;
        }
    }

    /// Decision, risk, sending: each a step of its own.
    fn place(&mut self, seat: usize, wish: &Wish, entry: &mut dyn OrderEntry) {
        let Seat { accounts, orders, .. } = &self.seats[seat];
        let verdict = self.risk.check(wish, &self.markets[wish.market], &accounts[wish.market], orders, self.now);
        let halted = matches!(verdict, Err(Refusal::KillSwitch | Refusal::NotLive));
        if halted && std::mem::replace(&mut self.seats[seat].told_of_halt, true) {
            return; // one refusal of a halt tells all of them
        }
        self.last_order += 1;
        let strategy: Box<str> = self.seats[seat].strategy.name().into();
        let run = self.started.0 / 1_000_000_000;
        let order = Order::sent(NewOrder {
            client_order_id: format!("{strategy}-{run:x}-{}", self.last_order).into(),
            strategy: seat,
            market: wish.market,
            side: wish.side,
            limit: wish.limit,
            quantity: wish.quantity,
            time_in_force: wish.time_in_force,
            intent: wish.intent,
            sent_at: self.now,
        });
        let record = |floor: &Self, step| {
            let mut record = Record::new(step, floor.now, Some(&floor.markets[wish.market]), &strategy).of(&order);
            record.reason = wish.reason;
            record.position = Some(floor.seats[seat].accounts[wish.market].quantity);
            record
        };
        self.emit(record(self, OrderStep::Decided).because(wish.reason.word));
        if let Err(refusal) = verdict {
            self.emit(record(self, OrderStep::Refused).because(refusal.as_str()));
            self.seats[seat].strategy.refused(wish.market, self.now);
            return;
        }
        self.emit(record(self, OrderStep::Passed));
        self.emit(record(self, OrderStep::Sent));
        let placement = Placement {
            client_order_id: &order.client_order_id,
            market: order.market,
            side: order.side,
            limit: order.limit,
            quantity: order.quantity,
            time_in_force: order.time_in_force,
        };
        entry.place(&placement, self.now);
        self.seats[seat].orders.push(order);
    }

    /// Asks the venue to cancel, once for each answer.
    fn cancel(&mut self, seat: usize, client_order_id: &str, reason: &str, entry: &mut dyn OrderEntry) {
        let now = self.now;
        let orders = &mut self.seats[seat].orders;
        let Some(order) = orders.iter_mut().find(|order| *order.client_order_id == *client_order_id) else { return };
        if order.cancel_asked.is_some() {
            return;
        }
        order.cancel_asked = Some(now);
        let order = order.clone();
        entry.cancel(client_order_id, now);
        let name = self.seats[seat].strategy.name();
        let market = &self.markets[order.market];
        self.emit(Record::new(OrderStep::CancelSent, now, Some(market), name).of(&order).because(reason));
    }

    pub fn emit(&mut self, mut record: Record) {
        self.last_sequence += 1;
        record.sequence = self.last_sequence;
        if record.venue.is_empty() {
            // What concerns the whole desk is written by the first market's writer.
            record.venue = self.markets.first().map_or_else(|| "desk".into(), |market| market.venue.clone());
        }
        self.records.push(record);
    }

    pub fn drain(&mut self, sink: &mut impl FnMut(&Record)) {
        for record in self.records.drain(..) {
            sink(&record);
        }
    }

    pub fn remember(&mut self, order: Order) {
        if self.ended.len() == REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(order);
    }

    pub fn open_orders(&self) -> usize {
        self.seats.iter().map(|seat| seat.orders.len()).sum()
    }

    pub fn holdings(&self) -> impl Iterator<Item = Holding<'_>> {
        self.seats.iter().flat_map(|seat| {
            seat.strategy.markets().iter().map(|number| Holding {
                strategy: seat.strategy.name(),
                market: &self.markets[*number],
                account: &seat.accounts[*number],
            })
        })
    }
}
