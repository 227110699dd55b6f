//! The features: what can be computed, by which formula, in which unit, after which source.

use serde::{Deserialize, Serialize};

/// What a signal computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Middle of bid and ask.
    Mid,
    /// Bid-ask spread.
    Spread,
    /// Mid weighted by the quantity on the other side.
    Microprice,
    /// Imbalance of the best levels' quantities.
    BookImbalance,
    /// Order-flow imbalance.
    OrderFlowImbalance,
    /// Imbalance of traded quantity by taker side.
    TradeImbalance,
    /// Realised volatility.
    RealisedVolatility,
    /// Volume-weighted average price.
    Vwap,
    /// Basis between two legs.
    Basis,
    /// Basis of a dated contract, per year.
    AnnualisedBasis,
    /// Funding rate, per year.
    FundingApr,
    /// Distance of another signal from its mean.
    ZScore,
    /// Rank of another signal among its past values.
    Percentile,
}

/// What the reference says of a feature.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Name in configuration and rows.
    pub name: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Where the formula comes from.
    pub source: &'static str,
    /// Keys of the declaration that it uses besides the common ones.
    pub keys: &'static [&'static str],
    /// When there is no value, besides the common reasons.
    pub refuses: &'static str,
}

impl Feature {
    /// Every feature, in the order of the reference.
    pub const ALL: [Self; 13] = [
        Self::Mid,
        Self::Spread,
        Self::Microprice,
        Self::BookImbalance,
        Self::OrderFlowImbalance,
        Self::TradeImbalance,
        Self::RealisedVolatility,
        Self::Vwap,
        Self::Basis,
        Self::AnnualisedBasis,
        Self::FundingApr,
        Self::ZScore,
        Self::Percentile,
    ];

    /// Whether it needs a second leg.
    #[must_use]
    pub fn has_two_legs(self) -> bool {
        matches!(self, Self::Basis | Self::AnnualisedBasis)
    }

    /// Whether it is computed from another signal.
    #[must_use]
    pub fn is_rolling(self) -> bool {
        matches!(self, Self::ZScore | Self::Percentile)
    }

    /// Name in configuration and rows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.describe().name
    }

    /// What the reference says of it.
    #[must_use]
    pub fn describe(self) -> Description {
        let (name, formula, unit, source, keys, refuses): (_, _, _, _, &'static [&'static str], _) = match self {
            Self::Mid => ("mid", "(bid + ask) / 2", "quote per base or contract", "definition", &["top"], ""),
            Self::Spread => ("spread", "(ask − bid) / mid × 10 000", "basis points", "definition", &["top"], ""),
            Self::Microprice => (
                "microprice",
                "(bid × ask quantity + ask × bid quantity) / (bid quantity + ask quantity)",
                "quote per base or contract",
                "the weighted mid: Gatheral and Oomen, \"Zero-intelligence realized variance estimation\", Finance and \
                 Stochastics 14 (2010); Stoikov's micro-price (2018) adjusts it further and is not this",
                &["top"],
                "`zero_quantity`",
            ),
            Self::BookImbalance => (
                "book_imbalance",
                "(B − A) / (B + A), B and A the summed quantities of the best `levels` bids and asks",
                "−1 to 1",
                "Cartea, Jaimungal and Penalva, \"Algorithmic and High-Frequency Trading\" (2015), volume order imbalance",
                &["levels"],
                "`no_book` until a snapshot or checkpoint of the book has come; `zero_quantity`",
            ),
            Self::OrderFlowImbalance => (
                "order_flow_imbalance",
                "Σ e over the window; for each change of the best quotes e = [bid ≥ bid′] × bid quantity − \
                 [bid ≤ bid′] × bid quantity′ − [ask ≤ ask′] × ask quantity + [ask ≥ ask′] × ask quantity′, ′ marking \
                 the quotes before",
                "the book's quantity unit",
                "Cont, Kukanov and Stoikov, \"The Price Impact of Order Book Events\", Journal of Financial Econometrics \
                 12 (2014)",
                &["top", "window_ms"],
                "`window` until the window has passed since the start or a gap",
            ),
            Self::TradeImbalance => (
                "trade_imbalance",
                "(V_buy − V_sell) / (V_buy + V_sell), the traded quantities by side of the taker over the window",
                "−1 to 1",
                "Chordia, Roll and Subrahmanyam, \"Order imbalance, liquidity, and market returns\", Journal of Financial \
                 Economics 65 (2002)",
                &["window_ms"],
                "`window`; `no_trades` while the window holds none whose side is known",
            ),
            Self::RealisedVolatility => (
                "realised_volatility",
                "√(Σ r² × year / window), r the logarithmic returns of the mid sampled every `sample_ms` over the window, \
                 a year of 365 days",
                "fraction per √year (0.6 = 60 %)",
                "Andersen and Bollerslev, \"Answering the skeptics\", International Economic Review 39 (1998)",
                &["top", "window_ms", "sample_ms"],
                "`window` until all samples of the window are there without a hole",
            ),
            Self::Vwap => (
                "vwap",
                "Σ price × quantity / Σ quantity over the window's trades",
                "quote per base or contract",
                "definition",
                &["window_ms"],
                "`window`; `no_trades`",
            ),
            Self::Basis => (
                "basis",
                "(mid of the first leg − mid of the second) / mid of the second × 10 000",
                "basis points",
                "definition; the first leg is the derivative, the second its underlying",
                &["top", "second_venue", "second_instrument"],
                "`no_second_leg` while nothing came of it",
            ),
            Self::AnnualisedBasis => (
                "annualised_basis",
                "(first − second) / second × 365 / days to expiry",
                "fraction per year (0.05 = 5 %)",
                "simple interest, as the exchanges quote it; the expiry is that of the venue's reference data",
                &["top", "second_venue", "second_instrument"],
                "`no_second_leg`; `no_expiry` while the reference data has none; `expired`",
            ),
            Self::FundingApr => (
                "funding_apr",
                "rate × 365 × 86 400 / interval in seconds",
                "fraction per year (0.1 = 10 %); positive: longs pay shorts",
                "simple interest over the settlement interval; the interval is never assumed",
                &[],
                "`no_rate`; `absolute_rate` where the venue quotes only an amount; `interval` while the interval is not \
                 known; `settled` when the settlement time has passed and no newer rate came",
            ),
            Self::ZScore => (
                "z_score",
                "(x − mean) / s of the signal `of`, sampled every `sample_ms`; mean and standard deviation s (n − 1) over \
                 the window's samples, the newest, x, included",
                "standard deviations",
                "definition",
                &["of", "window_ms", "sample_ms", "minimum"],
                "`samples` below `minimum` samples; `constant` when s is 0",
            ),
            Self::Percentile => (
                "percentile",
                "(samples below x + half of those equal to x) / samples × 100 of the signal `of`, sampled every \
                 `sample_ms`, x the newest",
                "0 to 100",
                "mid-rank definition of the percentile rank",
                &["of", "window_ms", "sample_ms", "minimum"],
                "`samples`",
            ),
        };
        Description { name, formula, unit, source, keys, refuses }
    }
}
