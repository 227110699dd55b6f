//! The instruments of a venue: what a symbol of a frame stands for.

use crate::error::VenueError;
use crate::mapping::Mapping;
use crate::symbol::Parts;
use kt_model::instrument::{IdParts, canonical_id};
use kt_model::{InstrumentStatus, InstrumentType, Payoff, QuantityUnit};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Symbols that follow no rule and are remembered as such, and rule-made instruments: bounds
/// against a venue that sends ever new names.
const MOST_UNKNOWN: usize = 4_096;
const MOST_DERIVED: usize = 20_000;

/// One instrument as the decoder needs it.
#[derive(Clone, Debug)]
pub struct InstrumentInfo {
    /// The venue's name.
    pub symbol: Box<str>,
    /// Canonical id.
    pub id: Box<str>,
    /// Kind of contract.
    pub instrument_type: InstrumentType,
    /// How profit depends on price.
    pub payoff: Payoff,
    /// Base currency.
    pub base: Box<str>,
    /// Quote currency.
    pub quote: Box<str>,
    /// Settlement currency.
    pub settle: Box<str>,
    /// What the venue's quantities count.
    pub quantity_unit: QuantityUnit,
    /// Digits after the point of the tick size.
    pub price_digits: u8,
    /// Digits after the point of the lot size.
    pub quantity_digits: u8,
    /// Time between fundings in seconds, where reference data states it.
    pub funding_interval_seconds: Option<u32>,
    /// Whether it can be traded.
    pub status: InstrumentStatus,
    /// Whether an instrument list named it; otherwise a symbol rule read it.
    pub is_listed: bool,
}

/// FNV-1a: short keys, no adversary.
#[derive(Clone, Copy)]
pub(crate) struct ShortHasher(u64);

impl Default for ShortHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for ShortHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    fn write_usize(&mut self, _length: usize) {}
}

type Symbols = HashMap<Box<[u8]>, u32, BuildHasherDefault<ShortHasher>>;

/// All known instruments of a venue, by segment and symbol.
#[derive(Clone, Debug)]
pub struct Catalogue {
    segments: Vec<(String, Symbols)>,
    instruments: Vec<InstrumentInfo>,
    unknown: HashSet<(usize, Box<[u8]>)>,
    /// Funding intervals by segment and symbol, kept apart: their list may come first.
    intervals: HashMap<(usize, Box<str>), u32>,
    derived: usize,
}

impl Catalogue {
    /// An empty catalogue of the mapping's venue.
    #[must_use]
    pub fn new(mapping: &Mapping) -> Self {
        let segments = mapping.segment_names().map(|name| (name.to_owned(), Symbols::default())).collect();
        let (instruments, unknown, intervals) = (Vec::new(), HashSet::new(), HashMap::new());
        Self { segments, instruments, unknown, intervals, derived: 0 }
    }

    /// Instruments of a segment, in no order.
    pub fn instruments(&self, segment: &str) -> impl Iterator<Item = &InstrumentInfo> {
        let symbols = self.segments.iter().find(|(name, _)| name == segment).map(|(_, symbols)| symbols);
        symbols.into_iter().flatten().filter_map(|(_, index)| self.instruments.get(*index as usize))
    }

    /// The instrument of a symbol.
    #[must_use]
    pub fn find(&self, segment: &str, symbol: &str) -> Option<&InstrumentInfo> {
        let index = self.index(self.segment_index(segment)?, symbol.as_bytes())?;
        self.instruments.get(index as usize)
    }

