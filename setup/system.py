#!/usr/bin/env python3
"""Installs missing system packages and creates the services' users, where the user is root.

An ordinary user needs neither: the services then run under that user, and missing packages are
named with the command that installs them.
"""

import os
import pathlib
import pwd
import shutil
import subprocess
import sys

PACKAGES = pathlib.Path(__file__).resolve().parent.parent / "system-packages.txt"
USERS = ["kt-nats", "kt-postgres", "kt-warehouse", "kt-orchestration", "kt-research"]


def wanted_packages(target: str) -> list[str]:
    """The packages that `make <target>` needs and whose program is not on the PATH."""
    missing = []
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for line in PACKAGES.read_text().splitlines():
        fields = line.split("#")[0].split()
        if not fields:
            continue
        package, needed_by, program = fields
        if needed_by == target and shutil.which(program, path=path) is None:
            missing.append(package)
    return missing


def install_packages(missing: list[str]) -> int:
    if not missing:
        return 0
    if os.geteuid() != 0:
        print(
            f"system: missing packages: {' '.join(missing)}; ask for: sudo apt-get install -y {' '.join(missing)}",
            file=sys.stderr,
        )
        return 1
    print(f"system: installing {' '.join(missing)} …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
    ):
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        if result.returncode != 0:
            tail = " / ".join(result.stderr.strip().splitlines()[-3:])
            print(f"system: {' '.join(command[:2])} failed: {tail}", file=sys.stderr)
            return 1
    return 0


def create_users() -> int:
    if os.geteuid() != 0:
        return 0
    for user in USERS:
        try:
            pwd.getpwnam(user)
            continue
        except KeyError:
            print(f"system: creating user {user}", flush=True)
        command = ["useradd", "--system", "--user-group", "--no-create-home"]
        command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", user]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            print(f"system: useradd {user} failed: {result.stderr.strip()}", file=sys.stderr)
            return 1
    return 0


def main() -> int:
    target = sys.argv[1] if len(sys.argv) > 1 else "setup"
    if target not in ("setup", "test"):
        print("usage: system.py [setup|test]", file=sys.stderr)
        return 2
    return install_packages(wanted_packages(target)) or create_users()


if __name__ == "__main__":
    sys.exit(main())
