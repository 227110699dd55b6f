"""Where the platform is. `kt` sets these variables; nothing else in this package reads the environment."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Addresses and directories of one platform."""

    warehouse_url: str
    """ClickHouse's HTTP protocol, for instance http://127.0.0.1:8123."""
    program: str
    """The kt binary that answers questions about venues, gaps and backtests."""
    config_file: str
    """The configuration in force, for `kt --config`."""
    work: Path
    """A directory this process may write to: dbt's artefacts, generated documentation."""
    project: Path
    """The directory that holds this package and dbt's project."""

    @property
    def dbt_project(self) -> Path:
        return self.project / "dbt"

    @property
    def dbt_work(self) -> Path:
        return self.work / "dbt"


def settings() -> Settings:
    """The settings of this process; what `kt` did not set is taken from a platform on the default ports."""
    project = Path(__file__).resolve().parent.parent
    return Settings(
        warehouse_url=os.environ.get("KT_WAREHOUSE_URL", "http://127.0.0.1:8123"),
        program=os.environ.get("KT_PROGRAM", "kt"),
        config_file=os.environ.get("KT_CONFIG", ""),
        work=Path(os.environ.get("KT_ORCHESTRATION_WORK", str(project / ".work"))),
        project=project,
    )
