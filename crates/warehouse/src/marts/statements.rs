//! The statements that compute marts. Each covers a [`Scope`]: some instruments, some ranges of time.

use super::pairs::{self, Pair};
use super::recompute::{CARRY_SECONDS, Scope};

/// Order of rows within a bucket: the venue's time, then the order in which we received them.
pub(super) const ORDER: &str = "(event_ts, recv_ts, epoch, counter)";
const CANDLE_COLUMNS: &str = "venue, instrument, ts, open, high, low, close, volume, taker_buy_volume, quantity_unit, \
                              base_volume, quote_volume, trade_count, first_event_ts, last_event_ts, newest_recv_ts";

pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Scope {
    fn instruments_in(&self, columns: &str) -> String {
        let pairs =
            self.instruments.iter().map(|(venue, instrument)| format!("({}, {})", quoted(venue), quoted(instrument)));
        format!("({columns}) IN ({})", pairs.collect::<Vec<_>>().join(", "))
    }

    /// The ranges over a column; `stretch` seconds are added at each range's start.
    fn times(&self, stretch: i64, bound: impl Fn(i64) -> String, column: &str) -> String {
        let ranges = self
            .ranges
            .iter()
            .map(|(from, to)| format!("({column} >= {} AND {column} < {})", bound(from - stretch), bound(*to)));
        format!("({})", ranges.collect::<Vec<_>>().join(" OR "))
    }

    /// Rows of a landing table.
    pub(super) fn landing(&self) -> String {
        let bound = |second: i64| format!("toDateTime64({second}, 9, 'UTC')");
        format!("{} AND {}", self.instruments_in("venue, instrument"), self.times(0, bound, "event_ts"))
    }

    pub(super) fn seconds(&self, stretch: i64) -> String {
        self.times(stretch, |second| format!("toDateTime({second}, 'UTC')"), "ts")
    }

    /// Rows of a mart with one row per second or minute.
    pub(super) fn mart(&self) -> String {
        format!("{} AND {}", self.instruments_in("venue, instrument"), self.seconds(0))
    }
}

/// Candles of one second from trades. Cancelled trades (flag 16) do not count. A contract's size gives
/// the volume in base and quote currency: its unit is the quote currency for inverse contracts.
pub(super) fn candles_of_seconds(scope: &Scope, version: u64) -> String {
    let landing = scope.landing();
    let instruments = scope.instruments_in("venue, instrument");
    format!(
        "INSERT INTO marts.candle_1s ({CANDLE_COLUMNS}, version)
        SELECT t.venue, t.instrument, t.ts, t.open, t.high, t.low, t.close, t.volume, t.taker_buy_volume, t.unit,
            multiIf(
                t.unit = 'base', toDecimal256(t.volume, 36),
                t.unit = 'quote', t.volume_by_price,
                i.contract_size IS NULL, NULL,
                i.contract_size_unit = i.quote, toDecimal256(t.volume_by_price * i.contract_size, 36),
                toDecimal256(toDecimal256(t.volume, 18) * i.contract_size, 36)) AS base_volume,
            multiIf(
                t.unit = 'base', t.value,
                t.unit = 'quote', toDecimal256(t.volume, 36),
                i.contract_size IS NULL, NULL,
                i.contract_size_unit = i.quote, toDecimal256(toDecimal256(t.volume, 18) * i.contract_size, 36),
                toDecimal256(t.value * i.contract_size, 36)) AS quote_volume,
            t.trades, t.first_event_ts, t.last_event_ts, t.newest_recv_ts, {version}
        FROM (
            SELECT venue, instrument, toDateTime(event_ts, 'UTC') AS ts,
                argMin(price, {ORDER}) AS open, max(price) AS high, min(price) AS low, argMax(price, {ORDER}) AS close,
                sum(quantity) AS volume, sumIf(quantity, side = 'buy') AS taker_buy_volume,
                any(quantity_unit) AS unit,
                sum(toDecimal256(quantity, 18) * price) AS value,
                sum(if(quantity_unit = 'base', toDecimal256(0, 36), toDecimal256(quantity, 36) / price)) AS volume_by_price,
                sum(toUInt64(trade_count)) AS trades,
                min(event_ts) AS first_event_ts, max(event_ts) AS last_event_ts, max(recv_ts) AS newest_recv_ts
            FROM landing.trade FINAL
            WHERE {landing} AND bitAnd(flags, 16) = 0
            GROUP BY venue, instrument, ts
        ) AS t
        LEFT JOIN (
            SELECT venue, instrument, quote, contract_size, contract_size_unit FROM ref.instruments FINAL WHERE {instruments}
        ) AS i ON t.venue = i.venue AND t.instrument = i.instrument"
    )
}

