"""Backfill driven by the gap ledger: which venue, kind and days have open gaps, and a run for each stretch of days."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dagster import (
    AssetExecutionContext,
    AssetSelection,
    BackfillPolicy,
    DailyPartitionsDefinition,
    DefaultSensorStatus,
    DynamicPartitionsDefinition,
    Failure,
    MaterializeResult,
    MultiPartitionKey,
    MultiPartitionsDefinition,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    asset,
    define_asset_job,
    sensor,
)
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from .platform import Log, Platform

KEY = ["ops", "gap_fills"]
# Venue and kind, as `binance.trade`; added as gaps appear.
CHANNELS = DynamicPartitionsDefinition(name="channels")
PARTITIONS = MultiPartitionsDefinition(
    {"channel": CHANNELS, "day": DailyPartitionsDefinition(start_date="2019-01-01", end_offset=1)}
)
# A stretch that stayed open is tried again after this long.
RETRY_SECONDS = 3600
# More days in one run would hold the exchange's allowance for too long.
MOST_DAYS = 31


@dataclass(frozen=True, order=True)
class Stretch:
    """Days without a break of one venue and kind that have open gaps."""

    channel: str
    first: str
    last: str
    open: int

    @property
    def keys(self) -> tuple[str, str]:
        """First and last partition."""
        first, last = (MultiPartitionKey({"channel": self.channel, "day": day}) for day in (self.first, self.last))
        return str(first), str(last)

    @property
    def tags(self) -> dict[str, str]:
        first, last = self.keys
        return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


@dataclass(frozen=True)
class OpenDay:
    """One partition of the ledger with open gaps."""

    channel: str
    day: str
    open: int


def open_days(listed: Iterable[dict[str, object]]) -> list[OpenDay]:
    """What `kt backfill list --json` says is open."""
    return [
        OpenDay(f"{row['venue']}.{row['kind']}", str(row["day"]), int(str(row["open"])))
        for row in listed
        if row["state"] == "open"
    ]


def listed_open(platform: Platform, log: Log) -> list[OpenDay]:
    """What the ledger has open now."""
    return open_days(platform.ask(["backfill", "list", "--json"], log).json["partitions"])


def stretches(days: Sequence[OpenDay]) -> list[Stretch]:
    """Days that follow each other, together; no longer than `MOST_DAYS`."""
    found: list[Stretch] = []
    for day in sorted(days, key=lambda day: (day.channel, day.day)):
        last = found[-1] if found else None
        if last is not None and last.channel == day.channel:
            follows = date.fromisoformat(last.last) + timedelta(days=1) == date.fromisoformat(day.day)
            length = (date.fromisoformat(day.day) - date.fromisoformat(last.first)).days
            if follows and length < MOST_DAYS:
                found[-1] = Stretch(last.channel, last.first, day.day, last.open + day.open)
                continue
        found.append(Stretch(day.channel, day.day, day.day, day.open))
    return found


@asset(
    key=KEY,
    deps=[["ops", "gaps"], ["exchange", "market_data"]],
    partitions_def=PARTITIONS,
    backfill_policy=BackfillPolicy.single_run(),
    group_name="backfill",
    kinds={"clickhouse"},
    pool="exchange_rest",
    description="What the venues' histories gave for the gaps of a venue, kind and day.",
)
def gap_fills(context: AssetExecutionContext, platform: Platform) -> MaterializeResult[None]:
    total = {"found": 0, "inserted": 0, "present": 0}
    still_open: list[str] = []
    for key in context.partition_keys:
        parts = MultiPartitionKey(PARTITIONS.get_partition_key_from_str(key).keys_by_dimension).keys_by_dimension
        venue, kind = parts["channel"].rsplit(".", 1)
        words = ["backfill", "gaps", "--venue", venue, "--kind", kind, "--day", parts["day"], "--json"]
        answer = platform.ask(words, context.log)
        for name in total:
            total[name] += int(answer.json[name])
        still_open += [
            f"{row['venue']} {row['kind']} {row['day']}: {row['reason']}"
            for row in answer.json["partitions"]
            if row["state"] == "open"
        ]
    if still_open:
        raise Failure(f"gaps stay open: {'; '.join(still_open)}", metadata=dict(total))
    return MaterializeResult(metadata=dict(total))


backfill_job = define_asset_job(
    "backfill", AssetSelection.assets(KEY), description="Fills gaps from the venues' histories."
)


@sensor(job=backfill_job, minimum_interval_seconds=30, default_status=DefaultSensorStatus.RUNNING, name="open_gaps")
def open_gaps(context: SensorEvaluationContext, platform: Platform) -> SensorResult:
    """Asks the ledger what is open, and for a run for each stretch of days."""
    found = stretches(listed_open(platform, context.log))
    known = set(context.instance.get_dynamic_partitions("channels"))
    new = sorted({stretch.channel for stretch in found} - known)
    attempt = int(time.time() // RETRY_SECONDS)
    return SensorResult(
        run_requests=[
            RunRequest(
                run_key=f"{stretch.channel} {stretch.first} {stretch.last} {stretch.open} {attempt}",
                tags=stretch.tags,
            )
            for stretch in found
        ],
        dynamic_partitions_requests=[CHANNELS.build_add_request(new)] if new else [],
        skip_reason=None if found else "the ledger has no open gap",
    )
