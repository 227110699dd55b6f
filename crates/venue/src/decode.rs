//! From a scanned row to events.

use crate::catalogue::InstrumentInfo;
use crate::channel::{CandleMap, FundingMap, LiquidationMap, MarkMap, OpenInterestMap, QuoteMap, TradeMap};
use crate::error::Fault;
use crate::fields::{self, Context, Field, choice};
use kt_model::{
    Candle, Funding, Header, InstrumentType, IntervalSource, Label, Liquidation, Mark, Nanos, OpenInterest, Quote,
    Side, Trade,
};

/// A trade, or `None` where the mapping says that the row is none.
#[inline]
pub(crate) fn trade<'a>(
    map: &'a TradeMap,
    context: &Context<'a>,
    header: Header<'a>,
    info: &InstrumentInfo,
) -> Result<Option<Trade<'a>>, Fault> {
    if map.skip.iter().any(|(field, text)| field.text(context) == Some(&**text)) {
        return Ok(None);
    }
    let first = fields::number(&map.first_id, context)?;
    let last = fields::number(&map.last_id, context)?;
    let trade_count = match (first, last) {
        (Some(first), Some(last)) => last.checked_sub(first).and_then(|span| u32::try_from(span + 1).ok()),
        _ => match fields::number(&map.count, context)? {
            Some(count) => u32::try_from(count).ok().filter(|count| *count > 0),
            None => Some(1),
        },
    };
    let raised = map.flags.iter().filter(|flag| flag.field.text(context) == Some(&*flag.equals));
    Ok(Some(Trade {
        header,
        trade_id: map.id.as_ref().map_or(Ok(""), |field| field.string(context))?,
        first_trade_id: first,
        trade_count: trade_count.ok_or(Fault::Invalid("trade.last_id"))?,
        side: choice(&map.side, context, Side::from_name)?,
        price: map.price.required(context)?,
        quantity: map.quantity.required(context)?,
        quantity_unit: info.quantity_unit,
        flags: raised.fold(0, |bits, flag| bits | flag.bit),
    }))
}

/// Whether this frame itself has one of the fields: a merged state alone is no news.
fn any_fresh(fields: &[&Option<Field>], context: &Context<'_>) -> bool {
    fields.iter().any(|field| field.as_ref().is_some_and(|field| field.is_fresh(context)))
}

/// Best bid and offer, or `None` where the frame says nothing of them.
#[inline]
pub(crate) fn quote<'a>(
    map: &QuoteMap,
    context: &Context<'a>,
    header: Header<'a>,
    info: &InstrumentInfo,
) -> Result<Option<Quote<'a>>, Fault> {
    if !any_fresh(&[&map.bid_price, &map.bid_quantity, &map.ask_price, &map.ask_quantity], context) {
        return Ok(None);
    }
    Ok(Some(Quote {
        header,
        sequence: fields::number(&map.sequence, context)?.unwrap_or(0),
        bid_price: fields::decimal(&map.bid_price, context)?,
        bid_quantity: fields::decimal(&map.bid_quantity, context)?,
        ask_price: fields::decimal(&map.ask_price, context)?,
        ask_quantity: fields::decimal(&map.ask_quantity, context)?,
        quantity_unit: info.quantity_unit,
    }))
}

/// A candle. A closed one's key time is the end of its interval, so that live rows and those of the venue's history
/// meet on one key.
pub(crate) fn candle<'a>(
    map: &CandleMap,
    context: &Context<'a>,
    header: Header<'a>,
    info: &InstrumentInfo,
) -> Result<Candle<'a>, Fault> {
    let interval = map.interval.number(context)?.and_then(|seconds| u32::try_from(seconds).ok());
    let interval_seconds = interval.ok_or(Fault::Invalid("candle.interval"))?;
    let open_ts = map.open_time.time(context)?.ok_or(Fault::Missing("candle.open_time"))?;
    let closed = choice(&map.closed, context, |text| text.parse::<bool>().ok())?;
    let end = Nanos(open_ts.0.saturating_add(i64::from(interval_seconds) * 1_000_000_000));
    Ok(Candle {
        header: Header { event_ts: if closed { end } else { header.event_ts }, ..header },
        interval_seconds,
        open_ts,
        open: map.open.required(context)?,
        high: map.high.required(context)?,
        low: map.low.required(context)?,
        close: map.close.required(context)?,
        volume: map.volume.required(context)?,
        quantity_unit: info.quantity_unit,
        quote_volume: fields::decimal(&map.quote_volume, context)?,
        taker_buy_volume: fields::decimal(&map.taker_buy_volume, context)?,
        trade_count: fields::number(&map.trade_count, context)?,
        closed,
    })
}