/// Candles of one minute from those of its seconds.
pub(super) fn candles_of_minutes(scope: &Scope, version: u64) -> String {
    let mart = scope.mart();
    format!(
        "INSERT INTO marts.candle_1m ({CANDLE_COLUMNS}, version)
        SELECT venue, instrument, toStartOfMinute(s.ts) AS minute,
            argMin(open, s.ts), max(high), min(low), argMax(close, s.ts), sum(volume), sum(taker_buy_volume),
            any(quantity_unit),
            if(countIf(s.base_volume IS NULL) = 0, sum(s.base_volume), NULL),
            if(countIf(s.quote_volume IS NULL) = 0, sum(s.quote_volume), NULL),
            sum(trade_count), min(first_event_ts), max(last_event_ts), max(newest_recv_ts), {version}
        FROM marts.candle_1s AS s FINAL
        WHERE {mart}
        GROUP BY venue, instrument, minute"
    )
}

/// Buries the rows of a mart that a recomputation did not write: nothing is left to compute them from.
pub(super) fn bury(table: &str, scope: &Scope, version: u64) -> String {
    let mart = scope.mart();
    format!(
        "INSERT INTO {table} SELECT * REPLACE (toUInt64({version}) AS version, toUInt8(1) AS is_deleted)
        FROM {table} AS old FINAL WHERE {mart} AND old.version < {version}"
    )
}

/// The last quote of each second.
pub(super) fn quotes_of_seconds(scope: &Scope, version: u64) -> String {
    let landing = scope.landing();
    format!(
        "INSERT INTO marts.quote_1s (venue, instrument, ts, bid_price, bid_quantity, ask_price, ask_quantity,
            quantity_unit, quote_ts, recv_ts, age_ms, quotes, version)
        SELECT venue, instrument, ts, last.1, last.2, last.3, last.4, last.5, last.6, last.7,
            toUInt32(dateDiff('millisecond', last.6, toDateTime64(ts, 9, 'UTC') + INTERVAL 1 SECOND)), quotes, {version}
        FROM (
            SELECT venue, instrument, toDateTime(event_ts, 'UTC') AS ts, count() AS quotes,
                argMax((bid_price, bid_quantity, ask_price, ask_quantity, quantity_unit, event_ts, recv_ts), {ORDER}) AS last
            FROM landing.quote FINAL
            WHERE {landing}
            GROUP BY venue, instrument, ts
        )"
    )
}

/// Perpetuals against their spot markets, for every second in which either side was quoted.
pub(super) fn basis_of_seconds(pairs: &[Pair], scope: &Scope, version: u64) -> String {
    let (seconds, quoted, sides) = (scope.seconds(0), scope.seconds(CARRY_SECONDS), pairs::sides(pairs));
    format!(
        "INSERT INTO marts.basis_1s (venue, instrument, spot_venue, spot_instrument, ts, perp_mid, spot_mid, basis_bps,
            perp_age_ms, spot_age_ms, version)
        SELECT venue, instrument, spot_venue, spot_instrument, ts,
            if(perp_age_ms IS NULL, NULL, perp.2) AS perp_mid, if(spot_age_ms IS NULL, NULL, spot.2) AS spot_mid,
            toFloat64(perp_mid - spot_mid) / toFloat64(nullIf(spot_mid, 0)) * 10000 AS basis_bps,
            {perp_age} AS perp_age_ms, {spot_age} AS spot_age_ms, {version}
        FROM (
            SELECT venue, instrument, spot_venue, spot_instrument, ts,
                argMaxIf(newest, ts, is_perpetual) OVER so_far AS perp,
                argMaxIf(newest, ts, NOT is_perpetual) OVER so_far AS spot
            FROM (
                SELECT p.venue AS venue, p.instrument AS instrument, p.spot_venue AS spot_venue,
                    p.spot_instrument AS spot_instrument, p.is_perpetual AS is_perpetual, q.ts AS ts,
                    (q.quote_ts,
                     toDecimal128((toDecimal256(q.bid_price, 36) + q.ask_price) / 2 / p.multiplier, 18)) AS newest
                FROM (
                    SELECT venue, instrument, ts, quote_ts, bid_price, ask_price FROM marts.quote_1s FINAL WHERE {quoted}
                ) AS q
                INNER JOIN {sides} AS p ON q.venue = p.side_venue AND q.instrument = p.side_instrument
            )
            WINDOW so_far AS (
                PARTITION BY venue, instrument ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        )
        WHERE {seconds}
        LIMIT 1 BY venue, instrument, ts",
        perp_age = age("perp.1"),
        spot_age = age("spot.1"),
    )
}

/// Milliseconds from a quote to the end of the second; NULL beyond what is carried forward, and where there
/// was none, whose time is that of 1970.
fn age(quote: &str) -> String {
    let age = format!("dateDiff('millisecond', {quote}, toDateTime64(ts, 9, 'UTC') + INTERVAL 1 SECOND)");
    format!("if({age} BETWEEN 0 AND {}, toUInt32({age}), NULL)", CARRY_SECONDS * 1000)
}

/// As [`bury`], for the basis of these pairs.
pub(super) fn bury_basis(pairs: &[Pair], scope: &Scope, version: u64) -> String {
    let (is_pair, seconds) = (pairs::condition(pairs), scope.seconds(0));
    format!(
        "INSERT INTO marts.basis_1s SELECT * REPLACE (toUInt64({version}) AS version, toUInt8(1) AS is_deleted)
        FROM marts.basis_1s AS old FINAL WHERE {is_pair} AND {seconds} AND old.version < {version}"
    )
}
