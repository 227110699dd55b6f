//! Past events by REST: which resource serves a kind, and how an answer is read.
//!
//! A [`HistoryPager`] says what to ask next and takes the answers; it fetches nothing itself. Rows become the
//! same events as those of the live channels, on the same keys, with origin `backfill`.

use crate::catalogue::InstrumentInfo;
use crate::channel::{Channel, named};
use crate::error::VenueError;
use crate::fields::Field;
use crate::mapping::Mapping;
use crate::path::Path;
use crate::spec::{ChannelSpec, FieldSpec, HistoryIds, HistoryOrder, HistorySpec, OneOrMany, TimeUnit};
use kt_model::InstrumentType;
use kt_model::schema::Kind;
use std::time::Duration;

mod pager;
mod read;

pub use pager::{HistoryPage, HistoryPager};

/// Where an answer says that it is none.
#[derive(Debug)]
pub(crate) struct Success {
    pub(crate) path: Path,
    pub(crate) equals: String,
    pub(crate) busy: Vec<String>,
    pub(crate) message: Path,
}

/// A compiled resource.
#[derive(Debug)]
pub struct History {
    pub(crate) channel: Channel,
    pub(crate) kind: Kind,
    pub(crate) request: String,
    pub(crate) next: Option<String>,
    pub(crate) order: HistoryOrder,
    pub(crate) limit: u32,
    pub(crate) weight: u32,
    pub(crate) longest_window: Option<Duration>,
    pub(crate) newest_only: bool,
    pub(crate) reaches_back: Option<Duration>,
    pub(crate) ids: HistoryIds,
    pub(crate) longest_interval: Option<u32>,
    pub(crate) success: Option<Success>,
    pub(crate) rows: Path,
    /// The symbol of a row, where it states one.
    pub(crate) symbol: Option<Field>,
    segments: Vec<String>,
    types: Vec<InstrumentType>,
}

/// How many requests a venue allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestLimit {
    /// Weight a minute.
    pub weight_per_minute: u32,
    /// Header of an answer that says how much of it is used.
    pub used_header: Option<String>,
}

impl History {
    pub(crate) fn compile(spec: &HistorySpec, unit: TimeUnit) -> Result<Self, VenueError> {
        let within = |error: VenueError| VenueError::mapping(format!("history `{}`: {}", spec.name, error.message));
        Self::build(spec, unit).map_err(within)
    }

    fn build(spec: &HistorySpec, unit: TimeUnit) -> Result<Self, VenueError> {
        let kind = match (&spec.trade, &spec.candle, &spec.funding) {
            (Some(_), None, None) => Kind::Trade,
            (None, Some(_), None) => Kind::Candle,
            (None, None, Some(_)) => Kind::Funding,
            _ => return Err(VenueError::mapping("one of `trade`, `candle` and `funding` is needed")),
        };
        let pages_by_time = spec.next.is_none() && !spec.newest_only;
        if kind == Kind::Trade && pages_by_time {
            // Trades of one millisecond may lie on both sides of the end of a page.
            return Err(VenueError::mapping("trades need `next`, pages by id, or `newest_only`"));
        }
        if spec.limit < 2 {
            return Err(VenueError::mapping("`limit` must be at least 2"));
        }
        let mut channel = Channel::compile(&channel_spec(spec), &[], unit)?;
        let symbol = spec.symbol.is_some().then(|| std::mem::replace(&mut channel.instrument, Field::nothing()));
        let success = match &spec.success {
            Some(success) => Some(Success {
                path: Path::parse(&success.path)?,
                equals: success.equals.clone(),
                busy: success.busy.clone(),
                message: Path::parse(&success.message)?,
            }),
            None => None,
        };
        let seconds = |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(u64::from(seconds)));
        Ok(Self {
            channel,
            kind,
            request: spec.request.clone(),
            next: spec.next.clone(),
            order: spec.order,
            limit: spec.limit,
            weight: spec.weight,
            longest_window: seconds(spec.longest_window_seconds),
            newest_only: spec.newest_only,
            reaches_back: seconds(spec.reaches_back_seconds),
            ids: spec.ids,
            longest_interval: spec.longest_interval_seconds,
            success,
            rows: Path::parse(&spec.rows)?,
            symbol,
            segments: spec.segments.clone(),
            types: (spec.types.iter())
                .map(|name| named("instrument type", name, InstrumentType::from_name))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Name of the resource, the `channel` of its rows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.channel.name
    }

    /// Kind of its events.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What one request costs of the venue's allowance.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// How far back the venue keeps it; `None` for ever.
    #[must_use]
    pub fn reaches_back(&self) -> Option<Duration> {
        self.reaches_back
    }

    /// Whether each trade's id is the one before plus 1, so that a hole shows.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.ids != HistoryIds::Opaque
    }

    /// Whether a live trade row stands for as many ids as it counts trades, ending with its own.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.ids == HistoryIds::Counted
    }

    pub(super) fn serves(&self, kind: Kind, segment: &str, info: &InstrumentInfo) -> bool {
        self.kind == kind
            && (self.segments.is_empty() || self.segments.iter().any(|name| name == segment))
            && (self.types.is_empty() || self.types.contains(&info.instrument_type))
    }
}

impl Mapping {
    /// The resource that serves this kind of an instrument's past.
    #[must_use]
    pub fn history(&self, kind: Kind, segment: &str, info: &InstrumentInfo) -> Option<&History> {
        self.histories.iter().find(|history| history.serves(kind, segment, info))
    }

    /// Whether the venue serves the past of this kind for any instrument.
    #[must_use]
    pub fn has_history(&self, kind: Kind) -> bool {
        self.histories.iter().any(|history| history.kind == kind)
    }

    /// How many requests the venue allows.
    #[must_use]
    pub fn rest_limit(&self) -> RestLimit {
        RestLimit {
            weight_per_minute: self.rest_limit.weight_per_minute.max(1),
            used_header: self.rest_limit.used_header.clone(),
        }
    }
}

/// The resource as a channel of one kind, whose decoder reads its rows.
fn channel_spec(spec: &HistorySpec) -> ChannelSpec {
    let unnamed = || {
        let mut field = FieldSpec::default();
        field.table.constant = Some(String::new());
        field
    };
    ChannelSpec {
        name: spec.name.clone(),
        when: OneOrMany::Many(Vec::new()),
        label: None,
        segments: Vec::new(),
        subscribe: None,
        subscribe_all: None,
        types: Vec::new(),
        modes: Vec::new(),
        identity: spec.identity.clone(),
        precision: spec.precision,
        rows: Some(spec.rows.clone()),
        instrument: spec.symbol.clone().unwrap_or_else(unnamed),
        time: spec.time.clone(),
        merge: None,
        trade: spec.trade.clone(),
        quote: None,
        book: None,
        candle: spec.candle.clone(),
        mark: None,
        funding: spec.funding.clone(),
        open_interest: None,
        liquidation: None,
    }
}
