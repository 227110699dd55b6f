//! What events, gaps and losses do to markets and signals.

use kt_model::{Event, Nanos, Status};

use super::settle::Emit;
use super::{Engine, Sink};
use crate::feature::Feature;
use crate::input::Position;
use crate::output::Reason;

impl Engine {
    pub(super) fn on_event<S: Sink>(&mut self, position: Position<'_>, event: &Event<'_>, emit: &mut Emit<'_, S>) {
        let header = event.header();
        if let Event::Status(row) = event
            && row.header.instrument.is_empty()
        {
            return self.on_venue_status(row, emit);
        }
        if header.instrument.is_empty() {
            return;
        }
        let place = self.place_or_new(header.venue.0, header.instrument.0);
        let is_data = !matches!(event, Event::Instrument(_) | Event::Status(_) | Event::Quarantine(_));
        if is_data {
            self.markets[place].touch(header.recv_ts, position.writer);
            if !self.markets[place].is_active {
                self.activate(place, emit.now);
            }
        }
        let change = self.change(place, event, emit.now);
        for index in 0..self.markets[place].listeners.len() {
            let instance = self.markets[place].listeners[index];
            self.update(instance, place, event, change, emit);
        }
    }

    /// Brings the market up to date; says what that means for its signals.
    fn change(&mut self, place: usize, event: &Event<'_>, now: Nanos) -> Change {
        let market = &mut self.markets[place];
        match event {
            Event::Quote(row) => {
                market.take_quote(row);
                Change::Quote
            }
            Event::Book(row) => {
                if market.take_book(row) {
                    Change::Book
                } else {
                    Change::Nothing
                }
            }
            Event::Trade(_) => Change::Trade,
            Event::Funding(row) => {
                market.take_funding(row);
                Change::Other
            }
            Event::Instrument(row) => {
                market.take_definition(row);
                Change::Other
            }
            Event::Status(row) => {
                if market.take_status(row, now) {
                    Change::Lost
                } else {
                    Change::Other
                }
            }
            _ => Change::Nothing,
        }
    }

    fn update<S: Sink>(&mut self, at: usize, place: usize, event: &Event<'_>, change: Change, emit: &mut Emit<'_, S>) {
        let instance = &mut self.instances[at];
        let declared = &self.definitions[instance.definition];
        let is_first_leg = instance.legs[0] == place;
        match (change, event) {
            (Change::Nothing, _) => return,
            (Change::Trade, Event::Trade(row)) => {
                if !matches!(declared.feature, Feature::TradeImbalance | Feature::Vwap) {
                    return;
                }
                instance.traded(declared, row, emit.now);
            }
            (Change::Quote | Change::Book, _) => {
                let uses_book =
                    declared.feature == Feature::BookImbalance || self.markets[place].uses_book(declared.top);
                let is_rolling = declared.feature.is_rolling();
                if uses_book != (change == Change::Book) && !is_rolling {
                    return;
                }
                instance.quotes_changed(declared, &self.markets, emit.now);
            }
            (Change::Lost, _) if is_first_leg => instance.lost(emit.now),
            _ => {}
        }
        self.settle(at, emit);
    }

    fn on_venue_status<S: Sink>(&mut self, row: &Status<'_>, emit: &mut Emit<'_, S>) {
        for place in 0..self.markets.len() {
            if self.markets[place].venue == row.header.venue.0 && self.markets[place].take_status(row, emit.now) {
                self.lost(place, emit.now);
            }
        }
        self.settle_all(emit);
    }

    pub(super) fn on_dropped<S: Sink>(&mut self, writer: &str, emit: &mut Emit<'_, S>) {
        for place in 0..self.markets.len() {
            if self.markets[place].writer == writer && self.markets[place].doubt(Reason::Dropped, None, emit.now) {
                self.lost(place, emit.now);
            }
        }
        self.settle_all(emit);
    }

    fn lost(&mut self, place: usize, now: Nanos) {
        for at in &self.markets[place].listeners {
            let instance = &mut self.instances[*at];
            if instance.legs[0] == place {
                instance.lost(now);
            }
        }
    }
}

/// What an event means for the signals of its market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Quote,
    Book,
    Trade,
    Other,
    Lost,
}
