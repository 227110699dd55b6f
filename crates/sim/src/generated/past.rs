//! The REST side of the past: trades and candles as they were sent, and settled funding rates.

use axum::http::StatusCode;

use super::Side;
use super::candle::{Candle, MINUTE};
use super::encode::{Decimal, Put, put};
use super::funding::Funding;
use super::listing::Listing;
use super::market::Market;
use super::tape::Aggregate;
use crate::command::Answer;
use crate::query::Target;

/// When the futures venue says that it listed its contracts; funding was settled since.
pub(super) const ONBOARD: i64 = 1_569_398_400_000;
const HOUR: i64 = 3_600_000;

/// A funding rate that was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// Milliseconds since the epoch.
    pub time: i64,
    /// In 1e-8.
    pub rate: i64,
    /// In 1e-8 USDT.
    pub mark: i64,
}

/// Settlements of one contract: those of the market's own time, and before it those that follow from the seed.
#[derive(Debug, Default)]
pub(crate) struct Settlements {
    next: Option<i64>,
    settled: Vec<Settlement>,
}

impl Settlements {
    /// The market's time is `now`: settles what has come due.
    pub fn pass(&mut self, funding: &Funding, now: i64) {
        let mut due = *self.next.get_or_insert_with(|| funding.next_settlement(now));
        while due <= now {
            self.settled.push(Settlement { time: due, rate: funding.rate, mark: funding.mark });
            due = funding.next_settlement(due);
        }
        self.next = Some(due);
    }

    /// When the market's own settlements begin.
    fn begin(&self) -> i64 {
        self.settled.first().map(|first| first.time).or(self.next).unwrap_or(i64::MAX)
    }
}

/// What a request asks for.
struct Wanted {
    from: Option<i64>,
    to: Option<i64>,
    limit: usize,
}

impl Wanted {
    fn read(target: &Target, default: usize, most: usize) -> Result<Self, Answer> {
        let number = |name: &str| match target.get(name).map(str::parse::<i64>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(refuse(-1100, &format!("Illegal characters found in parameter '{name}'."))),
        };
        let limit = number("limit")?.map_or(default, |limit| usize::try_from(limit).unwrap_or(0).min(most));
        if limit == 0 {
            return Err(refuse(-1130, "Data sent for parameter 'limit' is not valid."));
        }
        Ok(Self { from: number("startTime")?, to: number("endTime")?, limit })
    }
}

fn refuse(code: i64, message: &str) -> Answer {
    Answer::refuse(StatusCode::BAD_REQUEST, code, message)
}

/// `aggTrades`, `klines` and `fundingRate`; `None` for any other resource.
pub(super) fn answer(market: &Market, side: Side, resource: &str, target: &Target, now: i64) -> Option<Answer> {
    let listing = || {
        let found = target.get("symbol").and_then(|symbol| market.listing(side, symbol));
        found.ok_or_else(|| refuse(-1121, "Invalid symbol."))
    };
    let answered = match (resource, side) {
        ("aggTrades", _) => listing().and_then(|listing| trades(listing, target)),
        ("klines", _) => listing().and_then(|listing| candles(listing, target)),
        ("fundingRate", Side::Perpetual) => listing().and_then(|listing| fundings(market, listing, target, now)),
        _ => return None,
    };
    Some(answered.unwrap_or_else(|refusal| refusal))
}

fn trades(listing: &Listing, target: &Target) -> Result<Answer, Answer> {
    let wanted = Wanted::read(target, 500, 1000)?;
    let tape = &listing.tape;
    if let Some(id) = target.get("fromId") {
        let id = id.parse().map_err(|_| refuse(-1100, "Illegal characters found in parameter 'fromId'."))?;
        let rows =
            tape.beginning_at(id).ok_or_else(|| refuse(-1, "this simulator no longer keeps trades of that id"))?;
        return Ok(list(rows.take(wanted.limit), |buffer, row| trade(buffer, listing, row)));
    }
    let (Some(from), to) = (wanted.from, wanted.to.unwrap_or(i64::MAX)) else {
        return Ok(list(tape.newest(wanted.limit), |buffer, row| trade(buffer, listing, row)));
    };
    if wanted.to.is_some_and(|to| to - from > HOUR) {
        return Err(refuse(-1127, "More than 1 hours between startTime and endTime."));
    }
    check_kept(listing, from)?;
    let rows = tape.since(from).take_while(|row| row.time <= to).take(wanted.limit);
    Ok(list(rows, |buffer, row| trade(buffer, listing, row)))
}

fn check_kept(listing: &Listing, from: i64) -> Result<(), Answer> {
    match listing.tape.forgotten.filter(|forgotten| from <= *forgotten) {
        Some(forgotten) => {
            Err(refuse(-1, &format!("this simulator keeps the past of {} after {forgotten} only", listing.symbol)))
        }
        None => Ok(()),
    }
}

