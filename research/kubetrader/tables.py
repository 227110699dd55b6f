"""The statements behind each kind of frame. The numbers of exchanges are decimals; `exact` leaves them so."""

from collections.abc import Sequence
from dataclasses import dataclass

from .moments import length

# How a column is asked for.
PLAIN, DECIMAL, WIDE, ENUM, SECOND = "plain", "decimal", "wide", "enum", "second"

TRADES = {
    "event_ts": PLAIN,
    "venue": PLAIN,
    "instrument": PLAIN,
    "trade_id": PLAIN,
    "side": ENUM,
    "price": DECIMAL,
    "quantity": DECIMAL,
    "quantity_unit": ENUM,
    "flags": PLAIN,
    "origin": ENUM,
    "recv_ts": PLAIN,
}
QUOTES = {
    "event_ts": PLAIN,
    "venue": PLAIN,
    "instrument": PLAIN,
    "bid_price": DECIMAL,
    "bid_quantity": DECIMAL,
    "ask_price": DECIMAL,
    "ask_quantity": DECIMAL,
    "quantity_unit": ENUM,
    "recv_ts": PLAIN,
}
CANDLES = {
    "ts": SECOND,
    "venue": PLAIN,
    "instrument": PLAIN,
    "open": DECIMAL,
    "high": DECIMAL,
    "low": DECIMAL,
    "close": DECIMAL,
    "volume": DECIMAL,
    "taker_buy_volume": DECIMAL,
    "quantity_unit": ENUM,
    "base_volume": WIDE,
    "quote_volume": WIDE,
    "trade_count": PLAIN,
}
BASIS = {
    "ts": SECOND,
    "venue": PLAIN,
    "instrument": PLAIN,
    "spot_venue": PLAIN,
    "spot_instrument": PLAIN,
    "perp_mid": DECIMAL,
    "spot_mid": DECIMAL,
    "basis_bps": PLAIN,
    "perp_age_ms": PLAIN,
    "spot_age_ms": PLAIN,
}
ORDERS = {
    "decided_ts": PLAIN,
    "venue": PLAIN,
    "instrument": PLAIN,
    "strategy": PLAIN,
    "client_order_id": PLAIN,
    "venue_order_id": PLAIN,
    "intent": PLAIN,
    "side": ENUM,
    "time_in_force": ENUM,
    "limit_price": DECIMAL,
    "quantity": DECIMAL,
    "filled": DECIMAL,
    "state": PLAIN,
    "reason": PLAIN,
    "signal_ts": PLAIN,
    "sent_at": PLAIN,
    "acknowledged_at": PLAIN,
    "first_fill_at": PLAIN,
    "last_fill_at": PLAIN,
    "fills": PLAIN,
    "average_price": WIDE,
    "fee": DECIMAL,
    "cash": DECIMAL,
}
STEPS = {
    "event_ts": PLAIN,
    "venue": PLAIN,
    "instrument": PLAIN,
    "strategy": PLAIN,
    "client_order_id": PLAIN,
    "sequence": PLAIN,
    "step": ENUM,
    "intent": PLAIN,
    "side": ENUM,
    "limit_price": DECIMAL,
    "quantity": DECIMAL,
    "filled": DECIMAL,
    "fill_price": DECIMAL,
    "fill_quantity": DECIMAL,
    "liquidity": PLAIN,
    "fee": DECIMAL,
    "cash": DECIMAL,
    "position": DECIMAL,
    "basis_bps": PLAIN,
    "z_score": PLAIN,
    "reason": PLAIN,
    "detail": PLAIN,
}


@dataclass(frozen=True)
class Select:
    """One table's columns, its condition and its order. The table's name within the statement is `t`."""

    source: str
    columns: dict[str, str]
    condition: str
    order: str

    def sql(self, wanted: Sequence[str] | None, exact: bool) -> str:
        """The statement.

        Raises ValueError for a column that is none.
        """
        names = list(self.columns) if wanted is None else list(dict.fromkeys(wanted))
        unknown = [name for name in names if name not in self.columns]
        if unknown or not names:
            raise ValueError(f"no such column: {', '.join(unknown) or '(none)'}; there are {', '.join(self.columns)}")
        shown = ", ".join(expression(name, self.columns[name], exact) for name in names)
        return f"SELECT {shown} FROM {self.source} WHERE {self.condition} ORDER BY {self.order}"


def expression(name: str, kind: str, exact: bool) -> str:
    """How a column is selected. Decimals wider than a frame's (38 digits) come as text where they are to be exact."""
    if kind == DECIMAL:
        return f"t.{name} AS {name}" if exact else f"toFloat64(t.{name}) AS {name}"
    if kind == WIDE:
        return f"toString(t.{name}) AS {name}" if exact else f"toFloat64(t.{name}) AS {name}"
    if kind == ENUM:
        return f"CAST(t.{name}, 'LowCardinality(String)') AS {name}"
    if kind == SECOND:
        return f"toDateTime64(t.{name}, 9, 'UTC') AS {name}"
    return f"t.{name} AS {name}"


MARKET = "t.venue = {venue:String} AND t.instrument = {instrument:String}"


def within(column: str) -> str:
    """A range of nanoseconds, its end not included."""
    return (
        f"t.{column} >= fromUnixTimestamp64Nano({{start:Int64}}, 'UTC') "
        f"AND t.{column} < fromUnixTimestamp64Nano({{end:Int64}}, 'UTC')"
    )


