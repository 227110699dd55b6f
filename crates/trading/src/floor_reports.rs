//! What the venue says, and what it does to orders and accounts.

use kt_model::{Nanos, OrderStep, Price};

use crate::entry::OrderEntry;
use crate::floor::Floor;
use crate::funding::{self, FundingRefusal};
use crate::market::Market;
use crate::order::{Change, Order};
use crate::record::Record;
use crate::recovery::Recovered;
use crate::report::{Outcome, Report};
use crate::strategy::View;

impl Floor {
    pub fn report(&mut self, report: &Report<'_>, entry: &mut dyn OrderEntry) {
        match report {
            Report::Order { client_order_id, happened_at, outcome } => {
                self.order_report(client_order_id, *happened_at, outcome, entry);
            }
            Report::Settled { venue, instrument, price } => self.settled_by_venue(venue, instrument, *price, entry),
            Report::Recovered(recovered) => self.recover(recovered, entry),
        }
    }

    fn order_report(&mut self, id: &str, happened: Nanos, outcome: &Outcome<'_>, entry: &mut dyn OrderEntry) {
        let open = self.seats.iter().enumerate().find_map(|(seat, desk)| {
            desk.orders.iter().position(|order| *order.client_order_id == *id).map(|index| (seat, index))
        });
        let (mut order, is_open) = if let Some((seat, index)) = open {
            (self.seats[seat].orders.remove(index), true)
        } else if let Some(index) = self.ended.iter().rposition(|order| *order.client_order_id == *id) {
            match self.ended.remove(index) {
                Some(order) => (order, false),
                None => return,
            }
        } else {
            return self.unknown_order(id, happened, outcome, entry);
        };
        let change = order.apply(outcome);
        self.note(&order, happened, outcome, change, entry);
        if matches!(outcome, Outcome::Rejected { .. }) {
            self.seats[order.strategy].strategy.refused(order.market, self.now);
        }
        if is_open && !order.state.is_final() {
            let seat = order.strategy;
            self.seats[seat].orders.push(order);
        } else {
            self.remember(order);
        }
    }

    /// Nothing of ours has this name: our picture of the venue is not whole, so trading stops. The position
    /// stays as it is, since what the fill belongs to is not known.
    fn unknown_order(&mut self, id: &str, happened: Nanos, outcome: &Outcome<'_>, entry: &mut dyn OrderEntry) {
        let word = match outcome {
            Outcome::Filled(_) => "unknown_fill",
            _ => "unknown_order",
        };
        let mut record = Record::new(OrderStep::Anomaly, self.now, None, "").because(word);
        if let Outcome::Filled(fill) = outcome {
            record = record.with_fill(fill);
        }
        record.client_order_id = id.into();
        record.happened_at = Some(happened);
        record.detail = "the venue reports on an order that is not ours".to_owned();
        self.emit(record);
        self.kill_switch(true, word, entry);
    }

    /// Books what has to be booked, writes the step down, and stops trading on what must not happen.
    fn note(&mut self, order: &Order, at: Nanos, outcome: &Outcome<'_>, change: Change, entry: &mut dyn OrderEntry) {
        let mut record = self.step_of(order, outcome);
        record.happened_at = Some(at);
        let (booked, word, alarm) = match change {
            Change::Applied => (true, "", None),
            Change::Late => (false, "late", None),
            Change::LateFill => (true, "late", None),
            Change::Duplicate => {
                record.step = OrderStep::Anomaly;
                (false, "duplicate", None)
            }
            Change::Contradiction(text) => (true, "contradiction", Some(text)),
            Change::Impossible(text) => {
                record.step = OrderStep::Anomaly;
                (false, "impossible", Some(text))
            }
        };
        if !word.is_empty() {
            record = record.because(word);
        }
        if let Some(text) = alarm {
            record.detail = text.to_owned();
        }
        let mut out_of_range = false;
        if let (Outcome::Filled(fill), true) = (outcome, booked) {
            let account = &mut self.seats[order.strategy].accounts[order.market];
            match account.fill(order.side, fill) {
                Ok(cash) => record.cash = Some(cash),
                Err(_) => out_of_range = true,
            }
        }
        record.position = Some(self.seats[order.strategy].accounts[order.market].quantity);
        self.emit(record);
        if alarm.is_some() || out_of_range {
            self.kill_switch(true, if out_of_range { "out_of_range" } else { word }, entry);
        }
    }

