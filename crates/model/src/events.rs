//! The event kinds: one declaration each, from which codec, DDL check and reference page come.

use crate::Nanos;
use crate::arrays::{Integers, Texts};
use crate::codec::{DecodeError, Field, Label, Reader};
use crate::decimal::{Price, Quantity, Rate};
use crate::enums::{
    BookAction, FundingStage, IdentityClass, InstrumentStatus, InstrumentType, IntervalSource, OptionSide, OrderStep,
    Origin, Payoff, QuantityUnit, Side, State, TimeInForce, Validity,
};
use crate::schema::{Column, Kind, Schema};

/// A row of one event kind.
pub trait Row<'a>: Sized {
    /// The kind's columns.
    const SCHEMA: Schema;

    /// The columns common to all kinds.
    fn header(&self) -> &Header<'a>;

    /// Appends the row in `RowBinary`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads one row.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such a row.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

macro_rules! columns {
    ($($field:ident: $type:ty, $unit:literal, $doc:literal;)*) => {
        &[$(Column { name: stringify!($field), clickhouse: <$type as Field<'a>>::CLICKHOUSE, unit: $unit, doc: $doc }),*]
    };
}

macro_rules! header {
    ($($field:ident: $type:ty, $unit:literal, $doc:literal;)*) => {
        /// The columns with which every row begins.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Header<'a> { $(#[doc = $doc] pub $field: $type,)* }

        impl<'a> Header<'a> {
            /// Descriptions of the columns.
            pub const COLUMNS: &'static [Column] = columns!($($field: $type, $unit, $doc;)*);

            /// Appends the columns.
            #[inline]
            pub fn encode(&self, out: &mut Vec<u8>) { $(self.$field.encode(out);)* }

            /// Reads the columns.
            ///
            /// # Errors
            /// [`DecodeError`] when the bytes do not begin with a header.
            #[inline]
            pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: Field::decode(reader)?,)* })
            }
        }
    };
}

macro_rules! event {
    ($kind:ident, $version:literal, $doc:literal { $($field:ident: $type:ty, $unit:literal, $doc_field:literal;)* }) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $kind<'a> {
            /// The columns common to all kinds.
            pub header: Header<'a>,
            $(#[doc = $doc_field] pub $field: $type,)*
        }

        impl<'a> Row<'a> for $kind<'a> {
            const SCHEMA: Schema = Schema {
                kind: Kind::$kind,
                version: $version,
                doc: $doc,
                header: Header::COLUMNS,
                own: columns!($($field: $type, $unit, $doc_field;)*),
            };

            fn header(&self) -> &Header<'a> {
                &self.header
            }

            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                self.header.encode(out);
                $(self.$field.encode(out);)*
            }

            #[inline]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                Ok(Self { header: Header::decode(reader)?, $($field: Field::decode(reader)?,)* })
            }
        }
    };
}

header! {
    publish_ts: Nanos, "ns UTC, our clock", "When the publisher stamped the row. First in the row, at offset 0, so that it can be stamped in place.";
    counter: u64, "from 1", "Position in the writer's log: contiguous within an epoch over all kinds together. Offset 8.";
    epoch: u32, "unix seconds", "Epoch of the writer: raised at every start, never reused. Offset 16.";
    writer: Label<'a>, "name", "The process that logged the row; one writer per venue.";
    venue: Label<'a>, "name", "The exchange and market segment, as the mapping is named.";
    instrument: Label<'a>, "canonical id", "The instrument, or empty where a row concerns the whole venue.";
    channel: Label<'a>, "name", "The venue's channel the row was decoded from.";
    event_ts: Nanos, "ns UTC, venue clock", "Key time: the venue's time truncated to the coarsest precision of any of its sources; our receive time where the venue gives none.";
    exch_ts: Option<Nanos>, "ns UTC, venue clock", "Time of the matching engine, where given.";
    sent_ts: Option<Nanos>, "ns UTC, venue clock", "Time at which the venue's gateway sent the message, where given.";
    recv_ts: Nanos, "ns UTC, our clock", "When the frame's last byte was read from the socket.";
    origin: Origin, "", "How the row came to us.";
    connection: u32, "from 1", "Which connection of the writer's epoch delivered it.";
    line: u8, "0 = A", "Redundant line that delivered it.";
    mapping: u32, "hash", "Revision of the mapping that decoded it.";
    identity: IdentityClass, "", "What makes two rows the same logical event.";
    occurrence: u32, "from 0", "Tells apart rows of equal identity at equal exchange time where the channel is weak; 0 elsewhere.";
}