def trades() -> Select:
    return Select("landing.trade AS t FINAL", TRADES, f"{MARKET} AND {within('event_ts')}", "t.event_ts")


def quotes() -> Select:
    return Select("landing.quote AS t FINAL", QUOTES, f"{MARKET} AND {within('event_ts')}", "t.event_ts")


def candles(interval: str) -> Select:
    """Candles of any whole number of seconds; what a part of the interval does not know, the whole does not."""
    condition = f"{MARKET} AND {within('ts')}"
    seconds, rest = divmod(length(interval), 10**9)
    if rest or seconds < 1:
        raise ValueError(f"{interval!r}: candles last a whole number of seconds, such as 1s, 1m, 4h")
    stored = {1: "marts.candle_1s", 60: "marts.candle_1m"}
    if seconds in stored:
        return Select(f"{stored[seconds]} AS t FINAL", CANDLES, condition, "t.ts")
    parts = stored[60 if seconds % 60 == 0 else 1]
    known = "if(countIf({0} IS NULL) > 0, NULL, sum({0}))"
    sums = ", ".join(f"sum(s.{name}) AS {name}" for name in ("volume", "taker_buy_volume", "trade_count"))
    wide = ", ".join(f"{known.format(f's.{name}')} AS {name}" for name in ("base_volume", "quote_volume"))
    source = (
        f"(SELECT toStartOfInterval(s.ts, INTERVAL {seconds} SECOND) AS ts, "
        "s.venue AS venue, s.instrument AS instrument, "
        f"argMin(s.open, s.ts) AS open, max(s.high) AS high, min(s.low) AS low, argMax(s.close, s.ts) AS close, "
        f"any(s.quantity_unit) AS quantity_unit, {sums}, {wide} "
        f"FROM {parts} AS s FINAL WHERE {condition.replace('t.', 's.')} GROUP BY ts, venue, instrument) AS t"
    )
    return Select(source, CANDLES, "1", "t.ts")


def basis(every: str) -> Select:
    """The basis by second; for longer intervals the last that is known within each."""
    condition = f"{MARKET} AND {within('ts')}"
    seconds, rest = divmod(length(every), 10**9)
    if rest or seconds < 1:
        raise ValueError(f"{every!r}: the basis is kept by second; write 1s, 1m, 1h")
    if seconds == 1:
        return Select("marts.basis_1s AS t FINAL", BASIS, condition, "t.ts")
    names = ("spot_venue", "spot_instrument", "perp_mid", "spot_mid", "basis_bps", "perp_age_ms", "spot_age_ms")
    last = ", ".join(f"argMax(s.{name}, (s.basis_bps IS NOT NULL, s.ts)) AS {name}" for name in names)
    source = (
        f"(SELECT toStartOfInterval(s.ts, INTERVAL {seconds} SECOND) AS ts, "
        "s.venue AS venue, s.instrument AS instrument, "
        f"{last} FROM marts.basis_1s AS s FINAL WHERE {condition.replace('t.', 's.')} "
        f"GROUP BY ts, venue, instrument) AS t"
    )
    return Select(source, BASIS, "1", "t.ts")


def orders(market: bool, strategy: bool) -> Select:
    return Select("marts.order_life AS t", ORDERS, _mine("decided_ts", market, strategy), "t.decided_ts")


def steps(market: bool, strategy: bool) -> Select:
    return Select(
        "landing.order AS t FINAL",
        STEPS,
        _mine("event_ts", market, strategy),
        "t.event_ts, t.client_order_id, t.sequence",
    )


def _mine(column: str, market: bool, strategy: bool) -> str:
    parts = [within(column)]
    if market:
        parts.append(MARKET)
    if strategy:
        parts.append("t.strategy = {strategy:String}")
    return " AND ".join(parts)


def funding(exact: bool, stage: bool) -> str:
    """Rates with what they make in a year, where the interval is known: from the venue, else from reference data."""
    number = "t.{0}" if exact else "toFloat64(t.{0})"
    shown = ", ".join(f"{number.format(name)} AS {name}" for name in ("rate", "absolute_rate", "mark_price"))
    reference = (
        "(SELECT any(i.funding_interval_seconds) FROM ref.instruments AS i FINAL "
        "WHERE i.venue = {venue:String} AND i.instrument = {instrument:String})"
    )
    condition = f"{MARKET} AND {within('event_ts')}" + (" AND t.stage = {stage:String}" if stage else "")
    return (
        f"WITH {reference} AS stated, coalesce(t.interval_seconds, stated) AS seconds "
        f"SELECT t.event_ts AS event_ts, t.venue AS venue, t.instrument AS instrument, "
        f"CAST(t.stage, 'LowCardinality(String)') AS stage, {shown}, t.settles_at AS settles_at, "
        f"seconds AS interval_seconds, CAST(multiIf(t.interval_seconds IS NOT NULL, toString(t.interval_source), "
        f"seconds IS NOT NULL, 'reference', 'unknown'), 'LowCardinality(String)') AS interval_source, "
        f"toFloat64(t.rate) * 86400 / seconds * 365 AS apr, t.recv_ts AS recv_ts "
        f"FROM landing.funding AS t FINAL WHERE {condition} ORDER BY t.event_ts"
    )
