//! Frames after the exchanges' documentation for what the recordings lack, and faults of every kind.

mod common;

use kt_model::{BookAction, Event, IntervalSource, Nanos, Origin, Side, State};
use kt_venue::{Action, Catalogue, ErrorKind, Mapping, Mode, Session, SessionConfig, Stamp, Subscription};
use std::sync::Arc;

/// What a test remembers of an event.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Mark(String, Option<String>, Option<String>),
    Funding(String, Option<u32>, IntervalSource),
    OpenInterest(String, String, String),
    Liquidation(String, Side, String, String),
    Quote(u64, Option<String>, Option<String>),
    Trade(String, u32),
    Book(BookAction, u32, u64, usize),
    Status(State, String, Option<u64>, Option<u64>),
    Quarantine(String),
}

fn see(event: &Event<'_>) -> Seen {
    let instrument = event.header().instrument.to_string();
    match event {
        Event::Mark(row) => {
            Seen::Mark(instrument, row.mark_price.map(|p| p.to_string()), row.index_price.map(|p| p.to_string()))
        }
        Event::Funding(row) => Seen::Funding(instrument, row.interval_seconds, row.interval_source),
        Event::OpenInterest(row) => Seen::OpenInterest(
            instrument,
            row.quantity.map(|q| q.to_string()).unwrap_or_default(),
            row.value_currency.to_string(),
        ),
        Event::Liquidation(row) => {
            Seen::Liquidation(instrument, row.side, row.price.to_string(), row.quantity.to_string())
        }
        Event::Quote(row) => {
            Seen::Quote(row.sequence, row.bid_price.map(|p| p.to_string()), row.ask_price.map(|p| p.to_string()))
        }
        Event::Trade(row) => Seen::Trade(row.trade_id.to_owned(), row.trade_count),
        Event::Book(row) => {
            assert_eq!(row.header.origin == Origin::Checkpoint, row.action == BookAction::Checkpoint);
            Seen::Book(row.action, row.book_epoch, row.last_sequence, row.bid_prices.len() + row.ask_prices.len())
        }
        Event::Status(row) => Seen::Status(row.state, row.cause.to_string(), row.first_missing, row.last_missing),
        Event::Quarantine(row) => Seen::Quarantine(row.reason.to_string()),
        other => panic!("unexpected {other:?}"),
    }
}

fn session(venue: &str, segment: &str) -> Session {
    let mapping = common::mapping(venue);
    let catalogue = Catalogue::new(&mapping);
    let config = SessionConfig { segment: segment.to_owned(), ..SessionConfig::default() };
    Session::new(mapping, catalogue, config).expect("a session")
}

