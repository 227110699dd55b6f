//! Histories: whatever the window and however the pages fall, every row comes once; and what cannot be right is refused.
//!
//! The answers follow the exchanges' documentation; a small server of each resource's rules stands in for them.

use std::sync::Arc;

use kt_model::schema::Kind;
use kt_model::{Event, IntervalSource, Nanos, Origin};
use kt_venue::{Catalogue, ErrorKind, HistoryPager, InstrumentInfo, Mapping, Stamp, builtin};
use proptest::prelude::*;

const MILLI: i64 = 1_000_000;
const MINUTE: i64 = 60_000;
/// Rows of a page in these tests: small, so that there are many.
const LIMIT: usize = 4;
const BEGIN: i64 = 1_785_000_000_000;

/// A resource under test.
#[derive(Clone, Copy, Debug)]
enum Resource {
    BinanceTrades,
    BinanceFunding,
    OkxTrades,
    OkxCandles,
    BybitCandles,
    BybitFunding,
}

const RESOURCES: [Resource; 6] = [
    Resource::BinanceTrades,
    Resource::BinanceFunding,
    Resource::OkxTrades,
    Resource::OkxCandles,
    Resource::BybitCandles,
    Resource::BybitFunding,
];

impl Resource {
    /// Venue, segment, symbol, kind.
    fn place(self) -> (&'static str, &'static str, &'static str, Kind) {
        match self {
            Self::BinanceTrades => ("binance", "spot", "BTCUSDT", Kind::Trade),
            Self::BinanceFunding => ("binance_usdm", "usdm", "BTCUSDT", Kind::Funding),
            Self::OkxTrades => ("okx", "public", "BTC-USDT", Kind::Trade),
            Self::OkxCandles => ("okx", "public", "BTC-USDT", Kind::Candle),
            Self::BybitCandles => ("bybit", "linear", "BTCUSDT", Kind::Candle),
            Self::BybitFunding => ("bybit", "linear", "BTCUSDT", Kind::Funding),
        }
    }

    /// Times of all rows there are, in milliseconds.
    fn times(self, steps: &[i64]) -> Vec<i64> {
        let unit = match self.place().3 {
            Kind::Trade => 1,
            Kind::Candle => MINUTE,
            _ => 8 * 60 * MINUTE,
        };
        let begin = BEGIN - BEGIN.rem_euclid(unit);
        let steps = steps.iter().map(|step| if unit == 1 { *step } else { 1 + step % 3 });
        steps
            .scan(begin, |at, step| {
                *at += step * unit;
                Some(*at)
            })
            .collect()
    }

