//! What is known of one instrument, and whether it may be believed at this moment.

use kt_model::{
    Event, Funding, FundingStage, Instrument, InstrumentStatus, InstrumentType, Nanos, Payoff, Price, Quantity,
    QuantityUnit, Quote, Rate, State, Status,
};

use crate::depth::Depth;
use crate::money;

/// How long the feed's word that values cannot be right stands, when nothing takes it back, ns.
const SUSPECT_HOLD: i64 = 5_000_000_000;

/// Best bid and offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// Highest bid.
    pub bid_price: Price,
    /// Quantity there.
    pub bid_quantity: Quantity,
    /// Lowest offer.
    pub ask_price: Price,
    /// Quantity there.
    pub ask_quantity: Quantity,
    /// When we received it.
    pub received: Nanos,
}

impl Top {
    /// Middle of bid and offer, rounded down in the 18th digit.
    #[must_use]
    pub fn middle(&self) -> Price {
        money::middle(self.bid_price, self.ask_price)
    }
}

/// Why a market must not be traded on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// No quote was seen yet.
    NoQuote,
    /// One side of the book is empty, or a price or quantity is not above zero.
    Incomplete,
    /// The best bid is not below the best offer.
    Crossed,
    /// The newest quote is too old.
    Stale,
    /// The feed says that its values cannot be right, or events were lost.
    Suspect,
    /// The venue does not trade it now.
    NotTrading,
    /// The venue lists it no longer, or ends its listing soon.
    Delisted,
    /// The venue has not described it, or describes a contract that is not handled.
    Undescribed,
}

impl Distrust {
    /// Its name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoQuote => "no_quote",
            Self::Incomplete => "incomplete_quote",
            Self::Crossed => "crossed",
            Self::Stale => "stale",
            Self::Suspect => "suspect",
            Self::NotTrading => "not_trading",
            Self::Delisted => "delisted",
            Self::Undescribed => "undescribed",
        }
    }
}

/// What the venue says an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Spot or perpetual.
    pub instrument_type: InstrumentType,
    /// Smallest price step.
    pub tick: Price,
    /// Smallest quantity step.
    pub lot: Quantity,
    /// Smallest order; zero where not stated.
    pub minimum_quantity: Quantity,
    /// Smallest order value; zero where not stated.
    pub minimum_notional: Quantity,
    /// Whether it can be traded.
    pub status: InstrumentStatus,
    /// When it ends, where known.
    pub delisted: Option<Nanos>,
    /// Seconds between two fundings, where stated.
    pub funding_interval: Option<u32>,
}

/// A predicted funding rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundingRate {
    /// Rate for one interval; `None` where the venue quotes no relative rate.
    pub rate: Option<Rate>,
    /// When it is charged.
    pub settles_at: Nanos,
    /// Seconds between settlements; `None` when nobody said.
    pub interval: Option<u32>,
    /// When we received it.
    pub received: Nanos,
}

/// One instrument of one venue.
#[derive(Clone, Debug)]
pub struct Market {
    /// The venue.
    pub venue: Box<str>,
    /// The instrument's canonical id.
    pub instrument: Box<str>,
    /// The writer of its events, once one came.
    pub writer: Box<str>,
    quote: Option<(Option<Top>, Nanos)>,
    /// Its levels, where they are whole.
    pub depth: Depth,
    /// Newest mark price and when we received it.
    pub mark: Option<(Price, Nanos)>,
    /// Newest predicted funding.
    pub funding: Option<FundingRate>,
    /// What it is; `None` until the venue described a contract that is handled here.
    pub definition: Option<Definition>,
    suspect_since: Option<Nanos>,
    interrupted: bool,
}

impl Market {
    /// Nothing known yet.
    #[must_use]
    pub fn new(venue: &str, instrument: &str) -> Self {
        Self {
            venue: venue.into(),
            instrument: instrument.into(),
            writer: "".into(),
            quote: None,
            depth: Depth::default(),
            mark: None,
            funding: None,
            definition: None,
            suspect_since: None,
            interrupted: false,
        }
    }

    /// Whether an event concerns this market: its own, or one of the whole venue.
    #[must_use]
    pub fn concerns(&self, event: &Event<'_>) -> bool {
        let header = event.header();
        *self.venue == *header.venue && (*self.instrument == *header.instrument || header.instrument.is_empty())
    }

    /// Takes note of an event that concerns it.
    pub fn apply(&mut self, event: &Event<'_>) {
        let received = event.header().recv_ts;
        match event {
            Event::Quote(row) => self.quoted(row, received),
            Event::Book(row) => self.depth.apply(row),
            Event::Mark(row) => self.mark = row.mark_price.map(|price| (price, received)).or(self.mark),
            Event::Funding(row) => self.funded(row, received),
            Event::Instrument(row) => self.described(row),
            Event::Status(row) => self.told(row, received),
            _ => {}
        }
        if *self.writer != *event.header().writer && !matches!(event, Event::Order(_) | Event::Signal(_)) {
            self.writer = event.header().writer.0.into();
        }
    }

