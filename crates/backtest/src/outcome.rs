//! What a run came to: the figures that report and result rows show.

use serde::{Deserialize, Serialize};

/// The result of one run. Money is in each leg's quote currency; floats are for people and statistics, the
/// sums behind them are exact.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// One entry for each quote currency.
    pub accounts: Vec<Account>,
    /// One entry for each strategy's market.
    pub legs: Vec<LegOutcome>,
    /// Every execution, in order.
    pub trades: Vec<TradeRow>,
    /// How much went in and out.
    pub counts: Counts,
}

/// Profit over time in one currency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The quote currency.
    pub currency: String,
    /// Time in nanoseconds and profit so far, open positions at the middle of the book.
    pub equity: Vec<(i64, f64)>,
    /// Profit at the end.
    pub profit: f64,
    /// Largest fall from a peak, as a positive amount.
    pub drawdown: f64,
    /// When that fall was deepest, in nanoseconds.
    pub drawdown_at: i64,
}

/// One strategy's dealings in one market.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LegOutcome {
    /// The strategy.
    pub strategy: String,
    /// The exchange and market segment.
    pub venue: String,
    /// Canonical id.
    pub instrument: String,
    /// Currency of the amounts.
    pub currency: String,
    /// Executions.
    pub fills: u64,
    /// Bought, in base units.
    pub bought: f64,
    /// Sold, in base units.
    pub sold: f64,
    /// Value of all executions.
    pub turnover: f64,
    /// Profit of price moves, the open position at the middle of the book.
    pub trading: f64,
    /// Fees paid, as a positive amount; negative for rebates.
    pub fees: f64,
    /// Funding received; negative when paid.
    pub funding: f64,
    /// Position at the end, in base units; negative when short.
    pub position: f64,
    /// The exact sums: quantity, cash, fees and funding as decimal texts.
    pub exact: [String; 4],
}

impl LegOutcome {
    /// What is left: price moves, less fees, with funding.
    #[must_use]
    pub fn net(&self) -> f64 {
        self.trading - self.fees + self.funding
    }
}

/// One execution.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TradeRow {
    /// When it was known, in nanoseconds.
    pub at: i64,
    /// The strategy.
    pub strategy: String,
    /// The exchange and market segment.
    pub venue: String,
    /// Canonical id.
    pub instrument: String,
    /// Our name of the order.
    pub order: String,
    /// Why the order was made: open, hedge, close.
    pub intent: String,
    /// `buy` or `sell`.
    pub side: String,
    /// Exact decimal text.
    pub price: String,
    /// Exact decimal text, base units.
    pub quantity: String,
    /// Exact decimal text.
    pub fee: String,
    /// `maker` or `taker`.
    pub liquidity: String,
    /// The market's position after it, in base units.
    pub position: f64,
}

/// How much went in and out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Inputs of all sorts, in the order they were replayed.
    pub inputs: u64,
    /// Market events among them.
    pub events: u64,
    /// Market events lost on the way to the live service, and so left out here too.
    pub dropped: u64,
    /// Changes of signals.
    pub signals: u64,
    /// Order events of all sorts.
    pub order_events: u64,
    /// Orders sent.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Orders that risk or the venue refused.
    pub refused: u64,
}
