//! A compiled channel: its frames' marks, its program and its events' fields.

use crate::error::VenueError;
use crate::fields::{Field, Keys, Scope};
use crate::path::Path;
use crate::program::{LevelShape, Program};
use crate::spec::{
    BookSpec, BridgeRule, CandleSpec, ChannelSpec, ChecksumKind, Continuity, FundingSpec, LiquidationSpec, MarkSpec,
    OneOrMany, OpenInterestSpec, QuoteSpec, TimeUnit, TradeSpec, WhenSpec,
};
use kt_model::{FundingStage, IdentityClass, InstrumentType};

/// A text that a key must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Absent,
    Present,
    Equals(Box<[u8]>),
    Begins(Box<[u8]>),
    Ends(Box<[u8]>),
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let bytes = |text: &str| -> Box<[u8]> { text.as_bytes().into() };
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            _ if text.is_empty() => Pattern::Absent,
            _ if text == "*" => Pattern::Present,
            (_, Some(begin)) => Pattern::Begins(bytes(begin)),
            (Some(end), None) => Pattern::Ends(bytes(end)),
            (None, None) => Pattern::Equals(bytes(text)),
        }
    }

    #[inline]
    fn holds(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Pattern::Absent, value) => value.is_none(),
            (_, None) => false,
            (Pattern::Present, Some(_)) => true,
            (Pattern::Equals(text), Some(value)) => **text == *value,
            (Pattern::Begins(text), Some(value)) => value.starts_with(text),
            (Pattern::Ends(text), Some(value)) => value.ends_with(text),
        }
    }
}

/// Alternatives of conditions on a frame's keys.
#[derive(Clone, Debug)]
pub(crate) struct When(Vec<Vec<(usize, Pattern)>>);

impl When {
    pub(crate) fn compile(spec: &OneOrMany<WhenSpec>, key_names: &[String]) -> Result<Self, VenueError> {
        let alternative = |when: &WhenSpec| -> Result<Vec<(usize, Pattern)>, VenueError> {
            let condition = |(name, text): (&String, &String)| {
                let key = key_names.iter().position(|other| other == name);
                let key = key.ok_or_else(|| VenueError::mapping(format!("`when` names no key: `{name}`")))?;
                Ok((key, Pattern::parse(text)))
            };
            when.iter().map(condition).collect()
        };
        spec.to_vec().iter().map(alternative).collect::<Result<_, _>>().map(Self)
    }

    #[inline]
    pub(crate) fn holds(&self, keys: &Keys<'_>) -> bool {
        self.0.iter().any(|all| all.iter().all(|(key, pattern)| pattern.holds(keys[*key])))
    }
}

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
    pub(crate) merge_full: Option<When>,
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
        let merge_full = spec.merge.as_ref().map(|merge| OneOrMany::One(merge.full_when.clone()));
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
            merge_full: merge_full.map(|full| When::compile(&full, key_names)).transpose()?,
            trade: spec.trade.as_ref().map(|spec| trade(&mut scope, spec)).transpose()?,
            quote: spec.quote.as_ref().map(|spec| quote(&mut scope, spec)).transpose()?,
            book: spec.book.as_ref().map(|spec| book(&mut scope, spec)).transpose()?,
            candle: spec.candle.as_ref().map(|spec| candle(&mut scope, spec)).transpose()?,
            mark: spec.mark.as_ref().map(|spec| mark(&mut scope, spec)).transpose()?,
            funding: spec.funding.as_ref().map(|spec| funding(&mut scope, spec)).transpose()?,
            open_interest: spec.open_interest.as_ref().map(|spec| open_interest(&mut scope, spec)).transpose()?,
            liquidation: spec.liquidation.as_ref().map(|spec| liquidation(&mut scope, spec)).transpose()?,
            program: scope.program,
        })
    }
}

fn trade(scope: &mut Scope<'_>, spec: &TradeSpec) -> Result<TradeMap, VenueError> {
    let mut flags = Vec::new();
    for flag in &spec.flags {
        let bit = named("trade flag", &flag.flag, flag_bit)?;
        let field = scope.field("flags", &path_field(&flag.path))?;
        flags.push(Flag { field, equals: flag.equals.as_bytes().into(), bit });
    }
    let mut skip = Vec::new();
    for rule in &spec.skip {
        skip.push((scope.field("skip", &path_field(&rule.path))?, rule.equals.as_bytes().into()));
    }
    Ok(TradeMap {
        id: scope.option("trade.id", spec.id.as_ref())?,
        first_id: scope.option("trade.first_id", spec.first_id.as_ref())?,
        last_id: scope.option("trade.last_id", spec.last_id.as_ref())?,
        count: scope.option("trade.count", spec.count.as_ref())?,
        side: scope.field("trade.side", &spec.side)?,
        price: scope.field("trade.price", &spec.price)?,
        quantity: scope.field("trade.quantity", &spec.quantity)?,
        flags,
        skip,
    })
}

fn path_field(path: &str) -> crate::spec::FieldSpec {
    let mut field = crate::spec::FieldSpec::default();
    field.table.path.0.push(path.to_owned());
    field
}

/// Bits of the trade row's `flags` column.
fn flag_bit(name: &str) -> Option<u16> {
    Some(match name {
        "liquidation" => 1,
        "auto_deleveraging" => 2,
        "block" => 4,
        "insurance" => 8,
        "cancelled" => 16,
        "amended" => 32,
        "retail" => 64,
        "other" => 128,
        _ => return None,
    })
}

