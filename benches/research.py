#!/usr/bin/env python3
"""How fast trades come into a notebook's frame, and on how much memory.

    <python of the kernels> benches/research.py --kt target/release/kt [--rows 100000000] [--append benches/FILE.md]

Starts `kt warehouse` in a folder of its own, applies the migrations, generates trades into landing.trade by SQL
(ten days, one instrument), makes an account of size L, and reads with the package `kubetrader` over the address for
research, as a kernel does. Every way of reading is a process of its own, so that its largest resident memory is its
alone. What is read is counted and its prices are summed up, against the engine's own count and sum.
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "research"))

import kubetrader  # noqa: E402

VENUE, INSTRUMENT, NAME = "binance", "BTC-USDT-SPOT", "research_bench_l"
DAYS = 10
FIRST_DAY = 1_767_225_600  # 2026-01-01
COLUMNS = ["event_ts", "side", "price", "quantity"]
READINGS = ("whole, polars", "streamed, polars", "whole, pandas", "whole, polars, exact")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(url: str, sql: str) -> str:
    """A statement of the platform's own user."""
    settings = {"min_insert_block_size_rows": "1000000", "min_insert_block_size_bytes": "0", "max_threads": "2"}
    request = urllib.request.Request(f"{url}/?{urllib.parse.urlencode(settings)}", sql.encode())
    with urllib.request.urlopen(request, timeout=600) as answer:
        return str(answer.read().decode()).strip()


@contextlib.contextmanager
def warehouse(kt: str, folder: pathlib.Path) -> Iterator[tuple[int, int, int]]:
    """A running warehouse with its tables: process id, port, port for research."""
    port, research = free_port(), free_port()
    data = folder / "data"
    place = data / "warehouse"
    place.mkdir(parents=True)
    if os.geteuid() == 0:
        shutil.chown(place, "kt-warehouse", "kt-warehouse")
    # The object store's key has to be there; nothing here is old enough to be moved.
    keys = data / "secrets/s3"
    keys.mkdir(parents=True)
    (keys / "warehouse.credentials").write_text(
        "[default]\naws_access_key_id = warehouse\naws_secret_access_key = none\n"
    )
    settings = ["--data-dir", str(data), "--set", f"warehouse.port={port}"]
    settings += ["--set", f"warehouse.research_port={research}", "--set", "platform.log_level=warn"]
    process = subprocess.Popen([kt, "warehouse", *settings], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                ask(f"http://127.0.0.1:{port}", "SELECT 1")
                break
            time.sleep(0.1)
        subprocess.run([kt, "migrate", "apply", "--target", "clickhouse", *settings], check=True, stdout=sys.stderr)
        yield process.pid, port, research
    finally:
        process.terminate()
        process.wait(60)


def generate(url: str, rows: int) -> float:
    """Trades of ten days: a price that wanders, quantities of a few digits, ids that count. Returns seconds."""
    begun = time.monotonic()
    each = rows // DAYS
    for day in range(DAYS):
        step = 86_400 * 10**9 // each
        start = (FIRST_DAY + day * 86_400) * 10**9
        ask(
            url,
            f"""INSERT INTO landing.trade (publish_ts, counter, epoch, writer, venue, instrument, channel, event_ts,
                exch_ts, sent_ts, recv_ts, origin, connection, line, mapping, identity, occurrence, trade_id,
                first_trade_id, trade_count, side, price, quantity, quantity_unit, flags)
            SELECT addNanoseconds(at, 900000), n, 1, 'bench', '{VENUE}', '{INSTRUMENT}', 'trade', at, at, NULL,
                addNanoseconds(at, 500000 + n % 9999),
                'live', 1, 1, 1, 'id', 0, toString(n), NULL, 1, if(noise % 3 = 0, 'buy', 'sell'),
                toDecimal128(60000 + 9000 * sin(n / 4e6) + (noise % 2000) / 100, 2),
                toDecimal128((noise % 100000) / 100000, 5), 'base', 0
            FROM (SELECT number + {day * each} AS n, cityHash64(number) AS noise,
                fromUnixTimestamp64Nano({start} + toInt64(number) * {step}, 'UTC') AS at FROM numbers({each}))
            """,
        )
        print(f"  {(day + 1) * each:,} rows generated", file=sys.stderr, flush=True)
    return time.monotonic() - begun


def account(folder: pathlib.Path, port: int) -> pathlib.Path:
    """An account with a large kernel's quota, and the file by which the package finds it."""
    quota = {"memory_bytes": 1 << 30, "seconds": 1800, "result_rows": 500_000_000, "result_bytes": 128 << 30}
    quota |= {"read_rows": 20_000_000_000, "read_bytes": 4096 << 30, "threads": 2, "concurrent": 4}
    digest = hashlib.sha256(b"bench").hexdigest()
    accounts = folder / "data/warehouse/accounts"
    made = accounts / f"{NAME}.json"
    made.write_text(json.dumps({"name": NAME, "password_sha256": digest, "quota": quota, "expires_at": None}))
    if os.geteuid() == 0:
        shutil.chown(made, "kt-warehouse", "kt-warehouse")
    config = folder / "kubetrader.json"
    address = {"url": f"http://127.0.0.1:{port}", "user": NAME, "password": "bench"}
    config.write_text(json.dumps({"warehouse": address}))
    return config


def read(config: str, what: str) -> dict[str, Any]:
    """Reads everything in one way."""
    client = kubetrader.Client(path=config, warn_gaps=False)
    library: Any = "pandas" if "pandas" in what else "polars"
    between = (FIRST_DAY * 10**9, (FIRST_DAY + DAYS * 86_400) * 10**9)
    market = f"{VENUE}/{INSTRUMENT}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, processor = time.monotonic(), time.process_time()
    if what.startswith("streamed"):
        rows, total = 0, 0.0
        for piece in client.trades(market, *between, columns=COLUMNS, stream=True):
            rows += piece.height
            total += piece["price"].sum()
        size = 0
    else:
        frame = client.trades(market, *between, columns=COLUMNS, exact="exact" in what, frame=library)
        rows = len(frame)
        total = float(frame["price"].sum())
        size = int(frame.memory_usage().sum()) if library == "pandas" else int(frame.estimated_size())
    seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "reading": what,
        "rows": rows,
        "sum": total,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - processor,
        "before_mib": before >> 10,
        "peak_mib": peak >> 10,
        "frame_mib": size >> 20,
    }