    fn step_of(&self, order: &Order, outcome: &Outcome<'_>) -> Record {
        let step = match outcome {
            Outcome::Acknowledged { .. } => OrderStep::Acknowledged,
            Outcome::Rejected { .. } => OrderStep::Rejected,
            Outcome::Filled(_) => OrderStep::Fill,
            Outcome::Cancelled { .. } => OrderStep::Cancelled,
            Outcome::CancelRejected { .. } => OrderStep::CancelRejected,
        };
        let name = self.seats[order.strategy].strategy.name();
        let record = Record::new(step, self.now, Some(&self.markets[order.market]), name).of(order);
        match outcome {
            Outcome::Filled(fill) => record.with_fill(fill),
            Outcome::Rejected { reason } | Outcome::Cancelled { reason } | Outcome::CancelRejected { reason } => {
                record.because(reason)
            }
            Outcome::Acknowledged { .. } => record,
        }
    }

    fn settled_by_venue(&mut self, venue: &str, instrument: &str, price: Price, entry: &mut dyn OrderEntry) {
        let found = self.markets.iter().position(|market| *market.venue == *venue && *market.instrument == *instrument);
        let Some(number) = found else { return };
        for seat in 0..self.seats.len() {
            let position = self.seats[seat].accounts[number].quantity;
            if position.is_zero() {
                continue;
            }
            let outcome = self.seats[seat].accounts[number].settle(price);
            let name = self.seats[seat].strategy.name();
            let mut record = Record::new(OrderStep::Settled, self.now, Some(&self.markets[number]), name);
            record.fill_price = Some(price);
            record.fill_quantity = Some(position);
            record.cash = outcome.ok();
            record.position = Some(self.seats[seat].accounts[number].quantity);
            self.emit(record.because("delisted"));
            if outcome.is_err() {
                self.kill_switch(true, "out_of_range", entry);
            }
        }
    }

    /// Charges every funding whose time has come; whether there was one.
    pub fn settle_due_fundings(&mut self) -> bool {
        let mut any = false;
        for number in 0..self.markets.len() {
            let Some(known) = self.markets[number].funding else { continue };
            if known.settles_at > self.now || known.settles_at <= self.settled[number] {
                continue;
            }
            self.settled[number] = known.settles_at;
            any = true;
            for seat in 0..self.seats.len() {
                if !self.seats[seat].accounts[number].quantity.is_zero() {
                    self.charge(seat, number, known.settles_at);
                }
            }
        }
        any
    }

    fn charge(&mut self, seat: usize, number: usize, at: Nanos) {
        let age = self.seats[seat].strategy.maximum_funding_age();
        let market = &self.markets[number];
        let position = self.seats[seat].accounts[number].quantity;
        let known =
            funding::usable(market, at, age).and_then(|usable| Ok((usable, funding::mark_at(market, at, age)?)));
        let (usable, mark) = match known {
            Ok(known) => known,
            Err(refusal) => return self.refuse_funding(seat, number, at, refusal),
        };
        let account = &mut self.seats[seat].accounts[number];
        let payment = funding::payment(position, mark, usable.rate).filter(|payment| account.fund(*payment).is_ok());
        let Some(payment) = payment else {
            return self.refuse_funding(seat, number, at, FundingRefusal::NoMark);
        };
        let name = self.seats[seat].strategy.name();
        let mut record = Record::new(OrderStep::Funding, self.now, Some(&self.markets[number]), name);
        record.happened_at = Some(at);
        record.rate = Some(usable.rate);
        record.fill_price = Some(mark);
        record.fill_quantity = Some(position);
        record.cash = Some(payment);
        record.position = Some(position);
        self.emit(record);
    }

