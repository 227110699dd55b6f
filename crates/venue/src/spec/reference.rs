//! Instrument lists, funding interval lists and symbol rules.

use super::field::FieldSpec;
use serde::Deserialize;

/// A REST response that describes instruments.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferenceSpec {
    pub(crate) name: String,
    /// Segment whose REST address serves it and whose symbols it lists.
    pub(crate) segment: String,
    /// Path and query.
    pub(crate) request: String,
    /// Array of rows; empty where the response itself is the array.
    pub(crate) rows: String,
    pub(crate) refresh_seconds: u32,
    /// Only these modes need it; all when empty.
    #[serde(default)]
    pub(crate) modes: Vec<String>,
    /// Path of the cursor of the next page and the query parameter that carries it.
    pub(crate) next_page: Option<PageSpec>,
    pub(crate) instrument: Option<InstrumentSpec>,
    pub(crate) funding_interval: Option<IntervalSpec>,
}

/// How a list continues.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageSpec {
    pub(crate) cursor: String,
    pub(crate) parameter: String,
}

/// Mapping of one instrument.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstrumentSpec {
    pub(crate) symbol: FieldSpec,
    #[serde(rename = "type")]
    pub(crate) instrument_type: FieldSpec,
    pub(crate) payoff: FieldSpec,
    pub(crate) base: FieldSpec,
    pub(crate) quote: FieldSpec,
    pub(crate) settle: FieldSpec,
    pub(crate) contract_size: Option<FieldSpec>,
    pub(crate) contract_multiplier: Option<FieldSpec>,
    pub(crate) contract_size_unit: Option<FieldSpec>,
    pub(crate) tick_size: Option<FieldSpec>,
    pub(crate) lot_size: Option<FieldSpec>,
    pub(crate) minimum_quantity: Option<FieldSpec>,
    pub(crate) minimum_notional: Option<FieldSpec>,
    pub(crate) option_side: Option<FieldSpec>,
    pub(crate) strike: Option<FieldSpec>,
    pub(crate) expiry: Option<FieldSpec>,
    pub(crate) listed: Option<FieldSpec>,
    pub(crate) delisted: Option<FieldSpec>,
    pub(crate) status: FieldSpec,
    pub(crate) funding_interval: Option<FieldSpec>,
}

/// Mapping of one funding interval.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntervalSpec {
    pub(crate) symbol: FieldSpec,
    pub(crate) interval: FieldSpec,
}

/// How a symbol that no list names is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SymbolRuleSpec {
    /// Segments the rule holds for; all when empty.
    #[serde(default)]
    pub(crate) segments: Vec<String>,
    /// Text with `{base}`, `{quote}`, `{yymmdd}`, `{ddmmmyy}`, `{strike}`, `{right}`.
    pub(crate) pattern: String,
    /// Quote currencies that the rule knows.
    #[serde(default)]
    pub(crate) quotes: Vec<String>,
    /// Quote currency of symbols that do not say it.
    pub(crate) quote: Option<String>,
    #[serde(rename = "type")]
    pub(crate) instrument_type: String,
    pub(crate) payoff: String,
    /// `base`, `quote`, or a currency.
    pub(crate) settle: String,
    /// Hour of the day (UTC) at which dated contracts expire.
    #[serde(default)]
    pub(crate) expiry_hour: u32,
}
