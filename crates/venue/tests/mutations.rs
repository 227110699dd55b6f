//! Whatever bytes arrive: no panic, and no number that the frame does not hold.

mod common;

use kt_model::{Event, Nanos};
use kt_venue::{Catalogue, RecordKind, Session, SessionConfig};
use proptest::prelude::*;
use std::collections::HashSet;

const VENUES: &[&str] = &["binance", "binance_usdm", "binance_coinm", "okx", "bybit"];

/// One frame of each channel, after the exchanges' documentation.
const FRAMES: &[(&str, &str)] = &[
    (
        "binance_usdm",
        r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":123456789,"s":"BTCUSDT","a":5933014,"p":"0.001","q":"100","f":100,"l":105,"T":123456785,"m":true}}"#,
    ),
    (
        "binance_usdm",
        r#"{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15","i":"11784.62","P":"11784.25","r":"0.00038167","T":1562306400000}}"#,
    ),
    (
        "binance",
        r#"{"stream":"bnbusdt@bookTicker","data":{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}}"#,
    ),
    (
        "okx",
        r#"{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","415","0","13"],["8477","7","0","2"]],"bids":[["8476.97","256","0","12"],["8475.55","101","0","1"]],"ts":"1597026383085","seqId":123456,"prevSeqId":-1}]}"#,
    ),
    (
        "okx",
        r#"{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3"}]}"#,
    ),
    (
        "bybit",
        r#"{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","markPrice":"17217.33","indexPrice":"17227.36","openInterest":"68744.761","openInterestValue":"1183601235.91","fundingIntervalHour":"8","nextFundingTime":"1673280000000","fundingRate":"-0.000212","bid1Price":"17215.50","bid1Size":"84.489","ask1Price":"17216.00","ask1Size":"83.020"},"cs":24987956059,"ts":1673272861686}"#,
    ),
];

fn session(venue: &str) -> Session {
    let mapping = common::mapping(venue);
    let segment = mapping.segment_names().next().expect("a segment").to_owned();
    let catalogue = Catalogue::new(&mapping);
    Session::new(mapping, catalogue, SessionConfig { segment, ..SessionConfig::default() }).expect("a session")
}

/// Every run of number characters of a frame, as a value with 18 digits.
fn numbers(frame: &[u8]) -> HashSet<i128> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    let mut values = HashSet::new();
    for run in frame.split(|byte| !is_number(byte)).filter(|run| !run.is_empty()) {
        values.extend(kt_model::Price::parse(run).ok().map(|value| value.0));
    }
    values
}

/// The event's prices and quantities.
fn values(event: &Event<'_>) -> Vec<i128> {
    let some = |values: &[Option<kt_model::Price>]| values.iter().flatten().map(|value| value.0).collect();
    match event {
        Event::Trade(row) => vec![row.price.0, row.quantity.0],
        Event::Quote(row) => some(&[row.bid_price, row.bid_quantity, row.ask_price, row.ask_quantity]),
        Event::Mark(row) => some(&[row.mark_price, row.index_price, row.estimated_settle_price]),
        Event::OpenInterest(row) => some(&[row.quantity, row.value]),
        Event::Liquidation(row) => vec![row.price.0, row.quantity.0],
        Event::Candle(row) => vec![row.open.0, row.high.0, row.low.0, row.close.0, row.volume.0],
        Event::Book(row) => {
            let scale = |values: kt_model::Integers<'_>, exponent: i8| -> Vec<i128> {
                let unit = 10i128.pow((18 + i32::from(exponent)) as u32);
                values.iter().filter(|value| *value != i64::MIN).map(|value| i128::from(value) * unit).collect()
            };
            let mut all = scale(row.bid_prices, row.price_exponent);
            all.extend(scale(row.ask_prices, row.price_exponent));
            all.extend(scale(row.bid_quantities, row.quantity_exponent));
            all.extend(scale(row.ask_quantities, row.quantity_exponent));
            all
        }
        _ => Vec::new(),
    }
}

