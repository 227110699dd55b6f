"""KubeTrader's market data in a notebook.

    import kubetrader as kt

    kt.basis("BTC-USDT-USDT-PERP", start="-30m")
    kt.candles("binance/BTC-USDT-SPOT", start="-2h", interval="5m")
    kt.book("BTC-USDT-SPOT", at="-1m").levels()
    for frame in kt.trades("BTC-USDT-SPOT", start="-7d", stream=True): …
    kt.backtest("strategies.toml", start="-2h").report

The functions use the account of the kernel (`~/.kubetrader.json`); `kt.Client(…)` uses another. Frames are polars',
or pandas' with `frame="pandas"`. Times are UTC with nanoseconds. Prices and quantities are 64-bit floats, or with
`exact=True` decimals with every digit that the exchange sent.
"""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from .backtests import Backtest
from .books import Book
from .client import Client
from .errors import (
    AccessDenied,
    BacktestError,
    ConfigurationError,
    GapWarning,
    KubeTraderError,
    NoData,
    QuotaExceeded,
    UnknownInstrument,
    Unreachable,
    WarehouseError,
)

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def default_client() -> Client:
    """The client that the functions of this module use."""
    return Client()


def _of_client(method: Callable[Concatenate[Client, P], R]) -> Callable[P, R]:
    @functools.wraps(method)
    def call(*positional: P.args, **named: P.kwargs) -> R:
        return method(default_client(), *positional, **named)

    return call


backtest = _of_client(Client.backtest)
basis = _of_client(Client.basis)
book = _of_client(Client.book)
candles = _of_client(Client.candles)
coverage = _of_client(Client.coverage)
funding = _of_client(Client.funding)
gaps = _of_client(Client.gaps)
instruments = _of_client(Client.instruments)
orders = _of_client(Client.orders)
quotes = _of_client(Client.quotes)
sql = _of_client(Client.sql)
trades = _of_client(Client.trades)

__all__ = [
    "AccessDenied",
    "Backtest",
    "BacktestError",
    "Book",
    "Client",
    "ConfigurationError",
    "GapWarning",
    "KubeTraderError",
    "NoData",
    "QuotaExceeded",
    "UnknownInstrument",
    "Unreachable",
    "WarehouseError",
    "backtest",
    "basis",
    "book",
    "candles",
    "coverage",
    "default_client",
    "funding",
    "gaps",
    "instruments",
    "orders",
    "quotes",
    "sql",
    "trades",
]
