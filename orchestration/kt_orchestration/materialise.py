"""Every job once, in this process, against the running platform: what continuous integration and an
impatient person use. The runs are kept like those of the daemon."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dagster import DagsterInstance, get_dagster_logger

from .definitions import PLATFORM, WAREHOUSE, defs
from .gaps import CHANNELS, Stretch, listed_open, stretches
from .outcomes import record, rows
from .warehouse import Row

ORDER = ("instruments", "backfill", "transformations", "backtests")
# The outcomes are printed; what happened between stands in Dagster's page.
QUIET = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}


def open_stretches(instance: DagsterInstance) -> list[Stretch]:
    """What the ledger has open now."""
    found = stretches(listed_open(PLATFORM, get_dagster_logger()))
    instance.add_dynamic_partitions(str(CHANNELS.name), [stretch.channel for stretch in found])
    return found


def run(instance: DagsterInstance, name: str, tags: dict[str, str]) -> list[Row]:
    """Runs one job to its end, whatever fails in it; answers how its parts ended."""
    job = defs.resolve_job_def(name)
    result = job.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False, tags=tags)
    found = instance.get_run_record_by_id(result.run_id)
    if found is None:
        raise RuntimeError(f"the run {result.run_id} left no record")
    record(WAREHOUSE, instance, [found])
    return rows(instance, found)


@contextmanager
def only_outcomes_on_stdout() -> Iterator[None]:
    """What dbt and others print while they work goes to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="kt orchestration materialise")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(ORDER))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.jobs if name not in ORDER]
    if unknown:
        print(f"error: there is no job {', '.join(unknown)}; there are {', '.join(ORDER)}", file=sys.stderr)
        return 2
    outcomes: list[Row] = []
    with only_outcomes_on_stdout(), DagsterInstance.get() as instance:
        for name in [name for name in ORDER if not options.jobs or name in options.jobs]:
            for tags in [stretch.tags for stretch in open_stretches(instance)] if name == "backfill" else [{}]:
                outcomes += run(instance, name, tags)
    if options.json:
        print(json.dumps(outcomes, indent=2))
    else:
        for row in outcomes:
            print(f"{row['outcome']:<8} {row['part']:<6} {row['name']}  {row['cause']}".rstrip())
    return 1 if any(row["outcome"] == "failure" for row in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