fn quote(scope: &mut Scope<'_>, spec: &QuoteSpec) -> Result<QuoteMap, VenueError> {
    Ok(QuoteMap {
        sequence: scope.option("quote.sequence", spec.sequence.as_ref())?,
        bid_price: scope.option("quote.bid_price", spec.bid_price.as_ref())?,
        bid_quantity: scope.option("quote.bid_quantity", spec.bid_quantity.as_ref())?,
        ask_price: scope.option("quote.ask_price", spec.ask_price.as_ref())?,
        ask_quantity: scope.option("quote.ask_quantity", spec.ask_quantity.as_ref())?,
    })
}

fn book(scope: &mut Scope<'_>, spec: &BookSpec) -> Result<BookMap, VenueError> {
    scope.program.row_levels(&Path::parse(&spec.bids)?, 0)?;
    scope.program.row_levels(&Path::parse(&spec.asks)?, 1)?;
    let checksum = match &spec.checksum {
        Some(sum) => Some((scope.field("book.checksum", &sum.value)?, sum.kind, sum.depth)),
        None => None,
    };
    let rest = match &spec.rest {
        Some(rest) => {
            let shape = LevelShape::new(Path::parse(&spec.level.price)?, Path::parse(&spec.level.quantity)?);
            let mut program = Program::new(None, shape);
            program.row_levels(&Path::parse(&rest.bids)?, 0)?;
            program.row_levels(&Path::parse(&rest.asks)?, 1)?;
            let time = rest.time.as_ref().map(|time| -> Result<_, VenueError> {
                let path = time.table.path.0.first().map_or("", String::as_str);
                Ok((Path::parse(path)?, time.table.unit.unwrap_or(scope.time_unit)))
            });
            Some(RestMap {
                request: rest.request.clone(),
                last: Path::parse(&rest.last)?,
                time: time.transpose()?,
                bridge: rest.bridge,
                depth_limit: rest.depth_limit,
                program,
            })
        }
        None => None,
    };
    Ok(BookMap {
        action: scope.option("book.action", spec.action.as_ref())?,
        first: scope.option("book.first", spec.first.as_ref())?,
        last: scope.option("book.last", spec.last.as_ref())?,
        previous: scope.option("book.previous", spec.previous.as_ref())?,
        continuity: spec.continuity,
        snapshot_at: spec.snapshot_at,
        checksum,
        depth_limit: scope.option("book.depth_limit", spec.depth_limit.as_ref())?,
        rest,
        as_quote: spec.as_quote,
    })
}

fn candle(scope: &mut Scope<'_>, spec: &CandleSpec) -> Result<CandleMap, VenueError> {
    Ok(CandleMap {
        interval: scope.field("candle.interval", &spec.interval)?,
        open_time: scope.field("candle.open_time", &spec.open_time)?,
        open: scope.field("candle.open", &spec.open)?,
        high: scope.field("candle.high", &spec.high)?,
        low: scope.field("candle.low", &spec.low)?,
        close: scope.field("candle.close", &spec.close)?,
        volume: scope.field("candle.volume", &spec.volume)?,
        quote_volume: scope.option("candle.quote_volume", spec.quote_volume.as_ref())?,
        taker_buy_volume: scope.option("candle.taker_buy_volume", spec.taker_buy_volume.as_ref())?,
        trade_count: scope.option("candle.trade_count", spec.trade_count.as_ref())?,
        closed: scope.field("candle.closed", &spec.closed)?,
    })
}

fn mark(scope: &mut Scope<'_>, spec: &MarkSpec) -> Result<MarkMap, VenueError> {
    Ok(MarkMap {
        mark_price: scope.option("mark.mark_price", spec.mark_price.as_ref())?,
        index_price: scope.option("mark.index_price", spec.index_price.as_ref())?,
        estimated_settle_price: scope
            .option("mark.estimated_settle_price", spec.estimated_settle_price.as_ref())?,
    })
}

fn funding(scope: &mut Scope<'_>, spec: &FundingSpec) -> Result<FundingMap, VenueError> {
    Ok(FundingMap {
        rate: scope.option("funding.rate", spec.rate.as_ref())?,
        absolute_rate: scope.option("funding.absolute_rate", spec.absolute_rate.as_ref())?,
        stage: named("funding stage", &spec.stage, FundingStage::from_name)?,
        settles_at: scope.option("funding.settles_at", spec.settles_at.as_ref())?,
        interval: scope.option("funding.interval", spec.interval.as_ref())?,
        next_settles_at: scope.option("funding.next_settles_at", spec.next_settles_at.as_ref())?,
        mark_price: scope.option("funding.mark_price", spec.mark_price.as_ref())?,
    })
}

fn open_interest(scope: &mut Scope<'_>, spec: &OpenInterestSpec) -> Result<OpenInterestMap, VenueError> {
    Ok(OpenInterestMap {
        quantity: scope.option("open_interest.quantity", spec.quantity.as_ref())?,
        value: scope.option("open_interest.value", spec.value.as_ref())?,
        value_currency: spec.value_currency.clone(),
    })
}

fn liquidation(scope: &mut Scope<'_>, spec: &LiquidationSpec) -> Result<LiquidationMap, VenueError> {
    Ok(LiquidationMap {
        id: scope.option("liquidation.id", spec.id.as_ref())?,
        side: scope.field("liquidation.side", &spec.side)?,
        price: scope.field("liquidation.price", &spec.price)?,
        average_price: scope.option("liquidation.average_price", spec.average_price.as_ref())?,
        quantity: scope.field("liquidation.quantity", &spec.quantity)?,
        sampled: spec.sampled,
    })
}
