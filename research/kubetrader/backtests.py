"""Backtests from a notebook: `kt backtest` as a process of its own, with this account's rights and no others."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from .config import Connection
from .errors import BacktestError
from .frames import Frame, Library, frame
from .moments import spoken

UTC_NS = pa.timestamp("ns", tz="UTC")


@dataclass(frozen=True)
class Backtest:
    """What a run came to. Money is in each leg's quote currency."""

    # Name of the run: the same inputs, configuration and program give the same.
    run: str
    # Why the data is not whole; empty where it is.
    partial: tuple[str, ...]
    counts: dict[str, int]
    # currency, profit, drawdown
    accounts: Frame
    # One row for each strategy's market.
    legs: Frame
    # Every execution.
    trades: Frame
    # ts, currency, profit so far
    equity: Frame
    # The whole record: range, configuration, coverage, hashes.
    manifest: dict[str, Any]
    # One HTML file.
    report: pathlib.Path


def run(
    connection: Connection,
    strategy: str | os.PathLike[str],
    between: tuple[int, int],
    *,
    signals: str | os.PathLike[str] | None,
    warm_up: str,
    memory: str,
    report: str | os.PathLike[str] | None,
    library: Library,
) -> Backtest:
    """Runs `kt backtest` over the warehouse. `strategy` and `signals` are files, or their text (TOML)."""
    program = shutil.which(connection.kt)
    if program is None:
        raise BacktestError(f"{connection.kt} is no program; name kt in the connection's file")
    with tempfile.TemporaryDirectory(prefix="kt-backtest-") as name:
        folder = pathlib.Path(name)
        result, page = folder / "result.json", folder / "report.html"
        command = [program, "backtest", "--json", "--no-store", "--data-dir", str(folder / "data")]
        command += ["--set", f"warehouse.url={connection.url}"]
        if connection.user:
            # Neither in the arguments, which others may read, nor in the environment.
            secret = folder / "password"
            secret.touch(mode=0o600)
            secret.write_text(connection.password)
            command += ["--set", f"warehouse.username={connection.user}"]
            command += ["--set", f"warehouse.password_file={secret}"]
        command += ["--from", spoken(between[0]), "--to", spoken(between[1]), "--warm-up", warm_up, "--memory", memory]
        command += ["--strategy", str(source(strategy, folder / "strategy.toml"))]
        if signals is not None:
            command += ["--signals", str(source(signals, folder / "signals.toml"))]
        command += ["--result", str(result), "--report", str(page)]
        # In the folder, so that no kubetrader.toml of the user's is taken for this run's.
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise BacktestError(said or f"kt backtest ended with {done.returncode}")
        content = json.loads(result.read_text())
        kept = pathlib.Path(report or f"backtest-{content['manifest']['run']}.html").absolute()
        shutil.copyfile(page, kept)
    return outcome(content, kept, library)


def source(given: str | os.PathLike[str], place: pathlib.Path) -> pathlib.Path:
    """A file as it is, a text written to `place`."""
    if isinstance(given, str) and ("\n" in given or "[[" in given):
        place.write_text(given)
        return place
    path = pathlib.Path(given).absolute()
    if not path.is_file():
        raise BacktestError(f"{path} does not exist; give a file or its text (TOML)")
    return path


def outcome(content: dict[str, Any], report: pathlib.Path, library: Library) -> Backtest:
    """The result file as frames."""
    manifest, came = content["manifest"], content["outcome"]
    accounts = came["accounts"]
    samples = [(account["currency"], at, value) for account in accounts for at, value in account["equity"]]
    equity = {
        "ts": pa.array([sample[1] for sample in samples], UTC_NS),
        "currency": pa.array([sample[0] for sample in samples], pa.string()),
        "profit": pa.array([sample[2] for sample in samples], pa.float64()),
    }
    names = ("currency", "profit", "drawdown")
    legs = [{name: value for name, value in leg.items() if name != "exact"} for leg in came["legs"]]
    return Backtest(
        run=manifest["run"],
        partial=tuple(manifest["coverage"]["partial"]),
        counts=came["counts"],
        accounts=frame(pa.table({name: [account[name] for account in accounts] for name in names}), library),
        legs=frame(rows(legs, LEG), library),
        trades=frame(rows(came["trades"], TRADE), library),
        equity=frame(pa.table(equity), library),
        manifest=manifest,
        report=report,
    )


TEXT, NUMBER = pa.string(), pa.float64()
LEG = {
    "strategy": TEXT,
    "venue": TEXT,
    "instrument": TEXT,
    "currency": TEXT,
    "fills": pa.int64(),
    "bought": NUMBER,
    "sold": NUMBER,
    "turnover": NUMBER,
    "trading": NUMBER,
    "fees": NUMBER,
    "funding": NUMBER,
    "position": NUMBER,
}
# Prices, quantities and fees as the exact texts that they are kept as.
TRADE = {
    "at": UTC_NS,
    "strategy": TEXT,
    "venue": TEXT,
    "instrument": TEXT,
    "order": TEXT,
    "intent": TEXT,
    "side": TEXT,
    "price": TEXT,
    "quantity": TEXT,
    "fee": TEXT,
    "liquidity": TEXT,
    "position": NUMBER,
}


def rows(found: list[dict[str, Any]], columns: dict[str, pa.DataType]) -> pa.Table:
    """Rows as a table whose columns are there even without any."""
    return pa.table({name: pa.array([row[name] for row in found], kind) for name, kind in columns.items()})