fn play(session: &mut Session, frame: &str) -> Vec<Seen> {
    let mut seen = Vec::new();
    session.on_frame(frame.as_bytes(), Nanos(5), &mut |event: &Event<'_>| seen.push(see(event)));
    seen
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn okx_mark_index_funding_open_interest_and_liquidations() {
    let mut okx = session("okx", "public");
    let frame = r#"{"arg":{"channel":"mark-price","instId":"LTC-USD-190628"},"data":[{"instType":"FUTURES","instId":"LTC-USD-190628","markPx":"0.1","ts":"1597026383085"}]}"#;
    assert_eq!(play(&mut okx, frame), [Seen::Mark("LTC-USD-LTC-20190628-FUT".into(), text("0.1"), None)]);
    let frame = r#"{"arg":{"channel":"index-tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","idxPx":"0.1","high24h":"0.5","ts":"1597026383085"}]}"#;
    assert_eq!(play(&mut okx, frame), [Seen::Mark("BTC-USDT-SPOT".into(), None, text("0.1"))]);
    let frame = r#"{"arg":{"channel":"funding-rate","instId":"BTC-USD-SWAP"},"data":[{"fundingRate":"0.0001875391284828","fundingTime":"1700726400000","instId":"BTC-USD-SWAP","instType":"SWAP","method":"current_period","nextFundingRate":"","nextFundingTime":"1700755200000","ts":"1700724675402"}]}"#;
    assert_eq!(
        play(&mut okx, frame),
        [Seen::Funding("BTC-USD-BTC-PERP".into(), Some(28_800), IntervalSource::Inferred)]
    );
    let frame = r#"{"arg":{"channel":"open-interest","instId":"LTC-USD-SWAP"},"data":[{"instType":"SWAP","instId":"LTC-USD-SWAP","oi":"5000","oiCcy":"555.55","oiUsd":"50000","ts":"1743041250440"}]}"#;
    assert_eq!(play(&mut okx, frame), [Seen::OpenInterest("LTC-USD-LTC-PERP".into(), "5000".into(), "USD".into())]);
    // Two orders of one instrument, the instrument named after them.
    let frame = r#"{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"0.007831","ccy":"","posSide":"short","side":"buy","sz":"13","ts":"1692266434010"},{"bkPx":"0.0079","side":"sell","sz":"2","ts":"1692266434011"}],"instFamily":"IOST-USDT","instId":"IOST-USDT-SWAP","instType":"SWAP","uly":"IOST-USDT"}]}"#;
    let name = "IOST-USDT-USDT-PERP";
    assert_eq!(
        play(&mut okx, frame),
        [
            Seen::Liquidation(name.into(), Side::Buy, "0.007831".into(), "13".into()),
            Seen::Liquidation(name.into(), Side::Sell, "0.0079".into(), "2".into()),
        ]
    );
    let frame = r#"{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["8476.98","415","0","13"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","seqId":123456}]}"#;
    assert_eq!(play(&mut okx, frame), [Seen::Quote(123_456, text("8476.97"), text("8476.98"))]);
    assert_eq!(play(&mut okx, "pong"), []);
    assert_eq!((okx.counters().control, okx.counters().decode_errors), (1, 0));
}

#[test]
fn bybit_liquidations_name_the_position_and_an_order_has_the_other_side() {
    let mut bybit = session("bybit", "linear");
    let frame = r#"{"topic":"allLiquidation.ROSEUSDT","type":"snapshot","ts":1739502303204,"data":[{"T":1739502302929,"s":"ROSEUSDT","S":"Sell","v":"20000","p":"0.04499"}]}"#;
    let wanted = Seen::Liquidation("ROSE-USDT-USDT-PERP".into(), Side::Buy, "0.04499".into(), "20000".into());
    assert_eq!(play(&mut bybit, frame), [wanted]);
}

#[test]
fn all_market_marks_are_a_row_each_and_dated_contracts_have_no_funding() {
    let mut usdm = session("binance_usdm", "usdm");
    let frame = r#"{"stream":"!markPrice@arr@1s","data":[{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11185.87786614","i":"11784.62659091","P":"11784.25641265","r":"0.00030000","T":1562306400000},{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT_210326","p":"11200","i":"11784.6","P":"11300","r":"","T":0}]}"#;
    let mark = |name: &str, mark: &str, index: &str| Seen::Mark(name.into(), text(mark), text(index));
    assert_eq!(
        play(&mut usdm, frame),
        [
            mark("BTC-USDT-USDT-PERP", "11185.87786614", "11784.62659091"),
            Seen::Funding("BTC-USDT-USDT-PERP".into(), None, IntervalSource::Unknown),
            mark("BTC-USDT-USDT-20210326-FUT", "11200", "11784.6"),
        ]
    );
    // The settlement moves on: the step is the interval. A list that states it counts for more.
    let later = r#"{"e":"markPriceUpdate","E":1562306401000,"s":"BTCUSDT","p":"1","i":"1","P":"1","r":"0.0003","T":1562320800000}"#;
    let funding = |interval, source| Seen::Funding("BTC-USDT-USDT-PERP".into(), Some(interval), source);
    assert_eq!(play(&mut usdm, later)[1], funding(14_400, IntervalSource::Inferred));
    let list = br#"[{"symbol":"BTCUSDT","adjustedFundingRateCap":"0.025","adjustedFundingRateFloor":"-0.025","fundingIntervalHours":8,"disclaimer":false}]"#;
    let report = usdm.on_http("fundingInfo", list, Nanos(1), &mut |_: &Event<'_>| {}).expect("a list");
    assert_eq!(report.taken, 1);
    assert_eq!(play(&mut usdm, later)[1], funding(28_800, IntervalSource::Reference));
}

#[test]
fn forced_orders_of_binance_are_sampled() {
    let mut usdm = session("binance_usdm", "usdm");
    let frame = r#"{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014","p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014","T":1568014460893}}"#;
    let wanted = Seen::Liquidation("BTC-USDT-USDT-PERP".into(), Side::Sell, "9910".into(), "0.014".into());
    assert_eq!(play(&mut usdm, frame), [wanted]);
}

fn depth(first: u64, last: u64, previous: u64) -> String {
    format!(
        r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","U":{first},"u":{last},"pu":{previous},"b":[["7403.89","0.002"]],"a":[["7405.96","3.340"]]}}}}"#
    )
}

#[test]
fn a_gap_is_announced_and_a_new_snapshot_is_bridged() {
    let mut usdm = session("binance_usdm", "usdm");
    let mut seen = Vec::new();
    assert_eq!(play(&mut usdm, &depth(8, 10, 7)), []);
    let fetch = Action::FetchSnapshot {
        symbol: "BTCUSDT".into(),
        url: "https://fapi.binance.com/fapi/v1/depth?symbol=BTCUSDT&limit=1000".into(),
    };
    assert_eq!(usdm.next_action(), Some(fetch.clone()));
    let body = br#"{"lastUpdateId":9,"E":123456780,"T":123456780,"bids":[["7403.88","1"]],"asks":[["7405.96","1"]]}"#;
    usdm.on_snapshot("BTCUSDT", body, Nanos(6), &mut |event: &Event<'_>| seen.push(see(event))).expect("placed");
    assert_eq!(seen, [Seen::Book(BookAction::Snapshot, 1, 9, 2), Seen::Book(BookAction::Delta, 1, 10, 2)]);
    assert_eq!(play(&mut usdm, &depth(11, 12, 10)), [Seen::Book(BookAction::Delta, 1, 12, 2)]);
    assert_eq!(play(&mut usdm, &depth(11, 12, 10)), [], "a repeated update changes nothing");
    let gap = Seen::Status(State::Gap, "sequence".into(), Some(13), Some(14));
    assert_eq!(play(&mut usdm, &depth(15, 16, 14)), [gap]);
    assert_eq!(usdm.next_action(), Some(fetch));
    assert_eq!(play(&mut usdm, &depth(17, 18, 16)), []);
    seen.clear();
    let body = br#"{"lastUpdateId":17,"T":123456780,"bids":[["7403.88","1"]],"asks":[["7405.96","1"]]}"#;
    usdm.on_snapshot("BTCUSDT", body, Nanos(7), &mut |event: &Event<'_>| seen.push(see(event))).expect("placed");
    assert_eq!(
        seen,
        [
            Seen::Book(BookAction::Snapshot, 2, 17, 2),
            Seen::Status(State::Resynchronised, "snapshot".into(), None, None),
            Seen::Book(BookAction::Delta, 2, 18, 2),
        ]
    );
    let (_, statistics) = usdm.books().next().expect("a book");
    assert_eq!((statistics.bridges, statistics.sequence_gaps, statistics.repeated), (2, 1, 1));
}

#[test]
fn a_snapshot_that_is_too_old_is_asked_for_again_later() {
    let mut usdm = session("binance_usdm", "usdm");
    usdm.on_connected(Nanos(0), &mut |_: &Event<'_>| {});
    play(&mut usdm, &depth(100, 110, 99));
    assert!(usdm.next_action().is_some());
    let body = br#"{"lastUpdateId":50,"bids":[["1","1"]],"asks":[["2","1"]]}"#;
    usdm.on_snapshot("BTCUSDT", body, Nanos(5), &mut |_: &Event<'_>| {}).expect("placed");
    assert_eq!(usdm.books().next().expect("a book").1.failed_bridges, 1);
    assert_eq!(usdm.next_action(), None);
    usdm.on_tick(Nanos(10_000_000_000), &mut |_: &Event<'_>| {});
    assert!(matches!(usdm.next_action(), Some(Action::FetchSnapshot { .. })));
    let refused = usdm.on_snapshot("BTCUSDT", b"<html>busy</html>", Nanos(11), &mut |_: &Event<'_>| {});
    assert_eq!(refused.expect_err("not a snapshot").kind, ErrorKind::Malformed);
}

#[test]
fn a_wrong_checksum_drops_the_book_and_subscribes_anew() {
    let mut okx = session("okx", "public");
    let snapshot = r#"{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["3366.8","9","0","3"]],"bids":[["3366.1","7","0","3"]],"ts":"1597026383085","checksum":-1881014294,"seqId":10,"prevSeqId":-1}]}"#;
    let seen = play(&mut okx, snapshot);
    assert_eq!(seen[0], Seen::Book(BookAction::Snapshot, 1, 10, 2));
    assert_eq!(seen[1], Seen::Status(State::Gap, "checksum".into(), None, None));
    let messages: Vec<Action> = std::iter::from_fn(|| okx.next_action()).collect();
    let [Action::Send(unsubscribe), Action::Send(subscribe)] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(unsubscribe, r#"{"op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}"#);
    assert_eq!(subscribe, r#"{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}"#);
}

fn okx_update(sequence: i64, previous: i64, ts: u64) -> String {
    format!(
        r#"{{"arg":{{"channel":"books","instId":"BTC-USDT"}},"action":"update","data":[{{"asks":[],"bids":[["8475.5","1","0","1"]],"ts":"{ts}","seqId":{sequence},"prevSeqId":{previous}}}]}}"#
    )
}

#[test]
fn okx_sequence_resets_and_idle_updates_are_no_gaps_and_midnight_has_a_checkpoint() {
    let mut okx = session("okx", "public");
    let snapshot = okx_update(10, -1, 1_597_103_990_000).replace("update", "snapshot");
    play(&mut okx, &snapshot);
    assert_eq!(play(&mut okx, &okx_update(10, 10, 1_597_103_991_000)), [Seen::Book(BookAction::Delta, 1, 10, 1)]);
    // Maintenance: the number falls, and the next update names it.
    assert_eq!(play(&mut okx, &okx_update(3, 10, 1_597_103_992_000)), [Seen::Book(BookAction::Delta, 1, 3, 1)]);
    let turned = play(&mut okx, &okx_update(5, 3, 1_597_104_000_001));
    assert_eq!(turned, [Seen::Book(BookAction::Checkpoint, 1, 3, 1), Seen::Book(BookAction::Delta, 1, 5, 1)]);
    let gap = Seen::Status(State::Gap, "sequence".into(), Some(6), Some(6));
    assert_eq!(play(&mut okx, &okx_update(9, 6, 1_597_104_001_000)), [gap]);
    let mut seen = Vec::new();
    okx.checkpoint(Nanos(9), &mut |event: &Event<'_>| seen.push(see(event)));
    assert_eq!(seen, [], "a book with a gap is no full state");
}

#[test]
fn a_restarted_bybit_book_begins_anew() {
    let mut bybit = session("bybit", "linear");
    let frame = |kind: &str, number: u64| {
        format!(
            r#"{{"topic":"orderbook.50.BTCUSDT","type":"{kind}","ts":1672304484978,"data":{{"s":"BTCUSDT","b":[["16493.50","0.006"]],"a":[["16611.00","0.029"]],"u":{number},"seq":7961638724}},"cts":1672304484976}}"#
        )
    };
    assert_eq!(play(&mut bybit, &frame("snapshot", 18521288)), [Seen::Book(BookAction::Snapshot, 1, 18_521_288, 2)]);
    assert_eq!(play(&mut bybit, &frame("delta", 18521289)), [Seen::Book(BookAction::Delta, 1, 18_521_289, 2)]);
    assert_eq!(play(&mut bybit, &frame("delta", 1)), [Seen::Book(BookAction::Snapshot, 2, 1, 2)]);
}

#[test]
fn one_trade_channel_of_a_market_counts() {
    let trade = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":7,"p":"1.5","q":"2","X":"MARKET","m":true}}"#;
    let aggregate = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":2,"s":"BTCUSDT","a":3,"p":"1.5","q":"2","f":5,"l":7,"T":1,"m":true}}"#;
    let mut free = session("binance_usdm", "usdm");
    assert_eq!(play(&mut free, aggregate), [Seen::Trade("3".into(), 3)]);
    assert_eq!(play(&mut free, trade), []);
    let mapping = common::mapping("binance_usdm");
    let subscriptions = vec![Subscription { channel: "trade".into(), symbol: text("BTCUSDT") }];
    let config = SessionConfig { segment: "usdm".into(), subscriptions, ..SessionConfig::default() };
    let mut chosen = Session::new(mapping.clone(), Catalogue::new(&mapping), config).expect("a session");
    assert_eq!(play(&mut chosen, aggregate), []);
    assert_eq!(play(&mut chosen, trade), [Seen::Trade("7".into(), 1)]);
    assert_eq!(chosen.counters().other_trade_channel, 1);
}

#[test]
fn what_breaks_the_mapping_is_quarantined_and_never_a_zero() {
    let mut usdm = session("binance_usdm", "usdm");
    for (frame, reason) in [
        (
            r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":7,"q":"2","m":true}}"#,
            "missing",
        ),
        (r#"{"stream":"btcusdt@trade","data":{"T":1,"s":"BTCUSDT","t":7,"p":"","q":"2","m":true}}"#, "missing"),
        (r#"{"stream":"btcusdt@trade","data":{"T":1,"s":"BTCUSDT","t":7,"p":"x","q":"2","m":true}}"#, "number"),
        (r#"{"stream":"btcusdt@trade","data":{"T":"soon","s":"BTCUSDT","t":7,"p":"1","q":"2","m":true}}"#, "invalid"),
        (r#"{"stream":"btcusdt@trade","data":{"T":1,"s":"BTCUSDT","t":7,"p":"1","q":"2","m":"?"}}"#, "invalid"),
        (r#"{"stream":"btcusdt@trade","data":{"T":1,"s":"BTCUSDT""#, "syntax"),
        (r#"{"hello":1}"#, "unrecognised"),
    ] {
        assert_eq!(play(&mut usdm, frame), [Seen::Quarantine(reason.into())], "{frame}");
    }
    let unknown = r#"{"stream":"x@trade","data":{"T":1,"s":"NOSUCH","t":7,"p":"1","q":"2","m":true}}"#;
    let suspect = Seen::Status(State::Suspect, "unknown_instrument".into(), None, None);
    assert_eq!(play(&mut usdm, unknown), [suspect], "said once");
    assert_eq!(play(&mut usdm, unknown), []);
    assert_eq!(play(&mut usdm, r#"{"stream":"btcusdt@miniTicker","data":{"e":"24hrMiniTicker"}}"#), []);
    assert_eq!((usdm.counters().decode_errors, usdm.counters().unknown_instruments), (7, 2));
}

#[test]
fn connections_subscribe_in_batches_and_announce_what_they_missed() {
    let mut mapping = Mapping::parse(&std::fs::read_to_string(common::root().join("venues/bybit.toml")).expect("text"))
        .expect("a mapping");
    mapping.set_addresses("linear", "ws://127.0.0.1:1/v5/public/linear", "http://127.0.0.1:1").expect("a segment");
    let mapping = Arc::new(mapping);
    let mut catalogue = Catalogue::new(&mapping);
    let row = |symbol: &str| {
        format!(
            r#"{{"symbol":"{symbol}","contractType":"LinearPerpetual","status":"Trading","baseCoin":"{}","quoteCoin":"USDT","settleCoin":"USDT","fundingInterval":240,"priceFilter":{{"tickSize":"0.10"}},"lotSizeFilter":{{"qtyStep":"0.001"}}}}"#,
            &symbol[..3]
        )
    };
    let rows: Vec<String> = (0..12).map(|index| row(&format!("A{index:02}USDT"))).collect();
    let body = format!(r#"{{"result":{{"list":[{}],"nextPageCursor":"abc"}}}}"#, rows.join(","));
    let report = catalogue
        .read(&mapping, "instruments_linear", body.as_bytes(), Nanos(1), Stamp::default(), &mut |event: &Event<'_>| {
            let Event::Instrument(row) = event else { panic!("{event:?}") };
            assert_eq!(
                (row.funding_interval_seconds, row.tick_size.map(|t| t.to_string())),
                (Some(14_400), text("0.1"))
            );
        })
        .expect("a list");
    let next = "/v5/market/instruments-info?category=linear&limit=1000&cursor=abc";
    assert_eq!((report.taken, report.next_page.as_deref()), (12, Some(next)));
    let plan = mapping.plan("linear", Mode::Light, &catalogue, |_| true).expect("a plan");
    assert_eq!((plan.len(), plan[0].subscriptions.len()), (1, 12));
    assert_eq!(plan[0].url, "ws://127.0.0.1:1/v5/public/linear");
    let config = SessionConfig {
        segment: "linear".into(),
        subscriptions: plan[0].subscriptions.clone(),
        ..SessionConfig::default()
    };
    let mut bybit = Session::new(mapping, catalogue, config).expect("a session");
    let mut seen = Vec::new();
    bybit.on_connected(Nanos(0), &mut |event: &Event<'_>| seen.push(see(event)));
    let Some(Action::Send(first)) = bybit.next_action() else { panic!("no message") };
    assert!(first.starts_with(r#"{"op":"subscribe","req_id":"1","args":["tickers.A00USDT","#), "{first}");
    assert!(matches!(bybit.next_action(), Some(Action::Send(_))));
    assert_eq!(bybit.next_action(), None);
    bybit.on_tick(Nanos(21_000_000_000), &mut |_: &Event<'_>| {});
    assert_eq!(bybit.next_action(), Some(Action::Send(r#"{"op":"ping"}"#.into())));
    bybit.on_tick(Nanos(41_000_000_000), &mut |event: &Event<'_>| seen.push(see(event)));
    assert!(matches!(bybit.next_action(), Some(Action::Reconnect { reason: "silence" })));
    bybit.on_disconnected(Nanos(42), &mut |event: &Event<'_>| seen.push(see(event)));
    bybit.on_connected(Nanos(43), &mut |event: &Event<'_>| seen.push(see(event)));
    let states: Vec<State> = seen
        .iter()
        .map(|seen| match seen {
            Seen::Status(state, ..) => *state,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [State::Connected, State::Stale, State::Disconnected, State::Connected, State::Gap]);
}

#[test]
fn a_typing_error_in_a_mapping_names_its_line_and_key() {
    let text = std::fs::read_to_string(common::root().join("venues/okx.toml")).expect("text");
    let error = Mapping::parse(&text.replace("price = \"px\"", "prise = \"px\"")).expect_err("an unknown key");
    assert_eq!(error.kind, ErrorKind::Mapping);
    assert!(error.message.contains("line") && error.message.contains("prise"), "{error}");
    let error = Mapping::parse(&text.replace("channel = \"books5", "channel = \"").replace("@instrument", "@nothing"));
    assert!(error.expect_err("an unknown key name").message.contains("nothing"));
}
