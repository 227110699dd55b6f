//! What survives a restart: positions, accounts, open orders, the kill switch, and where numbers go on.

use kt_model::codec::{DecodeError, Field, Reader, write_length};
use kt_model::{InstrumentStatus, InstrumentType, Nanos, Quantity};

use crate::market::{Definition, Market};
use crate::money::Money;

/// One strategy's position in one market.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredPosition {
    /// The strategy's name.
    pub strategy: String,
    /// Venue of the instrument.
    pub venue: String,
    /// The instrument.
    pub instrument: String,
    /// Base units, negative when short.
    pub quantity: Quantity,
    /// What was paid (negative) and received for it, without fees and funding.
    pub cash: Money,
    /// Fees paid.
    pub fees: Money,
    /// Funding received, negative when paid.
    pub funding: Money,
}

/// An order that had not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredOrder {
    /// Our name of it.
    pub client_order_id: String,
    /// The strategy's name.
    pub strategy: String,
    /// Venue of the instrument.
    pub venue: String,
    /// The instrument.
    pub instrument: String,
}

/// What a venue had said an instrument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredMarket {
    /// The venue.
    pub venue: String,
    /// The instrument.
    pub instrument: String,
    /// What it is.
    pub definition: Definition,
}

impl RecoveredMarket {
    pub(crate) fn of(market: &Market) -> Option<Self> {
        let definition = market.definition?;
        Some(Self { venue: market.venue.to_string(), instrument: market.instrument.to_string(), definition })
    }
}

/// The state from which a restart goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Sequence of the last order event.
    pub last_sequence: u64,
    /// Number of the last order made.
    pub last_order: u64,
    /// Time of the last order event; `Nanos(0)` when there is none.
    pub last_event: Nanos,
    /// Whether the kill switch was on.
    pub halted: bool,
    /// What is known of the instruments.
    pub markets: Vec<RecoveredMarket>,
    /// Positions that are not flat, and accounts that have moved.
    pub positions: Vec<RecoveredPosition>,
    /// Orders without an end.
    pub open_orders: Vec<RecoveredOrder>,
}

impl Recovered {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.last_sequence.encode(out);
        self.last_order.encode(out);
        self.last_event.encode(out);
        self.halted.encode(out);
        write_length(self.markets.len(), out);
        for market in &self.markets {
            market.venue.as_str().encode(out);
            market.instrument.as_str().encode(out);
            encode_definition(&market.definition, out);
        }
        write_length(self.positions.len(), out);
        for position in &self.positions {
            for text in [&position.strategy, &position.venue, &position.instrument] {
                text.as_str().encode(out);
            }
            for amount in [position.quantity, position.cash, position.fees, position.funding] {
                amount.encode(out);
            }
        }
        write_length(self.open_orders.len(), out);
        for order in &self.open_orders {
            for text in [&order.client_order_id, &order.strategy, &order.venue, &order.instrument] {
                text.as_str().encode(out);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        fn text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
            <&str>::decode(reader).map(str::to_owned)
        }
        let mut recovered = Self {
            last_sequence: Field::decode(reader)?,
            last_order: Field::decode(reader)?,
            last_event: Field::decode(reader)?,
            halted: Field::decode(reader)?,
            ..Self::default()
        };
        for _ in 0..reader.length()? {
            let (venue, instrument) = (text(reader)?, text(reader)?);
            recovered.markets.push(RecoveredMarket { venue, instrument, definition: decode_definition(reader)? });
        }
        for _ in 0..reader.length()? {
            recovered.positions.push(RecoveredPosition {
                strategy: text(reader)?,
                venue: text(reader)?,
                instrument: text(reader)?,
                quantity: Field::decode(reader)?,
                cash: Field::decode(reader)?,
                fees: Field::decode(reader)?,
                funding: Field::decode(reader)?,
            });
        }
        for _ in 0..reader.length()? {
            recovered.open_orders.push(RecoveredOrder {
                client_order_id: text(reader)?,
                strategy: text(reader)?,
                venue: text(reader)?,
                instrument: text(reader)?,
            });
        }
        Ok(recovered)
    }
}

fn encode_definition(definition: &Definition, out: &mut Vec<u8>) {
    definition.instrument_type.encode(out);
    for number in [definition.tick, definition.lot, definition.minimum_quantity, definition.minimum_notional] {
        number.encode(out);
    }
    definition.status.encode(out);
    definition.delisted.encode(out);
    definition.funding_interval.encode(out);
}

fn decode_definition(reader: &mut Reader<'_>) -> Result<Definition, DecodeError> {
    Ok(Definition {
        instrument_type: InstrumentType::decode(reader)?,
        tick: Field::decode(reader)?,
        lot: Field::decode(reader)?,
        minimum_quantity: Field::decode(reader)?,
        minimum_notional: Field::decode(reader)?,
        status: InstrumentStatus::decode(reader)?,
        delisted: Field::decode(reader)?,
        funding_interval: Field::decode(reader)?,
    })
}
