"""Everything that Dagster is to know."""

from dagster import (
    AssetSelection,
    DagsterRunStatus,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    RunsFilter,
    ScheduleDefinition,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
    in_process_executor,
    sensor,
)

from . import backtests, gaps, instruments, sources, transformations
from .outcomes import end_orphans, record
from .platform import Platform
from .settings import settings
from .warehouse import Warehouse

PLACE = settings()
WAREHOUSE = Warehouse(url=PLACE.warehouse_url)
PLATFORM = Platform(program=PLACE.program, config_file=PLACE.config_file)

instruments_job = define_asset_job(
    "instruments", AssetSelection.groups("instruments"), description="Reads every venue's instrument lists."
)
transformations_job = define_asset_job(
    "transformations",
    AssetSelection.groups("transformations")
    | AssetSelection.checks_for_assets(*[spec.key for spec in sources.specs()]),
    description="Daily marts with their tests, and the checks of what the feeds received.",
)
backtests_job = define_asset_job(
    "backtests", AssetSelection.groups("backtests"), description="Tries the strategies in force on the newest hour."
)


@sensor(minimum_interval_seconds=15, default_status=DefaultSensorStatus.RUNNING)
def outcomes(context: SensorEvaluationContext) -> SkipReason:
    """Writes how runs ended to the warehouse, and ends runs that the platform's stop has orphaned."""
    alive = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING]
    orphans = end_orphans(context.instance, context.instance.get_run_records(RunsFilter(statuses=alive)))
    since = float(context.cursor or 0)
    records = context.instance.get_run_records(limit=200, order_by="update_timestamp", ascending=False)
    new = [found for found in records if found.update_timestamp.timestamp() > since]
    written = record(WAREHOUSE, context.instance, new)
    if new:
        context.update_cursor(str(max(found.update_timestamp.timestamp() for found in new)))
    return SkipReason(f"{written} outcomes written, {orphans} orphaned runs ended")


defs = Definitions(
    assets=[
        *sources.specs(),
        instruments.instrument_history,
        gaps.gap_fills,
        transformations.transformations,
        backtests.backtest,
    ],
    asset_checks=[instruments.lists_complete, instruments.no_overlap, backtests.data_whole, *sources.checks()],
    jobs=[instruments_job, transformations_job, gaps.backfill_job, backtests_job],
    schedules=[
        ScheduleDefinition(
            job=instruments_job, cron_schedule="2 * * * *", default_status=DefaultScheduleStatus.RUNNING
        ),
        ScheduleDefinition(
            job=transformations_job, cron_schedule="7 * * * *", default_status=DefaultScheduleStatus.RUNNING
        ),
        ScheduleDefinition(
            job=backtests_job, cron_schedule="22 */6 * * *", default_status=DefaultScheduleStatus.RUNNING
        ),
    ],
    sensors=[outcomes, gaps.open_gaps],
    # One process a run: its assets are questions to the warehouse and to kt, which do the work.
    executor=in_process_executor,
    resources={
        "warehouse": WAREHOUSE,
        "platform": PLATFORM,
        "dbt": transformations.dbt_resource(PLACE),
    },
)