event! { Trade, 1, "A trade between a taker and the book, or an aggregate of such trades at one price." {
    trade_id: &'a str, "venue's text", "The venue's trade id; empty where it gives none.";
    first_trade_id: Option<u64>, "venue's id", "First trade of an aggregate, where the channel aggregates.";
    trade_count: u32, "trades", "How many trades the row stands for: 1, or more for an aggregate.";
    side: Side, "", "Side of the taker.";
    price: Price, "quote per base or contract", "Price of the trade.";
    quantity: Quantity, "quantity_unit", "How much was traded.";
    quantity_unit: QuantityUnit, "", "What `quantity` counts.";
    flags: u16, "bits", "1 liquidation, 2 auto-deleveraging, 4 block trade, 8 insurance fund, 16 cancelled (bust), 32 amended, 64 retail price improvement, 128 other non-market trade.";
} }

event! { Quote, 1, "Best bid and offer." {
    sequence: u64, "venue's number", "Update number of the book the quote belongs to; 0 where the venue gives none (then the identity is weak).";
    bid_price: Option<Price>, "quote per base or contract", "Highest bid; NULL when that side is empty or was not stated.";
    bid_quantity: Option<Quantity>, "quantity_unit", "Quantity at the highest bid.";
    ask_price: Option<Price>, "quote per base or contract", "Lowest offer; NULL when that side is empty or was not stated.";
    ask_quantity: Option<Quantity>, "quantity_unit", "Quantity at the lowest offer.";
    quantity_unit: QuantityUnit, "", "What the quantities count.";
} }

event! { Book, 1, "Order book levels: a delta, the venue's snapshot or our checkpoint. Integer mantissas; value = mantissa × 10^exponent." {
    action: BookAction, "", "What the row does to the book.";
    book_epoch: u32, "from 1", "Counts the unbroken stretches of this instrument's book within the writer's epoch; a delta applies only within its own.";
    first_sequence: Option<u64>, "venue's number", "First update number the row covers.";
    last_sequence: u64, "venue's number", "Last update number the row covers; counted by us within the book epoch where the venue gives none.";
    previous_sequence: Option<u64>, "venue's number", "Last update number of the row before, where the venue states it.";
    depth_limit: Option<u32>, "levels a side", "Levels that the channel keeps a side; NULL for the full book.";
    quantity_unit: QuantityUnit, "", "What the quantities count.";
    price_exponent: i8, "power of ten", "Exponent of all prices of the row.";
    quantity_exponent: i8, "power of ten", "Exponent of all quantities of the row.";
    bid_prices: Integers<'a>, "mantissas", "Prices of the bid levels, in the venue's order.";
    bid_quantities: Integers<'a>, "mantissas", "Quantities of the bid levels; 0 removes the level.";
    ask_prices: Integers<'a>, "mantissas", "Prices of the ask levels, in the venue's order.";
    ask_quantities: Integers<'a>, "mantissas", "Quantities of the ask levels; 0 removes the level.";
    escaped: Texts<'a>, "decimal text", "Numbers that fit no 64-bit mantissa, in the order of the arrays; their place holds the smallest Int64.";
} }

event! { Candle, 1, "A candle as the exchange computed it." {
    interval_seconds: u32, "s", "Length of the candle.";
    open_ts: Nanos, "ns UTC", "Start of the candle.";
    open: Price, "quote per base or contract", "First price.";
    high: Price, "quote per base or contract", "Highest price.";
    low: Price, "quote per base or contract", "Lowest price.";
    close: Price, "quote per base or contract", "Last price.";
    volume: Quantity, "quantity_unit", "Traded quantity.";
    quantity_unit: QuantityUnit, "", "What `volume` counts.";
    quote_volume: Option<Quantity>, "quote", "Traded value, where given.";
    taker_buy_volume: Option<Quantity>, "quantity_unit", "Quantity bought by takers, where given.";
    trade_count: Option<u64>, "trades", "Number of trades, where given.";
    closed: bool, "", "Whether the venue says that the candle is final.";
} }