    /// Events of its writer were lost: the book is broken, and nothing holds until the next quote.
    pub fn lost_events(&mut self) {
        self.depth.invalidate();
        self.interrupted = true;
    }

    /// The newest quote, whatever it is worth.
    #[must_use]
    pub fn top(&self) -> Option<&Top> {
        self.quote.as_ref().and_then(|(top, _)| top.as_ref())
    }

    /// The quote to trade on, or why there is none.
    ///
    /// # Errors
    /// The first reason for distrust.
    pub fn trusted(&self, now: Nanos, maximum_age: i64) -> Result<&Top, Distrust> {
        let definition = self.definition.as_ref().ok_or(Distrust::Undescribed)?;
        if self.is_delisted(now) {
            return Err(Distrust::Delisted);
        }
        if definition.status != InstrumentStatus::Trading {
            return Err(Distrust::NotTrading);
        }
        let (top, received) = self.quote.as_ref().ok_or(Distrust::NoQuote)?;
        if self.interrupted || self.suspect_since.is_some_and(|since| now.0 - since.0 < SUSPECT_HOLD) {
            return Err(Distrust::Suspect);
        }
        if now.0.saturating_sub(received.0) > maximum_age {
            return Err(Distrust::Stale);
        }
        let top = top.as_ref().ok_or(Distrust::Incomplete)?;
        if top.bid_price >= top.ask_price { Err(Distrust::Crossed) } else { Ok(top) }
    }

    /// Whether the venue lists it no longer at this time.
    #[must_use]
    pub fn is_delisted(&self, now: Nanos) -> bool {
        self.definition.as_ref().is_some_and(|definition| {
            matches!(definition.status, InstrumentStatus::Delisted | InstrumentStatus::Settling)
                || definition.delisted.is_some_and(|at| at <= now)
        })
    }

    /// Whether its listing ends within `horizon` nanoseconds from now.
    #[must_use]
    pub fn ends_within(&self, now: Nanos, horizon: i64) -> bool {
        let at = self.definition.as_ref().and_then(|definition| definition.delisted);
        self.is_delisted(now) || at.is_some_and(|at| at.0.saturating_sub(now.0) <= horizon)
    }

    fn quoted(&mut self, row: &Quote<'_>, received: Nanos) {
        let top = match (row.bid_price, row.bid_quantity, row.ask_price, row.ask_quantity) {
            (Some(bid_price), Some(bid_quantity), Some(ask_price), Some(ask_quantity))
                if [bid_price, bid_quantity, ask_price, ask_quantity].iter().all(|number| number.0 > 0)
                    && row.quantity_unit == QuantityUnit::Base =>
            {
                Some(Top { bid_price, bid_quantity, ask_price, ask_quantity, received })
            }
            _ => None,
        };
        self.quote = Some((top, received));
        self.interrupted = false;
    }

    fn funded(&mut self, row: &Funding<'_>, received: Nanos) {
        let interval = row.interval_seconds.filter(|seconds| *seconds > 0);
        if let (FundingStage::Predicted, Some(settles_at)) = (row.stage, row.settles_at) {
            let stated = self.definition.as_ref().and_then(|definition| definition.funding_interval);
            self.funding = Some(FundingRate { rate: row.rate, settles_at, interval: interval.or(stated), received });
        }
    }

    fn described(&mut self, row: &Instrument<'_>) {
        let handled = match row.instrument_type {
            InstrumentType::Spot => true,
            InstrumentType::Perpetual => {
                row.payoff == Payoff::Linear && row.contract_size.is_none_or(|size| size.0 == 1_000_000_000_000_000_000)
            }
            InstrumentType::Future | InstrumentType::Option => false,
        };
        let zero = Quantity::ZERO;
        self.definition = match (row.tick_size, row.lot_size) {
            (Some(tick), Some(lot)) if handled && tick.0 > 0 && lot.0 > 0 => Some(Definition {
                instrument_type: row.instrument_type,
                tick,
                lot,
                minimum_quantity: row.minimum_quantity.unwrap_or(zero),
                minimum_notional: row.minimum_notional.unwrap_or(zero),
                status: row.status,
                delisted: row.delisted_ts,
                funding_interval: row.funding_interval_seconds.filter(|seconds| *seconds > 0),
            }),
            _ => None,
        };
    }

    fn told(&mut self, row: &Status<'_>, received: Nanos) {
        match row.state {
            State::Suspect => self.suspect_since = Some(received),
            State::Stale | State::Disconnected | State::Stopped => self.interrupted = true,
            State::Gap => {
                self.depth.invalidate();
                self.interrupted |= row.affected.is_empty() || &*row.affected == "quote";
            }
            State::Started => self.depth.invalidate(),
            State::Resynchronised | State::Recovered => self.suspect_since = None,
            State::Connected | State::Clock => {}
        }
    }
}
