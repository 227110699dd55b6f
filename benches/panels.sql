-- Fifty million rows each in landing.quote, marts.basis_1s and marts.candle_1s, and four million inserts in the loader's books, for
-- `node benches/panels.mjs`. Statements are parted by lines with a semicolon alone; {part:UInt32} runs from 0 to 19, one instrument
-- each. Everything ends at {end:Int64}, ms.
INSERT INTO marts.basis_1s (venue, instrument, spot_venue, spot_instrument, ts, perp_mid, spot_mid, basis_bps, perp_age_ms, spot_age_ms, version)
SELECT
    'binance_usdm', concat('P', leftPad(toString({part:UInt32}), 2, '0'), '-USDT-USDT-PERP'), 'binance', concat('P', leftPad(toString({part:UInt32}), 2, '0'), '-USDT-SPOT'),
    toDateTime(intDiv({end:Int64}, 1000) - 1 - number, 'UTC'), toDecimal128(60000 + sin(number / 5000) * 800, 18), toDecimal128(60000 + sin(number / 5000) * 790, 18),
    sin(number / 5000) * 3 + (cityHash64(number) % 1000) / 500, cityHash64(number, 1) % 900, cityHash64(number, 2) % 900, 1
FROM numbers(2500000)
;
INSERT INTO marts.candle_1s (venue, instrument, ts, open, high, low, close, volume, taker_buy_volume, base_volume, quote_volume, trade_count, version)
SELECT
    'binance_usdm', concat('P', leftPad(toString({part:UInt32}), 2, '0'), '-USDT-USDT-PERP'), toDateTime(intDiv({end:Int64}, 1000) - 1 - number, 'UTC'),
    toDecimal128(60000, 18), toDecimal128(60001 + cityHash64(number) % 50, 18), toDecimal128(59990, 18), toDecimal128(60000 + cityHash64(number) % 40, 18),
    1, 0.5, 1, 60010, 3, 1
FROM numbers(2500000)
;
INSERT INTO landing.quote (
    publish_ts, counter, epoch, writer, venue, instrument, channel, event_ts, recv_ts, identity, sequence,
    bid_price, bid_quantity, ask_price, ask_quantity, quantity_unit)
WITH fromUnixTimestamp64Milli({end:Int64}, 'UTC') - toIntervalMillisecond(number * 33) AS at
SELECT
    at, number, 1, 'bench', if({part:UInt32} % 2 = 0, 'binance_usdm', 'binance'),
    concat('P', leftPad(toString(intDiv({part:UInt32}, 2)), 2, '0'), if({part:UInt32} % 2 = 0, '-USDT-USDT-PERP', '-USDT-SPOT')), 'quote', at, at, 'sequence', number,
    toDecimal128(60000 + (cityHash64(number) % 1000) / 10, 18), 1, toDecimal128(60100 + (cityHash64(number) % 1000) / 10, 18), 1, 'base'
FROM numbers(2500000)
;
INSERT INTO marts.quote_newest (venue, instrument, quote_ts, recv_ts, bid_price, bid_quantity, ask_price, ask_quantity, quantity_unit, version)
WITH fromUnixTimestamp64Milli({end:Int64}, 'UTC') AS at
SELECT venue, concat('P', leftPad(toString({part:UInt32}), 2, '0'), kind), at, at, 60000, 1, 60001, 1, 'base', 1
FROM (SELECT arrayJoin([('binance_usdm', '-USDT-USDT-PERP'), ('binance', '-USDT-SPOT')]) AS pair, pair.1 AS venue, pair.2 AS kind)
;
INSERT INTO landing.funding (
    publish_ts, counter, epoch, writer, venue, instrument, channel, event_ts, recv_ts, stage, rate, interval_seconds, interval_source, settles_at, mark_price)
WITH fromUnixTimestamp64Milli({end:Int64}, 'UTC') - toIntervalSecond(number * 12) AS at
SELECT
    at, number, 1, 'bench', 'binance_usdm', concat('P', leftPad(toString({part:UInt32}), 2, '0'), '-USDT-USDT-PERP'), 'mark', at, at, 'predicted',
    0.0001, 28800, 'venue', toStartOfInterval(at, INTERVAL 8 HOUR) + INTERVAL 8 HOUR, 60000
FROM numbers(200000)
;
INSERT INTO ops.intents (
    insert_id, stage, fence, kind, day, writer, epoch, blocks, last_block, rows, first_counter, last_counter, min_event_ts, max_event_ts,
    landed_block, stream_created, log_sequence, settled_below, counters, key_hashes, written_at)
WITH fromUnixTimestamp64Milli({end:Int64}, 'UTC') - toIntervalMillisecond(number * 12000) AS at
SELECT
    number, 'done', 1, ['trade', 'quote', 'book', 'mark', 'funding'][1 + {part:UInt32} % 5], toDate(at), concat('feed-v', toString({part:UInt32} % 4)), 1, [number], number, 500,
    number * 500, number * 500 + 499, at - 1, at, number, 1, number, number, [], [], at
FROM numbers(200000)