event! { Mark, 1, "Mark and index price." {
    mark_price: Option<Price>, "quote per base or contract", "Price at which positions are valued.";
    index_price: Option<Price>, "quote per base", "Price of the underlying index.";
    estimated_settle_price: Option<Price>, "quote per base", "Estimated settlement price, where given.";
} }

event! { Funding, 1, "A funding rate. Positive: longs pay shorts." {
    rate: Option<Rate>, "per interval", "Relative rate for one interval.";
    absolute_rate: Option<Rate>, "quote per contract", "Absolute amount, where the venue quotes it so.";
    stage: FundingStage, "", "Whether the rate is final.";
    settles_at: Option<Nanos>, "ns UTC", "When it is, or was, charged.";
    interval_seconds: Option<u32>, "s", "Time between two settlements; NULL when not known, never assumed.";
    interval_source: IntervalSource, "", "Where the interval is known from.";
    mark_price: Option<Price>, "quote per base or contract", "Mark price of the settlement, where given.";
} }

event! { OpenInterest, 1, "Open positions of an instrument." {
    quantity: Option<Quantity>, "quantity_unit", "Open quantity.";
    quantity_unit: QuantityUnit, "", "What `quantity` counts.";
    value: Option<Quantity>, "value_currency", "Open value, where given.";
    value_currency: Label<'a>, "currency", "Currency of `value`; empty where it is not given.";
} }

event! { Liquidation, 1, "A forced order." {
    order_id: &'a str, "venue's text", "The venue's id; empty where it gives none.";
    side: Side, "", "Side of the forced order (sell closes a long).";
    price: Price, "quote per base or contract", "Price of the order.";
    average_price: Option<Price>, "quote per base or contract", "Average fill price, where given.";
    quantity: Quantity, "quantity_unit", "Quantity of the order.";
    quantity_unit: QuantityUnit, "", "What `quantity` counts.";
    sampled: bool, "", "Whether the channel shows only some of the liquidations.";
} }

event! { Instrument, 1, "Static definition of an instrument as the venue stated it." {
    symbol: &'a str, "venue's text", "The venue's name of the instrument.";
    instrument_id: u64, "hash", "Surrogate of venue, symbol and listing: a reused ticker gets another.";
    content_hash: u64, "hash", "Hash of the static fields below: equal means unchanged.";
    instrument_type: InstrumentType, "", "Kind of contract.";
    payoff: Payoff, "", "How profit depends on price.";
    base: Label<'a>, "currency", "Base currency as the venue names it.";
    quote: Label<'a>, "currency", "Quote currency.";
    settle: Label<'a>, "currency", "Currency of margin and profit.";
    underlying: Label<'a>, "currency", "The asset priced: `SHIB` for `1000SHIB`.";
    underlying_multiplier: Quantity, "underlying per base", "How much underlying one base is: 1000 for `1000SHIB`.";
    contract_size: Option<Quantity>, "contract_size_unit", "Size of one contract; NULL for spot and where unknown.";
    contract_size_unit: Label<'a>, "currency", "Currency of `contract_size`.";
    tick_size: Option<Price>, "quote", "Smallest price step.";
    lot_size: Option<Quantity>, "quantity unit of the market", "Smallest quantity step.";
    minimum_quantity: Option<Quantity>, "quantity unit of the market", "Smallest order.";
    minimum_notional: Option<Quantity>, "quote", "Smallest order value.";
    option_side: OptionSide, "", "Right that an option gives.";
    strike: Option<Price>, "quote", "Strike of an option.";
    expiry_ts: Option<Nanos>, "ns UTC", "Expiry of a dated contract.";
    listed_ts: Option<Nanos>, "ns UTC", "When the venue listed it, where given.";
    delisted_ts: Option<Nanos>, "ns UTC", "When the venue delists it, where given.";
    status: InstrumentStatus, "", "Whether it can be traded.";
    venue_status: Label<'a>, "venue's text", "The status as the venue wrote it.";
    funding_interval_seconds: Option<u32>, "s", "Time between fundings as the venue's reference data states it.";
} }