def processor_seconds(pid: int) -> float:
    """Processor time that a process has taken."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(pid: int) -> int:
    """A process's largest resident memory so far, in MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) >> 10


def measure(kt: str, rows: int) -> str:
    lines = [f"Load average {' '.join(f'{load:.2f}' for load in os.getloadavg())} at the start."]
    with tempfile.TemporaryDirectory(prefix="kt-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        with warehouse(kt, folder) as (pid, port, research):
            url = f"http://127.0.0.1:{port}"
            took = generate(url, rows)
            size = ask(url, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'trade'")
            wanted = ask(url, "SELECT count(), toFloat64(sum(price)) FROM landing.trade FINAL").split("\t")
            lines.append(
                f"{int(wanted[0]):,} rows of `landing.trade` generated in {took:.0f} s, "
                f"{int(size) / rows:.1f} bytes a row on disk. "
                f"Read: {', '.join(f'`{column}`' for column in COLUMNS)}, ordered by time, `FINAL`."
            )
            config = account(folder, research)
            lines += [
                "",
                "| reading | seconds | rows/s | frame | peak of the reader | CPU a row: reader | warehouse | load |",
            ]
            lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
            for what in READINGS:
                command = [sys.executable, __file__, "--read", str(config), what]
                before = processor_seconds(pid)
                said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found = json.loads(said.stdout)
                if found["rows"] != int(wanted[0]) or abs(found["sum"] / float(wanted[1]) - 1) > 1e-9:
                    raise SystemExit(f"{what}: read {found['rows']} rows, sum {found['sum']}, wanted {wanted}")
                frame = f"{found['frame_mib']:,} MiB" if found["frame_mib"] else "one of 1 M rows at a time"
                lines.append(
                    f"| {what} | {found['seconds']:.1f} | {found['rows'] / found['seconds']:,.0f} | {frame} | "
                    f"{found['peak_mib']:,} MiB | {found['cpu_seconds'] / found['rows'] * 1e9:.0f} ns | "
                    f"{(processor_seconds(pid) - before) / found['rows'] * 1e9:.0f} ns | "
                    f"{os.getloadavg()[0]:.2f} |"
                )
                print(lines[-1], file=sys.stderr, flush=True)
            lines += ["", f"Largest resident memory of the warehouse, the generation included: {peak_of(pid):,} MiB."]
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kt", default=str(ROOT / "target/release/kt"))
    arguments.add_argument("--rows", type=int, default=100_000_000)
    arguments.add_argument("--append", type=pathlib.Path, help="file that the result is added to")
    arguments.add_argument("--read", nargs=2, metavar=("CONFIG", "READING"), help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.read:
        print(json.dumps(read(*options.read)))
        return
    text = measure(options.kt, options.rows)
    print(text)
    if options.append:
        with options.append.open("a") as file:
            file.write(f"\n### Research: trades into a notebook's frame\n\n{text}")


if __name__ == "__main__":
    main()
