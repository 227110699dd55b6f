//! A compiled channel: its frames' marks, its program and its events' fields.

use crate::error::VenueError;
use crate::fields::{Field, Scope};
use crate::path::Path;
use crate::program::{LevelShape, Program};
use crate::spec::{ChannelSpec, MergeSpec, OneOrMany, TimeUnit, WhenSpec};
use kt_model::{IdentityClass, InstrumentType};

mod kinds;
mod maps;
mod when;

pub(crate) use maps::{
    BookMap, CandleMap, FundingMap, LiquidationMap, MarkMap, OpenInterestMap, QuoteMap, RestMap, TradeMap,
};
pub(crate) use when::When;

/// Tells a merged channel's full frames from its changes.
#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) full: When,
    pub(crate) delta: When,
}

/// A compiled channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) when: When,
    pub(crate) label: Option<String>,
    pub(crate) segments: Vec<String>,
    pub(crate) subscribe: Option<String>,
    pub(crate) subscribe_all: Option<String>,
    pub(crate) types: Vec<InstrumentType>,
    pub(crate) modes: Vec<String>,
    pub(crate) identity: IdentityClass,
    /// Nanoseconds to which the key time is truncated.
    pub(crate) precision: i64,
    pub(crate) program: Program,
    pub(crate) instrument: Field,
    pub(crate) event_time: Option<Field>,
    pub(crate) exchange_time: Option<Field>,
    pub(crate) sent_time: Option<Field>,
    pub(crate) merge: Option<Merge>,
    pub(crate) trade: Option<TradeMap>,
    pub(crate) quote: Option<QuoteMap>,
    pub(crate) book: Option<BookMap>,
    pub(crate) candle: Option<CandleMap>,
    pub(crate) mark: Option<MarkMap>,
    pub(crate) funding: Option<FundingMap>,
    pub(crate) open_interest: Option<OpenInterestMap>,
    pub(crate) liquidation: Option<LiquidationMap>,
}

pub(crate) fn named<T>(what: &str, name: &str, from_name: impl Fn(&str) -> Option<T>) -> Result<T, VenueError> {
    from_name(name).ok_or_else(|| VenueError::mapping(format!("`{name}` is no {what}")))
}

impl Channel {
    /// Compiles a channel; errors name it.
    pub(crate) fn compile(spec: &ChannelSpec, key_names: &[String], unit: TimeUnit) -> Result<Self, VenueError> {
        Self::build(spec, key_names, unit)
            .map_err(|error| VenueError::mapping(format!("channel `{}`: {}", spec.name, error.message)))
    }

    fn build(spec: &ChannelSpec, key_names: &[String], time_unit: TimeUnit) -> Result<Self, VenueError> {
        let rows = spec.rows.as_deref().map(Path::parse).transpose()?;
        let rows = rows.filter(|path| !path.0.is_empty());
        let shape = match &spec.book {
            Some(book) => LevelShape::new(Path::parse(&book.level.price)?, Path::parse(&book.level.quantity)?),
            None => LevelShape::default(),
        };
        let program = Program::new(rows.as_ref(), shape);
        let mut scope = Scope { program, key_names, time_unit, has_rows: rows.is_some() };
        let when = |spec: &WhenSpec| When::compile(&OneOrMany::One(spec.clone()), key_names);
        let merge = |spec: &MergeSpec| Ok(Merge { full: when(&spec.full_when)?, delta: when(&spec.delta_when)? });
        Ok(Self {
            name: spec.name.clone(),
            when: When::compile(&spec.when, key_names)?,
            label: spec.label.clone(),
            segments: spec.segments.clone(),
            subscribe: spec.subscribe.clone(),
            subscribe_all: spec.subscribe_all.clone(),
            types: (spec.types.iter())
                .map(|name| named("instrument type", name, InstrumentType::from_name))
                .collect::<Result<_, _>>()?,
            modes: spec.modes.clone(),
            identity: named("identity class", &spec.identity, IdentityClass::from_name)?,
            precision: spec.precision.nanoseconds(),
            instrument: scope.field("instrument", &spec.instrument)?,
            event_time: scope.option("time.event", spec.time.event.as_ref())?,
            exchange_time: scope.option("time.exchange", spec.time.exchange.as_ref())?,
            sent_time: scope.option("time.sent", spec.time.sent.as_ref())?,
            merge: spec.merge.as_ref().map(merge).transpose()?,
            trade: spec.trade.as_ref().map(|spec| kinds::trade(&mut scope, spec)).transpose()?,
            quote: spec.quote.as_ref().map(|spec| kinds::quote(&mut scope, spec)).transpose()?,
            book: spec.book.as_ref().map(|spec| kinds::book(&mut scope, spec)).transpose()?,
            candle: spec.candle.as_ref().map(|spec| kinds::candle(&mut scope, spec)).transpose()?,
            mark: spec.mark.as_ref().map(|spec| kinds::mark(&mut scope, spec)).transpose()?,
            funding: spec.funding.as_ref().map(|spec| kinds::funding(&mut scope, spec)).transpose()?,
            open_interest: spec
                .open_interest
                .as_ref()
                .map(|spec| kinds::open_interest(&mut scope, spec))
                .transpose()?,
            liquidation: spec.liquidation.as_ref().map(|spec| kinds::liquidation(&mut scope, spec)).transpose()?,
            program: scope.program,
        })
    }
}
