//! What a channel says about each kind of event.

use super::field::FieldSpec;
use serde::Deserialize;

/// Mapping of trades.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TradeSpec {
    pub(crate) id: Option<FieldSpec>,
    /// Whether each id is the one before plus 1: a hole is then a gap.
    #[serde(default)]
    pub(crate) contiguous: bool,
    pub(crate) first_id: Option<FieldSpec>,
    /// Last trade of an aggregate: with `first_id` it gives the count.
    pub(crate) last_id: Option<FieldSpec>,
    /// How many trades the row stands for, where the venue says so.
    pub(crate) count: Option<FieldSpec>,
    pub(crate) side: FieldSpec,
    pub(crate) price: FieldSpec,
    pub(crate) quantity: FieldSpec,
    #[serde(default)]
    pub(crate) flags: Vec<FlagSpec>,
    /// Rows with one of these values are not trades: counted, not emitted.
    #[serde(default)]
    pub(crate) skip: Vec<SkipSpec>,
}

/// A condition that raises a flag of a trade.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlagSpec {
    pub(crate) path: String,
    pub(crate) equals: String,
    pub(crate) flag: String,
}

/// A value that makes a row no event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkipSpec {
    pub(crate) path: String,
    pub(crate) equals: String,
}

/// Mapping of best bid and offer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuoteSpec {
    pub(crate) sequence: Option<FieldSpec>,
    pub(crate) bid_price: Option<FieldSpec>,
    pub(crate) bid_quantity: Option<FieldSpec>,
    pub(crate) ask_price: Option<FieldSpec>,
    pub(crate) ask_quantity: Option<FieldSpec>,
}

/// Mapping of an order book.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BookSpec {
    /// `snapshot` or `delta`; every frame is a delta where absent.
    pub(crate) action: Option<FieldSpec>,
    pub(crate) first: Option<FieldSpec>,
    pub(crate) last: Option<FieldSpec>,
    pub(crate) previous: Option<FieldSpec>,
    pub(crate) bids: String,
    pub(crate) asks: String,
    #[serde(default)]
    pub(crate) level: LevelSpec,
    pub(crate) continuity: Continuity,
    /// A frame with this update number is a snapshot whatever it says.
    pub(crate) snapshot_at: Option<u64>,
    pub(crate) checksum: Option<ChecksumSpec>,
    /// Levels a side, where the channel limits them: a number, or a key of the frame.
    pub(crate) depth_limit: Option<FieldSpec>,
    /// Where the snapshot is asked for, on venues that do not send one.
    pub(crate) rest: Option<RestSnapshotSpec>,
    /// The channel shows the best level only: rows are quotes.
    #[serde(default)]
    pub(crate) as_quote: bool,
}

/// Where price and quantity stand within a level.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LevelSpec {
    pub(crate) price: String,
    pub(crate) quantity: String,
}

impl Default for LevelSpec {
    fn default() -> Self {
        Self { price: "0".to_owned(), quantity: "1".to_owned() }
    }
}

/// How one delta follows another.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Continuity {
    /// first == last of the one before + 1.
    FirstFollowsLast,
    /// previous == last of the one before.
    PreviousIsLast,
    /// last == last of the one before + 1.
    LastSteps,
    /// The venue gives no numbers.
    None,
}

/// A checksum of the book in the frame.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChecksumSpec {
    pub(crate) value: FieldSpec,
    pub(crate) kind: ChecksumKind,
    pub(crate) depth: usize,
}

/// How a checksum is computed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChecksumKind {
    /// CRC32 of `bid:quantity:ask:quantity:…` alternating, as a signed number (OKX, Bitget).
    Crc32Interleaved,
    /// CRC32 of asks then bids, point and leading zeros removed, as an unsigned number (Kraken).
    Crc32Digits,
}

/// The request for a snapshot and its shape.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestSnapshotSpec {
    /// Path and query with `{symbol}`.
    pub(crate) request: String,
    pub(crate) last: String,
    pub(crate) bids: String,
    pub(crate) asks: String,
    pub(crate) time: Option<FieldSpec>,
    pub(crate) bridge: BridgeRule,
    /// Levels a side that the snapshot is cut at.
    pub(crate) depth_limit: Option<u32>,
}

/// Which delta may be the first after a snapshot.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BridgeRule {
    /// first <= snapshot + 1 <= last.
    Follows,
    /// first <= snapshot <= last.
    Contains,
}

/// Mapping of candles.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CandleSpec {
    /// Length in seconds.
    pub(crate) interval: FieldSpec,
    pub(crate) open_time: FieldSpec,
    pub(crate) open: FieldSpec,
    pub(crate) high: FieldSpec,
    pub(crate) low: FieldSpec,
    pub(crate) close: FieldSpec,
    pub(crate) volume: FieldSpec,
    pub(crate) quote_volume: Option<FieldSpec>,
    pub(crate) taker_buy_volume: Option<FieldSpec>,
    pub(crate) trade_count: Option<FieldSpec>,
    /// Maps to `true` or `false`.
    pub(crate) closed: FieldSpec,
}

/// Mapping of mark and index price.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkSpec {
    pub(crate) mark_price: Option<FieldSpec>,
    pub(crate) index_price: Option<FieldSpec>,
    pub(crate) estimated_settle_price: Option<FieldSpec>,
}

/// Mapping of funding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FundingSpec {
    pub(crate) rate: Option<FieldSpec>,
    pub(crate) absolute_rate: Option<FieldSpec>,
    /// `predicted` or `settled`.
    pub(crate) stage: String,
    pub(crate) settles_at: Option<FieldSpec>,
    /// The interval as the message states it.
    pub(crate) interval: Option<FieldSpec>,
    /// The settlement after `settles_at`: the difference is the interval, inferred.
    pub(crate) next_settles_at: Option<FieldSpec>,
    pub(crate) mark_price: Option<FieldSpec>,
}

/// Mapping of open interest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenInterestSpec {
    pub(crate) quantity: Option<FieldSpec>,
    pub(crate) value: Option<FieldSpec>,
    /// `base`, `quote`, or a currency.
    pub(crate) value_currency: Option<String>,
}

/// Mapping of forced orders.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiquidationSpec {
    pub(crate) id: Option<FieldSpec>,
    pub(crate) side: FieldSpec,
    pub(crate) price: FieldSpec,
    pub(crate) average_price: Option<FieldSpec>,
    pub(crate) quantity: FieldSpec,
    /// Whether the channel shows only some.
    pub(crate) sampled: bool,
}
