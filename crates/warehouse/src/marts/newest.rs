//! The statements that keep the newest row of each instrument, for screens that ask often.

use std::fmt::Write;

use super::pairs::{self, Pair};
use super::recompute::Scope;
use super::statements::ORDER;

/// The newest quote of each instrument; a quote's own time is its version, so older ones never win.
pub(super) fn quotes(scope: &Scope) -> String {
    let mart = scope.mart();
    format!(
        "INSERT INTO marts.quote_newest
        SELECT venue, instrument, quote_ts, recv_ts, bid_price, bid_quantity, ask_price, ask_quantity, quantity_unit,
            toUInt64(toUnixTimestamp64Nano(quote_ts))
        FROM marts.quote_1s FINAL WHERE {mart}
        ORDER BY venue, instrument, ts DESC LIMIT 1 BY venue, instrument"
    )
}

/// The newest basis of each of these pairs.
pub(super) fn basis(pairs: &[Pair], scope: &Scope) -> String {
    let (is_pair, seconds) = (pairs::condition(pairs), scope.seconds(0));
    format!(
        "INSERT INTO marts.basis_newest
        SELECT venue, instrument, spot_venue, spot_instrument, ts, perp_mid, spot_mid, basis_bps, perp_age_ms,
            spot_age_ms, toUInt64(toUnixTimestamp(ts))
        FROM marts.basis_1s FINAL
        WHERE {is_pair} AND {seconds}
        ORDER BY venue, instrument, ts DESC LIMIT 1 BY venue, instrument"
    )
}

/// The newest mark and index price of each instrument.
pub(super) fn marks(scope: &Scope) -> String {
    newest(
        "marts.mark_newest",
        "landing.mark",
        "venue, instrument",
        &["event_ts", "recv_ts", "mark_price", "index_price"],
        scope,
    )
}

/// The newest funding rate of each instrument and stage.
pub(super) fn fundings(scope: &Scope) -> String {
    let columns = ["event_ts", "recv_ts", "rate", "absolute_rate", "settles_at", "interval_seconds", "interval_source"];
    newest("marts.funding_newest", "landing.funding", "venue, instrument, stage", &columns, scope)
}

/// The newest definition of each instrument.
pub(super) fn instruments(scope: &Scope) -> String {
    let columns = [
        "symbol",
        "instrument_type",
        "payoff",
        "base",
        "quote",
        "settle",
        "underlying",
        "underlying_multiplier",
        "contract_size",
        "contract_size_unit",
        "tick_size",
        "lot_size",
        "expiry_ts",
        "status",
        "funding_interval_seconds",
        "event_ts",
    ];
    newest("ref.instruments", "landing.instrument", "venue, instrument", &columns, scope)
}

fn newest(table: &str, landing: &str, key: &str, columns: &[&str], scope: &Scope) -> String {
    let mut parts = String::new();
    for index in 1..=columns.len() {
        // Writing to a String cannot fail.
        let _ = write!(parts, "last.{index}, ");
    }
    // Names of the result do not matter: the columns go in by their place.
    format!(
        "INSERT INTO {table}
        SELECT {key}, {parts} toUInt64(greatest(toUnixTimestamp64Nano(newest), 0))
        FROM (
            SELECT {key}, argMax(({}), {ORDER}) AS last, max(event_ts) AS newest
            FROM {landing} FINAL WHERE {} GROUP BY {key}
        )",
        columns.join(", "),
        scope.landing()
    )
}
