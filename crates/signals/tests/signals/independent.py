"""The same signals from the exchange's own frames, written without a look at the engine.

Usage: independent.py INPUTS OUTPUTS. INPUTS holds a tick or a received frame a line, OUTPUTS what the engine
stated at which line. Every stated value is computed here anew and compared; a disagreement ends with code 1.
"""

import bisect
import collections
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

Message = dict[str, Any]
Rows = list[tuple[Any, ...]]

WINDOW = 6_000_000_000
BUCKET = WINDOW // 60
SAMPLE = 500_000_000
SAMPLES = 40
MINIMUM = 10
MAXIMUM_AGE = 5_000_000_000
YEAR = 365 * 86_400
LEAST = {  # values that must have been compared, or the comparison says nothing
    "mid": 100,
    "spread": 200,
    "microprice": 5_000,
    "book_imbalance": 300,
    "order_flow_imbalance": 300,
    "trade_imbalance": 300,
    "vwap": 300,
    "realised_volatility": 100,
    "basis": 500,
    "z_score": 50,
    "percentile": 50,
}


class Book:
    """Levels by price, from a REST snapshot and the updates after it."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[float, float]] = {"b": {}, "a": {}}
        self.last: int | None = None
        self.held: list[Message] = []

    def snapshot(self, message: Message) -> None:
        self.sides = {
            "b": {float(price): float(quantity) for price, quantity in message["bids"]},
            "a": {float(price): float(quantity) for price, quantity in message["asks"]},
        }
        self.last = message["lastUpdateId"]
        for update in self.held:
            self.update(update)
        self.held = []

    def update(self, message: Message) -> None:
        if self.last is None:
            self.held.append(message)
            return
        if message["u"] <= self.last:
            return
        for side in "ba":
            for price, quantity in message[side]:
                if float(quantity) == 0.0:
                    self.sides[side].pop(float(price), None)
                else:
                    self.sides[side][float(price)] = float(quantity)
        self.last = message["u"]

    def imbalance(self, levels: int) -> float | None:
        if self.last is None:
            return None
        bids = sum(self.sides["b"][price] for price in sorted(self.sides["b"])[-levels:])
        asks = sum(self.sides["a"][price] for price in sorted(self.sides["a"])[:levels])
        return (bids - asks) / (bids + asks)


class Market:
    def __init__(self) -> None:
        self.quote: tuple[float, float, float, float] | None = None
        self.quoted_at = 0
        self.began: int | None = None
        self.book = Book()
        self.flow: Rows = []
        self.trades: Rows = []
        self.returns: collections.deque[float] = collections.deque(maxlen=SAMPLES)
        self.sampled_mid: float | None = None
        self.interval: int | None = None

    def mid(self, now: int) -> float | None:
        if self.quote is None or now - self.quoted_at > MAXIMUM_AGE:
            return None
        bid, _, ask, _ = self.quote
        return (bid + ask) / 2 if bid <= ask else None

    def take_quote(self, now: int, message: Message) -> None:
        new = (float(message["b"]), float(message["B"]), float(message["a"]), float(message["A"]))
        old = self.quote
        if old is not None and self.mid(now) is not None:
            flow = 0.0
            if new[0] >= old[0]:
                flow += new[1]
            if new[0] <= old[0]:
                flow -= old[1]
            if new[2] <= old[2]:
                flow -= new[3]
            if new[2] >= old[2]:
                flow += old[3]
            self.flow.append((now, flow))
        self.quote, self.quoted_at = new, now

    def take_trade(self, now: int, message: Message) -> None:
        price, quantity = float(message["p"]), float(message["q"])
        if price > 0 and quantity > 0 and message.get("X", "MARKET") == "MARKET":
            self.trades.append((now, price, quantity, not message["m"]))

    def sample(self, now: int) -> bool:
        """At the first input of a new interval, before it takes effect."""
        interval = now // SAMPLE
        before, self.interval = self.interval, interval
        if before is None or interval == before:
            return False
        mid = self.mid(now)
        if mid is None or interval > before + 1:
            self.returns.clear()
        elif self.sampled_mid is not None:
            self.returns.append(math.log(mid / self.sampled_mid))
        self.sampled_mid = mid
        return True

    def windowed(self, rows: Rows, now: int) -> Rows | None:
        if self.began is None or now - self.began < WINDOW:
            return None
        start = (now // BUCKET - 59) * BUCKET
        return rows[bisect.bisect_left(rows, start, key=lambda row: row[0]) :]

    def value(self, name: str, now: int) -> float | None:
        if name == "mid":
            return self.mid(now)
        if name == "book_imbalance":
            return self.book.imbalance(5)
        if name in ("trade_imbalance", "vwap"):
            return self.traded(name, now)
        mid = self.mid(now)
        if mid is None or self.quote is None:
            return None
        if name == "order_flow_imbalance":
            rows = self.windowed(self.flow, now)
            return None if rows is None else math.fsum(e for _, e in rows)
        if name == "realised_volatility":
            if len(self.returns) < SAMPLES:
                return None
            return math.sqrt(math.fsum(r * r for r in self.returns) * YEAR / (SAMPLES * SAMPLE / 1e9))
        bid, bid_quantity, ask, ask_quantity = self.quote
        if name == "spread":
            return (ask - bid) / mid * 10_000
        if name == "microprice":
            return (bid * ask_quantity + ask * bid_quantity) / (bid_quantity + ask_quantity)
        raise ValueError(name)

    def traded(self, name: str, now: int) -> float | None:
        rows = self.windowed(self.trades, now)
        if not rows:
            return None
        if name == "vwap":
            return math.fsum(p * q for _, p, q, _ in rows) / math.fsum(q for _, _, q, _ in rows)
        bought = math.fsum(q for _, _, q, buy in rows if buy)
        sold = math.fsum(q for _, _, q, buy in rows if not buy)
        return (bought - sold) / (bought + sold)


class World:
    def __init__(self) -> None:
        self.markets = {"binance": Market(), "binance_usdm": Market()}
        self.now = 0
        self.basis_samples: list[tuple[int, float]] = []

    def basis(self) -> float | None:
        spot, perpetual = (self.markets[venue].mid(self.now) for venue in ("binance", "binance_usdm"))
        return None if spot is None or perpetual is None else (perpetual - spot) / spot * 10_000

    def take(self, line: Message) -> None:
        self.now = max(self.now, line["tick"] if "tick" in line else line["t"])
        perpetual = self.markets["binance_usdm"]
        for market in self.markets.values():
            if market.began is not None and market.sample(self.now) and market is perpetual:
                basis = self.basis()
                if basis is not None:
                    self.basis_samples.append((self.now, basis))
                oldest = self.now - SAMPLES * SAMPLE
                self.basis_samples = [row for row in self.basis_samples[-SAMPLES:] if row[0] > oldest]
        if "tick" in line:
            return
        market = self.markets[line["venue"]]
        message = json.loads(line["d"])
        if line["http"]:
            if "lastUpdateId" in message:
                market.book.snapshot(message)
            return
        message = message.get("data", message)
        kind = message.get("e", "bookTicker" if "B" in message else "")
        if kind == "bookTicker":
            market.take_quote(self.now, message)
        elif kind == "trade":
            market.take_trade(self.now, message)
        elif kind == "depthUpdate":
            market.book.update(message)

    def value(self, name: str, venue: str) -> float | None:
        if name == "basis":
            return self.basis()
        if name in ("z_score", "percentile"):
            values = [value for _, value in self.basis_samples]
            if len(values) < MINIMUM or self.basis() is None:
                return None
            if name == "z_score":
                return (values[-1] - statistics.fmean(values)) / statistics.stdev(values)
            below = sum(value < values[-1] for value in values)
            equal = sum(value == values[-1] for value in values)
            return (below + equal / 2) / len(values) * 100
        return self.markets[venue].value(name, self.now)


def main() -> int:
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
    stated = collections.defaultdict(list)
    for row in map(json.loads, Path(sys.argv[2]).read_text("utf-8").splitlines()):
        stated[row[0]].append(row)
    world, wrong = World(), []
    compared: collections.Counter[str] = collections.Counter()
    for number, line in enumerate(lines, 1):
        world.take(line)
        if stated[number] and "t" in line and world.markets[line["venue"]].began is None:
            world.markets[line["venue"]].began = line["t"]  # the engine knows the instrument from here on
        for _, name, venue, _, value, reason in stated[number]:
            if name == "book_imbalance" and line.get("http"):
                continue  # the engine states it at the snapshot, before the updates that were held for it
            mine = world.value(name, venue)
            if value is None and mine is None:
                continue
            scale = max(abs(value or 0.0), 1e-3)
            if value is None or mine is None or abs(value - mine) > 1e-7 * scale:
                wrong.append(f"line {number}: {name} of {venue}: engine {value} {reason}, here {mine}")
            else:
                compared[name] += 1
    print(f"{len(lines)} inputs; values compared: {dict(compared)}; different: {len(wrong)}")
    print("\n".join(wrong[:20]))
    few = [name for name, least in LEAST.items() if compared[name] < least]
    if few:
        print(f"too few values of {few}")
    return 1 if wrong or few else 0


if __name__ == "__main__":
    sys.exit(main())
