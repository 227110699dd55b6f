//! Marts against recorded truth and against an independent computation.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use kt_bus::Bus;
use kt_model::*;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::Deserialize;

use crate::world::World;
use crate::writer::{NOON, Writer, header, quote, trade};

const SECOND: i64 = 1_000_000_000;

fn recordings() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let path = std::env::var_os("KT_RECORDINGS").map_or_else(|| default.into(), PathBuf::from);
    path.exists().then_some(path)
}

/// Publishes everything, and waits until it has landed and every mark is recomputed.
async fn settled(world: &World, bus: &Bus, writer: &Writer) {
    let rows: u64 = writer.spool.iter().map(|(header, _)| u64::from(header.rows)).sum();
    writer.publish_all(bus).await;
    world.wait_for("SELECT sum(rows) FROM ops.intents WHERE stage = 'done'", rows).await;
    quiet(world).await;
}

/// The worker has written down that it has recomputed every mark there is.
async fn quiet(world: &World) {
    let behind = "SELECT countIf(d.newest > r.block_number) \
                  FROM (SELECT _partition_id AS partition, max(_block_number) AS newest FROM ops.dirty GROUP BY partition) AS d \
                  LEFT JOIN (SELECT partition, block_number FROM ops.recomputed FINAL) AS r USING (partition)";
    world.wait_for(behind, 0).await;
}

/// 12,477 recorded trades make the exchange's 2,469 one-minute candles, to the last digit.
pub async fn recorded_trades_make_the_exchanges_candles() {
    #[derive(Deserialize)]
    struct AggregateTrade {
        a: u64,
        p: String,
        q: String,
        f: u64,
        l: u64,
        #[serde(rename = "T")]
        at: i64,
        m: bool,
    }
    #[derive(Deserialize)]
    struct CandleRow {
        minute: i64,
        values: Vec<String>,
    }
    let Some(recordings) = recordings() else {
        println!("SKIP: no recordings; set KT_RECORDINGS");
        return;
    };
    let truth = recordings.join("truth/ohlc/binance_xrpeth_20191011-13");
    let packed = std::fs::read(truth.join("aggtrades.jsonl.zst")).unwrap();
    let text = String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
    let trades: Vec<AggregateTrade> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(trades.len(), 12_477);

    let world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-binance", "binance", 1_000);
    let mut days: BTreeMap<i32, Vec<&AggregateTrade>> = BTreeMap::new();
    for trade in &trades {
        days.entry(Nanos(trade.at * 1_000_000).day()).or_default().push(trade);
    }
    for day in days.values() {
        for chunk in day.chunks(113) {
            let ids: Vec<String> = chunk.iter().map(|trade| trade.a.to_string()).collect();
            let rows = chunk.iter().zip(&ids).map(|(recorded, id)| {
                let at = Nanos(recorded.at * 1_000_000);
                let mut row = trade(header("feed-binance", "binance", "XRP-ETH-SPOT", at), id, 1, 1);
                row.first_trade_id = Some(recorded.f);
                row.trade_count = (recorded.l - recorded.f + 1) as u32;
                row.side = if recorded.m { Side::Sell } else { Side::Buy };
                row.price = recorded.p.parse().unwrap();
                row.quantity = recorded.q.parse().unwrap();
                Event::Trade(row)
            });
            let rows = rows.collect();
            writer.block(rows);
        }
    }
    // Later blocks first: what a candle opens with does not depend on the order of arrival.
    let loader = world.loader(true);
    let mut shuffled: Vec<usize> = (0..writer.spool.len()).collect();
    shuffled.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(3));
    writer.publish(&bus, shuffled).await;
    settled(&world, &bus, &writer).await;
    assert_eq!(loader.stop(), Some(0));
    let sql = "SELECT toInt64(toUnixTimestamp(ts)) * 1000 AS minute, \
               arrayMap(x -> toString(x), [open, high, low, close, volume]) AS values \
               FROM marts.candle_1m FINAL ORDER BY ts";
    let found = world.client.query_rows::<CandleRow>(sql, &Default::default()).await.unwrap();
    let csv = std::fs::read_to_string(truth.join("candles_1m.csv")).unwrap();
    let expected: Vec<_> = csv.lines().skip(1).collect();
    assert_eq!((found.len(), expected.len()), (2_469, 2_469));
    for (row, line) in found.iter().zip(expected) {
        let (minute, values) = line.split_once(',').unwrap();
        let exact = |text: &str| text.parse::<Price>().unwrap();
        let values: Vec<Price> = values.split(',').map(exact).collect();
        let computed: Vec<Price> = row.values.iter().map(|value| exact(value)).collect();
        assert_eq!((row.minute.to_string().as_str(), computed), (minute, values));
    }
    let sums: (String, u64) =
        world.value("SELECT (toString(sum(quote_volume)), sum(trade_count)) FROM marts.candle_1m FINAL").await;
    let value: i128 = trades
        .iter()
        .map(|trade| {
            trade.p.parse::<Price>().unwrap().0 / 10i128.pow(10)
                * (trade.q.parse::<Price>().unwrap().0 / 10i128.pow(10))
        })
        .sum();
    let exact: Decimal<16> = Decimal(value);
    assert_eq!(sums, (exact.to_string(), trades.iter().map(|trade| trade.l - trade.f + 1).sum()));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Candle {
    second: i64,
    open: i64,
    high: i64,
    low: i64,
    close: i64,
    thousandths: i64,
    trades: u64,
}

