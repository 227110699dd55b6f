#!/usr/bin/env python3
"""Makes the Python environments that the platform runs with, outside the repository.

    python.py orchestration     Dagster and dbt, started by `kt up`
    python.py research-gateway  Jupyter Enterprise Gateway, started by `kt research`
    python.py research-kernel   what research kernels and notebooks run with
    python.py tools             ruff and mypy, for `make lint`
    python.py --interpreter X   where the Python of an environment is or will be

An environment is named after the hash of its requirements, which kt knows too: an environment of
another release is never taken for this one's. Everything in it is pinned by version and hash. The
directory of an environment that was cut off has no stamp and is made anew.
"""

import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import time

import engines

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENVIRONMENTS = {
    "orchestration": ROOT / "orchestration" / "requirements.txt",
    "research-gateway": ROOT / "research" / "gateway-requirements.txt",
    "research-kernel": ROOT / "research" / "kernel-requirements.txt",
    "tools": ROOT / "setup" / "tools-requirements.txt",
}
STAMP = "stamp.json"
# The pins are resolved for these.
PYTHONS = ((3, 11), (3, 12))
# An environment of an older release is left to a platform that may still run on it.
KEEP = 2


class SetupError(Exception):
    """What went wrong, to which environment, and what to do about it."""


def python_directory() -> pathlib.Path:
    """Next to the engines, as in kt's configuration."""
    return engines.default_directory().absolute().parent / "python"


def environment(name: str) -> pathlib.Path:
    """Where the environment of this checkout's requirements lies."""
    digest = hashlib.sha256(ENVIRONMENTS[name].read_bytes()).hexdigest()
    return python_directory() / f"{name}-{digest[:12]}"


def interpreter(name: str) -> pathlib.Path:
    """The environment's Python; it need not exist yet."""
    return environment(name) / "bin" / "python"


def open_to_all(path: pathlib.Path) -> bool:
    """Whether a user without rights of its own can reach a file: every folder above lets it pass."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def base_interpreter(name: str) -> str:
    """A Python for the environment. Services run as users of their own, who cannot enter root's home."""
    for candidate in dict.fromkeys([sys.executable, "/usr/bin/python3", "/usr/bin/python3.11"]):
        if not pathlib.Path(candidate).exists():
            continue
        script = "import sys, venv; print(sys.version_info[0], sys.version_info[1], sys.base_prefix)"
        answer = subprocess.run([candidate, "-c", script], capture_output=True, text=True)
        if answer.returncode != 0:
            continue
        major, minor, prefix = answer.stdout.strip().split(" ", 2)
        fits = (int(major), int(minor)) in PYTHONS
        if fits and (os.geteuid() != 0 or open_to_all(pathlib.Path(prefix) / "bin")):
            return candidate
    wanted = " or ".join(".".join(map(str, version)) for version in PYTHONS)
    raise SetupError(f"{name}: no Python {wanted} that every user can reach; install the package python3")


def run(command: list[str], name: str, doing: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        tail = (result.stderr or result.stdout).strip().splitlines()[-4:]
        raise SetupError(f"{name}: {doing} failed: " + " / ".join(tail))


def install(name: str) -> None:
    place = environment(name)
    started = time.monotonic()
    print(f"python: {name}: installing …", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    python = str(interpreter(name))
    run([base_interpreter(name), "-m", "venv", "--without-pip", str(place)], name, "making the environment")
    # Everything is pinned, so nothing is resolved; compiled afterwards, on all processors.
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile", "--no-deps"]
    pip += ["--require-hashes", "--only-binary", ":all:", "--requirement", str(ENVIRONMENTS[name])]
    run(pip, name, "pip install")
    # Templates within some packages are no valid Python: what cannot be compiled is left as it is.
    subprocess.run([python, "-m", "compileall", "-q", "-j", "0", str(place / "lib")], capture_output=True, check=False)
    version = subprocess.run([python, "--version"], capture_output=True, text=True).stdout.strip()
    (place / STAMP).write_text(json.dumps({"python": version}) + "\n")
    print(f"python: {name}: installed in {time.monotonic() - started:.0f} s", flush=True)
    remove_old(name)


def remove_old(name: str) -> None:
    places = [path for path in python_directory().glob(f"{name}-*") if path.is_dir()]
    places.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in places[KEEP:]:
        shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    names = sys.argv[1:]
    if names[:1] == ["--interpreter"] and len(names) == 2 and names[1] in ENVIRONMENTS:
        print(interpreter(names[1]))
        return 0
    if not names or any(name not in ENVIRONMENTS for name in names):
        print(f"usage: python.py {'|'.join(ENVIRONMENTS)}…", file=sys.stderr)
        return 2
    os.umask(0o022)
    try:
        for name in names:
            if not (environment(name) / STAMP).exists():
                install(name)
            print(f"python: {name} ready in {environment(name)}")
    except (SetupError, OSError) as error:
        print(f"python: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
