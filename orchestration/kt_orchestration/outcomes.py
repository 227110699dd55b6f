"""How runs ended, written to the warehouse where the page shows it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.storage.dagster_run import RunRecord

from .warehouse import Row, Warehouse

TABLE = "ops.pipeline_runs"
COLUMNS = ("run_id", "part", "name", "outcome", "cause", "partition", "started_at", "ended_at", "trigger")
ENDED = {
    DagsterRunStatus.SUCCESS: "success",
    DagsterRunStatus.FAILURE: "failure",
    DagsterRunStatus.CANCELED: "canceled",
}
# When this process, which all runs of the daemon are children of, began.
BEGAN = time.time()
LONGEST_CAUSE = 1000


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def trigger(run: DagsterRun) -> str:
    tags = run.tags
    for kind in ("schedule", "sensor"):
        if name := tags.get(f"dagster/{kind}_name"):
            return f"{kind} {name}"
    return ""


def partition(run: DagsterRun) -> str:
    tags = run.tags
    start, end = tags.get("dagster/asset_partition_range_start"), tags.get("dagster/asset_partition_range_end")
    if start and end:
        return start if start == end else f"{start} … {end}"
    return tags.get("dagster/partition", "")


Part = tuple[str, str]
"""What kind of part, and its name."""


def part_of(event: DagsterEvent) -> tuple[Part, str, str] | None:
    """The part that an event is about, how it ended, and why."""
    kind, key = event.event_type, event.asset_key
    if kind == DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        part = ("check", f"{check.asset_key.to_user_string()}: {check.check_name}")
        if check.passed:
            return part, "success", ""
        facts = ", ".join(f"{name}: {value.value}" for name, value in check.metadata.items())
        cause = "; ".join(text for text in (check.description, facts) if text)
        return part, "warning" if check.severity.value == "WARN" else "failure", cause
    if key is not None and kind == DagsterEventType.ASSET_MATERIALIZATION:
        return ("asset", key.to_user_string()), "success", ""
    if key is not None and kind == DagsterEventType.ASSET_FAILED_TO_MATERIALIZE:
        return ("asset", key.to_user_string()), "failure", ""
    return None


def reason(event: DagsterEvent) -> str:
    """Why a step failed: what the asset said, else the exception."""
    data = event.step_failure_data
    said = data.user_failure_data
    if said is not None and said.description:
        return said.description
    error = data.error
    return (error.cause or error).message.strip() if error is not None else "it failed without a reason"


def rows(instance: DagsterInstance, record: RunRecord) -> list[Row]:
    """One row for the run, one for each asset that it made or failed to make, one for each check."""
    run = record.dagster_run
    if run.status not in ENDED:
        return []
    parts: dict[Part, tuple[str, str]] = {}
    causes: list[str] = []
    for entry in instance.all_logs(run.run_id):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type == DagsterEventType.STEP_FAILURE:
            causes.append(reason(event))
        elif event.event_type == DagsterEventType.RUN_FAILURE and not causes:
            causes.append(entry.user_message or event.message or "")
        elif (found := part_of(event)) is not None:
            part, outcome, cause = found
            parts[part] = (outcome, cause)
    why = "; ".join(causes)
    parts["run", run.job_name] = (ENDED[run.status], why)
    common: Row = {
        "run_id": run.run_id,
        "partition": partition(run),
        "started_at": stamp(record.start_time or record.create_timestamp.timestamp()),
        "ended_at": stamp(record.end_time or record.update_timestamp.timestamp()),
        "trigger": trigger(run),
    }
    return [
        {
            **common,
            "part": part,
            "name": name,
            "outcome": outcome,
            "cause": (why if part == "asset" and outcome == "failure" else cause)[:LONGEST_CAUSE],
        }
        for (part, name), (outcome, cause) in parts.items()
    ]


def record(warehouse: Warehouse, instance: DagsterInstance, records: Sequence[RunRecord]) -> int:
    """Writes how these runs ended; writing it twice changes nothing."""
    written = [row for found in records for row in rows(instance, found)]
    # Check names and causes may hold anything; one block each keeps it to one insert.
    return warehouse.insert(TABLE, COLUMNS, written)


def end_orphans(instance: DagsterInstance, records: Sequence[RunRecord]) -> int:
    """Runs that began before this process did cannot be alive: the platform was stopped under them."""
    ended = 0
    for found in records:
        begun = found.start_time or found.update_timestamp.timestamp()
        if begun < BEGAN:
            instance.report_run_failed(found.dagster_run, "the platform was stopped while this ran")
            ended += 1
    return ended
