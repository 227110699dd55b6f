"""The platform as a researcher sees it: functions that give frames."""

import dataclasses
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from . import backtests, books, catalogue, config, frames, moments, tables
from .backtests import Backtest
from .books import Book
from .catalogue import Market
from .errors import GapWarning
from .frames import Frame, Library
from .moments import Moment, spoken
from .transport import Session

# Rows of a streamed frame: some 30 MB.
PIECE_ROWS = 1_000_000

Given = Mapping[str, str | int]


class Client:
    """A connection to the warehouse.

    Without arguments it is the one of `~/.kubetrader.json`. `frame` is the library of all frames unless a call names
    another; with `exact` the numbers of exchanges are decimals instead of 64-bit floats.
    """

    def __init__(
        self,
        url: str | None = None,
        user: str = "",
        password: str = "",
        *,
        path: str | os.PathLike[str] | None = None,
        frame: Library = "polars",
        exact: bool = False,
        warn_gaps: bool = True,
    ) -> None:
        frames.check(frame)
        self.connection = config.Connection(url, user, password) if url else config.load(path)
        self.session = Session(self.connection)
        self.frame: Library = frame
        self.exact = exact
        self.warn_gaps = warn_gaps
        self._catalogue = catalogue.Catalogue(self.session)

    # -- what there is

    def sql(self, statement: str, parameters: Given | None = None, *, frame: Library | None = None) -> Frame:
        """The result of any SELECT; `parameters` fill its `{name:Type}` places.

        Decimals stay decimals. Arrow has no DateTime: such columns (`ts` of the marts) come as seconds unless the
        statement says `toDateTime64(ts, 0, 'UTC')`.
        """
        return frames.frame(self.session.table(statement, parameters), self._library(frame))

    def instruments(self, *, frame: Library | None = None) -> Frame:
        """Every instrument as its venue stated it last: contract size, tick, lot, status, funding interval."""
        columns = (
            "venue, instrument, symbol, CAST(instrument_type, 'LowCardinality(String)') AS instrument_type, "
            "CAST(payoff, 'LowCardinality(String)') AS payoff, base, quote, settle, underlying, contract_size, "
            "contract_size_unit, tick_size, lot_size, expiry_ts, CAST(status, 'LowCardinality(String)') AS status, "
            "funding_interval_seconds, stated_ts"
        )
        return self.sql(f"SELECT {columns} FROM ref.instruments FINAL ORDER BY venue, instrument", frame=frame)

    def coverage(self, instrument: str, *, venue: str | None = None, frame: Library | None = None) -> Frame:
        """What the warehouse holds of an instrument: rows, first and last moment of each kind."""
        market = self._catalogue.market(instrument, venue)
        return self.sql(catalogue.coverage_sql(), dataclasses.asdict(market), frame=frame)

    def gaps(
        self,
        instrument: str = "",
        start: Moment = "-1d",
        end: Moment = "now",
        *,
        venue: str = "",
        kind: str = "",
        frame: Library | None = None,
    ) -> Frame:
        """The gap ledger: what is known to be missing, and whether a backfill has settled it (`state`)."""
        if "/" in instrument and not venue:
            venue, instrument = instrument.split("/", 1)
        between = self._range(start, end)
        return self.sql(
            catalogue.GAPS, {"venue": venue, "instrument": instrument, "kind": kind, **between}, frame=frame
        )

    # -- market data

    def trades(
        self,
        instrument: str,
        start: Moment = "-1h",
        end: Moment = "now",
        *,
        stream: bool = False,
        venue: str | None = None,
        columns: Sequence[str] | None = None,
        rows: int = PIECE_ROWS,
        exact: bool | None = None,
        frame: Library | None = None,
    ) -> Frame:
        """Trades by the exchange's time, `end` not included. Cancelled ones have bit 16 in `flags`.

        With `stream` this is an iterator of frames of about `rows` rows, of which only one is in memory.
        """
        select = tables.trades()
        market, between = self._market(instrument, venue), self._range(start, end)
        sql = select.sql(columns, self._exact(exact))
        where = ("trade", "landing.trade", "event_ts")
        if stream:
            return self._pieces(sql, where, market, between, rows, frame)
        return self._frame(sql, where, market, between, frame)

    def quotes(
        self,
        instrument: str,
        start: Moment = "-1h",
        end: Moment = "now",
        *,
        stream: bool = False,
        venue: str | None = None,
        columns: Sequence[str] | None = None,
        rows: int = PIECE_ROWS,
        exact: bool | None = None,
        frame: Library | None = None,
    ) -> Frame:
        """Best bids and offers; a side that is empty or was not stated is null. `stream` as for trades."""
        market, between = self._market(instrument, venue), self._range(start, end)
        sql = tables.quotes().sql(columns, self._exact(exact))
        where = ("quote", "landing.quote", "event_ts")
        if stream:
            return self._pieces(sql, where, market, between, rows, frame)
        return self._frame(sql, where, market, between, frame)

    def book(self, instrument: str, at: Moment = "now", *, venue: str | None = None) -> Book:
        """The order book at a moment of the exchange's clock, exact; `.levels()` gives it as a frame."""
        market, moment = self._market(instrument, venue), moments.nanoseconds(at)
        book = books.at(self.session, market, moment)
        self._warn("book", market, {"start": book.event_ts, "end": moment + 1})
        return book

    def candles(
        self,
        instrument: str,
        start: Moment = "-1d",
        end: Moment = "now",
        *,
        interval: str = "1m",
        venue: str | None = None,
        columns: Sequence[str] | None = None,
        exact: bool | None = None,
        frame: Library | None = None,
    ) -> Frame:
        """Candles of trades, from seconds up to any length. An interval without a trade has no row."""
        market, between = self._market(instrument, venue), self._range(start, end)
        sql = tables.candles(interval).sql(columns, self._exact(exact))
        return self._frame(sql, ("trade", "marts.candle_1s", "ts"), market, between, frame)

    def basis(
        self,
        perpetual: str,
        start: Moment = "-1h",
        end: Moment = "now",
        *,
        every: str = "1s",
        venue: str | None = None,
        columns: Sequence[str] | None = None,
        exact: bool | None = None,
        frame: Library | None = None,
    ) -> Frame:
        """Perpetual against its spot market, `basis_bps` in hundredths of a percent; null where a side is too old."""
        market, between = self._market(perpetual, venue), self._range(start, end)
        sql = tables.basis(every).sql(columns, self._exact(exact))
        return self._frame(sql, ("quote", "marts.basis_1s", "ts"), market, between, frame)

    def funding(
        self,
        perpetual: str,
        start: Moment = "-1d",
        end: Moment = "now",
        *,
        stage: Literal["predicted", "settled"] | None = None,
        venue: str | None = None,
        exact: bool | None = None,
        frame: Library | None = None,
    ) -> Frame:
        """Funding rates; positive means that longs pay shorts. `apr` is null where the interval is not known."""
        market, between = self._market(perpetual, venue), self._range(start, end)
        sql = tables.funding(self._exact(exact), stage is not None)
        more = {"stage": stage} if stage else {}
        return self._frame(sql, ("funding", "landing.funding", "event_ts"), market, between, frame, more)

    # -- our own trading

    def orders(
        self,
        instrument: str | None = None,
        start: Moment = "-1d",
        end: Moment = "now",
        *,
        strategy: str = "",
        steps: bool = False,
        venue: str | None = None,
        exact: bool | None = None,
        frame: Library | None = None,
    ) -> Frame:
        """Our orders by the moment they were decided; with `steps` one row for each thing that befell them."""
        given: dict[str, str | int] = dict(self._range(start, end))
        if instrument is not None:
            given |= dataclasses.asdict(self._market(instrument, venue))
        if strategy:
            given["strategy"] = strategy
        select = (tables.steps if steps else tables.orders)(instrument is not None, bool(strategy))
        return self.sql(select.sql(None, self._exact(exact)), given, frame=frame)

    def backtest(
        self,
        strategy: str | os.PathLike[str],
        start: Moment = "-1h",
        end: Moment = "now",
        *,
        signals: str | os.PathLike[str] | None = None,
        warm_up: str = "10m",
        memory: str = "256MiB",
        report: str | os.PathLike[str] | None = None,
        frame: Library | None = None,
    ) -> Backtest:
        """Replays a range through the code that trades live.

        `strategy` is a file as `kt trade` takes it, or its text. The report is written to `report`, or beside the
        notebook as `backtest-<run>.html`.
        """
        between = (moments.nanoseconds(start), moments.nanoseconds(end))
        return backtests.run(
            self.connection,
            strategy,
            between,
            signals=signals,
            warm_up=warm_up,
            memory=memory,
            report=report,
            library=self._library(frame),
        )

    # -- how

    def _library(self, frame: Library | None) -> Library:
        chosen = frame or self.frame
        frames.check(chosen)
        return chosen

    def _exact(self, exact: bool | None) -> bool:
        return self.exact if exact is None else exact

    def _market(self, instrument: str, venue: str | None) -> Market:
        return self._catalogue.market(instrument, venue)

    def _range(self, start: Moment, end: Moment) -> dict[str, int]:
        between = {"start": moments.nanoseconds(start), "end": moments.nanoseconds(end)}
        if between["start"] >= between["end"]:
            raise ValueError(f"the range ends ({spoken(between['end'])}) before it begins ({spoken(between['start'])})")
        return between

    def _frame(
        self,
        sql: str,
        where: tuple[str, str, str],
        market: Market,
        between: dict[str, int],
        frame: Library | None,
        more: Given | None = None,
    ) -> Frame:
        table = self.session.table(sql, {**dataclasses.asdict(market), **between, **(more or {})})
        kind, source, column = where
        if table.num_rows == 0:
            raise self._catalogue.nothing(kind, self._catalogue.extent(source, column, market), market, **between)
        return frames.frame(table, self._library(frame), self._facts(kind, market, between))

    def _pieces(
        self,
        sql: str,
        where: tuple[str, str, str],
        market: Market,
        between: dict[str, int],
        rows: int,
        frame: Library | None,
    ) -> Iterator[Frame]:
        kind, source, column = where
        facts = self._facts(kind, market, between)
        batches = self.session.stream(sql, {**dataclasses.asdict(market), **between})
        is_empty = True
        for piece in frames.pieces(batches, rows, self._library(frame), facts):
            is_empty = False
            yield piece
        if is_empty:
            raise self._catalogue.nothing(kind, self._catalogue.extent(source, column, market), market, **between)

    def _facts(self, kind: str, market: Market, between: dict[str, int]) -> dict[str, object]:
        facts: dict[str, object] = {**dataclasses.asdict(market), **between, "kind": kind}
        if self.warn_gaps:
            facts["open_gaps"] = self._warn(kind, market, between)
        return facts

    def _warn(self, kind: str, market: Market, between: dict[str, int]) -> int:
        """Says so when a range touches gaps that nothing has filled: what is missing must not look like silence."""
        given = {**dataclasses.asdict(market), **between, "kind": kind}
        found = [gap for gap in self.session.table(catalogue.GAPS, given).to_pylist() if gap["state"] != "filled"]
        if found:
            causes = ", ".join(sorted({gap["cause"] for gap in found}))
            warnings.warn(
                f"{market}: {len(found)} gaps of {kind} in this range are not filled ({causes}); gaps() lists them",
                GapWarning,
                stacklevel=_outside(),
            )
        return len(found)


def _outside() -> int:
    """How many calls up the one lies that came from outside of this package: a warning is about that line."""
    depth = 1
    while sys._getframe(depth).f_globals.get("__package__") == __package__:
        depth += 1
    return depth
