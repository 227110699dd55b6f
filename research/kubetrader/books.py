"""An order book at a moment: the newest snapshot or checkpoint before it, and the deltas since."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from .catalogue import Market
from .errors import NoData
from .frames import Frame, Library, frame
from .moments import spoken
from .tables import MARKET
from .transport import Session

# Checkpoints are written every ten minutes; twice that leaves room for a late one.
REACH_NS = 20 * 60 * 10**9
# Stands for a number that fits no 64-bit mantissa; its text is in `escaped`.
ESCAPE = -(2**63)
SCALE = 18

RANGE = (
    "t.event_ts > fromUnixTimestamp64Nano({since:Int64}, 'UTC') "
    "AND t.event_ts <= fromUnixTimestamp64Nano({at:Int64}, 'UTC')"
)
# The stretch that the newest row belongs to, and where in it a whole book stands. An older stretch's book is not
# this one's: something was missed between them.
STRETCH = f"""
SELECT t.writer AS writer, t.epoch AS epoch, t.book_epoch AS book_epoch, t.channel AS channel,
    max(t.event_ts) AS newest, countIf(t.action != 'delta') AS wholes,
    argMaxIf(t.counter, (t.event_ts, t.counter), t.action != 'delta') AS base
FROM landing.book AS t WHERE {MARKET} AND {RANGE}
GROUP BY writer, epoch, book_epoch, channel ORDER BY newest DESC, epoch DESC, book_epoch DESC LIMIT 1
"""
ROWS = f"""
SELECT toUnixTimestamp64Nano(t.event_ts) AS event_ts, toString(t.action) AS action, t.last_sequence AS last_sequence,
    t.depth_limit AS depth_limit, toString(t.quantity_unit) AS quantity_unit, t.price_exponent AS price_exponent,
    t.quantity_exponent AS quantity_exponent, t.bid_prices AS bid_prices, t.bid_quantities AS bid_quantities,
    t.ask_prices AS ask_prices, t.ask_quantities AS ask_quantities, t.escaped AS escaped
FROM landing.book AS t FINAL
WHERE {MARKET} AND {RANGE} AND t.writer = {{writer:String}} AND t.epoch = {{epoch:UInt32}}
    AND t.book_epoch = {{book_epoch:UInt32}} AND t.channel = {{channel:String}} AND t.counter >= {{base:UInt64}}
ORDER BY t.counter
"""

Levels = dict[Decimal, Decimal]


@dataclass(frozen=True)
class Book:
    """Both sides of a book, best first."""

    venue: str
    instrument: str
    # The moment asked for, and that of the newest row in the book, in nanoseconds.
    at: int
    event_ts: int
    # The venue's number of that row's last update.
    sequence: int
    quantity_unit: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]

    @property
    def mid(self) -> Decimal | None:
        """The middle between the best prices, where both sides are there."""
        return (self.bids[0][0] + self.asks[0][0]) / 2 if self.bids and self.asks else None

    def levels(self, frame_library: Library = "polars", exact: bool = False) -> Frame:
        """One row for each level: side, level (from 1), price, quantity."""
        rows = [("bid", n, *each) for n, each in enumerate(self.bids, 1)]
        rows += [("ask", n, *each) for n, each in enumerate(self.asks, 1)]
        kind = pa.decimal128(38, SCALE) if exact else pa.float64()
        number: Any = Decimal if exact else float
        table = pa.table(
            {
                "side": pa.array([row[0] for row in rows], pa.string()),
                "level": pa.array([row[1] for row in rows], pa.int32()),
                "price": pa.array([number(row[2]) for row in rows], kind),
                "quantity": pa.array([number(row[3]) for row in rows], kind),
            }
        )
        return frame(table, frame_library)


def at(session: Session, market: Market, moment: int) -> Book:
    """The book as it stood at a moment of the exchange's clock.

    Raises NoData where it is not known: nothing was received in the 20 minutes before, or no whole book since
    something was missed.
    """
    parameters: dict[str, str | int] = {
        "venue": market.venue,
        "instrument": market.instrument,
        "since": moment - REACH_NS,
        "at": moment,
    }
    found = session.table(STRETCH, parameters).to_pylist()
    if not found or not found[0]["wholes"]:
        reason = "its stretch of deltas began without a snapshot" if found else "nothing was received before it"
        raise NoData(f"the book of {market} at {spoken(moment)} is not known: {reason} (20 minutes are looked at)")
    stretch = {name: found[0][name] for name in ("writer", "epoch", "book_epoch", "channel", "base")}
    rows = session.table(ROWS, {**parameters, **stretch}).to_pylist()
    bids: Levels = {}
    asks: Levels = {}
    for row in rows:
        if row["action"] != "delta":
            bids, asks = {}, {}
        apply(row, bids, asks)
    newest = rows[-1]
    depth = newest["depth_limit"]
    return Book(
        venue=market.venue,
        instrument=market.instrument,
        at=moment,
        event_ts=newest["event_ts"],
        sequence=newest["last_sequence"],
        quantity_unit=newest["quantity_unit"],
        # What fell out of a limited channel's depth is not removed by it.
        bids=tuple(sorted(bids.items(), reverse=True))[:depth],
        asks=tuple(sorted(asks.items()))[:depth],
    )


def apply(row: dict[str, Any], bids: Levels, asks: Levels) -> None:
    """Sets the levels that one row states; a quantity of 0 removes a level."""
    escaped = iter(row["escaped"])

    def numbers(name: str, exponent: int) -> list[Decimal]:
        return [Decimal(next(escaped)) if n == ESCAPE else Decimal(n).scaleb(exponent) for n in row[name]]

    # In the order in which `escaped` was written.
    price, quantity = row["price_exponent"], row["quantity_exponent"]
    sides = [
        (bids, numbers("bid_prices", price), numbers("bid_quantities", quantity)),
        (asks, numbers("ask_prices", price), numbers("ask_quantities", quantity)),
    ]
    for levels, prices, quantities in sides:
        for each, size in zip(prices, quantities, strict=True):
            if size:
                levels[each] = size
            else:
                levels.pop(each, None)
