"""What there is: instruments, the range that each kind covers, and the gaps."""

import difflib
from dataclasses import dataclass, field

from .errors import NoData, UnknownInstrument
from .moments import spoken
from .transport import Session

KINDS = ("trade", "quote", "book", "candle", "mark", "funding", "open_interest", "liquidation", "signal", "order")

KNOWN = """
SELECT venue, instrument, any(symbol) AS symbol FROM (
    SELECT venue, instrument, symbol FROM ref.instruments FINAL
    UNION ALL SELECT venue, instrument, '' AS symbol FROM marts.quote_newest
) GROUP BY venue, instrument ORDER BY venue, instrument
"""

# What was received of an instrument that its venue has not described, or not yet.
RECEIVED = """
SELECT DISTINCT venue FROM landing.trade WHERE instrument = {instrument:String}
UNION DISTINCT SELECT DISTINCT venue FROM landing.funding WHERE instrument = {instrument:String}
"""

# A gap without an end lasts; one without an instrument concerns all of its venue.
GAPS = """
SELECT venue, instrument, kind, cause, state, from_ts, to_ts, missing, found, inserted, present, reason, detail,
    event_ts
FROM ops.gaps
WHERE coalesce(from_ts, event_ts) < fromUnixTimestamp64Nano({end:Int64}, 'UTC')
    AND (to_ts IS NULL OR to_ts >= fromUnixTimestamp64Nano({start:Int64}, 'UTC'))
    AND ({venue:String} = '' OR venue = {venue:String})
    AND ({instrument:String} = '' OR instrument IN ('', {instrument:String}))
    AND ({kind:String} = '' OR kind IN ('', {kind:String}))
ORDER BY from_ts, venue, instrument
"""


@dataclass(frozen=True)
class Market:
    """One instrument at one venue."""

    venue: str
    instrument: str

    def __str__(self) -> str:
        return f"{self.venue}/{self.instrument}"


@dataclass
class Catalogue:
    """Finds markets by name. What it has learnt is asked anew when a name is not found."""

    session: Session
    _symbols: dict[Market, str] = field(default_factory=dict)

    def market(self, name: str, venue: str | None = None) -> Market:
        """The market that `name` means: "BTC-USDT-SPOT", "binance/BTC-USDT-SPOT", or the same with `venue`."""
        if venue is None and "/" in name:
            venue, name = name.split("/", 1)
        found = self._find(name, venue)
        if not found:
            self._learn(name)
            found = self._find(name, venue)
        if len(found) == 1:
            return found[0]
        if found:
            choices = ", ".join(str(market) for market in found)
            raise UnknownInstrument(f"{name} is traded at several venues; name one: {choices}", [str(m) for m in found])
        raise self._unknown(name, venue)

    def _find(self, name: str, venue: str | None) -> list[Market]:
        return [each for each in self._symbols if each.instrument == name and venue in (None, each.venue)]

    def _learn(self, name: str) -> None:
        received = self.session.table(RECEIVED, {"instrument": name}).to_pylist()
        rows = self.session.table(KNOWN).to_pylist()
        self._symbols = {Market(row["venue"], name): "" for row in received}
        self._symbols |= {Market(row["venue"], row["instrument"]): row["symbol"] for row in rows}

    def _unknown(self, name: str, venue: str | None) -> UnknownInstrument:
        names: dict[str, Market] = {}
        for market, symbol in self._symbols.items():
            if venue in (None, market.venue):
                names |= {market.instrument.upper(): market, symbol.upper(): market}
        names.pop("", None)
        # A venue's own symbol means its market at once; it still has to be asked for by its canonical name.
        close = difflib.get_close_matches(name.upper(), names, n=5, cutoff=0.5)
        similar = list(dict.fromkeys(str(names[each]) for each in close))
        venues = sorted({market.venue for market in self._symbols})
        if venue is not None and venue not in venues:
            return UnknownInstrument(f"there is no venue {venue}; there are {', '.join(venues) or 'none yet'}", venues)
        where = f" at {venue}" if venue else ""
        hint = f"; similar: {', '.join(similar)}" if similar else "; instruments() lists all"
        if not self._symbols:
            hint = "; the warehouse knows no instrument yet: does the platform run (`kt status`)?"
        return UnknownInstrument(f"no instrument {name}{where}{hint}", similar)

    def extent(self, table: str, column: str, market: Market) -> tuple[int, int] | None:
        """The first and the last moment of a market in a table, in nanoseconds."""
        # DateTime and DateTime64 alike.
        sql = (
            f"SELECT toUnixTimestamp64Nano(toDateTime64(min({column}), 9, 'UTC')) AS first, "
            f"toUnixTimestamp64Nano(toDateTime64(max({column}), 9, 'UTC')) AS last, count() AS rows "
            f"FROM {table} WHERE venue = {{venue:String}} AND instrument = {{instrument:String}}"
        )
        row = self.session.table(sql, {"venue": market.venue, "instrument": market.instrument}).to_pylist()[0]
        return (row["first"], row["last"]) if row["rows"] else None

    def nothing(self, what: str, extent: tuple[int, int] | None, market: Market, start: int, end: int) -> NoData:
        """Says that a range is empty, and where there would be something."""
        asked = f"no {what} of {market} from {spoken(start)} to {spoken(end)}"
        if extent is None:
            return NoData(f"{asked}; the warehouse has none of this market at all")
        return NoData(f"{asked}; there is data from {spoken(extent[0])} to {spoken(extent[1])}")


def coverage_sql(kinds: tuple[str, ...] = KINDS) -> str:
    """Rows, first and last moment of each kind. Rows that FINAL would leave out (repeats) are counted."""
    each = (
        f"SELECT '{kind}' AS kind, count() AS rows, minOrNull(event_ts) AS first, maxOrNull(event_ts) AS last, "
        f"maxOrNull(recv_ts) AS last_received FROM landing.{kind} "
        "WHERE venue = {venue:String} AND instrument = {instrument:String}"
        for kind in kinds
    )
    return f"SELECT * FROM ({' UNION ALL '.join(each)}) ORDER BY rows = 0, kind"