    pub(crate) fn segment_index(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|(other, _)| other == name)
    }

    #[inline]
    pub(crate) fn index(&self, segment: usize, symbol: &[u8]) -> Option<u32> {
        self.segments.get(segment)?.1.get(symbol).copied()
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &InstrumentInfo {
        &self.instruments[index as usize]
    }

    pub(crate) fn put(&mut self, segment: usize, mut info: InstrumentInfo) -> Result<u32, VenueError> {
        let interval = self.intervals.get(&(segment, info.symbol.clone())).copied();
        info.funding_interval_seconds = interval.or(info.funding_interval_seconds);
        let symbol: Box<[u8]> = info.symbol.as_bytes().into();
        self.unknown.remove(&(segment, symbol.clone()));
        let (_, symbols) = &mut self.segments[segment];
        if let Some(index) = symbols.get(&symbol) {
            self.instruments[*index as usize] = info;
            return Ok(*index);
        }
        let index = u32::try_from(self.instruments.len())
            .map_err(|_| VenueError::malformed("more instruments than 32 bits count"))?;
        symbols.insert(symbol, index);
        self.instruments.push(info);
        Ok(index)
    }

    pub(crate) fn put_interval(&mut self, segment: usize, symbol: &str, seconds: u32) {
        if let Some(index) = self.index(segment, symbol.as_bytes()) {
            self.instruments[index as usize].funding_interval_seconds = Some(seconds);
        }
        self.intervals.insert((segment, symbol.into()), seconds);
    }

    /// The instrument of a symbol, read by the mapping's rules where no list names it. `Err(true)`
    /// the first time a symbol turns out to be unknown, `Err(false)` afterwards.
    #[inline]
    pub(crate) fn resolve(&mut self, mapping: &Mapping, segment: usize, symbol: &[u8]) -> Result<u32, bool> {
        match self.index(segment, symbol) {
            Some(index) => Ok(index),
            None => self.derive(mapping, segment, symbol),
        }
    }

    /// Makes an instrument of a symbol that no list named, by the mapping's symbol rules; whether it is
    /// known then.
    pub fn assume(&mut self, mapping: &Mapping, segment: &str, symbol: &str) -> bool {
        let segment = self.segment_index(segment);
        segment.is_some_and(|segment| self.resolve(mapping, segment, symbol.as_bytes()).is_ok())
    }

    #[cold]
    fn derive(&mut self, mapping: &Mapping, segment: usize, symbol: &[u8]) -> Result<u32, bool> {
        let key = (segment, symbol.into());
        if self.unknown.contains(&key) {
            return Err(false);
        }
        let info = std::str::from_utf8(symbol).ok().and_then(|text| self.read_symbol(mapping, segment, text));
        if let Some(info) = info.filter(|_| self.derived < MOST_DERIVED) {
            self.derived += 1;
            return self.put(segment, info).map_err(|_| false);
        }
        Err(self.unknown.len() < MOST_UNKNOWN && self.unknown.insert(key))
    }

    fn read_symbol(&self, mapping: &Mapping, segment: usize, symbol: &str) -> Option<InstrumentInfo> {
        let name = &self.segments[segment].0;
        let mut readings = Vec::new();
        for rule in &mapping.symbols {
            if rule.segments.is_empty() || rule.segments.contains(name) {
                rule.read(symbol, &mut readings);
            }
        }
        readings.dedup();
        let [parts] = readings.as_slice() else { return None };
        InstrumentInfo::derived(mapping, symbol, parts)
    }
}

impl InstrumentInfo {
    /// The canonical id of these parts; `None` where a part is missing.
    pub(crate) fn canonical(parts: &Parts) -> Option<String> {
        canonical_id(&IdParts {
            instrument_type: parts.instrument_type,
            payoff: parts.payoff,
            base: &parts.base,
            quote: &parts.quote,
            settle: &parts.settle,
            expiry: parts.expiry,
            strike: parts.strike.as_deref(),
            option_side: parts.option_side,
        })
    }

    fn derived(mapping: &Mapping, symbol: &str, parts: &Parts) -> Option<Self> {
        Some(Self {
            symbol: symbol.into(),
            id: Self::canonical(parts)?.into(),
            instrument_type: parts.instrument_type,
            payoff: parts.payoff,
            base: parts.base.as_str().into(),
            quote: parts.quote.as_str().into(),
            settle: parts.settle.as_str().into(),
            quantity_unit: mapping.quantity_unit(parts.instrument_type),
            price_digits: 0,
            quantity_digits: 0,
            funding_interval_seconds: None,
            status: InstrumentStatus::Unknown,
            is_listed: false,
        })
    }
}
