//! Strategies, risk limits and assumptions about execution, from one TOML text. A wrong key or value is
//! refused with its line.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::config_values::{Age, Bps, Leg, Name, Positive, Unsigned};

/// The whole text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TradingConfig {
    /// Limits that no order may break.
    pub risk: RiskConfig,
    /// Assumptions about execution.
    pub paper: PaperConfig,
    /// The basis strategies.
    #[serde(default)]
    pub basis: Vec<Spanned<BasisConfig>>,
}

/// Limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskConfig {
    /// Largest value of one order, in quote currency.
    pub max_order_notional: Positive,
    /// Largest value of one strategy's position in one market, in quote currency.
    pub max_position_notional: Positive,
    /// Most orders within any second, over all strategies.
    pub max_orders_per_second: u16,
    /// How far a limit price may lie beyond the middle of the book.
    pub price_collar_bps: Bps,
    /// Oldest quote on which an order may be sent, in milliseconds.
    pub max_quote_age_ms: Age,
}

/// How orders are carried out on paper.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperConfig {
    /// From sending an order to its arrival at the venue, in milliseconds.
    pub order_latency_ms: Age,
    /// From the venue back to us, in milliseconds.
    pub report_latency_ms: Age,
    /// Fees by venue.
    pub fees: BTreeMap<String, FeeConfig>,
}

/// Fees of one venue, in hundredths of a percent of the value traded; negative is a rebate.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeConfig {
    /// For orders that waited in the book.
    pub maker_bps: Bps,
    /// For orders that met the book.
    pub taker_bps: Bps,
}

/// How a position is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Both legs at once against the book.
    Taker,
    /// The spot leg waits at the touch; the perpetual follows what it trades.
    Maker,
}

/// Which way positions may point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Only spot bought against the perpetual sold, when the perpetual is dear.
    Rich,
    /// Also the other way, which needs spot to be lent.
    Both,
}

/// One pair of spot and perpetual.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasisConfig {
    /// Name in orders and records; unique.
    pub name: Spanned<Name>,
    /// `venue/instrument` of the spot leg.
    pub spot: Spanned<Leg>,
    /// `venue/instrument` of the perpetual leg.
    pub perpetual: Spanned<Leg>,
    /// Value of one leg, in quote currency.
    pub notional: Positive,
    /// Samples in the rolling window of the basis.
    pub window: u16,
    /// Samples needed before the window is used.
    pub min_samples: Spanned<u16>,
    /// Time between two samples, in milliseconds.
    pub sample_ms: Age,
    /// Deviations from the mean at which a position is begun.
    pub entry_z: Unsigned,
    /// Deviations from the mean at which it is ended.
    pub exit_z: Spanned<Unsigned>,
    /// Least expected profit after costs, in basis points of one leg.
    pub min_edge_bps: f64,
    /// Longest holding, in seconds.
    pub max_holding_s: Age,
    /// Pause after a position has ended, in milliseconds.
    pub cooldown_ms: Age,
    /// How far beyond the touch an order that takes may go.
    pub slippage_bps: Bps,
    /// How positions are begun.
    pub entry: Entry,
    /// How long the spot order waits, in milliseconds.
    pub maker_timeout_ms: Age,
    /// Which way positions may point.
    pub direction: Direction,
    /// Oldest quote of either leg, in milliseconds; beyond it the position is unwound.
    pub max_quote_age_ms: Age,
    /// Oldest funding rate and mark price, in seconds.
    pub max_funding_age_s: Age,
    /// A listing that ends within this many seconds is left.
    pub delisting_horizon_s: Age,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ConfigError {
    /// From 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl TradingConfig {
    /// Reads and checks a text.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let at = |offset: usize, problem: String| ConfigError { line: line_of(text, offset), problem };
        let config: Self = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            at(offset, error.message().lines().collect::<Vec<_>>().join(" "))
        })?;
        if config.risk.max_orders_per_second == 0 {
            let offset = text.find("max_orders_per_second").unwrap_or(0);
            return Err(at(offset, "max_orders_per_second must be above 0".into()));
        }
        let mut names: Vec<&str> = Vec::new();
        for entry in &config.basis {
            let pair = entry.get_ref();
            pair.check(&config.paper).map_err(|(offset, problem)| at(offset, problem))?;
            let name = &**pair.name.get_ref();
            if names.contains(&name) {
                return Err(at(pair.name.span().start, format!("the name {name:?} is taken; give each pair its own")));
            }
            names.push(name);
        }
        Ok(config)
    }

    /// The legs of all strategies, each once: venue and instrument.
    #[must_use]
    pub fn legs(&self) -> Vec<Leg> {
        let mut legs: Vec<Leg> = Vec::new();
        for pair in &self.basis {
            for leg in [pair.get_ref().spot.get_ref(), pair.get_ref().perpetual.get_ref()] {
                if !legs.contains(leg) {
                    legs.push(leg.clone());
                }
            }
        }
        legs
    }

    /// xxh3-64 of a text, as [`kt_signals::Input::Configuration`] carries it.
    #[must_use]
    pub fn hash(text: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }
}

impl BasisConfig {
    /// What types cannot say. The error is (offset, problem).
    fn check(&self, paper: &PaperConfig) -> Result<(), (usize, String)> {
        for (leg, kind) in [(&self.spot, "-SPOT"), (&self.perpetual, "-PERP")] {
            let named = leg.get_ref();
            if !named.instrument.ends_with(kind) {
                return Err((leg.span().start, format!("{} is no instrument of the kind {kind}", named.instrument)));
            }
            if !paper.fees.contains_key(&named.venue) {
                let problem = format!("there are no fees for {0}: add a table [paper.fees.{0}]", named.venue);
                return Err((leg.span().start, problem));
            }
        }
        let pair_of = |leg: &Leg| leg.instrument.split('-').take(2).map(str::to_owned).collect::<Vec<_>>();
        if pair_of(self.spot.get_ref()) != pair_of(self.perpetual.get_ref()) {
            let problem = "both legs must have the same base and quote currency: \
                           another quote would need its exchange rate as a third leg";
            return Err((self.perpetual.span().start, problem.into()));
        }
        let samples = *self.min_samples.get_ref();
        if samples < 2 || samples > self.window {
            let problem = format!("min_samples must lie between 2 and window, which is {}", self.window);
            return Err((self.min_samples.span().start, problem));
        }
        if self.exit_z.get_ref().0 >= self.entry_z.0 {
            return Err((
                self.exit_z.span().start,
                format!("exit_z must be below entry_z, which is {}", self.entry_z.0),
            ));
        }
        Ok(())
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}