const CANDLES: &str = "SELECT toInt64(toUnixTimestamp(ts)) AS second, toInt64(open) AS open, toInt64(high) AS high, \
                       toInt64(low) AS low, toInt64(close) AS close, toInt64(volume * 1000) AS thousandths, \
                       trade_count AS trades FROM marts.candle_1s FINAL ORDER BY ts";

/// Late, repeated, corrected and deleted rows change the marts to what a fresh computation gives.
pub async fn late_repeated_and_deleted_rows_are_recomputed() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let mut writer = Writer::new("feed-test", "test", 1_000);
    let mut kept: HashMap<u64, (i64, i64, i64)> = HashMap::new();
    let mut batch = |writer: &mut Writer, from: u64, count: u64, random: &mut rand_chacha::ChaCha8Rng| {
        let ids: Vec<String> = (from..from + count).map(|id| id.to_string()).collect();
        let rows = ids.iter().map(|id| {
            let number: u64 = id.parse().unwrap();
            // Distinct milliseconds, so that the order within a second is the event time alone.
            let at = NOON + number as i64 * 1_000_000 + random.random_range(0..40) * SECOND;
            let (price, size) = (random.random_range(100..200), random.random_range(1..9));
            kept.insert(number, (at, price, size));
            Event::Trade(trade(header("feed-test", "test", "BTC-USDT-SPOT", Nanos(at)), id, price.into(), size.into()))
        });
        let rows = rows.collect();
        writer.block(rows);
    };
    let loader = world.loader(true);
    batch(&mut writer, 0, 500, &mut random);
    settled(&world, &bus, &writer).await;
    let first: u64 = world.value("SELECT max(version) FROM marts.candle_1s").await;
    batch(&mut writer, 500, 300, &mut random); // late rows among the old ones
    settled(&world, &bus, &writer).await;
    assert!(world.value::<u64>("SELECT max(version) FROM marts.candle_1s").await > first);
    // A bust: the venue cancels the only trades of a second of their own.
    let lonely = NOON + 55 * SECOND;
    let at = |number: i64| header("feed-test", "test", "BTC-USDT-SPOT", Nanos(lonely + number));
    writer.block(vec![Event::Trade(trade(at(0), "9000", 150, 1))]);
    settled(&world, &bus, &writer).await;
    assert_eq!(
        world
            .value::<u64>(&format!(
                "SELECT count() FROM marts.candle_1s FINAL WHERE ts = toDateTime({}, 'UTC')",
                lonely / SECOND
            ))
            .await,
        1
    );
    let mut cancelled = trade(at(0), "9000", 150, 1);
    (cancelled.flags, cancelled.header.origin) = (16, Origin::Correction);
    writer.block(vec![Event::Trade(cancelled)]);
    settled(&world, &bus, &writer).await;

    let mut expected: BTreeMap<i64, Vec<(i64, i64, i64)>> = BTreeMap::new();
    for trade in kept.values() {
        expected.entry(trade.0.div_euclid(SECOND)).or_default().push(*trade);
    }
    let expected: Vec<Candle> = expected
        .into_iter()
        .map(|(second, mut trades)| {
            trades.sort_unstable();
            let prices = trades.iter().map(|trade| trade.1);
            Candle {
                second,
                open: trades[0].1,
                high: prices.clone().max().unwrap(),
                low: prices.min().unwrap(),
                close: trades[trades.len() - 1].1,
                thousandths: trades.iter().map(|trade| trade.2).sum(),
                trades: trades.len() as u64,
            }
        })
        .collect();
    let found: Vec<Candle> = world.client.query_rows(CANDLES, &Default::default()).await.unwrap();
    assert_eq!(found, expected);
    let minutes: (u64, u64) = world.value("SELECT (sum(trade_count), count()) FROM marts.candle_1m FINAL").await;
    assert_eq!(minutes, (800, 1));

    // Everything once more: the same values under a higher version.
    world.execute("INSERT INTO ops.dirty (kind, venue, instrument, bucket) SELECT DISTINCT 'trade', venue, instrument, toStartOfInterval(toDateTime(event_ts, 'UTC'), INTERVAL 10 SECOND) FROM landing.trade").await;
    let before: u64 = world.value("SELECT max(version) FROM marts.candle_1s").await;
    world.wait_for(&format!("SELECT max(version) > {before} FROM marts.candle_1s"), 1).await;
    quiet(&world).await;
    let again: Vec<Candle> = world.client.query_rows(CANDLES, &Default::default()).await.unwrap();
    assert_eq!(again, expected);
    assert_eq!(loader.stop(), Some(0));
}