    /// The answer to a request, as the exchange documents it.
    fn answer(self, url: &str, times: &[i64]) -> String {
        let number = |name: &str| -> Option<i64> {
            let query = url.split_once('?').map_or("", |(_, query)| query);
            query.split('&').find_map(|part| part.strip_prefix(&format!("{name}=")))?.parse().ok()
        };
        assert_eq!(number("limit"), Some(LIMIT as i64), "{url}");
        let rows = times.iter().enumerate().map(|(index, at)| (7_000 + index as i64, *at));
        let within = |from: Option<i64>, to: Option<i64>| {
            move |row: &(i64, i64)| from.is_none_or(|from| row.1 >= from) && to.is_none_or(|to| row.1 <= to)
        };
        let (oldest_first, mut chosen): (bool, Vec<(i64, i64)>) = match self {
            Self::BinanceTrades => match number("fromId") {
                Some(id) => (true, rows.filter(|row| row.0 >= id).collect()),
                None => {
                    let (from, to) = (number("startTime"), number("endTime"));
                    assert!(to.zip(from).is_some_and(|(to, from)| to - from < 3_600_000), "{url}");
                    (true, rows.filter(within(from, to)).collect())
                }
            },
            Self::BinanceFunding => (true, rows.filter(within(number("startTime"), number("endTime"))).collect()),
            Self::OkxTrades => match number("type") {
                Some(1) => (false, rows.filter(|row| Some(row.0) < number("after")).collect()),
                _ => (false, rows.filter(|row| Some(row.1) < number("after")).collect()),
            },
            Self::OkxCandles => {
                (false, rows.filter(|row| Some(row.1) < number("after") && Some(row.1) > number("before")).collect())
            }
            Self::BybitCandles => (false, rows.filter(within(number("start"), number("end"))).collect()),
            Self::BybitFunding => (false, rows.filter(within(number("startTime"), number("endTime"))).collect()),
        };
        if !oldest_first {
            chosen.reverse();
        }
        chosen.truncate(LIMIT);
        let list: Vec<String> = chosen.iter().map(|row| self.row(*row)).collect();
        let list = format!("[{}]", list.join(","));
        match self {
            Self::BinanceTrades | Self::BinanceFunding => list,
            Self::OkxTrades | Self::OkxCandles => format!(r#"{{"code":"0","msg":"","data":{list}}}"#),
            Self::BybitCandles | Self::BybitFunding => {
                format!(
                    r#"{{"retCode":0,"retMsg":"OK","result":{{"category":"linear","list":{list}}},"retExtInfo":{{}},"time":1}}"#
                )
            }
        }
    }

    fn row(self, (id, at): (i64, i64)) -> String {
        match self {
            Self::BinanceTrades => {
                format!(
                    r#"{{"a":{id},"p":"0.01633102","q":"4.70443515","f":{id},"l":{id},"T":{at},"m":true,"M":true}}"#
                )
            }
            Self::BinanceFunding => {
                format!(
                    r#"{{"symbol":"BTCUSDT","fundingRate":"-0.03750000","fundingTime":{at},"markPrice":"34287.54619963"}}"#
                )
            }
            Self::OkxTrades => format!(
                r#"{{"instId":"BTC-USDT","side":"sell","sz":"0.00001","px":"29963.2","source":"0","tradeId":"{id}","ts":"{at}"}}"#
            ),
            Self::OkxCandles => format!(
                r#"["{at}","3.721","3.743","3.677","3.708","8422410","22698348.04828491","12698348.04828491","1"]"#
            ),
            Self::BybitCandles => format!(r#"["{at}","17071","17073","17027","17055.5","268611","15.74462667"]"#),
            Self::BybitFunding => {
                format!(r#"{{"symbol":"BTCUSDT","fundingRate":"0.0001","fundingRateTimestamp":"{at}"}}"#)
            }
        }
    }
}

/// The built-in mapping with small pages.
fn mapping(venue: &str) -> Arc<Mapping> {
    let text = kt_venue::builtin_text(venue).expect("a mapping");
    let mut small = String::new();
    for line in text.lines() {
        small.push_str(if line.starts_with("limit = ") { "limit = 4" } else { line });
        small.push('\n');
    }
    Arc::new(Mapping::parse(&small).expect("a valid mapping"))
}

fn info(mapping: &Mapping, segment: &str, symbol: &str) -> InstrumentInfo {
    let mut catalogue = Catalogue::new(mapping);
    let known =
        catalogue.assume(mapping, segment, symbol) || catalogue.assume(mapping, segment, &format!("{symbol}-SWAP"));
    assert!(known, "{symbol}");
    catalogue.find(segment, symbol).expect("known").clone()
}

/// What a walk brought: key of each row (a candle's begin), whether its interval is known.
fn walk(resource: Resource, times: &[i64], window: (i64, i64)) -> Result<Vec<(i64, bool)>, kt_venue::VenueError> {
    let (venue, segment, symbol, kind) = resource.place();
    let mapping = mapping(venue);
    let info = info(&mapping, segment, symbol);
    let window = (Nanos(window.0 * MILLI), Nanos(window.1 * MILLI));
    let mut pager = HistoryPager::new(mapping, kind, segment, &info, window)?;
    let mut seen = Vec::new();
    let mut requests = 0;
    while let Some(url) = pager.next_url() {
        requests += 1;
        assert!(requests < 1_000, "{resource:?}: no end at {url}");
        let body = resource.answer(&url, times);
        let remaining = pager.remaining();
        pager.take(body.as_bytes(), Nanos(i64::MAX), &mut |event: &Event<'_>| {
            assert_eq!(event.header().origin, Origin::Backfill);
            seen.push(match event {
                Event::Candle(candle) => {
                    assert_eq!(candle.header.event_ts.0, candle.open_ts.0 + MINUTE * MILLI, "its key is its end");
                    (candle.open_ts.0 / MILLI, true)
                }
                Event::Funding(row) => {
                    assert_eq!(row.settles_at, Some(row.header.event_ts));
                    (row.header.event_ts.0 / MILLI, row.interval_source == IntervalSource::Inferred)
                }
                other => (other.header().event_ts.0 / MILLI, true),
            });
        })?;
        assert!(
            pager.next_url().is_none() || pager.remaining() != remaining || resource.place().3 == Kind::Trade,
            "no step at {url}"
        );
    }
    Ok(seen)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_row_of_the_window_comes_once(
        which in 0..RESOURCES.len(),
        steps in proptest::collection::vec(0i64..900_000, 0..40),
        ends in (0usize..45, 0usize..45, -1i64..2, -1i64..2),
    ) {
        let resource = RESOURCES[which];
        let times = resource.times(&steps);
        let at = |index: usize| times.get(index).copied().unwrap_or(BEGIN + 40 * 900_000 * if index > 40 { 3 } else { 1 });
        let (one, other) = (at(ends.0) + ends.2, at(ends.1) + ends.3);
        let window = (one.min(other), one.max(other));
        let seen = walk(resource, &times, window).expect("a right history is believed");
        let expected: Vec<i64> = times.iter().copied().filter(|at| *at >= window.0 && *at <= window.1).collect();
        let mut keys: Vec<i64> = seen.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        prop_assert_eq!(&keys, &expected, "{:?} {:?}", resource, window);
        if resource.place().3 == Kind::Funding {
            // Only the oldest has no settlement before it; two or three steps of 8 h are holes, not intervals.
            for (key, known) in seen {
                let before = times.iter().rev().find(|at| **at < key && **at >= window.0);
                prop_assert_eq!(known, before.is_some_and(|at| key - at == 8 * 60 * MINUTE), "{:?} {}", resource, key);
            }
        }
    }
}

#[test]
fn what_cannot_be_right_is_refused() {
    let refused = |resource: Resource, body: &str| {
        let (venue, segment, symbol, kind) = resource.place();
        let mapping = mapping(venue);
        let info = info(&mapping, segment, symbol);
        let window = (Nanos(BEGIN * MILLI), Nanos((BEGIN + 10_000) * MILLI));
        let mut pager = HistoryPager::new(mapping, kind, segment, &info, window).expect("served");
        let error = pager.take(body.as_bytes(), Nanos(i64::MAX), &mut |_| {}).expect_err(body);
        assert!(pager.next_url().is_some(), "the page can be asked for again");
        error.kind
    };
    let trades = |ids: &[i64]| {
        let rows: Vec<String> = ids.iter().map(|id| Resource::BinanceTrades.row((*id, BEGIN + 5))).collect();
        format!("[{}]", rows.join(","))
    };
    let binance = Resource::BinanceTrades;
    assert_eq!(refused(binance, &trades(&[1, 2, 4])), ErrorKind::Malformed, "skips an id");
    assert_eq!(refused(binance, &trades(&[2, 1])), ErrorKind::Malformed, "out of order");
    assert_eq!(refused(binance, &trades(&[1, 2, 3, 4, 5])), ErrorKind::Malformed, "more than asked for");
    assert_eq!(refused(binance, &trades(&[1, 2]).replace("17850", "17840")), ErrorKind::Malformed, "another time");
    assert_eq!(refused(binance, r#"{"code":-1121,"msg":"Invalid symbol."}"#), ErrorKind::Malformed);
    assert_eq!(refused(binance, &trades(&[1, 2])[..40]), ErrorKind::Malformed, "cut");
    assert_eq!(refused(binance, "<html>"), ErrorKind::Malformed);
    let other = Resource::BinanceFunding.row((0, BEGIN + 5)).replace("BTCUSDT", "ETHUSDT");
    assert_eq!(refused(Resource::BinanceFunding, &format!("[{other}]")), ErrorKind::Malformed, "another symbol");
    assert_eq!(
        refused(Resource::OkxTrades, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#),
        ErrorKind::Busy
    );
    assert_eq!(
        refused(Resource::OkxTrades, r#"{"code":"51001","msg":"no such instrument","data":[]}"#),
        ErrorKind::Malformed
    );
}

#[test]
fn a_venue_that_serves_the_newest_only_says_so() {
    let mapping = mapping("bybit");
    let info = info(&mapping, "linear", "BTCUSDT");
    let rows: Vec<String> = (0..4)
        .map(|index| {
            format!(
                r#"{{"execId":"e{index}","symbol":"BTCUSDT","price":"16618.49","size":"0.1","side":"Buy","time":"{}","isBlockTrade":false,"isRPITrade":true}}"#,
                BEGIN - index * 10
            )
        })
        .collect();
    let body = format!(r#"{{"retCode":0,"retMsg":"OK","result":{{"category":"linear","list":[{}]}}}}"#, rows.join(","));
    let walk = |from: i64| {
        let window = (Nanos(from * MILLI), Nanos(BEGIN * MILLI));
        let mut pager = HistoryPager::new(mapping.clone(), Kind::Trade, "linear", &info, window).expect("served");
        let mut flags = Vec::new();
        let taken = pager.take(body.as_bytes(), Nanos(i64::MAX), &mut |event: &Event<'_>| {
            let Event::Trade(trade) = event else { panic!("a trade") };
            flags.push(trade.flags);
        });
        (taken.map(|page| page.events).map_err(|error| error.kind), flags)
    };
    assert_eq!(walk(BEGIN - 20), (Ok(3), vec![64; 3]), "retail price improvement");
    assert_eq!(walk(BEGIN - 31).0, Err(ErrorKind::Beyond));
}

#[test]
fn a_failed_or_partial_instrument_list_closes_nothing() {
    let mapping = builtin("binance").expect("a mapping");
    let row = |symbol: &str, base: &str, status: &str| {
        format!(r#"{{"symbol":"{symbol}","status":"{status}","baseAsset":"{base}","quoteAsset":"USDT","filters":[]}}"#)
    };
    let list = |rows: &[String]| format!(r#"{{"symbols":[{}]}}"#, rows.join(","));
    let whole = list(&[row("BTCUSDT", "BTC", "TRADING"), row("ETHUSDT", "ETH", "TRADING")]);
    let mut catalogue = Catalogue::new(&mapping);
    let read = |body: &str, catalogue: &mut Catalogue| {
        let mut stated = Vec::new();
        let read = catalogue.read(
            &mapping,
            "exchangeInfo",
            body.as_bytes(),
            Nanos(1),
            Stamp::default(),
            &mut |event: &Event<'_>| {
                let Event::Instrument(row) = event else { panic!("an instrument") };
                stated.push((row.symbol.to_owned(), row.status.as_str()));
            },
        );
        (read.is_ok(), stated)
    };
    assert!(read(&whole, &mut catalogue).0);
    // Failed: cut in the middle, an error body, nothing at all. Not one row may come of it.
    for body in [&whole[..whole.len() - 20], r#"{"code":-1003,"msg":"Too many requests"}"#, "", "{}"] {
        assert_eq!(read(body, &mut catalogue), (false, Vec::new()), "{body}");
    }
    // Partial: what it does not name keeps its status; nothing is stated of it.
    let (taken, stated) = read(&list(&[row("BTCUSDT", "BTC", "TRADING")]), &mut catalogue);
    assert!(taken && stated == [("BTCUSDT".to_owned(), "trading")], "{stated:?}");
    assert_eq!(read(&list(&[]), &mut catalogue), (true, Vec::new()));
    let statuses: Vec<_> = ["BTCUSDT", "ETHUSDT"]
        .map(|symbol| catalogue.find("spot", symbol).map(|info| info.status.as_str()))
        .into_iter()
        .collect();
    assert_eq!(statuses, [Some("trading"), Some("trading")]);
}
