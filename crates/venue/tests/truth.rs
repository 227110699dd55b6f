//! Every recording of the mapped venues against what is independently known of it.

mod common;

use kt_venue::CheckReport;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Frames by channel label.
type Frames = &'static [(&'static str, u64)];

/// Venue, stream, and frames per channel as the recordings' README counts them.
const STREAMS: &[(&str, &str, Frames)] = &[
    ("binance", "20210404_stream", &[("depth@100ms", 2688), ("aggTrade", 1910), ("kline_1m", 118)]),
    ("binance", "20211012_stream", &[("depth@100ms", 177), ("bookTicker", 84), ("aggTrade", 2), ("kline_1m", 2)]),
    ("binance", "20240808_btcusdt_stream", &[("bookTicker", 28040), ("trade", 9757), ("depth@100ms", 3451)]),
    (
        "binance_coinm",
        "20210722_stream",
        &[("bookTicker", 2240), ("depth@100ms", 2047), ("aggTrade", 51), ("kline_1m", 33)],
    ),
    ("binance_coinm", "20240808_btcusd_perp_stream", &[("depth@0ms", 26847), ("bookTicker", 19136), ("trade", 2286)]),
    (
        "binance_usdm",
        "20210722_stream",
        &[("depth@100ms", 764), ("bookTicker", 613), ("aggTrade", 91), ("kline_1m", 67)],
    ),
    (
        "binance_usdm",
        "20230404_btcusdt_markprice_stream",
        &[("bookTicker", 6765), ("depth@0ms", 4322), ("trade", 2197), ("markPrice@1s", 99)],
    ),
    ("binance_usdm", "20240808_btcusdt_stream", &[("bookTicker", 66089), ("trade", 21313), ("depth@0ms", 6551)]),
    ("bybit", "20250613_stream", &[("orderbook.1/snapshot", 337)]),
    (
        "bybit",
        "20260809_stream",
        &[
            ("orderbook.200/delta", 2142),
            ("tickers/delta", 754),
            ("publicTrade/snapshot", 120),
            ("kline.1/snapshot", 96),
            ("tickers/snapshot", 85),
            ("orderbook.200/snapshot", 6),
        ],
    ),
    ("bybit", "20241201_xrpusdt_ob500_stream", &[("orderbook.500/delta", 49), ("orderbook.500/snapshot", 1)]),
    (
        "okx",
        "20210722_stream",
        &[("books-l2-tbt/update", 4342), ("tickers", 139), ("trades", 108), ("books-l2-tbt/snapshot", 30)],
    ),
    ("okx", "20220513_stream", &[("books/update", 287), ("trades", 74), ("tickers", 28), ("books/snapshot", 3)]),
];

#[test]
fn recordings_decode_to_what_is_known_of_them() {
    let Some(folder) = common::recordings() else { return };
    let books: Value = read_json(&folder.join("truth/final_books.json"));
    let counts: Value = read_json(&folder.join("truth/cryptofeed_expected_counts.json"));
    for (venue, stream, channels) in STREAMS {
        let file = format!("{stream}.jsonl.zst");
        let (report, _) = common::check(venue, &folder.join("frames").join(venue), &file);
        let summary = CheckReport { books: Default::default(), per_symbol: Default::default(), ..report.clone() };
        println!("{venue}/{stream}: {}", serde_json::to_string(&summary).expect("a report"));
        let wanted: BTreeMap<String, u64> = channels.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(report.channels, wanted, "{venue}/{stream}: frames by channel");
        assert_eq!(report.decode_errors, 0, "{venue}/{stream}: {:?}", report.faults);
        assert!(report.is_right(), "{venue}/{stream}: {summary:?}");
        assert!(report.ignored.is_empty(), "{venue}/{stream}: {:?}", report.ignored);
        check_books(&report, &books[format!("{venue}/{file}")], &format!("{venue}/{stream}"));
        let short = format!("{venue}/{}", stream.trim_end_matches("_stream"));
        check_counts(&report, &counts[&short], &short);
    }
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

/// Final books, checksums and statistics by symbol.
fn check_books(report: &CheckReport, truth: &Value, name: &str) {
    let Some(truth) = truth.as_object() else { return };
    let mut compared = 0;
    for (key, book) in truth["final_books"].as_object().expect("books") {
        let own = report.books.get(key).unwrap_or_else(|| panic!("{name}: no book `{key}`"));
        let depth = book["bids"].as_array().expect("levels").len().max(book["asks"].as_array().expect("levels").len());
        for (field, wanted) in book.as_object().expect("a book") {
            let mut held = own[field].clone();
            if let Some(levels) = held.as_array_mut() {
                levels.truncate(depth);
            }
            assert_eq!(&held, wanted, "{name}: {field} of {key}");
        }
        compared += 1;
    }
    assert_eq!(report.books.len(), compared, "{name}: books that nobody knows");
    if let Some(right) = truth.get("checksums_matched") {
        assert_eq!(&Value::from(report.checksums.right), right, "{name}: checksums");
    }
    for (symbol, wanted) in truth.get("per_symbol").and_then(Value::as_object).into_iter().flatten() {
        assert_eq!(&report.per_symbol[symbol], wanted, "{name}: statistics of {symbol}");
    }
    println!("{name}: {compared} final books equal");
}

/// Events by kind against cryptofeed's own tests.
fn check_counts(report: &CheckReport, truth: &Value, name: &str) {
    let Some(truth) = truth.as_object() else { return };
    let count = |kind: &str| report.events.get(kind).copied().unwrap_or(0);
    for (their, wanted) in truth {
        let wanted = wanted.as_u64().expect("a count");
        let (own, why) = match their.as_str() {
            "l2_book" => (count("book"), ""),
            "trades" => (count("trade"), ""),
            "candles" => (count("candle"), ""),
            "ticker" => (count("quote"), "only when a side changed"),
            "funding" => (count("funding"), "only when a field of it changed"),
            "index" => (count("mark"), "only when mark or index changed"),
            "open_interest" => (count("open_interest"), "only when it changed"),
            other => panic!("{name}: unknown kind {other}"),
        };
        // Bybit's ticker carries several kinds of which a delta holds some: they count a row of each
        // for every frame, we count what the frame says. Spot tickers hold no quote at all.
        if name.starts_with("bybit") && !why.is_empty() {
            assert!(own > 0 && own <= wanted, "{name}: {their} {own} of {wanted}");
            println!("{name}: {their} {own} rows, they count {wanted} frames ({why})");
        } else {
            assert_eq!(own, wanted, "{name}: {their}");
        }
    }
}
