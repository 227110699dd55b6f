//! How instruments and their signals come to be.

use kt_model::Nanos;

use super::Engine;
use crate::instance::Instance;
use crate::market::Market;

impl Engine {
    pub(super) fn place_or_new(&mut self, venue: &str, instrument: &str) -> usize {
        if let Some(place) = self.place(venue, instrument) {
            return place;
        }
        let place = self.markets.len();
        self.markets.push(Market::new(venue, instrument));
        self.places.entry(venue.to_owned()).or_default().insert(instrument.to_owned(), place);
        place
    }

    /// The first market data of an instrument: its signals come to be, in the order of their declaration.
    pub(super) fn activate(&mut self, place: usize, now: Nanos) {
        self.markets[place].is_active = true;
        let (venue, instrument) = (self.markets[place].venue.clone(), self.markets[place].instrument.clone());
        // Of declarations with one name the first that fits counts.
        let mut made: Vec<(usize, usize)> = Vec::new();
        for number in 0..self.definitions.len() {
            let declared = &self.definitions[number];
            let is_taken = made.iter().any(|(other, _)| self.definitions[*other].name == declared.name);
            if is_taken || !declared.matches(&venue, &instrument) {
                continue;
            }
            let of = made.iter().find(|(other, _)| declared.of.contains(other)).map(|(_, at)| *at);
            if declared.feature.is_rolling() && of.is_none() {
                continue; // the signal it is computed from does not exist for this instrument
            }
            let legs = match (declared.second_leg(&venue, &instrument), of) {
                (Some((venue, instrument)), _) => [place, self.place_or_new(&venue, &instrument)],
                (None, Some(of)) => self.instances[of].legs,
                (None, None) => [place, place],
            };
            let instance = Instance::new(number, &self.definitions[number], legs, of, now);
            let at = self.instances.len();
            if instance.is_sampled() {
                self.sampled.push(at);
            }
            self.instances.push(instance);
            self.markets[place].listeners.push(at);
            if legs[1] != place {
                self.markets[legs[1]].listeners.push(at);
            }
            made.push((number, at));
        }
    }
}
