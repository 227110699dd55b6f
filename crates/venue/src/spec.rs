//! The mapping language as written: one TOML file per exchange.
//!
//! Every table refuses unknown keys, so that a typing error is a message with line and key and not
//! a silently missing column. [`crate::mapping`] compiles these tables into a program.

mod field;
mod history;
mod kinds;
mod reference;

pub(crate) use field::{FieldSpec, KeySpec, TimeUnit};
pub(crate) use history::{HistoryIds, HistoryOrder, HistorySpec, RestLimitSpec};
pub(crate) use kinds::{
    BookSpec, BridgeRule, CandleSpec, ChecksumKind, Continuity, FundingSpec, LiquidationSpec, MarkSpec,
    OpenInterestSpec, QuoteSpec, TradeSpec,
};
pub(crate) use reference::{InstrumentSpec, IntervalSpec, ReferenceSpec, SymbolRuleSpec};

use serde::Deserialize;
use std::collections::BTreeMap;

/// A whole mapping file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingSpec {
    /// Name of the venue in every event.
    pub(crate) venue: String,
    /// Name for people.
    pub(crate) title: String,
    /// Where the exchange documents the protocol.
    pub(crate) documentation: String,
    pub(crate) connection: ConnectionSpec,
    #[serde(rename = "segment")]
    pub(crate) segments: Vec<SegmentSpec>,
    pub(crate) subscribe: SubscribeSpec,
    pub(crate) frame: FrameSpec,
    /// Parts of a frame that say what it is, by name.
    #[serde(default, rename = "key")]
    pub(crate) keys: BTreeMap<String, KeySpec>,
    #[serde(default, rename = "control")]
    pub(crate) controls: Vec<ControlSpec>,
    #[serde(default, rename = "symbol")]
    pub(crate) symbols: Vec<SymbolRuleSpec>,
    #[serde(default, rename = "reference")]
    pub(crate) references: Vec<ReferenceSpec>,
    #[serde(rename = "channel")]
    pub(crate) channels: Vec<ChannelSpec>,
    /// Past events by REST.
    #[serde(default, rename = "history")]
    pub(crate) histories: Vec<HistorySpec>,
    /// How many REST requests the venue allows; 60 a minute where it is not said.
    pub(crate) rest: Option<RestLimitSpec>,
}

/// What one connection may carry and how it is kept alive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionSpec {
    pub(crate) maximum_streams: u32,
    pub(crate) messages_per_second: u32,
    /// The venue closes connections after this time; we leave before.
    pub(crate) lifetime_seconds: Option<u32>,
    /// Nothing received for so long: the connection is dead.
    pub(crate) silence_seconds: u32,
    pub(crate) ping: Option<PingSpec>,
}

/// A text message that keeps the connection open.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PingSpec {
    pub(crate) text: String,
    pub(crate) every_seconds: u32,
    /// The answer, where it is bare text and not JSON.
    pub(crate) answer: Option<String>,
}

/// A market segment with its own addresses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentSpec {
    pub(crate) name: String,
    pub(crate) websocket: String,
    pub(crate) rest: String,
}

/// How channels are asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscribeSpec {
    /// Message with `{topics}` (comma-separated) and `{id}`.
    pub(crate) message: String,
    pub(crate) unsubscribe: String,
    /// One topic within the message, with `{topic}` or the parts the channel names.
    pub(crate) topic: String,
    pub(crate) batch: usize,
    #[serde(default)]
    pub(crate) symbol_case: SymbolCase,
}

/// Case of symbols in topics.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SymbolCase {
    /// As in the instrument list.
    #[default]
    AsListed,
    /// Lower case.
    Lower,
}

/// What holds for every frame.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FrameSpec {
    #[serde(default)]
    pub(crate) encoding: Encoding,
    /// Key of the payload in frames that wrap it; frames without the key are the payload.
    pub(crate) wrapper: Option<String>,
    pub(crate) time_unit: TimeUnit,
    pub(crate) quantity_unit: UnitSpec,
    /// A frame is known as soon as these keys are found when the scan reaches `payload`, or the
    /// wrapper: what follows need not be read twice.
    #[serde(default)]
    pub(crate) enough: Vec<String>,
    pub(crate) payload: Option<String>,
    /// Names of frames' channels, for counting: the first template whose keys are all present.
    pub(crate) labels: Vec<String>,
    /// Names of frames' channels in events, without what changes from frame to frame; as `labels`
    /// where not given.
    #[serde(default)]
    pub(crate) names: Vec<String>,
}

