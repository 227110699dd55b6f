"""The strategies in force over the newest data: a run with its record, and a report to read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetSpec,
    Failure,
    MaterializeResult,
    MetadataValue,
    asset_check,
    multi_asset,
)

from .platform import Platform
from .settings import settings
from .sources import landing
from .warehouse import Warehouse

RUN = ["marts", "backtest_run"]
REPORT = ["reports", "backtest"]
# The newest data that is tried, and what fills books and windows before it.
RANGE_SECONDS = 3600
WARM_UP = "2m"
# Reports that are kept.
KEEP = 50


def moment(seconds: float) -> str:
    """As `kt backtest` reads times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def newest_range(warehouse: Warehouse) -> tuple[str, str]:
    """The last hour that something was received in, however long ago that is; no more than there is."""
    rows = warehouse.rows(
        "SELECT toUnixTimestamp(max(recv_ts)) AS last, toUnixTimestamp(min(recv_ts)) AS first FROM landing.quote "
        "WHERE event_ts > (SELECT max(event_ts) FROM landing.quote) - INTERVAL 2 HOUR"
    )
    last, first = (int(str(rows[0][name])) for name in ("last", "first"))
    if last == 0:
        raise Failure("landing holds no quotes yet: there is nothing to try the strategies on")
    return moment(max(last - RANGE_SECONDS, first)), moment(last + 1)


def remove_old(folder: Path) -> None:
    reports = sorted(folder.glob("*.html"), key=lambda file: file.stat().st_mtime, reverse=True)
    for report in reports[KEEP:]:
        report.unlink()


@multi_asset(
    specs=[
        AssetSpec(
            RUN,
            deps=[landing(kind) for kind in ("trade", "quote", "book", "mark", "funding")]
            + [["ref", "instrument_history"], ["ops", "gap_fills"]],
            group_name="backtests",
            kinds={"clickhouse"},
            description="A run of the strategies in force over the newest hour: record, accounts, legs, trades.",
        ),
        AssetSpec(
            REPORT,
            deps=[RUN, ["marts", "carry_daily"], ["marts", "feed_quality_daily"]],
            group_name="backtests",
            kinds={"html"},
            description="The run's report, one page: equity, drawdown, profit by leg, trades.",
        ),
    ],
    name="backtest",
    pool="backtest",
)
def backtest(
    context: AssetExecutionContext, warehouse: Warehouse, platform: Platform
) -> Iterator[MaterializeResult[Any]]:
    folder = settings().work / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    strategies = folder / "strategies.toml"
    strategies.write_text(platform.text(["trade", "strategies"], context.log))
    start, end = newest_range(warehouse)
    page = folder / f"{end.replace(':', '')}.html"
    words = ["backtest", "--from", start, "--to", end, "--warm-up", WARM_UP, "--strategy", str(strategies)]
    answer = platform.ask([*words, "--report", str(page), "--json"], context.log)
    if answer.code != 0:
        raise Failure(f"the backtest failed: {answer.complaint}")
    found = answer.json
    profits = {account["currency"]: account["profit"] for account in found["accounts"]}
    yield MaterializeResult(
        asset_key=RUN,
        metadata={
            "run": found["run"],
            "from": start,
            "to": end,
            "partial": bool(found["partial"]),
            "stored": bool(found["stored"]),
            "profit": MetadataValue.json(profits),
            "counts": MetadataValue.json(found["counts"]),
        },
    )
    remove_old(folder)
    yield MaterializeResult(asset_key=REPORT, metadata={"page": MetadataValue.path(str(page)), "run": found["run"]})


@asset_check(asset=RUN, description="Nothing is known to be missing from the newest run's data.")
def data_whole(context: AssetCheckExecutionContext, warehouse: Warehouse) -> AssetCheckResult:
    rows = warehouse.rows(
        "SELECT run, is_partial, arrayStringConcat(partial, '; ') AS missing FROM marts.backtest_run FINAL "
        "ORDER BY made_at DESC LIMIT 1"
    )
    return AssetCheckResult(
        passed=bool(rows) and not rows[0]["is_partial"],
        severity=AssetCheckSeverity.WARN,
        metadata={"missing": str(rows[0]["missing"])[:500] if rows else "there is no run"},
    )
