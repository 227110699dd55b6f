//! Compiling what a channel says about each kind of event.

use super::maps::{
    BookMap, CandleMap, Flag, FundingMap, LiquidationMap, MarkMap, OpenInterestMap, QuoteMap, RestMap, TradeMap,
};
use super::named;
use crate::error::VenueError;
use crate::fields::Scope;
use crate::path::Path;
use crate::program::{LevelShape, Program};
use crate::spec::{
    BookSpec, CandleSpec, FundingSpec, LiquidationSpec, MarkSpec, OpenInterestSpec, QuoteSpec, TradeSpec,
};
use kt_model::FundingStage;

pub(super) fn trade(scope: &mut Scope<'_>, spec: &TradeSpec) -> Result<TradeMap, VenueError> {
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
        contiguous: spec.contiguous,
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

pub(super) fn quote(scope: &mut Scope<'_>, spec: &QuoteSpec) -> Result<QuoteMap, VenueError> {
    Ok(QuoteMap {
        sequence: scope.option("quote.sequence", spec.sequence.as_ref())?,
        bid_price: scope.option("quote.bid_price", spec.bid_price.as_ref())?,
        bid_quantity: scope.option("quote.bid_quantity", spec.bid_quantity.as_ref())?,
        ask_price: scope.option("quote.ask_price", spec.ask_price.as_ref())?,
        ask_quantity: scope.option("quote.ask_quantity", spec.ask_quantity.as_ref())?,
    })
}

pub(super) fn book(scope: &mut Scope<'_>, spec: &BookSpec) -> Result<BookMap, VenueError> {
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

pub(super) fn candle(scope: &mut Scope<'_>, spec: &CandleSpec) -> Result<CandleMap, VenueError> {
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

pub(super) fn mark(scope: &mut Scope<'_>, spec: &MarkSpec) -> Result<MarkMap, VenueError> {
    Ok(MarkMap {
        mark_price: scope.option("mark.mark_price", spec.mark_price.as_ref())?,
        index_price: scope.option("mark.index_price", spec.index_price.as_ref())?,
        estimated_settle_price: scope.option("mark.estimated_settle_price", spec.estimated_settle_price.as_ref())?,
    })
}

pub(super) fn funding(scope: &mut Scope<'_>, spec: &FundingSpec) -> Result<FundingMap, VenueError> {
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

pub(super) fn open_interest(scope: &mut Scope<'_>, spec: &OpenInterestSpec) -> Result<OpenInterestMap, VenueError> {
    Ok(OpenInterestMap {
        quantity: scope.option("open_interest.quantity", spec.quantity.as_ref())?,
        value: scope.option("open_interest.value", spec.value.as_ref())?,
        value_currency: spec.value_currency.clone(),
    })
}

pub(super) fn liquidation(scope: &mut Scope<'_>, spec: &LiquidationSpec) -> Result<LiquidationMap, VenueError> {
    Ok(LiquidationMap {
        id: scope.option("liquidation.id", spec.id.as_ref())?,
        side: scope.field("liquidation.side", &spec.side)?,
        price: scope.field("liquidation.price", &spec.price)?,
        average_price: scope.option("liquidation.average_price", spec.average_price.as_ref())?,
        quantity: scope.field("liquidation.quantity", &spec.quantity)?,
        sampled: spec.sampled,
    })
}