/// Compression of binary frames.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    /// Text as it is.
    #[default]
    Text,
    /// gzip, each frame on its own.
    Gzip,
    /// Raw deflate, each frame on its own.
    Deflate,
}

/// The unit of quantities: one for all, or by contract kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum UnitSpec {
    One(String),
    ByType(BTreeMap<String, String>),
}

/// Values that a channel's frames have: key name to pattern (`*` at an end matches any text, `*`
/// alone any text that is there).
pub(crate) type WhenSpec = BTreeMap<String, String>;

/// One or several alternatives of a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    pub(crate) fn to_vec(&self) -> Vec<T> {
        match self {
            OneOrMany::One(one) => vec![one.clone()],
            OneOrMany::Many(many) => many.clone(),
        }
    }
}

/// A frame that carries no market data.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlSpec {
    pub(crate) kind: ControlKind,
    pub(crate) when: OneOrMany<WhenSpec>,
    /// Answer to a ping, with `{key}` in place of key values.
    pub(crate) answer: Option<String>,
    /// Key whose text explains an error.
    pub(crate) detail: Option<String>,
}

/// What a control frame means.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ControlKind {
    /// A request was accepted.
    Accepted,
    /// A request was refused.
    Refused,
    /// Asks for an answer.
    Ping,
    /// Answers ours, or is a heartbeat.
    Alive,
}

/// One channel: how its frames are known, and what they mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelSpec {
    pub(crate) name: String,
    pub(crate) when: OneOrMany<WhenSpec>,
    /// Label and name of frames that do not name their channel.
    pub(crate) label: Option<String>,
    /// Segments that have the channel; all when empty.
    #[serde(default)]
    pub(crate) segments: Vec<String>,
    /// Topic for one instrument, with `{symbol}`.
    pub(crate) subscribe: Option<String>,
    /// Topic for all instruments at once.
    pub(crate) subscribe_all: Option<String>,
    /// Kinds of contract that have the channel; all when empty.
    #[serde(default)]
    pub(crate) types: Vec<String>,
    /// Modes that subscribe the channel: `full`, `light`.
    #[serde(default)]
    pub(crate) modes: Vec<String>,
    pub(crate) identity: String,
    /// Coarsest precision of the channel's time over live and archive sources.
    pub(crate) precision: TimeUnit,
    /// Array of rows; the payload itself where empty; no rows where absent.
    pub(crate) rows: Option<String>,
    /// The symbol of a row.
    pub(crate) instrument: FieldSpec,
    #[serde(default)]
    pub(crate) time: TimeSpec,
    /// Fields missing from a frame keep the value of the frame before.
    pub(crate) merge: Option<MergeSpec>,
    pub(crate) trade: Option<TradeSpec>,
    pub(crate) quote: Option<QuoteSpec>,
    pub(crate) book: Option<BookSpec>,
    pub(crate) candle: Option<CandleSpec>,
    pub(crate) mark: Option<MarkSpec>,
    pub(crate) funding: Option<FundingSpec>,
    pub(crate) open_interest: Option<OpenInterestSpec>,
    pub(crate) liquidation: Option<LiquidationSpec>,
}

/// Where a channel's times stand.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeSpec {
    /// Key time; our receive time where absent.
    pub(crate) event: Option<FieldSpec>,
    pub(crate) exchange: Option<FieldSpec>,
    pub(crate) sent: Option<FieldSpec>,
}

/// Which frames start a merged state anew and which add to it; any other frame is not the channel's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeSpec {
    /// Values that a full frame has.
    pub(crate) full_when: WhenSpec,
    /// Values that a frame of changes has.
    pub(crate) delta_when: WhenSpec,
}
