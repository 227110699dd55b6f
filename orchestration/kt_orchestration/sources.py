"""What other parts of the platform write: shown so that lineage reaches from the exchange to the report."""

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetSpec,
    asset_check,
)

from .warehouse import Warehouse

MARKET = ["exchange", "market_data"]
LISTS = ["exchange", "instrument_lists"]
KINDS = ("trade", "quote", "book", "mark", "funding", "status")
# A feed that is alive publishes at least a mark price or a quote within this time.
STALE_SECONDS = 300
# Of the ten-second buckets of the last quarter of an hour.
LEAST_COVERAGE = 0.9


def landing(kind: str) -> list[str]:
    return ["landing", kind]


def specs() -> list[AssetSpec]:
    """Assets that the platform keeps up to date by itself."""
    exchange = [
        AssetSpec(MARKET, group_name="exchange", description="Frames of the venues' WebSocket channels."),
        AssetSpec(LISTS, group_name="exchange", description="Instrument lists of the venues' REST interfaces."),
    ]
    received = [
        AssetSpec(
            landing(kind),
            deps=[MARKET],
            group_name="landing",
            kinds={"clickhouse"},
            description=f"Every {kind} event as received (feed, log, loader).",
        )
        for kind in KINDS
    ]
    derived = [
        ("quote_1s", ["quote"], "The last quote of each second."),
        ("basis_1s", ["quote"], "Perpetual against spot for every second."),
        ("candle_1m", ["trade"], "Candles of a minute."),
    ]
    marts = [
        AssetSpec(
            ["marts", name],
            deps=[landing(kind) for kind in kinds],
            group_name="marts",
            kinds={"clickhouse"},
            description=f"{text} Recomputed by the loader's mart worker.",
        )
        for name, kinds, text in derived
    ]
    books = [
        AssetSpec(
            ["ops", "gaps"],
            deps=[landing("status")],
            group_name="operations",
            kinds={"clickhouse"},
            description="Gap ledger: what the feeds know to be missing.",
        ),
        AssetSpec(
            ["ops", "quarantine"],
            deps=[MARKET],
            group_name="operations",
            kinds={"clickhouse"},
            description="Frames that did not parse or broke the mapping.",
        ),
    ]
    return exchange + received + marts + books


def freshness(kind: str) -> AssetChecksDefinition:
    """The newest row of each venue is not old."""

    @asset_check(asset=landing(kind), name="fresh", description="Rows of each venue arrived within five minutes.")
    def fresh(context: AssetCheckExecutionContext, warehouse: Warehouse) -> AssetCheckResult:
        rows = warehouse.rows(
            f"SELECT venue, dateDiff('second', max(publish_ts), now64(9, 'UTC')) AS age FROM landing.{kind} "
            "WHERE event_ts > now64(9, 'UTC') - INTERVAL 1 DAY GROUP BY venue"
        )
        old = {str(row["venue"]): int(str(row["age"])) for row in rows if int(str(row["age"])) > STALE_SECONDS}
        return AssetCheckResult(
            passed=bool(rows) and not old,
            severity=AssetCheckSeverity.WARN,
            description="nothing was received within a day" if not rows else None,
            metadata={
                "venues": len(rows),
                "stale": ", ".join(f"{venue} {age} s" for venue, age in old.items()) or "none",
            },
        )

    return fresh


def coverage(kind: str) -> AssetChecksDefinition:
    """Ten-second buckets with rows, between a venue's first row and a minute ago."""

    @asset_check(asset=landing(kind), name="covered", description="Nine in ten buckets of ten seconds have rows.")
    def covered(context: AssetCheckExecutionContext, warehouse: Warehouse) -> AssetCheckResult:
        rows = warehouse.rows(
            "SELECT venue, uniqExact(toStartOfInterval(publish_ts, INTERVAL 10 SECOND)) AS found, "
            "intDiv(dateDiff('second', min(publish_ts), max(publish_ts)), 10) + 1 AS whole "
            f"FROM landing.{kind} WHERE event_ts > now64(9, 'UTC') - INTERVAL 1 DAY "
            "AND publish_ts > now64(9, 'UTC') - INTERVAL 15 MINUTE GROUP BY venue"
        )
        shares = {str(row["venue"]): int(str(row["found"])) / int(str(row["whole"])) for row in rows}
        low = {venue: share for venue, share in shares.items() if share < LEAST_COVERAGE}
        return AssetCheckResult(
            passed=bool(rows) and not low,
            severity=AssetCheckSeverity.WARN,
            description="nothing was received within a quarter of an hour" if not rows else None,
            metadata={"low": ", ".join(f"{venue} {share:.0%}" for venue, share in low.items()) or "none"},
        )

    return covered


def duplicates(kind: str) -> AssetChecksDefinition:
    """Landing holds each counter of a writer once."""

    @asset_check(asset=landing(kind), name="single", description="No counter of a writer's epoch is held twice.")
    def single(context: AssetCheckExecutionContext, warehouse: Warehouse) -> AssetCheckResult:
        repeated = warehouse.value(
            f"SELECT count() - uniqExact(writer, epoch, counter) FROM landing.{kind} "
            "WHERE event_ts > now64(9, 'UTC') - INTERVAL 1 HOUR"
        )
        return AssetCheckResult(passed=repeated == 0, metadata={"repeated": int(str(repeated))})

    return single


def checks() -> list[AssetChecksDefinition]:
    """Freshness and coverage of what never rests; duplicates of everything that is loaded."""
    steady = ("quote", "mark", "trade")
    return [
        *(freshness(kind) for kind in steady),
        *(coverage(kind) for kind in steady),
        *(duplicates(kind) for kind in ("trade", "quote", "mark", "funding")),
    ]
