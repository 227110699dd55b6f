//! What comes back from where orders are sent, and how it enters the ordered input.

use kt_model::codec::{DecodeError, Field, Reader};
use kt_model::{Nanos, Price, Quantity};

use crate::money::Money;
use crate::recovery::Recovered;

/// Whether an order took liquidity or waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liquidity {
    /// It waited in the book.
    Maker,
    /// It met the book.
    Taker,
}

impl Liquidity {
    /// Its name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Maker => "maker",
            Self::Taker => "taker",
        }
    }
}

/// One execution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill<'a> {
    /// The venue's id of it: the same fill reported twice carries the same id.
    pub fill_id: &'a str,
    /// Price.
    pub price: Price,
    /// Quantity, above zero.
    pub quantity: Quantity,
    /// What we pay, in quote currency; negative for a rebate.
    pub fee: Money,
    /// Maker or taker.
    pub liquidity: Liquidity,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// The venue has it.
    Acknowledged {
        /// The venue's name of it.
        venue_order_id: &'a str,
    },
    /// The venue does not take it.
    Rejected {
        /// Why.
        reason: &'a str,
    },
    /// Some or all of it traded.
    Filled(Fill<'a>),
    /// It trades no more.
    Cancelled {
        /// Why.
        reason: &'a str,
    },
    /// The venue could not cancel it.
    CancelRejected {
        /// Why.
        reason: &'a str,
    },
}

/// A report as it enters.
#[derive(Clone, Debug, PartialEq)]
pub enum Report<'a> {
    /// About one order.
    Order {
        /// Our name of it.
        client_order_id: &'a str,
        /// When it happened at the venue.
        happened_at: Nanos,
        /// What happened.
        outcome: Outcome<'a>,
    },
    /// The venue settled all positions in an instrument that it no longer lists.
    Settled {
        /// Its venue.
        venue: &'a str,
        /// The instrument.
        instrument: &'a str,
        /// The price of the settlement.
        price: Price,
    },
    /// What was known before a restart; only after [`kt_signals::Input::Start`].
    Recovered(Recovered),
}

impl<'a> Report<'a> {
    /// As the payload of [`kt_signals::Input::Report`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        match self {
            Self::Order { client_order_id, happened_at, outcome } => {
                out.push(1);
                client_order_id.encode(&mut out);
                happened_at.encode(&mut out);
                encode_outcome(outcome, &mut out);
            }
            Self::Settled { venue, instrument, price } => {
                out.push(2);
                venue.encode(&mut out);
                instrument.encode(&mut out);
                price.encode(&mut out);
            }
            Self::Recovered(recovered) => {
                out.push(3);
                recovered.encode(&mut out);
            }
        }
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no report.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let report = match u8::decode(&mut reader)? {
            1 => Self::Order {
                client_order_id: Field::decode(&mut reader)?,
                happened_at: Field::decode(&mut reader)?,
                outcome: decode_outcome(&mut reader)?,
            },
            2 => Self::Settled {
                venue: Field::decode(&mut reader)?,
                instrument: Field::decode(&mut reader)?,
                price: Field::decode(&mut reader)?,
            },
            3 => Self::Recovered(Recovered::decode(&mut reader)?),
            other => return Err(DecodeError::UnknownVariant(other as i8)),
        };
        if reader.is_empty() { Ok(report) } else { Err(DecodeError::BadLength) }
    }
}

fn encode_outcome(outcome: &Outcome<'_>, out: &mut Vec<u8>) {
    let (tag, text) = match outcome {
        Outcome::Acknowledged { venue_order_id } => (1, *venue_order_id),
        Outcome::Rejected { reason } => (2, *reason),
        Outcome::Filled(fill) => (3, fill.fill_id),
        Outcome::Cancelled { reason } => (4, *reason),
        Outcome::CancelRejected { reason } => (5, *reason),
    };
    out.push(tag);
    text.encode(out);
    if let Outcome::Filled(fill) = outcome {
        fill.price.encode(out);
        fill.quantity.encode(out);
        fill.fee.encode(out);
        (fill.liquidity == Liquidity::Maker).encode(out);
    }
}

fn decode_outcome<'a>(reader: &mut Reader<'a>) -> Result<Outcome<'a>, DecodeError> {
    let tag = u8::decode(reader)?;
    let text = <&str>::decode(reader)?;
    Ok(match tag {
        1 => Outcome::Acknowledged { venue_order_id: text },
        2 => Outcome::Rejected { reason: text },
        3 => Outcome::Filled(Fill {
            fill_id: text,
            price: Field::decode(reader)?,
            quantity: Field::decode(reader)?,
            fee: Field::decode(reader)?,
            liquidity: if bool::decode(reader)? { Liquidity::Maker } else { Liquidity::Taker },
        }),
        4 => Outcome::Cancelled { reason: text },
        5 => Outcome::CancelRejected { reason: text },
        other => return Err(DecodeError::UnknownVariant(other as i8)),
    })
}