fn list<T>(rows: impl Iterator<Item = T>, write: impl Fn(&mut Vec<u8>, &T)) -> Answer {
    let mut buffer = vec![b'['];
    for (index, row) in rows.enumerate() {
        put!(&mut buffer, if index == 0 { "" } else { "," });
        write(&mut buffer, &row);
    }
    buffer.push(b']');
    Answer::ok(buffer)
}

fn trade(buffer: &mut Vec<u8>, listing: &Listing, row: &Aggregate) {
    let scale = &listing.scale;
    put!(buffer, "{\"a\":", row.id, ",\"p\":\"", scale.price(row.price), "\",\"q\":\"", scale.quantity(row.lots));
    put!(buffer, "\",\"f\":", row.first, ",\"l\":", row.last, ",\"T\":", row.time, ",\"m\":", row.buyer_is_maker);
    put!(buffer, if listing.place.side == Side::Spot { ",\"M\":true}" } else { "}" });
}

fn candles(listing: &Listing, target: &Target) -> Result<Answer, Answer> {
    if target.get("interval") != Some("1m") {
        return Err(refuse(-1120, "Invalid interval."));
    }
    let wanted = Wanted::read(target, 500, 1000)?;
    let to = wanted.to.unwrap_or(i64::MAX);
    let from = wanted.from.unwrap_or(i64::MIN);
    if wanted.from.is_some() {
        check_kept(listing, from)?;
    }
    let rows = listing.tape.candles(from).chain(&listing.candle).filter(|candle| candle.begin >= from);
    let rows = rows.take_while(|candle| candle.begin <= to);
    Ok(list(rows.take(wanted.limit), |buffer, candle| kline(buffer, listing, candle)))
}

fn kline(buffer: &mut Vec<u8>, listing: &Listing, candle: &Candle) {
    let scale = &listing.scale;
    let decimals = listing.turnover_decimals();
    let turnover = |value| Decimal(Candle::turnover_units(value, scale, decimals), decimals);
    put!(buffer, "[", candle.begin, ",\"", scale.price(candle.open), "\",\"", scale.price(candle.high));
    put!(buffer, "\",\"", scale.price(candle.low), "\",\"", scale.price(candle.close), "\",\"");
    put!(buffer, scale.quantity(candle.volume), "\",", candle.begin + MINUTE - 1, ",\"", turnover(candle.turnover));
    put!(buffer, "\",", candle.trades, ",\"", scale.quantity(candle.taker_volume), "\",\"");
    put!(buffer, turnover(candle.taker_turnover), "\",\"0\"]");
}

fn fundings(market: &Market, listing: &Listing, target: &Target, now: i64) -> Result<Answer, Answer> {
    let wanted = Wanted::read(target, 100, 1000)?;
    let index = listing.place.instrument;
    let (settlements, hours) = (&market.settlements[index], market.instruments[index].funding_hours);
    let interval = i64::from(hours) * HOUR;
    let to = wanted.to.unwrap_or(i64::MAX).min(now);
    let newest = i64::try_from(wanted.limit).unwrap_or(i64::MAX).saturating_mul(interval);
    let from = wanted.from.unwrap_or_else(|| to.saturating_sub(newest)).max(ONBOARD);
    let first = from + (interval - from.rem_euclid(interval)) % interval;
    let begin = settlements.begin();
    let before = (first..begin.min(to.saturating_add(1))).step_by(usize::try_from(interval).unwrap_or(usize::MAX));
    let before = before.map(|time| market.settlement_before(index, time));
    let own = settlements.settled.iter().copied().filter(|settled| settled.time >= from && settled.time <= to);
    Ok(list(before.chain(own).take(wanted.limit), |buffer, settled| {
        put!(buffer, "{\"symbol\":\"", listing.symbol.as_str(), "\",\"fundingTime\":", settled.time);
        put!(buffer, ",\"fundingRate\":\"", Decimal(settled.rate, 8), "\",\"markPrice\":\"", Decimal(settled.mark, 8));
        put!(buffer, "\"}");
    }))
}

impl Market {
    /// A settlement before the market's own time: determined by seed, contract and time alone.
    fn settlement_before(&self, index: usize, time: i64) -> Settlement {
        let instrument = &self.instruments[index];
        let mut state = self.seed ^ (index as u64) << 48 ^ time.unsigned_abs();
        let mut uniform = || {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        let price = instrument.price * (1.0 + uniform() * 0.6);
        let funding = Funding::new(instrument.funding_hours, price, instrument.basis + uniform() * 0.003);
        Settlement { time, rate: funding.rate, mark: funding.mark }
    }
}
