//! The life of one order: which report may follow which state, and what it changes.

use kt_model::{Decimal, Nanos, Price, Quantity, Side, TimeInForce};

use crate::money::Money;
use crate::report::{Fill, Outcome};

/// Why an order was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Builds a position.
    Open,
    /// Brings one leg in line with the other.
    Hedge,
    /// Takes a position down.
    Close,
}

impl Intent {
    /// Its name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Hedge => "hedge",
            Self::Close => "close",
        }
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Sent; the venue has said nothing yet.
    Sent,
    /// The venue has it and it may trade.
    Working,
    /// All of it traded.
    Filled,
    /// It will trade no more, though some of it may have.
    Cancelled,
    /// The venue did not take it.
    Rejected,
}

impl OrderState {
    /// Whether nothing more should happen to it.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Filled | Self::Cancelled | Self::Rejected)
    }

    /// Its name in records and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Working => "working",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }
}

/// What a report did to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The order moved on as it should.
    Applied,
    /// It arrived behind what it should have preceded: nothing but the venue's id was taken from it.
    Late,
    /// It was seen before: nothing changed.
    Duplicate,
    /// A fill behind the end of the order: it is booked, because the venue says that it traded.
    LateFill,
    /// A fill beyond the order's quantity, or of an order the venue had rejected: it is booked, because the
    /// position is what the venue says it is, and trading must stop.
    Contradiction(&'static str),
    /// It cannot follow the order's state: nothing changed, and trading must stop.
    Impossible(&'static str),
}

/// An order as we know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Our name of it, unique for ever.
    pub client_order_id: Box<str>,
    /// The venue's; empty until it says.
    pub venue_order_id: Box<str>,
    /// Number of the strategy that made it.
    pub strategy: usize,
    /// Number of the market.
    pub market: usize,
    /// Which way.
    pub side: Side,
    /// Worst price.
    pub limit: Price,
    /// How much.
    pub quantity: Quantity,
    /// How long.
    pub time_in_force: TimeInForce,
    /// Why.
    pub intent: Intent,
    /// Where it stands.
    pub state: OrderState,
    /// Traded so far.
    pub filled: Quantity,
    /// When it was sent.
    pub sent_at: Nanos,
    /// When we last asked to cancel it; `None` while we have not, or after the venue refused.
    pub cancel_asked: Option<Nanos>,
    /// Ids of the fills booked: a handful for an order.
    fills: Vec<Box<str>>,
}

/// What a new order is made of.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// See [`Order`].
    pub client_order_id: Box<str>,
    /// See [`Order`].
    pub strategy: usize,
    /// See [`Order`].
    pub market: usize,
    /// See [`Order`].
    pub side: Side,
    /// See [`Order`].
    pub limit: Price,
    /// See [`Order`].
    pub quantity: Quantity,
    /// See [`Order`].
    pub time_in_force: TimeInForce,
    /// See [`Order`].
    pub intent: Intent,
    /// See [`Order`].
    pub sent_at: Nanos,
}

impl Order {
    /// An order that has just been sent.
    #[must_use]
    pub fn sent(new: NewOrder) -> Self {
        Self {
            client_order_id: new.client_order_id,
            venue_order_id: "".into(),
            strategy: new.strategy,
            market: new.market,
            side: new.side,
            limit: new.limit,
            quantity: new.quantity,
            time_in_force: new.time_in_force,
            intent: new.intent,
            state: OrderState::Sent,
            filled: Decimal::ZERO,
            sent_at: new.sent_at,
            cancel_asked: None,
            fills: Vec::new(),
        }
    }

    /// What may still trade; negative after an overfill.
    #[must_use]
    pub fn open_quantity(&self) -> Quantity {
        if self.state.is_final() { Decimal::ZERO } else { Decimal(self.quantity.0 - self.filled.0) }
    }

    /// What has traded, positive for a purchase.
    #[must_use]
    pub fn signed(&self, quantity: Quantity) -> Money {
        if self.side == Side::Buy { quantity } else { Decimal(-quantity.0) }
    }

    /// A restart has lost it: it trades no more.
    pub fn abandon(&mut self) {
        if !self.state.is_final() {
            self.state = OrderState::Cancelled;
        }
    }

    /// Takes note of what the venue says.
    pub fn apply(&mut self, outcome: &Outcome<'_>) -> Change {
        match outcome {
            Outcome::Acknowledged { venue_order_id } => self.acknowledged(venue_order_id),
            Outcome::Rejected { .. } => self.rejected(),
            Outcome::Filled(fill) => self.traded(fill),
            Outcome::Cancelled { .. } => self.cancelled(),
            Outcome::CancelRejected { .. } => self.cancel_rejected(),
        }
    }

    fn acknowledged(&mut self, venue_order_id: &str) -> Change {
        if !self.venue_order_id.is_empty() {
            let same = *self.venue_order_id == *venue_order_id;
            return if same { Change::Duplicate } else { Change::Impossible("a second venue id for one order") };
        }
        match self.state {
            OrderState::Rejected => Change::Impossible("an acknowledgement of a rejected order"),
            OrderState::Sent => {
                self.venue_order_id = venue_order_id.into();
                self.state = OrderState::Working;
                Change::Applied
            }
            // Reports overtook each other: the order is further than the acknowledgement knows.
            OrderState::Working | OrderState::Filled | OrderState::Cancelled => {
                self.venue_order_id = venue_order_id.into();
                Change::Late
            }
        }
    }

    fn rejected(&mut self) -> Change {
        match self.state {
            OrderState::Sent => {
                self.state = OrderState::Rejected;
                Change::Applied
            }
            OrderState::Rejected => Change::Duplicate,
            _ => Change::Impossible("a rejection of an order that the venue had accepted"),
        }
    }

    fn traded(&mut self, fill: &Fill<'_>) -> Change {
        if fill.quantity.0 <= 0 || fill.price.0 <= 0 {
            return Change::Impossible("a fill without quantity or price");
        }
        if self.fills.iter().any(|known| **known == *fill.fill_id) {
            return Change::Duplicate;
        }
        let Some(filled) = self.filled.0.checked_add(fill.quantity.0) else {
            return Change::Impossible("a fill beyond all numbers");
        };
        self.fills.push(fill.fill_id.into());
        self.filled = Decimal(filled);
        if self.state == OrderState::Rejected {
            return Change::Contradiction("a fill of a rejected order");
        }
        if filled > self.quantity.0 {
            self.state = OrderState::Filled;
            return Change::Contradiction("more was filled than ordered");
        }
        let was_final = self.state.is_final();
        if filled == self.quantity.0 {
            self.state = OrderState::Filled;
        } else if self.state == OrderState::Sent {
            // A fill overtook its acknowledgement, which it implies.
            self.state = OrderState::Working;
        }
        if was_final { Change::LateFill } else { Change::Applied }
    }

    fn cancelled(&mut self) -> Change {
        match self.state {
            OrderState::Sent | OrderState::Working => {
                self.state = OrderState::Cancelled;
                self.cancel_asked = None;
                Change::Applied
            }
            OrderState::Cancelled => Change::Duplicate,
            OrderState::Filled => Change::Late,
            OrderState::Rejected => Change::Impossible("a cancellation of a rejected order"),
        }
    }

    fn cancel_rejected(&mut self) -> Change {
        if self.cancel_asked.take().is_some() {
            Change::Applied
        } else if self.state.is_final() {
            Change::Late
        } else {
            Change::Impossible("a refusal to cancel what nobody asked to cancel")
        }
    }
}
