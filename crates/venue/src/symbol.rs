//! Symbols that no instrument list names, read by the mapping's rules.

use crate::channel::named;
use crate::error::VenueError;
use crate::spec::SymbolRuleSpec;
use kt_model::instrument::days_from_civil;
use kt_model::{InstrumentType, Nanos, OptionSide, Payoff};

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Base,
    Quote,
    Date,
    Strike,
    Right,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub(crate) struct SymbolRule {
    pub(crate) segments: Vec<String>,
    pieces: Vec<Piece>,
    quotes: Vec<String>,
    quote: String,
    instrument_type: InstrumentType,
    payoff: Payoff,
    settle: String,
    expiry_hour: u32,
}

/// What a symbol says about its instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) instrument_type: InstrumentType,
    pub(crate) payoff: Payoff,
    pub(crate) base: String,
    pub(crate) quote: String,
    pub(crate) settle: String,
    pub(crate) expiry: Option<Nanos>,
    pub(crate) strike: Option<String>,
    pub(crate) option_side: OptionSide,
}

impl SymbolRule {
    pub(crate) fn compile(spec: &SymbolRuleSpec) -> Result<Self, VenueError> {
        let mut pieces = Vec::new();
        let mut rest = spec.pattern.as_str();
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let unclosed = || VenueError::mapping(format!("symbol pattern `{}` is not closed", spec.pattern));
            let (name, after) = from[1..].split_once('}').ok_or_else(unclosed)?;
            pieces.push(named("part of a symbol pattern", name, piece)?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self {
            segments: spec.segments.clone(),
            pieces,
            quotes: spec.quotes.clone(),
            quote: spec.quote.clone().unwrap_or_default(),
            instrument_type: named("instrument type", &spec.instrument_type, InstrumentType::from_name)?,
            payoff: named("payoff", &spec.payoff, Payoff::from_name)?,
            settle: spec.settle.clone(),
            expiry_hour: spec.expiry_hour,
        })
    }

    /// Adds every way in which the rule reads `symbol`.
    pub(crate) fn read(&self, symbol: &str, found: &mut Vec<Parts>) {
        let start = Parts {
            instrument_type: self.instrument_type,
            payoff: self.payoff,
            base: String::new(),
            quote: self.quote.clone(),
            settle: String::new(),
            expiry: None,
            strike: None,
            option_side: OptionSide::None,
        };
        self.step(&self.pieces, symbol, start, found);
    }

    fn step(&self, pieces: &[Piece], rest: &str, parts: Parts, found: &mut Vec<Parts>) {
        let Some((piece, pieces)) = pieces.split_first() else {
            if rest.is_empty() {
                found.push(self.settled(parts));
            }
            return;
        };
        match piece {
            Piece::Text(text) => {
                if let Some(rest) = rest.strip_prefix(text.as_str()) {
                    self.step(pieces, rest, parts, found);
                }
            }
            Piece::Quote => {
                for quote in &self.quotes {
                    if let Some(rest) = rest.strip_prefix(quote.as_str()) {
                        self.step(pieces, rest, Parts { quote: quote.clone(), ..parts.clone() }, found);
                    }
                }
            }
            Piece::Base => {
                for (end, _) in rest.char_indices().skip(1).chain([(rest.len(), ' ')]) {
                    let (base, rest) = rest.split_at(end);
                    if base.is_empty() || !base.chars().all(char::is_alphanumeric) {
                        break;
                    }
                    self.step(pieces, rest, Parts { base: base.to_owned(), ..parts.clone() }, found);
                }
            }
            Piece::Date => {
                if let Some(expiry) = rest.get(..6).and_then(|text| self.expiry(text)) {
                    self.step(pieces, &rest[6..], Parts { expiry: Some(expiry), ..parts }, found);
                }
            }
            Piece::Strike => {
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                if end > 0 {
                    self.step(pieces, &rest[end..], Parts { strike: Some(rest[..end].to_owned()), ..parts }, found);
                }
            }
            Piece::Right => {
                for (letter, option_side) in [("C", OptionSide::Call), ("P", OptionSide::Put)] {
                    if let Some(rest) = rest.strip_prefix(letter) {
                        self.step(pieces, rest, Parts { option_side, ..parts.clone() }, found);
                    }
                }
            }
        }
    }

    fn settled(&self, mut parts: Parts) -> Parts {
        parts.settle = match self.settle.as_str() {
            "base" => parts.base.clone(),
            "quote" => parts.quote.clone(),
            currency => currency.to_owned(),
        };
        parts
    }

    /// `yymmdd` at the rule's hour.
    fn expiry(&self, text: &str) -> Option<Nanos> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
        let (year, month, day) = (number(0, 2)?, number(2, 4)?, number(4, 6)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = i64::from(days_from_civil(2000 + year as i32, month, day));
        Some(Nanos((days * 24 + i64::from(self.expiry_hour)) * 3_600_000_000_000))
    }
}

fn piece(name: &str) -> Option<Piece> {
    Some(match name {
        "base" => Piece::Base,
        "quote" => Piece::Quote,
        "yymmdd" => Piece::Date,
        "strike" => Piece::Strike,
        "right" => Piece::Right,
        _ => return None,
    })
}
