"""What can go wrong, each with a text that says what to do about it."""


class KubeTraderError(Exception):
    """Every error of this package."""


class ConfigurationError(KubeTraderError):
    """The connection's file is missing or wrong."""


class Unreachable(KubeTraderError):
    """The warehouse gave no answer, or one that broke off."""


class WarehouseError(KubeTraderError):
    """The warehouse refused a statement. `code` is ClickHouse's error code."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class AccessDenied(WarehouseError):
    """The account may not do this, or there is no such account (any more)."""


class QuotaExceeded(WarehouseError):
    """The statement would take more than the account's quota."""


class UnknownInstrument(KubeTraderError):
    """No venue has an instrument of this name. `similar` holds names that are close."""

    def __init__(self, text: str, similar: list[str]) -> None:
        super().__init__(text)
        self.similar = similar


class NoData(KubeTraderError):
    """The instrument is known, but there is nothing of it in the range asked for."""


class BacktestError(KubeTraderError):
    """`kt backtest` did not succeed; the text holds what it said."""


class GapWarning(UserWarning):
    """The range touches a gap: something the exchange sent was not received and has not been filled in."""