/// Plays a frame; every number of every event must stand in it or, where a channel merges its frames, in one before.
fn play(session: &mut Session, frame: &[u8], earlier: &[u8]) {
    let mut printed = numbers(frame);
    printed.extend(numbers(earlier));
    session.on_frame(frame, Nanos(1_700_000_000_000_000_000), &mut |event: &Event<'_>| {
        for value in values(event) {
            assert!(printed.contains(&value), "{value} of {event:?} is not in {}", String::from_utf8_lossy(frame));
        }
    });
}

#[derive(Clone, Debug)]
enum Mutation {
    Cut(prop::sample::Index),
    Set(prop::sample::Index, u8),
    Remove(prop::sample::Index, prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    let byte = prop_oneof![prop::sample::select(b"\"\\{}[],:.-0123456789eEnull \n".to_vec()), any::<u8>()];
    prop_oneof![
        index().prop_map(Mutation::Cut),
        (index(), byte).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (index(), index()).prop_map(|(one, other)| Mutation::Remove(one, other)),
        (index(), index()).prop_map(|(one, other)| Mutation::Repeat(one, other)),
    ]
}

fn apply(frame: &mut Vec<u8>, mutation: &Mutation) {
    if frame.is_empty() {
        return;
    }
    let range = |one: &prop::sample::Index, other: &prop::sample::Index, length: usize| {
        let (one, other) = (one.index(length), other.index(length));
        one.min(other)..one.max(other).min(one.min(other) + 40)
    };
    match mutation {
        Mutation::Cut(at) => frame.truncate(at.index(frame.len())),
        Mutation::Set(at, byte) => {
            let at = at.index(frame.len());
            frame[at] = *byte;
        }
        Mutation::Remove(one, other) => {
            frame.drain(range(one, other, frame.len()));
        }
        Mutation::Repeat(one, other) => {
            let range = range(one, other, frame.len());
            let part = frame[range.clone()].to_vec();
            frame.splice(range.start..range.start, part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_are_quarantined_or_ignored(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for venue in VENUES {
            let mut session = session(venue);
            session.on_frame(&bytes, Nanos(1), &mut |event: &Event<'_>| {
                assert!(matches!(event, Event::Quarantine(_)), "{event:?}");
            });
        }
    }

    #[test]
    fn mutated_documented_frames_invent_nothing(
        which in 0..FRAMES.len(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let (venue, frame) = FRAMES[which];
        let mut session = session(venue);
        play(&mut session, frame.as_bytes(), b"");
        let mut mutated = frame.as_bytes().to_vec();
        mutations.iter().for_each(|mutation| apply(&mut mutated, mutation));
        let is_merged = frame.contains("tickers.");
        play(&mut session, &mutated, if is_merged { frame.as_bytes() } else { b"" });
    }
}

#[test]
fn mutated_recorded_frames_invent_nothing() {
    let Some(folder) = common::recordings() else { return };
    let streams = [
        ("binance", "20211012_stream"),
        ("binance_usdm", "20210722_stream"),
        ("okx", "20220513_stream"),
        ("bybit", "20260809_stream"),
    ];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for (venue, stream) in streams {
        let records = common::load(&folder.join("frames").join(venue).join(format!("{stream}.jsonl.zst")));
        let frames: Vec<_> = records.into_iter().filter(|record| record.kind == RecordKind::Frame).collect();
        let mut session = session(venue);
        for (index, record) in frames.iter().enumerate() {
            let mut frame = record.payload.clone();
            // Tickers keep the values of earlier frames: those stand in no later one.
            if index % 3 == 0 && !frame.windows(9).any(|part| part == b"\"tickers.") {
                use proptest::strategy::ValueTree;
                let change = mutation().new_tree(&mut runner).expect("a mutation").current();
                apply(&mut frame, &change);
                play(&mut session, &frame, b"");
            } else {
                session.on_frame(&frame, Nanos(1), &mut |_: &Event<'_>| {});
            }
        }
        println!("{venue}/{stream}: {} frames, {} refused", frames.len(), session.counters().decode_errors);
    }
}
