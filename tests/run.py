#!/usr/bin/env python3
"""Runs every check and test, and ends with one line: N passed, N failed, N skipped.

Everything runs even after a failure, so that one run shows all of them. A test that prints a line
beginning with "SKIP:" counts as skipped; a formatting or lint step counts as one test.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Binary and tests in one profile: a second one would double the time to build.
PROFILE = ["--profile", "ci", "--locked", "--workspace"]


class Tally:
    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = 0
        self.names: list[str] = []

    def fail(self, name: str) -> None:
        self.failed += 1
        self.names.append(name)


def stream(command: list[str], directory: pathlib.Path):
    """Runs a command, showing and yielding its lines; returns its exit code."""
    environment = {**os.environ, "CARGO_TERM_COLOR": "never", "INSTA_UPDATE": "no"}
    process = subprocess.Popen(
        command, cwd=directory, env=environment, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        yield line.rstrip("\n")
    return process.wait()


def finish(lines, each) -> int:
    """Feeds every line to `each` and gives the exit code back."""
    while True:
        try:
            each(next(lines))
        except StopIteration as end:
            return end.value


def check(tally: Tally, name: str, command: list[str], directory: pathlib.Path = ROOT) -> None:
    """One step that passes or fails as a whole."""
    print(f"== {name}", flush=True)
    if finish(stream(command, directory), lambda line: None) == 0:
        tally.passed += 1
    else:
        tally.fail(name)


def cargo_tests(tally: Tally) -> None:
    print("== cargo test", flush=True)
    result = re.compile(r"test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored")
    section = re.compile(r"^---- (\S+) stdout ----$")
    failed = re.compile(r"^test (\S+) .*FAILED$")
    seen = {"results": 0, "failed": 0, "section": None}

    def each(line: str) -> None:
        if match := result.match(line):
            passed, broken, ignored = map(int, match.groups())
            tally.passed += passed
            tally.failed += broken
            tally.skipped += ignored
            seen["results"] += 1
            seen["failed"] += broken
            seen["section"] = None
        elif match := failed.match(line):
            tally.names.append(match.group(1))
        elif match := section.match(line):
            seen["section"] = match.group(1)
        elif line.startswith("SKIP:") and seen["section"]:
            # A skipped test returns early and is reported as passed.
            seen["section"] = None
            tally.passed -= 1
            tally.skipped += 1

    command = ["cargo", "test", *PROFILE, "--no-fail-fast", "--", "--show-output"]
    code = finish(stream(command, ROOT), each)
    if code != 0 and seen["failed"] == 0:
        tally.fail("cargo test (did not build or was cut off)")


def node_tests(tally: Tally, name: str, script: str) -> None:
    print(f"== {name}", flush=True)
    count = re.compile(r"^(?:#|ℹ) (pass|fail|skipped|cancelled) (\d+)$")
    totals = {"pass": 0, "fail": 0, "skipped": 0, "cancelled": 0}

    def each(line: str) -> None:
        if match := count.match(line):
            totals[match.group(1)] += int(match.group(2))

    code = finish(stream(["npm", "run", "--silent", script], ROOT / "web"), each)
    broken = totals["fail"] + totals["cancelled"]
    tally.passed += totals["pass"]
    tally.failed += broken
    tally.skipped += totals["skipped"]
    if broken:
        tally.names.append(name)
    elif code != 0:
        tally.fail(f"{name} (did not run)")


def lint(tally: Tally) -> None:
    check(tally, "cargo fmt", ["cargo", "fmt", "--all", "--check"])
    check(tally, "cargo clippy", ["cargo", "clippy", *PROFILE, "--all-targets", "--", "-D", "warnings"])
    if (ROOT / "web/package.json").exists():
        check(tally, "web check", ["npm", "run", "--silent", "check"], ROOT / "web")


def main() -> int:
    started = time.monotonic()
    tally = Tally()
    lint(tally)
    if "--lint" not in sys.argv[1:]:
        cargo_tests(tally)
        if (ROOT / "web/package.json").exists():
            node_tests(tally, "web tests", "test")
        if list((ROOT / "tests/browser").glob("*")):
            node_tests(tally, "browser tests", "test:browser")
    for name in tally.names:
        print(f"FAILED {name}")
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
