"""Points in time: nanoseconds since 1970, UTC, whatever they were written as."""

import datetime
import decimal
import re

Moment = str | int | datetime.datetime | datetime.date

UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9}
LENGTH = re.compile(r"(\d+)\s*(ms|s|m|h|d|w)")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def length(text: str) -> int:
    """A length such as "10m" in nanoseconds."""
    match = LENGTH.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no length of time; write 500ms, 30s, 5m, 2h, 7d or 1w")
    return int(match[1]) * UNITS[match[2]]


def nanoseconds(moment: Moment, now: int | None = None) -> int:
    """A moment in nanoseconds since 1970.

    Takes "2026-11-22T10:00:00.123456789Z", "2026-11-22", "now", "-2h" (before now), nanoseconds as an int, and
    Python's datetimes. What has no time zone is UTC.
    """
    if isinstance(moment, bool):
        raise ValueError("a moment is a text, a datetime or nanoseconds since 1970")
    if isinstance(moment, int):
        return moment
    if isinstance(moment, datetime.datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        since = aware - EPOCH
        # pandas' moments carry nanoseconds below the microsecond.
        rest = int(getattr(moment, "nanosecond", 0))
        return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000 + rest
    if isinstance(moment, datetime.date):
        return (moment - EPOCH.date()).days * 86_400 * 10**9
    return from_text(moment, now)


def from_text(text: str, now: int | None) -> int:
    text = text.strip()
    if text == "now" or text.startswith("-"):
        if now is None:
            now = (datetime.datetime.now(datetime.UTC) - EPOCH) // datetime.timedelta(microseconds=1) * 1000
        return now if text == "now" else now - length(text[1:])
    # datetime keeps microseconds only: the fraction is taken apart.
    match = re.fullmatch(r"([^.]+)\.(\d{1,9})(.*)", text)
    whole, fraction, zone = (match[1], match[2], match[3]) if match else (text, "0", "")
    try:
        parsed = datetime.datetime.fromisoformat(whole + zone)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no moment; write 2026-11-22, 2026-11-22T10:00:00Z, now or -2h (before now)"
        ) from error
    return nanoseconds(parsed) + int(decimal.Decimal(f"0.{fraction}") * 10**9)


def spoken(moment: int) -> str:
    """A moment as text, as short as it can be without losing a digit."""
    whole = EPOCH + datetime.timedelta(seconds=moment // 10**9)
    fraction = f"{moment % 10**9:09}".rstrip("0")
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"
