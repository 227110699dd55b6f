//! The compiled fields of each kind of event.

use crate::fields::Field;
use crate::path::Path;
use crate::program::Program;
use crate::spec::{BridgeRule, ChecksumKind, Continuity, TimeUnit};
use kt_model::FundingStage;

/// Which flag of a trade a value raises.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) field: Field,
    pub(crate) equals: Box<[u8]>,
    pub(crate) bit: u16,
}

#[derive(Debug)]
pub(crate) struct TradeMap {
    pub(crate) id: Option<Field>,
    /// Each id is the one before plus 1.
    pub(crate) contiguous: bool,
    pub(crate) first_id: Option<Field>,
    pub(crate) last_id: Option<Field>,
    pub(crate) count: Option<Field>,
    pub(crate) side: Field,
    pub(crate) price: Field,
    pub(crate) quantity: Field,
    pub(crate) flags: Vec<Flag>,
    pub(crate) skip: Vec<(Field, Box<[u8]>)>,
}

#[derive(Debug)]
pub(crate) struct QuoteMap {
    pub(crate) sequence: Option<Field>,
    pub(crate) bid_price: Option<Field>,
    pub(crate) bid_quantity: Option<Field>,
    pub(crate) ask_price: Option<Field>,
    pub(crate) ask_quantity: Option<Field>,
}

#[derive(Debug)]
pub(crate) struct BookMap {
    pub(crate) action: Option<Field>,
    pub(crate) first: Option<Field>,
    pub(crate) last: Option<Field>,
    pub(crate) previous: Option<Field>,
    pub(crate) continuity: Continuity,
    pub(crate) snapshot_at: Option<u64>,
    pub(crate) checksum: Option<(Field, ChecksumKind, usize)>,
    pub(crate) depth_limit: Option<Field>,
    pub(crate) rest: Option<RestMap>,
    pub(crate) as_quote: bool,
}

/// The REST snapshot of a book.
#[derive(Debug)]
pub(crate) struct RestMap {
    pub(crate) request: String,
    pub(crate) last: Path,
    pub(crate) time: Option<(Path, TimeUnit)>,
    pub(crate) bridge: BridgeRule,
    pub(crate) depth_limit: Option<u32>,
    /// Finds the level lists of a response.
    pub(crate) program: Program,
}

#[derive(Debug)]
pub(crate) struct CandleMap {
    pub(crate) interval: Field,
    pub(crate) open_time: Field,
    pub(crate) open: Field,
    pub(crate) high: Field,
    pub(crate) low: Field,
    pub(crate) close: Field,
    pub(crate) volume: Field,
    pub(crate) quote_volume: Option<Field>,
    pub(crate) taker_buy_volume: Option<Field>,
    pub(crate) trade_count: Option<Field>,
    pub(crate) closed: Field,
}

#[derive(Debug)]
pub(crate) struct MarkMap {
    pub(crate) mark_price: Option<Field>,
    pub(crate) index_price: Option<Field>,
    pub(crate) estimated_settle_price: Option<Field>,
}

#[derive(Debug)]
pub(crate) struct FundingMap {
    pub(crate) rate: Option<Field>,
    pub(crate) absolute_rate: Option<Field>,
    pub(crate) stage: FundingStage,
    pub(crate) settles_at: Option<Field>,
    pub(crate) interval: Option<Field>,
    pub(crate) next_settles_at: Option<Field>,
    pub(crate) mark_price: Option<Field>,
}

#[derive(Debug)]
pub(crate) struct OpenInterestMap {
    pub(crate) quantity: Option<Field>,
    pub(crate) value: Option<Field>,
    pub(crate) value_currency: Option<String>,
}

#[derive(Debug)]
pub(crate) struct LiquidationMap {
    pub(crate) id: Option<Field>,
    pub(crate) side: Field,
    pub(crate) price: Field,
    pub(crate) average_price: Option<Field>,
    pub(crate) quantity: Field,
    pub(crate) sampled: bool,
}
