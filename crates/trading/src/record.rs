//! A step as it leaves the core: everything the log, PostgreSQL and people need to know of it.

use kt_model::codec::Label;
use kt_model::{
    Header, IdentityClass, Nanos, Order as OrderRow, OrderStep, Origin, Price, Quantity, Rate, Side, TimeInForce,
};

use crate::market::{Market, Top};
use crate::money::Money;
use crate::order::Order;
use crate::report::Fill;
use crate::strategy::Reason;

/// The adapter that carried the order out, as `channel` of the rows.
pub const CHANNEL: &str = "paper";

/// One step. See the `order` kind of the event reference for the meaning of each field.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What happened.
    pub step: OrderStep,
    /// Number of the step.
    pub sequence: u64,
    /// Time of the input that made it.
    pub at: Nanos,
    /// When it happened at the venue.
    pub happened_at: Option<Nanos>,
    /// Venue, or empty.
    pub venue: Box<str>,
    /// Instrument, or empty.
    pub instrument: Box<str>,
    /// Strategy, or empty.
    pub strategy: Box<str>,
    /// Our name of the order, or empty.
    pub client_order_id: Box<str>,
    /// The venue's, or empty.
    pub venue_order_id: Box<str>,
    /// Id of the fill, or empty.
    pub fill_id: Box<str>,
    /// What for, or empty.
    pub intent: &'static str,
    /// Which way.
    pub side: Side,
    /// How long.
    pub time_in_force: TimeInForce,
    /// Worst price.
    pub limit: Option<Price>,
    /// Ordered.
    pub quantity: Option<Quantity>,
    /// Traded so far.
    pub filled: Option<Quantity>,
    /// Price of the fill, settlement or mark.
    pub fill_price: Option<Price>,
    /// Its quantity.
    pub fill_quantity: Option<Quantity>,
    /// Maker, taker or empty.
    pub liquidity: &'static str,
    /// Fee.
    pub fee: Option<Money>,
    /// Cash moved.
    pub cash: Option<Money>,
    /// Funding rate.
    pub rate: Option<Rate>,
    /// Position behind this step.
    pub position: Option<Quantity>,
    /// The quote we saw.
    pub top: Option<Top>,
    /// Why the strategy moved.
    pub reason: Reason,
    /// Why, in one word.
    pub word: Box<str>,
    /// For people.
    pub detail: String,
}

impl Record {
    /// A step that concerns no order yet. The sequence is given when it is emitted.
    #[must_use]
    pub fn new(step: OrderStep, at: Nanos, market: Option<&Market>, strategy: &str) -> Self {
        Self {
            step,
            sequence: 0,
            at,
            happened_at: None,
            venue: market.map_or_else(Box::default, |market| market.venue.clone()),
            instrument: market.map_or_else(Box::default, |market| market.instrument.clone()),
            strategy: strategy.into(),
            client_order_id: Box::default(),
            venue_order_id: Box::default(),
            fill_id: Box::default(),
            intent: "",
            side: Side::Unknown,
            time_in_force: TimeInForce::None,
            limit: None,
            quantity: None,
            filled: None,
            fill_price: None,
            fill_quantity: None,
            liquidity: "",
            fee: None,
            cash: None,
            rate: None,
            position: None,
            top: market.and_then(Market::top).copied(),
            reason: Reason::default(),
            word: Box::default(),
            detail: String::new(),
        }
    }

    /// Fills in what is known of an order.
    #[must_use]
    pub fn of(mut self, order: &Order) -> Self {
        self.client_order_id = order.client_order_id.clone();
        self.venue_order_id = order.venue_order_id.clone();
        self.intent = order.intent.as_str();
        self.side = order.side;
        self.time_in_force = order.time_in_force;
        self.limit = Some(order.limit);
        self.quantity = Some(order.quantity);
        self.filled = Some(order.filled);
        self
    }

    /// Fills in an execution.
    #[must_use]
    pub fn with_fill(mut self, fill: &Fill<'_>) -> Self {
        self.fill_id = fill.fill_id.into();
        self.fill_price = Some(fill.price);
        self.fill_quantity = Some(fill.quantity);
        self.liquidity = fill.liquidity.as_str();
        self.fee = Some(fill.fee);
        self
    }

    /// Says why in one word.
    #[must_use]
    pub fn because(mut self, word: &str) -> Self {
        self.word = word.into();
        self
    }

    /// As a row of the log. Position in the log and publish time are the writer's.
    #[must_use]
    pub fn row(&self) -> OrderRow<'_> {
        let top = self.top.as_ref();
        OrderRow {
            header: self.header(),
            step: self.step,
            sequence: self.sequence,
            strategy: Label(&self.strategy),
            client_order_id: &self.client_order_id,
            venue_order_id: &self.venue_order_id,
            fill_id: &self.fill_id,
            intent: Label(self.intent),
            side: self.side,
            time_in_force: self.time_in_force,
            limit_price: self.limit,
            quantity: self.quantity,
            filled: self.filled,
            fill_price: self.fill_price,
            fill_quantity: self.fill_quantity,
            liquidity: Label(self.liquidity),
            fee: self.fee,
            cash: self.cash,
            funding_rate: self.rate,
            position: self.position,
            bid_price: top.map(|top| top.bid_price),
            bid_quantity: top.map(|top| top.bid_quantity),
            ask_price: top.map(|top| top.ask_price),
            ask_quantity: top.map(|top| top.ask_quantity),
            quote_ts: top.map(|top| top.received),
            signal_ts: Some(self.reason.at).filter(|at| at.0 > 0),
            basis_bps: self.reason.basis_bps,
            z_score: self.reason.z_score,
            edge_bps: self.reason.edge_bps,
            reason: Label(&self.word),
            detail: &self.detail,
        }
    }

    fn header(&self) -> Header<'_> {
        Header {
            publish_ts: Nanos(0),
            counter: 0,
            epoch: 0,
            writer: Label(""),
            venue: Label(&self.venue),
            instrument: Label(&self.instrument),
            channel: Label(CHANNEL),
            event_ts: self.at,
            exch_ts: self.happened_at,
            sent_ts: None,
            recv_ts: self.at,
            origin: Origin::Live,
            connection: 0,
            line: 0,
            mapping: 0,
            identity: IdentityClass::Id,
            occurrence: 0,
        }
    }
}
