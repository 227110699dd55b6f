"""Instrument lists into a history in valid and known time."""

from collections.abc import Mapping
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    Failure,
    MaterializeResult,
    asset,
    asset_check,
)

from .bitemporal import Changes, Listing, Reading, Version, learn
from .platform import Platform
from .warehouse import Row, Warehouse

HISTORY = "ref.instrument_history"
LISTS = "ref.instrument_lists"
KEY = ["ref", "instrument_history"]

# Columns of the history that come from the venue as they are.
ATTRIBUTES = (
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
)
TIMES = ("valid_from", "valid_to", "known_from", "known_to")
COLUMNS = (
    "venue",
    "list",
    "instrument",
    "instrument_id",
    "symbol",
    *TIMES,
    "content_hash",
    *ATTRIBUTES,
    "version",
)


def timestamp(nanoseconds: int) -> str:
    """What ClickHouse reads as DateTime64(9): seconds and nine digits."""
    return f"{nanoseconds // 1_000_000_000}.{nanoseconds % 1_000_000_000:09d}"


def reading(answer: Mapping[str, Any]) -> Reading:
    """One list as `kt venue instruments --json` prints it."""
    # Pages may overlap, and a recording may hold a list several times: the last word counts.
    listings = {int(row["instrument_id"]): listing(row) for row in answer["instruments"]}
    return Reading(
        at=int(answer["fetched_at"]),
        complete=bool(answer["complete"]),
        listings=tuple(listings.values()),
        skipped=frozenset(answer["skipped"]),
        problem=str(answer["problem"]),
    )


def listing(row: Mapping[str, Any]) -> Listing:
    expiry = row["expiry_ts"]
    attributes = {name: row[name] for name in ATTRIBUTES} | {
        "expiry_ts": None if expiry is None else timestamp(int(expiry))
    }
    ends = [int(row[name]) for name in ("delisted_ts", "expiry_ts") if row[name] is not None]
    return Listing(
        instrument_id=int(row["instrument_id"]),
        instrument=str(row["instrument"]),
        symbol=str(row["symbol"]),
        content_hash=int(row["content_hash"]),
        attributes=attributes,
        listed_at=None if row["listed_ts"] is None else int(row["listed_ts"]),
        ends_at=min(ends, default=None),
    )


def history(warehouse: Warehouse, venue: str, name: str) -> list[Version]:
    """All that is known of a list."""
    times = ", ".join(f"toUnixTimestamp64Nano({time}) AS {time}_ns" for time in TIMES)
    attributes = ", ".join(
        f"toString(toUnixTimestamp64Nano({name})) AS {name}_text"
        if name == "expiry_ts"
        else f"toString({name}) AS {name}_text"
        for name in ATTRIBUTES
    )
    rows = warehouse.rows(
        f"SELECT instrument, instrument_id, symbol, content_hash, {times}, {attributes} "
        f"FROM {HISTORY} FINAL WHERE venue = {{venue:String}} AND list = {{list:String}}",
        {"venue": venue, "list": name},
    )
    return [_version(row) for row in rows]


def _version(row: Row) -> Version:
    attributes: dict[str, object] = {name: row[f"{name}_text"] for name in ATTRIBUTES}
    expiry = row["expiry_ts_text"]
    ends_at = None if expiry is None else int(str(expiry))
    attributes["expiry_ts"] = None if ends_at is None else timestamp(ends_at)
    times = {name: int(str(row[f"{name}_ns"])) for name in TIMES}
    return Version(
        instrument_id=int(str(row["instrument_id"])),
        instrument=str(row["instrument"]),
        symbol=str(row["symbol"]),
        content_hash=int(str(row["content_hash"])),
        attributes=attributes,
        ends_at=ends_at,
        **times,
    )


