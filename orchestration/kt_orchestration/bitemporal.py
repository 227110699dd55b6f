"""Slowly changing rows in two times, from complete and incomplete readings of a list.

Valid time is the venue's: from when to when an instrument was defined like this. Known time is ours:
from when to when we believed it. A row is never altered but for its `known_to`; what we learn is added.
Pure: no clock, no input or output. Times are nanoseconds since 1970 UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

# "While it lasts": 2200-01-01.
OPEN = 7_258_118_400_000_000_000
# A complete list that suddenly lacks more than this share of what it named, none of which was to end, is
# taken for an incomplete one: an exchange delists some instruments, not half of them.
MOST_GONE = 0.5
FEW = 10


@dataclass(frozen=True)
class Listing:
    """One instrument as the venue states it now."""

    instrument_id: int
    instrument: str
    symbol: str
    content_hash: int
    attributes: Mapping[str, object] = field(compare=False)
    listed_at: int | None = None
    ends_at: int | None = None


@dataclass(frozen=True)
class Version:
    """One row of the history."""

    instrument_id: int
    instrument: str
    symbol: str
    content_hash: int
    attributes: Mapping[str, object] = field(compare=False)
    valid_from: int
    valid_to: int
    known_from: int
    known_to: int
    ends_at: int | None = None

    @property
    def is_current(self) -> bool:
        return self.known_to == OPEN and self.valid_to == OPEN


@dataclass(frozen=True)
class Reading:
    """What a list held at one moment."""

    at: int
    complete: bool
    listings: tuple[Listing, ...]
    skipped: frozenset[str] = frozenset()
    problem: str = ""


@dataclass
class Changes:
    """Rows to write, in which the superseded ones come again with their `known_to`."""

    rows: list[Version] = field(default_factory=list)
    opened: int = 0
    changed: int = 0
    closed: int = 0
    problem: str = ""


def learn(history: Iterable[Version], reading: Reading) -> Changes:
    """What a reading adds to the history of its list."""
    known = list(history)
    current = {row.instrument_id: row for row in known if row.is_current}
    ever = {row.instrument_id for row in known}
    symbols = {row.symbol for row in current.values()}
    newest = max((row.known_from for row in known), default=0)
    changes = Changes(problem=reading.problem)
    if reading.at <= newest:
        # Knowledge only grows: an older reading must not overwrite what was learned after it.
        changes.problem = changes.problem or "older than, or the same as, what was read before: nothing was learned"
        return changes
    for listing in reading.listings:
        before = current.get(listing.instrument_id)
        if before is None:
            # A symbol that goes over to another instrument does so when it was seen.
            first = listing.instrument_id not in ever and listing.symbol not in symbols
            listed = listing.listed_at if first and listing.listed_at is not None else reading.at
            # The reading before did not name it: whatever the venue says of its listing, it was not there then.
            listed = max(listed, newest + 1) if known else listed
            changes.rows.append(_version(listing, min(listed, reading.at), reading.at))
            changes.opened += 1
        elif before.content_hash != listing.content_hash:
            changes.rows += _ended(before, reading.at, reading.at)
            changes.rows.append(_version(listing, reading.at, reading.at))
            changes.changed += 1
    _close(current, reading, changes)
    return changes


def _close(current: Mapping[int, Version], reading: Reading, changes: Changes) -> None:
    """Ends what a complete list no longer names."""
    listed = {listing.instrument_id for listing in reading.listings}
    gone = [row for key, row in current.items() if key not in listed and row.symbol not in reading.skipped]
    if not gone:
        return
    if not reading.complete:
        changes.problem = changes.problem or "the list is not complete"
        return
    # What is listed under the same symbol as another instrument was replaced, not left out.
    symbols = {listing.symbol for listing in reading.listings}
    gone_unsaid = [row for row in gone if row.symbol not in symbols]
    unforeseen = [row for row in gone_unsaid if row.ends_at is None or row.ends_at > reading.at]
    if len(unforeseen) > max(FEW, MOST_GONE * len(current)):
        changes.problem = (
            f"the list lacks {len(unforeseen)} of {len(current)} known instruments that were not to end; "
            "it is taken as incomplete and nothing is closed"
        )
        return
    for row in gone:
        stated = row.ends_at
        end = stated if stated is not None and row.valid_from < stated <= reading.at else reading.at
        changes.rows += _ended(row, end, reading.at)
        changes.closed += 1


def _version(listing: Listing, valid_from: int, known_from: int) -> Version:
    return Version(
        instrument_id=listing.instrument_id,
        instrument=listing.instrument,
        symbol=listing.symbol,
        content_hash=listing.content_hash,
        attributes=listing.attributes,
        valid_from=valid_from,
        valid_to=OPEN,
        known_from=known_from,
        known_to=OPEN,
        ends_at=listing.ends_at,
    )


def _ended(row: Version, valid_to: int, at: int) -> list[Version]:
    """The row as it was believed until now, and as it is known from now on."""
    return [replace(row, known_to=at), replace(row, valid_to=valid_to, known_from=at)]


def as_of(history: Iterable[Version], valid_at: int, known_at: int) -> dict[int, Version]:
    """The instruments that existed at one moment, as they were known at another."""
    return {
        row.instrument_id: row
        for row in history
        if row.valid_from <= valid_at < row.valid_to and row.known_from <= known_at < row.known_to
    }