event! { Status, 1, "What happened to a feed or service: in-band, so that a consumer sees a gap where it lies." {
    state: State, "", "What happened.";
    cause: Label<'a>, "name", "Why: `sequence`, `disconnect`, `restart`, `quarantine`, `overflow`, …";
    affected: Label<'a>, "kind or empty", "The event kind concerned; empty for all.";
    from_ts: Option<Nanos>, "ns UTC", "Start of the extent.";
    to_ts: Option<Nanos>, "ns UTC", "End of the extent; NULL while it lasts.";
    first_missing: Option<u64>, "venue's number", "First missing sequence number, where known.";
    last_missing: Option<u64>, "venue's number", "Last missing sequence number, where known.";
    missing: Option<u64>, "events", "How many events are missing, where known; unknown is NULL, not 0.";
    clock_offset: Option<Nanos>, "ns", "Estimated offset of this host's clock, on `clock` rows.";
    clock_uncertainty: Option<Nanos>, "ns", "Bound of the clock's error, on `clock` rows.";
    detail: &'a str, "text", "For people.";
} }

event! { Quarantine, 1, "A frame that did not parse or broke the mapping: kept, never guessed at." {
    reason: Label<'a>, "name", "Kind of fault.";
    detail: &'a str, "text", "Where and why.";
    frame: &'a str, "text", "The frame as received; not UTF-8 bytes are shown as U+FFFD.";
} }

event! { Signal, 1, "A computed signal: a value, whether it may be believed, and which input caused it. Time is the input's, by our clock." {
    name: Label<'a>, "name", "The signal as the configuration declares it.";
    feature: Label<'a>, "name", "The feature that computes it; see the signal reference.";
    other_venue: Label<'a>, "name", "Venue of the second leg; empty where there is none.";
    other_instrument: Label<'a>, "canonical id", "Instrument of the second leg; empty where there is none.";
    value: Option<f64>, "the feature's unit", "The value; NULL unless `validity` is `valid`.";
    validity: Validity, "", "Whether the value may be believed.";
    reason: Label<'a>, "name", "Why not: `crossed`, `gap`, `stale`, `interval`, …; empty when valid.";
    age: Option<u64>, "ns", "Age of the first leg's newest data at this moment; NULL where it has none.";
    other_age: Option<u64>, "ns", "Age of the second leg's newest data; NULL where it has none.";
    input: u64, "from 1", "Number of the input that caused it, in the ordered input of whoever computed it.";
    cause_writer: Label<'a>, "name", "Writer of the event that caused it; empty where the input was no event.";
    cause_epoch: u32, "unix seconds", "The event's epoch.";
    cause_counter: u64, "from 1", "The event's counter.";
    configuration: u64, "hash", "xxh3-64 of the configuration that declares the signal.";
} }