def write(warehouse: Warehouse, venue: str, name: str, at: int, changes: Changes) -> None:
    """Writes what was learned: in one insert, so that it appears whole or not at all."""
    rows: list[Row] = []
    for version in changes.rows:
        row: Row = {"venue": venue, "list": name, "version": at}
        row |= {
            "instrument": version.instrument,
            "instrument_id": version.instrument_id,
            "symbol": version.symbol,
            "content_hash": version.content_hash,
        }
        row |= {name: timestamp(int(getattr(version, name))) for name in TIMES}
        row |= {name: version.attributes[name] for name in ATTRIBUTES}  # type: ignore[misc]
        rows.append(row)
    warehouse.insert(HISTORY, COLUMNS, rows)


def take(warehouse: Warehouse, venue: str, answer: Mapping[str, Any], run_id: str) -> tuple[Changes, Row]:
    """Learns from one reading of one list and keeps the reading as evidence."""
    name = str(answer["list"])
    read = reading(answer)
    changes = learn(history(warehouse, venue, name), read)
    write(warehouse, venue, name, read.at, changes)
    evidence: Row = {
        "venue": venue,
        "list": name,
        "fetched_at": timestamp(read.at),
        "complete": read.complete and not changes.problem,
        "rows": int(answer["rows"]),
        "taken": len(read.listings),
        "opened": changes.opened,
        "changed": changes.changed,
        "closed": changes.closed,
        "skipped": sorted(read.skipped),
        "problem": changes.problem,
        "run_id": run_id,
    }
    warehouse.insert(LISTS, list(evidence), [evidence])
    return changes, evidence


@asset(
    key=KEY,
    deps=[["exchange", "instrument_lists"]],
    group_name="instruments",
    kinds={"clickhouse", "python"},
    pool="exchange_rest",
    description="Instruments in two times: as the venue had them, and as we knew them (SCD 2, bitemporal).",
)
def instrument_history(
    context: AssetExecutionContext, warehouse: Warehouse, platform: Platform
) -> MaterializeResult[None]:
    answer = platform.ask(["venue", "instruments", "--json"], context.log)
    total = {"opened": 0, "changed": 0, "closed": 0}
    problems: list[str] = []
    lists = 0
    for venue in answer.json["venues"]:
        for found in venue["lists"]:
            changes, _ = take(warehouse, venue["venue"], found, context.run_id)
            lists += 1
            for name in total:
                total[name] += getattr(changes, name)
            if changes.problem:
                problems.append(f"{venue['venue']} {found['list']}: {changes.problem}")
                context.log.warning(problems[-1])
    if lists == len(problems):
        raise Failure(f"no instrument list could be read: {'; '.join(problems) or answer.complaint}")
    return MaterializeResult(metadata={"lists": lists, **total, "problems": "; ".join(problems) or "none"})


@asset_check(asset=KEY, description="Every list was read whole the last time.")
def lists_complete(context: AssetCheckExecutionContext, warehouse: Warehouse) -> AssetCheckResult:
    rows = warehouse.rows(f"SELECT venue, list, problem FROM {LISTS} ORDER BY fetched_at DESC LIMIT 1 BY venue, list")
    bad = [f"{row['venue']} {row['list']}: {row['problem']}" for row in rows if row["problem"]]
    return AssetCheckResult(
        passed=bool(rows) and not bad,
        severity=AssetCheckSeverity.WARN,
        metadata={"lists": len(rows), "incomplete": "; ".join(bad) or "none"},
    )


@asset_check(asset=KEY, description="At no moment has an instrument two definitions.")
def no_overlap(context: AssetCheckExecutionContext, warehouse: Warehouse) -> AssetCheckResult:
    overlaps = warehouse.value(
        "SELECT count() FROM ("
        " SELECT valid_from, lagInFrame(valid_to) OVER"
        "  (PARTITION BY venue, list, instrument_id ORDER BY valid_from, valid_to) AS before"
        " FROM ref.instrument_validity WHERE valid_from < valid_to"
        ") WHERE before > valid_from"
    )
    return AssetCheckResult(passed=overlaps == 0, metadata={"overlaps": int(str(overlaps))})