/// Marks that no view made, because the process was killed, are made at the next start.
pub async fn buckets_whose_marks_were_lost_are_found() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-test", "test", 1_000);
    let loader = world.loader(false);
    writer.trades(1, 100, 100, NOON, 10_000_000);
    writer.publish_all(&bus).await;
    world.wait_for("SELECT sum(rows) FROM ops.intents WHERE stage = 'done'", 100).await;
    loader.kill();
    world.execute("TRUNCATE TABLE ops.dirty").await;
    let loader = world.loader(true);
    world.wait_for("SELECT sum(trade_count) FROM marts.candle_1s FINAL", 100).await;
    assert_eq!(loader.stop(), Some(0));
}

#[derive(Debug, Deserialize)]
struct Basis {
    second: i64,
    perp_mid: Option<f64>,
    spot_mid: Option<f64>,
    basis_bps: Option<f64>,
    perp_age_ms: Option<u32>,
    spot_age_ms: Option<u32>,
}

/// Perpetual and spot of two venues of one exchange, one of them silent for a while; a contract of a
/// thousand; funding, mark and definition for the scanner.
pub async fn basis_carries_quotes_no_further_than_stated() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut spot = Writer::new("feed-spot", "ex", 1_000);
    let mut perp = Writer::new("feed-perp", "ex_futures", 1_000);
    let event = |writer: &Writer, instrument: &'static str, millis: i64, sequence: u64, price: i128| {
        let at = Nanos(NOON + millis * 1_000_000);
        Event::Quote(quote(header(writer.name, writer.venue, instrument, at), sequence, price))
    };
    let quotes = [(100, 1, 1_000), (900, 2, 2_000), (12_500, 3, 4_000)];
    let rows = quotes.map(|(millis, sequence, price)| event(&spot, "SHIB-USDT-SPOT", millis, sequence, price)).to_vec();
    spot.block(rows);
    // Every two seconds, of 1000 units each.
    let rows =
        (0..8u64).map(|n| event(&perp, "1000SHIB-USDT-USDT-PERP", n as i64 * 2_000 + 250, n + 1, 2_001_000)).collect();
    perp.block(rows);
    let at =
        |millis: i64| header("feed-perp", "ex_futures", "1000SHIB-USDT-USDT-PERP", Nanos(NOON + millis * 1_000_000));
    let rate = |rate: &str, millis: i64, interval| {
        Event::Funding(Funding {
            header: at(millis),
            rate: Some(rate.parse().unwrap()),
            absolute_rate: None,
            stage: FundingStage::Predicted,
            settles_at: Some(Nanos(NOON + 3_600 * SECOND)),
            interval_seconds: interval,
            interval_source: IntervalSource::Reference,
            mark_price: None,
        })
    };
    perp.block(vec![rate("0.0001", 500, Some(14_400)), rate("0.0002", 1_500, Some(14_400)), rate("0.0003", 900, None)]);
    let mark = Mark {
        header: at(700),
        mark_price: Some("2000.5".parse().unwrap()),
        index_price: None,
        estimated_settle_price: None,
    };
    perp.block(vec![Event::Mark(mark)]);
    let loader = world.loader(true);
    settled(&world, &bus, &spot).await;
    perp.publish_all(&bus).await;
    world.wait_for("SELECT sum(rows) FROM ops.intents WHERE stage = 'done'", 15).await;
    quiet(&world).await;
    let sql = format!(
        "SELECT toInt64(toUnixTimestamp(ts)) - {} AS second, toFloat64(perp_mid) AS perp_mid, toFloat64(spot_mid) AS spot_mid, \
         basis_bps, perp_age_ms, spot_age_ms FROM marts.basis_1s FINAL WHERE spot_venue = 'ex' ORDER BY ts",
        NOON / SECOND
    );
    let rows: Vec<Basis> = world.client.query_rows(&sql, &Default::default()).await.unwrap();
    let seconds: Vec<i64> = rows.iter().map(|row| row.second).collect();
    assert_eq!(seconds, [0, 2, 4, 6, 8, 10, 12, 14], "{}", world.loader_log());
    for row in &rows {
        // Spot was quoted at 0.9 s and 12.5 s; at the end of second n it is n + 1 seconds minus that old.
        let quoted = if row.second < 12 { (2_000.5, 900) } else { (4_000.5, 12_500) };
        let age = (row.second + 1) * 1_000 - quoted.1;
        let fresh = (age <= 5_000).then_some(());
        assert_eq!(row.spot_age_ms, fresh.map(|()| age as u32), "{row:?}");
        // The engine's way from a decimal to a float may miss the nearest one.
        assert_eq!(row.spot_mid.is_some(), fresh.is_some(), "{row:?}");
        assert!(row.spot_mid.is_none_or(|mid| (mid - quoted.0).abs() < 1e-9), "{row:?}");
        assert_eq!((row.perp_mid, row.perp_age_ms), (Some(2_001.000_5), Some(750)), "{row:?}");
        let basis = fresh.map(|()| (2_001.000_5 - quoted.0) / quoted.0 * 10_000.0);
        assert!(row.basis_bps.is_some() == basis.is_some(), "{row:?}");
        assert!((row.basis_bps.unwrap_or(0.0) - basis.unwrap_or(0.0)).abs() < 1e-9, "{row:?} {basis:?}");
    }
    #[derive(Deserialize)]
    struct Scanner {
        instrument: String,
        basis_bps: Option<f64>,
        funding_rate: String,
        funding_apr: f64,
        mark_price: String,
        quote_volume_24h: Option<String>,
    }
    let scanner: Vec<Scanner> =
        world.client.query_rows("SELECT * FROM marts.scanner", &Default::default()).await.unwrap();
    assert_eq!(scanner.len(), 1);
    let row = &scanner[0];
    assert_eq!(
        (row.instrument.as_str(), row.funding_rate.as_str(), row.mark_price.as_str()),
        ("1000SHIB-USDT-USDT-PERP", "0.0002", "2000.5")
    );
    assert!((row.funding_apr - 0.0002 * 6.0 * 365.0).abs() < 1e-12 && row.quote_volume_24h.is_none());
    assert!(row.basis_bps.is_some());
    assert_eq!(loader.stop(), Some(0));
}
