"""How runs ended, written to the warehouse where the page shows it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
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


def rows(instance: DagsterInstance, record: RunRecord) -> list[Row]:
    """One row for the run, one for each asset that it made or failed to make, one for each check."""
    run = record.dagster_run
    if run.status not in ENDED:
        return []
    ended = record.end_time or record.update_timestamp.timestamp()
    common: Row = {
        "run_id": run.run_id,
        "partition": partition(run),
        "started_at": stamp(record.start_time or record.create_timestamp.timestamp()),
        "ended_at": stamp(ended),
        "trigger": trigger(run),
    }
    found: dict[tuple[str, str], Row] = {}
    causes: list[str] = []

    def put(part: str, name: str, outcome: str, cause: str) -> None:
        found[part, name] = {**common, "part": part, "name": name, "outcome": outcome, "cause": cause[:LONGEST_CAUSE]}

    for entry in instance.all_logs(run.run_id):
        event = entry.dagster_event
        if event is None:
            continue
        kind = event.event_type
        if kind == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
            put("asset", event.asset_key.to_user_string(), "success", "")
        elif kind == DagsterEventType.ASSET_FAILED_TO_MATERIALIZE and event.asset_key is not None:
            put("asset", event.asset_key.to_user_string(), "failure", "")
        elif kind == DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            outcome = "success" if check.passed else "warning" if check.severity.value == "WARN" else "failure"
            facts = ", ".join(f"{name}: {value.value}" for name, value in check.metadata.items() if not check.passed)
            cause = "; ".join(text for text in (check.description or "", facts) if text and not check.passed)
            put("check", f"{check.asset_key.to_user_string()}: {check.check_name}", outcome, cause)
        elif kind == DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            text = (error.cause or error).message.strip() if error is not None else "it failed without a reason"
            description = event.step_failure_data.user_failure_data
            causes.append((description.description if description and description.description else text) or text)
        elif kind == DagsterEventType.RUN_FAILURE and not causes:
            causes.append(entry.user_message or event.message or "")
    cause = "; ".join(causes)
    for row in found.values():
        if row["part"] == "asset" and row["outcome"] == "failure":
            row["cause"] = cause[:LONGEST_CAUSE]
    put("run", run.job_name, ENDED[run.status], cause)
    return list(found.values())


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