event! { Order, 1, "A step in the life of an order of ours, or of a position. Time is the trading service's, by our clock; `exch_ts` is when it happened at the venue." {
    step: OrderStep, "", "What happened.";
    sequence: u64, "from 1", "Number of the step over all orders of the trading service, without holes.";
    strategy: Label<'a>, "name", "Whose order or position; empty where it concerns all.";
    client_order_id: &'a str, "text", "Our name of the order, never used again; empty on steps that concern no order.";
    venue_order_id: &'a str, "text", "The venue's name of it, once known.";
    fill_id: &'a str, "text", "The venue's id of the fill, on fills.";
    intent: Label<'a>, "name", "`open`, `hedge` or `close`; empty on steps that concern no order.";
    side: Side, "", "Which way; `unknown` on steps that concern no order.";
    time_in_force: TimeInForce, "", "How long the order may trade.";
    limit_price: Option<Price>, "quote per base", "Worst price.";
    quantity: Option<Quantity>, "base", "Quantity ordered.";
    filled: Option<Quantity>, "base", "Traded so far, this step included.";
    fill_price: Option<Price>, "quote per base", "Price of the fill, the settlement, or the mark of the funding.";
    fill_quantity: Option<Quantity>, "base", "Quantity of the fill, or the position that was funded or settled.";
    liquidity: Label<'a>, "name", "`maker` or `taker`, on fills.";
    fee: Option<Quantity>, "quote", "Fee of the fill; negative for a rebate.";
    cash: Option<Quantity>, "quote", "Cash moved by the fill, the settlement or the funding, without the fee; negative when paid.";
    funding_rate: Option<Rate>, "per interval", "Rate of the funding.";
    position: Option<Quantity>, "base", "The strategy's position in the instrument behind this step.";
    bid_price: Option<Price>, "quote per base", "Best bid that we saw at this step.";
    bid_quantity: Option<Quantity>, "base", "Quantity there.";
    ask_price: Option<Price>, "quote per base", "Best offer that we saw at this step.";
    ask_quantity: Option<Quantity>, "base", "Quantity there.";
    quote_ts: Option<Nanos>, "ns UTC, our clock", "When that quote was received.";
    signal_ts: Option<Nanos>, "ns UTC, our clock", "When the event that moved the strategy was received.";
    basis_bps: Option<f64>, "0.01 %", "The basis that moved it.";
    z_score: Option<f64>, "deviations", "Its distance from the rolling mean.";
    edge_bps: Option<f64>, "0.01 %", "Expected profit after costs.";
    reason: Label<'a>, "name", "Why: the strategy's word, the limit that refused, the venue's reason.";
    detail: &'a str, "text", "For people.";
} }

/// Bytes of the position prefix at the start of every row.
pub const POSITION_BYTES: usize = 20;

/// Writes the log position into an encoded row, in place.
///
/// # Panics
/// When `row` is shorter than [`POSITION_BYTES`], which no encoded row is.
#[inline]
pub fn stamp_position(row: &mut [u8], publish_ts: Nanos, counter: u64, epoch: u32) {
    row[0..8].copy_from_slice(&publish_ts.0.to_le_bytes());
    row[8..16].copy_from_slice(&counter.to_le_bytes());
    row[16..20].copy_from_slice(&epoch.to_le_bytes());
}

/// Schemas of all kinds, in the order of [`Kind::ALL`].
pub static SCHEMAS: [Schema; Kind::COUNT] = [
    Trade::SCHEMA,
    Quote::SCHEMA,
    Book::SCHEMA,
    Candle::SCHEMA,
    Mark::SCHEMA,
    Funding::SCHEMA,
    OpenInterest::SCHEMA,
    Liquidation::SCHEMA,
    Instrument::SCHEMA,
    Status::SCHEMA,
    Quarantine::SCHEMA,
    Signal::SCHEMA,
    Order::SCHEMA,
];

impl Kind {
    /// The kind's columns.
    #[must_use]
    pub fn schema(self) -> &'static Schema {
        &SCHEMAS[self.index()]
    }
}

macro_rules! event_of {
    ($($kind:ident),*) => {
        /// One event of any kind, borrowed.
        #[expect(clippy::large_enum_variant, reason = "lives on the stack only; boxing would allocate for each event")]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Event<'a> { $(#[doc = stringify!($kind)] $kind($kind<'a>)),* }

        impl<'a> Event<'a> {
            /// The event's kind.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind),* }
            }

            /// The columns common to all kinds.
            #[must_use]
            pub fn header(&self) -> &Header<'a> {
                match self { $(Self::$kind(row) => &row.header),* }
            }

            /// The columns common to all kinds, to be changed.
            pub fn header_mut(&mut self) -> &mut Header<'a> {
                match self { $(Self::$kind(row) => &mut row.header),* }
            }

            /// Appends the row in `RowBinary`.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self { $(Self::$kind(row) => row.encode(out)),* }
            }

            /// Reads one row of `kind`.
            ///
            /// # Errors
            /// [`DecodeError`] when the bytes are not such a row.
            pub fn decode(kind: Kind, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                match kind { $(Kind::$kind => $kind::decode(reader).map(Self::$kind)),* }
            }
        }
    };
}
event_of!(
    Trade,
    Quote,
    Book,
    Candle,
    Mark,
    Funding,
    OpenInterest,
    Liquidation,
    Instrument,
    Status,
    Quarantine,
    Signal,
    Order
);
