//! The streams of both venues by name and number.

use std::collections::HashMap;

use super::Side;
use super::instrument::Instrument;

/// The streams of one instrument; a slot may be missing at one of the venues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Depth100,
    Depth,
    Depth500,
    Depth0,
    BookTicker,
    Trade,
    AggTrade,
    Kline,
    Mark1s,
    Mark,
    ForceOrder,
}

const SLOTS: [Slot; 11] = [
    Slot::Depth100,
    Slot::Depth,
    Slot::Depth500,
    Slot::Depth0,
    Slot::BookTicker,
    Slot::Trade,
    Slot::AggTrade,
    Slot::Kline,
    Slot::Mark1s,
    Slot::Mark,
    Slot::ForceOrder,
];

/// Streams of the futures venue over all its instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wide {
    BookTicker,
    ForceOrder,
    Mark1s,
    Mark,
}

const WIDE: [(Wide, &str); 4] = [
    (Wide::BookTicker, "!bookTicker"),
    (Wide::ForceOrder, "!forceOrder@arr"),
    (Wide::Mark1s, "!markPrice@arr@1s"),
    (Wide::Mark, "!markPrice@arr"),
];

impl Slot {
    fn name(self, side: Side) -> Option<&'static str> {
        let futures = side == Side::Perpetual;
        match self {
            Slot::Depth100 => Some("depth@100ms"),
            Slot::Depth => Some("depth"),
            Slot::Depth500 => futures.then_some("depth@500ms"),
            Slot::Depth0 => futures.then_some("depth@0ms"),
            Slot::BookTicker => Some("bookTicker"),
            Slot::Trade => Some("trade"),
            Slot::AggTrade => Some("aggTrade"),
            Slot::Kline => Some("kline_1m"),
            Slot::Mark1s => futures.then_some("markPrice@1s"),
            Slot::Mark => futures.then_some("markPrice"),
            Slot::ForceOrder => futures.then_some("forceOrder"),
        }
    }
}

/// One stream.
pub(crate) struct Stream {
    pub side: Side,
    pub name: String,
    /// `{"stream":"<name>","data":`.
    pub opening: Box<[u8]>,
    /// Clients that have subscribed. Nothing is written for streams nobody wants.
    pub wanted: u32,
}

/// All streams; a stream's number is its place.
pub(crate) struct Streams {
    pub all: Vec<Stream>,
    numbers: [HashMap<String, u32>; 2],
    instruments: usize,
}

impl Streams {
    pub fn new(instruments: &[Instrument]) -> Self {
        let mut streams = Self { all: Vec::new(), numbers: Default::default(), instruments: instruments.len() };
        for side in Side::BOTH {
            for instrument in instruments {
                for slot in SLOTS {
                    let name = slot.name(side).map(|name| format!("{}@{name}", instrument.lower));
                    streams.add(side, name);
                }
            }
        }
        for (_, name) in WIDE {
            streams.add(Side::Perpetual, Some(name.to_owned()));
        }
        streams
    }

    /// Adds a stream; one without a name only keeps the numbering regular.
    fn add(&mut self, side: Side, name: Option<String>) {
        let number = u32::try_from(self.all.len()).expect("200 instruments have far fewer streams");
        let name = name.unwrap_or_default();
        let opening = format!("{{\"stream\":\"{name}\",\"data\":").into_bytes().into();
        if !name.is_empty() {
            self.numbers[side as usize].insert(name.clone(), number);
        }
        self.all.push(Stream { side, name, opening, wanted: 0 });
    }

    /// The number of an instrument's stream.
    pub fn number(&self, side: Side, instrument: usize, slot: Slot) -> u32 {
        ((side as usize * self.instruments + instrument) * SLOTS.len() + slot as usize) as u32
    }

    /// The number of a stream over all instruments.
    pub fn wide(&self, wide: Wide) -> u32 {
        (2 * self.instruments * SLOTS.len() + wide as usize) as u32
    }

    /// The number of a stream by its name.
    pub fn find(&self, side: Side, name: &str) -> Option<u32> {
        self.numbers[side as usize].get(name).copied()
    }

    pub fn is_wanted(&self, number: u32) -> bool {
        self.all[number as usize].wanted > 0
    }

    pub fn opening(&self, number: u32) -> &[u8] {
        &self.all[number as usize].opening
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::generated::instrument::instruments;

    #[test]
    fn names_and_numbers_agree() {
        let instruments = instruments(8, &mut rand_chacha::ChaCha8Rng::seed_from_u64(1));
        let streams = Streams::new(&instruments);
        for side in Side::BOTH {
            for (index, instrument) in instruments.iter().enumerate() {
                for slot in SLOTS {
                    let number = streams.number(side, index, slot);
                    let Some(name) = slot.name(side) else { continue };
                    assert_eq!(streams.find(side, &format!("{}@{name}", instrument.lower)), Some(number));
                }
            }
        }
        for (wide, name) in WIDE {
            assert_eq!(streams.find(Side::Perpetual, name), Some(streams.wide(wide)));
        }
    }
}