/// Mark and index price, or `None` where the frame says nothing of them.
pub(crate) fn mark<'a>(map: &MarkMap, context: &Context<'a>, header: Header<'a>) -> Result<Option<Mark<'a>>, Fault> {
    if !any_fresh(&[&map.mark_price, &map.index_price, &map.estimated_settle_price], context) {
        return Ok(None);
    }
    Ok(Some(Mark {
        header,
        mark_price: fields::decimal(&map.mark_price, context)?,
        index_price: fields::decimal(&map.index_price, context)?,
        estimated_settle_price: fields::decimal(&map.estimated_settle_price, context)?,
    }))
}

/// What is known of an instrument's funding beside the message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FundingMemory {
    settles_at: Option<Nanos>,
    observed_seconds: Option<u32>,
}

impl FundingMemory {
    /// A settlement was seen; of the step before it nothing is known.
    pub(crate) fn settled_at(settles_at: Option<Nanos>) -> Self {
        Self { settles_at, observed_seconds: None }
    }
}

/// Seconds between two settlements.
fn between(from: Option<Nanos>, to: Option<Nanos>) -> Option<u32> {
    let nanos = to?.0.checked_sub(from?.0)?;
    u32::try_from(nanos / 1_000_000_000).ok().filter(|seconds| *seconds > 0)
}

/// A funding rate, or `None` where the frame has none.
pub(crate) fn funding<'a>(
    map: &FundingMap,
    context: &Context<'a>,
    header: Header<'a>,
    info: &InstrumentInfo,
    memory: &mut FundingMemory,
) -> Result<Option<Funding<'a>>, Fault> {
    // Venues send a rate of 0 for contracts that have no funding.
    let has_funding = info.instrument_type == InstrumentType::Perpetual;
    if !has_funding || !any_fresh(&[&map.rate, &map.absolute_rate, &map.settles_at, &map.interval], context) {
        return Ok(None);
    }
    let rate = fields::decimal(&map.rate, context)?;
    let absolute_rate = fields::decimal(&map.absolute_rate, context)?;
    if rate.is_none() && absolute_rate.is_none() {
        return Ok(None);
    }
    let settles_at = fields::time(&map.settles_at, context)?;
    // The settlement moves on by one interval when it has passed.
    if let Some(seconds) = between(memory.settles_at, settles_at) {
        memory.observed_seconds = Some(seconds);
    }
    memory.settles_at = settles_at.or(memory.settles_at);
    let stated = fields::time(&map.interval, context)?;
    let stated = stated.and_then(|time| u32::try_from(time.0 / 1_000_000_000).ok()).filter(|seconds| *seconds > 0);
    let inferred = between(settles_at, fields::time(&map.next_settles_at, context)?).or(memory.observed_seconds);
    let (interval_seconds, interval_source) = match (stated, info.funding_interval_seconds, inferred) {
        (Some(seconds), _, _) => (Some(seconds), IntervalSource::Venue),
        (None, Some(seconds), _) => (Some(seconds), IntervalSource::Reference),
        (None, None, Some(seconds)) => (Some(seconds), IntervalSource::Inferred),
        (None, None, None) => (None, IntervalSource::Unknown),
    };
    Ok(Some(Funding {
        header,
        rate,
        absolute_rate,
        stage: map.stage,
        settles_at,
        interval_seconds,
        interval_source,
        mark_price: fields::decimal(&map.mark_price, context)?,
    }))
}

/// Open interest, or `None` where the frame says nothing of it.
pub(crate) fn open_interest<'a>(
    map: &'a OpenInterestMap,
    context: &Context<'a>,
    header: Header<'a>,
    info: &'a InstrumentInfo,
) -> Result<Option<OpenInterest<'a>>, Fault> {
    if !any_fresh(&[&map.quantity, &map.value], context) {
        return Ok(None);
    }
    let currency = match map.value_currency.as_deref() {
        Some("base") => &info.base,
        Some("quote") => &info.quote,
        Some(currency) => currency,
        None => "",
    };
    let value = fields::decimal(&map.value, context)?;
    Ok(Some(OpenInterest {
        header,
        quantity: fields::decimal(&map.quantity, context)?,
        quantity_unit: info.quantity_unit,
        value,
        value_currency: Label(if value.is_some() { currency } else { "" }),
    }))
}

/// A forced order.
pub(crate) fn liquidation<'a>(
    map: &'a LiquidationMap,
    context: &Context<'a>,
    header: Header<'a>,
    info: &InstrumentInfo,
) -> Result<Liquidation<'a>, Fault> {
    Ok(Liquidation {
        header,
        order_id: map.id.as_ref().map_or(Ok(""), |field| field.string(context))?,
        side: choice(&map.side, context, Side::from_name)?,
        price: map.price.required(context)?,
        average_price: fields::decimal(&map.average_price, context)?,
        quantity: map.quantity.required(context)?,
        quantity_unit: info.quantity_unit,
        sampled: map.sampled,
    })
}
