#!/usr/bin/env python3
"""Installs the tools that `make deploy-check` asks, at exact versions, beside the engines.

Each comes from a package registry through its ordinary client: Go's (checked by Go's checksum database),
pip's (checked by hashes). What cannot be had is named and left out; the checks that need it then say so.
"""

import argparse
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "deploy/check/tools/requirements.txt"
GATEWAY = ROOT / "deploy/images/gateway-requirements.txt"
GO_TOOLS = {
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
}
# Of the gateway's source: the launcher that renders kernels' pods, and the chart.
GATEWAY_PARTS = ("etc/kernel-launchers/kubernetes/", "etc/kubernetes/helm/")


def default_directory() -> pathlib.Path:
    """The same rule as deploy-check's (deploy/check/src/tools.rs)."""
    if os.environ.get("KT_TOOLS"):
        return pathlib.Path(os.environ["KT_TOOLS"])
    if os.geteuid() == 0:
        return pathlib.Path("/var/lib/kubetrader/tools")
    return pathlib.Path.home() / ".local/share/kubetrader/tools"


def run(command: list[str], environment: dict[str, str] | None = None, folder: str | None = None) -> None:
    """Runs a command; what it said on the error output is the exception's text."""
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise RuntimeError(" / ".join(lines[-3:]) or f"{command[0]} failed")


def install_go_tool(folder: pathlib.Path, module: str) -> None:
    if shutil.which("go") is None:
        raise RuntimeError("go is not installed")
    environment = {**os.environ, "GOBIN": str(folder / "bin"), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    with tempfile.TemporaryDirectory() as empty:
        run(["go", "install", module], environment, empty)


def install_python(folder: pathlib.Path) -> None:
    place = folder / "python"
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=True)
    run(
        [
            str(place / "bin/python3"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--no-deps",
            "--requirement",
            str(REQUIREMENTS),
        ]
    )


def install_gateway(folder: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory() as empty:
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--require-hashes",
                "--no-deps",
                "--no-binary",
                ":all:",
                "--dest",
                empty,
                "--requirement",
                str(GATEWAY),
            ]
        )
        archive = next(pathlib.Path(empty).glob("*.tar.gz"))
        place = folder / "gateway"
        shutil.rmtree(place, ignore_errors=True)
        with tarfile.open(archive) as source:
            for member in source:
                inner = member.name.partition("/")[2]
                if member.isfile() and inner.startswith(GATEWAY_PARTS) and ".." not in inner:
                    target = place / inner
                    target.parent.mkdir(parents=True, exist_ok=True)
                    content = source.extractfile(member)
                    if content is not None:
                        target.write_bytes(content.read())


def wanted(name: str) -> str:
    """What decides whether an installed tool is still the right one."""
    if name in GO_TOOLS:
        return GO_TOOLS[name]
    file = REQUIREMENTS if name == "python" else GATEWAY
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=default_directory(), help="where to install")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    steps: dict[str, Callable[[], None]] = {
        name: functools.partial(install_go_tool, folder, module) for name, module in GO_TOOLS.items()
    }
    steps["python"] = functools.partial(install_python, folder)
    steps["gateway"] = functools.partial(install_gateway, folder)
    for name, install in steps.items():
        stamp = folder / f".{name}"
        if stamp.exists() and stamp.read_text() == wanted(name):
            continue
        print(f"delivery tools: installing {name} …", flush=True)
        try:
            install()
            stamp.write_text(wanted(name))
        except (OSError, RuntimeError, StopIteration) as problem:
            print(f"delivery tools: {name} is left out: {problem}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
