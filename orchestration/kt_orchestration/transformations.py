"""dbt's models as assets, with their tests as checks."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from .settings import Settings, settings


def dbt_program() -> str:
    """dbt of the environment that runs this."""
    return str(Path(sys.executable).with_name("dbt"))


def arguments(place: Settings) -> list[str]:
    """What every call of dbt needs: its project is read-only, what it writes goes elsewhere."""
    return [
        "--project-dir",
        str(place.dbt_project),
        "--profiles-dir",
        str(place.dbt_project),
        "--target-path",
        str(place.dbt_work / "target"),
        "--log-path",
        str(place.dbt_work / "logs"),
    ]


def manifest(place: Settings) -> Path:
    """dbt's manifest of this project; parsed anew where a source is younger."""
    path = place.dbt_work / "target" / "manifest.json"
    sources = [file for file in place.dbt_project.rglob("*") if file.is_file()]
    newest = max(file.stat().st_mtime for file in sources)
    if path.exists() and path.stat().st_mtime > newest:
        return path
    place.dbt_work.mkdir(parents=True, exist_ok=True)
    command = [dbt_program(), "--no-version-check", "parse", *arguments(place)]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"dbt cannot read its project: {result.stdout[-2000:]}{result.stderr[-500:]}")
    return path


class Translator(DagsterDbtTranslator):
    """Models carry the name of the table that they make; sources that of the table they are."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return "transformations"


def dbt_resource(place: Settings) -> DbtCliResource:
    return DbtCliResource(
        project_dir=str(place.dbt_project),
        profiles_dir=str(place.dbt_project),
        dbt_executable=dbt_program(),
        global_config_flags=["--no-version-check", "--no-use-colors", "--log-path", str(place.dbt_work / "logs")],
    )


PLACE = settings()


@dbt_assets(
    manifest=manifest(PLACE),
    dagster_dbt_translator=Translator(DagsterDbtTranslatorSettings(enable_asset_checks=True)),
    name="dbt_build",
    pool="dbt",
)
def transformations(context: AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    target = PLACE.dbt_work / "target"
    yield from dbt.cli(["build"], context=context, target_path=target).stream()
    # One page with every model, column and test; dbt must not fail a run over it.
    docs = dbt.cli(["docs", "generate", "--static", "--no-compile"], target_path=target, raise_on_error=False).wait()
    page = target / "static_index.html"
    if docs.is_successful() and page.exists():
        page.replace(PLACE.work / "dbt-docs.html")
    else:
        context.log.warning("dbt could not write its documentation; see the log above")
