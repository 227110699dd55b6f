//! Normalisation against that of an independent project, field by field where the meaning is the same.

mod common;

use kt_model::{Event, Nanos, Price, Side};
use kt_venue::{Catalogue, Session, SessionConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Their exchange, our venue and segment, and whether a test's messages share a session.
const FEEDS: &[(&str, &str, &str, bool)] = &[
    ("binance", "binance", "spot", false),
    ("binance-futures", "binance_usdm", "usdm", false),
    ("binance-delivery", "binance_coinm", "coinm", false),
    ("okex", "okx", "public", true),
    ("okex-swap", "okx", "public", true),
    ("okex-futures", "okx", "public", true),
    ("bybit", "bybit", "linear", true),
];

fn session(venue: &str, segment: &str) -> Session {
    let mapping = common::mapping(venue);
    let catalogue = Catalogue::new(&mapping);
    let config = SessionConfig { segment: segment.to_owned(), ..SessionConfig::default() };
    Session::new(mapping, catalogue, config).expect("a session")
}

/// Their number as an exact decimal; absent as null.
fn exact(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            json!(Price::parse(number.to_string().as_bytes()).expect("a number").to_string())
        }
        _ => Value::Null,
    }
}

fn price(value: Option<Price>) -> Value {
    value.map_or(Value::Null, |value| json!(value.to_string()))
}

fn millis(at: Nanos) -> Value {
    json!(at.0 / 1_000_000)
}

/// Their time text as milliseconds.
fn their_millis(value: &Value) -> Value {
    let Some(text) = value.as_str() else { return Value::Null };
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().expect("a time");
    let days = kt_model::instrument::days_from_civil(number(0, 4) as i32, number(5, 7) as u32, number(8, 10) as u32);
    let seconds = i64::from(days) * 86_400 + number(11, 13) * 3_600 + number(14, 16) * 60 + number(17, 19);
    json!(seconds * 1_000 + number(20, 23))
}

fn side(side: Side) -> Value {
    json!(side.as_str())
}

/// Our event with the fields that theirs has too.
fn ours(event: &Event<'_>) -> Option<Value> {
    let at = millis(event.header().event_ts);
    Some(match event {
        Event::Trade(row) => json!({"type": "trade", "id": row.trade_id, "price": price(Some(row.price)),
            "amount": price(Some(row.quantity)), "side": side(row.side), "at": at}),
        Event::Quote(row) => json!({"type": "book_ticker", "askAmount": price(row.ask_quantity),
            "askPrice": price(row.ask_price), "bidPrice": price(row.bid_price), "bidAmount": price(row.bid_quantity)}),
        Event::Liquidation(row) => json!({"type": "liquidation", "price": price(Some(row.price)),
            "amount": price(Some(row.quantity)), "side": side(row.side), "at": at}),
        Event::Mark(row) => json!({"type": "mark", "markPrice": price(row.mark_price),
            "indexPrice": price(row.index_price)}),
        Event::Funding(row) => json!({"type": "funding", "fundingRate": row.rate.map(|rate| rate.to_string()),
            "fundingTimestamp": row.settles_at.map(millis)}),
        Event::OpenInterest(row) => json!({"type": "open_interest", "openInterest": price(row.quantity)}),
        _ => return None,
    })
}

/// Whether their item says what ours says; ours lacks nothing that it states.
fn agrees(own: &Value, theirs: &Value) -> bool {
    let field = |name: &str| match name {
        "at" => their_millis(&theirs["timestamp"]),
        "fundingTimestamp" => their_millis(&theirs[name]),
        "id" | "side" => theirs[name].clone(),
        _ => exact(&theirs[name]),
    };
    let kind = own["type"].as_str().expect("a type");
    let same_kind = match kind {
        "mark" | "funding" | "open_interest" => theirs["type"] == "derivative_ticker",
        kind => theirs["type"] == kind,
    };
    // Their ticker keeps values of other channels; ours states its own only.
    let partial = matches!(kind, "mark" | "funding" | "open_interest");
    let fields = own.as_object().expect("fields");
    same_kind
        && fields
            .iter()
            .filter(|(name, _)| *name != "type")
            .all(|(name, value)| *value == field(name) || (partial && value.is_null()))
}

/// What we make of a message and they do not, and why. Nothing of theirs is contradicted.
const DIFFERENCES: &[&str] = &[
    // They put an index on derivatives of its pair once one was seen; ours stands under the pair.
    "okex-swap 18: mark",
    "okex-futures 28: mark",
    "okex-futures 2: mark",
    // From the date on at which they take quotes from `bbo-tbt` they drop those of `tickers`, and before it
    // those of `bbo-tbt`.
    "okex-swap 22: book_ticker",
    "okex-swap 24: book_ticker",
    // Before the date on which they began to read this channel.
    "okex-futures 30: liquidation",
    "bybit 53: liquidation",
    // They take quotes from `orderbook.1` alone; ours say of which channel they are.
    "bybit 49: book_ticker",
    // They take the `trade` channel alone, and drop what the insurance fund took over; ours is flagged.
    "binance-futures 1: trade",
    "binance-futures 11: trade",
];

#[test]
fn normalisation_agrees_with_an_independent_one() {
    let Some(folder) = common::recordings() else { return };
    let mut agreed: BTreeMap<String, u64> = BTreeMap::new();
    let mut differences = Vec::new();
    for (feed, venue, segment, shared) in FEEDS {
        let path = folder.join("truth/tardis_mappers").join(format!("{feed}.jsonl"));
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let mut held = session(venue, segment);
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).expect("JSON");
            if !shared {
                held = session(venue, segment);
            }
            let frame = case["message"].to_string();
            let mut own = Vec::new();
            held.on_frame(frame.as_bytes(), Nanos(1), &mut |event: &Event<'_>| own.extend(ours(event)));
            let theirs = case["expected"].as_array().expect("a list");
            for item in &own {
                match theirs.iter().any(|their| agrees(item, their)) {
                    true => *agreed.entry(format!("{feed} {}", item["type"].as_str().expect("text"))).or_default() += 1,
                    false => {
                        println!("{feed} {}: {item} of {theirs:?}", case["n"]);
                        differences.push(format!("{feed} {}: {}", case["n"], item["type"].as_str().expect("text")));
                    }
                }
            }
        }
    }
    println!("{agreed:#?}");
    differences.sort();
    let mut known: Vec<&str> = DIFFERENCES.to_vec();
    known.sort_unstable();
    assert_eq!(differences, known);
    assert!(agreed.len() >= 29 && agreed.values().sum::<u64>() >= 40, "{agreed:?}");
}
