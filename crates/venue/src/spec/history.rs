//! REST resources that serve past events, and how many requests a venue allows.

use super::TimeSpec;
use super::field::{FieldSpec, TimeUnit};
use super::kinds::{CandleSpec, FundingSpec, TradeSpec};
use serde::Deserialize;

/// One resource: how it is asked, and what its rows mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistorySpec {
    /// Name of the resource, the `channel` of its rows.
    pub(crate) name: String,
    /// Segments that have it; all when empty.
    #[serde(default)]
    pub(crate) segments: Vec<String>,
    /// Kinds of contract that have it; all when empty.
    #[serde(default)]
    pub(crate) types: Vec<String>,
    /// Path and query with `{symbol}`, `{limit}` and milliseconds: `{from}` and `{to}` belong to the window,
    /// `{before}` and `{after}` are the last millisecond before and the first behind it.
    pub(crate) request: String,
    /// Path and query of a page that follows by trade id: `{next_id}` is the last id plus one,
    /// `{oldest_id}` the smallest so far.
    pub(crate) next: Option<String>,
    /// Order of the rows within a page and of the pages.
    pub(crate) order: HistoryOrder,
    /// Most rows of a page.
    pub(crate) limit: u32,
    /// What one request costs of the venue's allowance.
    #[serde(default = "one")]
    pub(crate) weight: u32,
    /// Longest window that one request may name.
    pub(crate) longest_window_seconds: Option<u32>,
    /// Only the newest page is served.
    #[serde(default)]
    pub(crate) newest_only: bool,
    /// How far back the venue keeps it.
    pub(crate) reaches_back_seconds: Option<u32>,
    /// What is known of the ids of its trades.
    #[serde(default)]
    pub(crate) ids: HistoryIds,
    /// Longest time between two settlements that is taken for an interval and not for a hole.
    pub(crate) longest_interval_seconds: Option<u32>,
    /// Where the answer itself says whether the request succeeded.
    pub(crate) success: Option<SuccessSpec>,
    /// Array of rows; the answer itself where empty.
    pub(crate) rows: String,
    /// The symbol of a row, where it states one: another than asked for is refused.
    pub(crate) symbol: Option<FieldSpec>,
    pub(crate) identity: String,
    pub(crate) precision: TimeUnit,
    #[serde(default)]
    pub(crate) time: TimeSpec,
    pub(crate) trade: Option<TradeSpec>,
    pub(crate) candle: Option<CandleSpec>,
    pub(crate) funding: Option<FundingSpec>,
}

fn one() -> u32 {
    1
}

/// Order in time.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HistoryOrder {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// What trade ids tell.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HistoryIds {
    /// Nothing but identity.
    #[default]
    Opaque,
    /// Each id is the one before plus 1.
    Contiguous,
    /// As contiguous, of single trades; a live row stands for `count` of them and bears the last one's id.
    Counted,
}

/// Where an answer says that it is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuccessSpec {
    /// Path of the code.
    pub(crate) path: String,
    /// Its text where all is well.
    pub(crate) equals: String,
    /// Its texts where there were too many requests.
    #[serde(default)]
    pub(crate) busy: Vec<String>,
    /// Path of the explanation.
    pub(crate) message: String,
}

/// The venue's allowance for REST requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestLimitSpec {
    pub(crate) weight_per_minute: u32,
    /// Header of an answer that says how much of it is used.
    pub(crate) used_header: Option<String>,
}