    fn refuse_funding(&mut self, seat: usize, number: usize, at: Nanos, refusal: FundingRefusal) {
        let strategy = &mut self.seats[seat].strategy;
        strategy.funding_unknown(number);
        let mut record = Record::new(OrderStep::FundingRefused, self.now, Some(&self.markets[number]), strategy.name());
        record.happened_at = Some(at);
        record.position = Some(self.seats[seat].accounts[number].quantity);
        record.detail = "the account lacks this payment, whatever it was; the position is taken down".to_owned();
        self.emit(record.because(refusal.as_str()));
    }

    /// The rate that has come names the next settlement; the one before it may have passed unseen.
    pub fn find_missed_funding(&mut self, number: usize) {
        let Some(known) = self.markets[number].funding else { return };
        let Some(interval) = known.interval else { return };
        let before = Nanos(known.settles_at.0 - i64::from(interval) * 1_000_000_000);
        if before <= self.settled[number] || before > self.now {
            return;
        }
        self.settled[number] = before;
        if before <= self.watched_since {
            return;
        }
        for seat in 0..self.seats.len() {
            if !self.seats[seat].accounts[number].quantity.is_zero() {
                self.refuse_funding(seat, number, before, FundingRefusal::Missed);
            }
        }
    }

    /// Takes up what a restart found.
    fn recover(&mut self, recovered: &Recovered, entry: &mut dyn OrderEntry) {
        self.last_sequence = recovered.last_sequence;
        self.last_order = recovered.last_order;
        self.risk.halted = recovered.halted;
        if recovered.last_event.0 > 0 {
            self.watched_since = recovered.last_event;
        }
        for known in &recovered.markets {
            let same = |market: &&mut Market| *market.venue == *known.venue && *market.instrument == *known.instrument;
            if let Some(market) = self.markets.iter_mut().find(same) {
                market.definition = market.definition.or(Some(known.definition));
            }
        }
        for order in &recovered.open_orders {
            let market = self
                .markets
                .iter()
                .find(|market| *market.venue == *order.venue && *market.instrument == *order.instrument);
            let mut record = Record::new(OrderStep::Cancelled, self.now, market, &order.strategy).because("restart");
            record.client_order_id = order.client_order_id.as_str().into();
            (record.venue, record.instrument) = (order.venue.as_str().into(), order.instrument.as_str().into());
            self.emit(record);
        }
        for position in &recovered.positions {
            let seat = self.seats.iter().position(|seat| seat.strategy.name() == position.strategy);
            let number = self
                .markets
                .iter()
                .position(|market| *market.venue == *position.venue && *market.instrument == *position.instrument);
            if let (Some(seat), Some(number)) = (seat, number) {
                let account = &mut self.seats[seat].accounts[number];
                (account.quantity, account.cash) = (position.quantity, position.cash);
                (account.fees, account.funding) = (position.fees, position.funding);
            } else if !position.quantity.is_zero() {
                let mut record = Record::new(OrderStep::Anomaly, self.now, None, &position.strategy);
                (record.venue, record.instrument) =
                    (position.venue.as_str().into(), position.instrument.as_str().into());
                record.position = Some(position.quantity);
                record.detail = "a position of a strategy that is no longer configured: nobody looks after it".into();
                self.emit(record.because("orphan_position"));
                self.kill_switch(true, "orphan_position", entry);
            }
        }
        for seat in &mut self.seats {
            let view = View { now: self.now, markets: &self.markets, accounts: &seat.accounts, orders: &seat.orders };
            seat.strategy.restored(&view);
        }
    }
}
