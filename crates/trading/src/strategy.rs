//! What a strategy sees and what it may ask for. A new strategy is one file that implements [`Strategy`].

use kt_model::{Nanos, Price, Quantity, Side, TimeInForce};

use crate::ledger::Account;
use crate::market::Market;
use crate::order::{Intent, Order};

/// What moved a strategy, as it stands in the order's record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reason {
    /// Why, in one word.
    pub word: &'static str,
    /// Receive time of the event that moved it.
    pub at: Nanos,
    /// The basis, in basis points.
    pub basis_bps: Option<f64>,
    /// Deviations from the rolling mean.
    pub z_score: Option<f64>,
    /// Expected profit after costs, in basis points.
    pub edge_bps: Option<f64>,
}

/// An order that a strategy wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Number of the market.
    pub market: usize,
    /// Which way.
    pub side: Side,
    /// How much.
    pub quantity: Quantity,
    /// Worst price.
    pub limit: Price,
    /// How long.
    pub time_in_force: TimeInForce,
    /// What for.
    pub intent: Intent,
    /// Why now.
    pub reason: Reason,
}

/// What a strategy may ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Send an order, if risk allows it.
    Place(Wish),
    /// Cancel one.
    Cancel {
        /// Our name of the order.
        client_order_id: Box<str>,
        /// Why, in one word.
        reason: &'static str,
    },
}

/// What a strategy sees.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The time of the newest input.
    pub now: Nanos,
    /// All markets.
    pub markets: &'a [Market],
    /// The strategy's account in each market.
    pub accounts: &'a [Account],
    /// The strategy's orders that have not ended.
    pub orders: &'a [Order],
}

impl View<'_> {
    /// The strategy's order in a market that has not ended, if there is one.
    #[must_use]
    pub fn order_in(&self, market: usize) -> Option<&Order> {
        self.orders.iter().find(|order| order.market == market)
    }
}

/// Decides what to trade. Pure: what it does depends on what it was shown alone.
pub trait Strategy: Send {
    /// Its name in orders and records.
    fn name(&self) -> &str;

    /// The markets that it looks at.
    fn markets(&self) -> &[usize];

    /// Something changed: the time, a market, an order. `out` takes what it wants.
    fn decide(&mut self, view: &View<'_>, out: &mut Vec<Decision>);

    /// Risk refused its order, or the venue rejected it.
    fn refused(&mut self, market: usize, now: Nanos);

    /// A funding could not be charged because it is not known.
    fn funding_unknown(&mut self, market: usize);

    /// A restart found these positions.
    fn restored(&mut self, view: &View<'_>);

    /// Oldest funding rate and mark price that a settlement may use, ns.
    fn maximum_funding_age(&self) -> i64;
}
