#!/usr/bin/env python3
"""Runs every check and test, and ends with one line: N passed, N failed, N skipped.

Everything runs even after a failure, so that one run shows all of them. A test that prints a line
beginning with "SKIP:" counts as skipped; a formatting or lint step counts as one test. A failed Rust
test runs once more, alone; the run names those that pass only then.
"""

import os
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "setup"))
import engines  # noqa: E402  # setup/ is no package

# Binary and tests in one profile: a second one would double the time to build.
PROFILE = ["--profile", "ci", "--locked", "--workspace"]


class Tally:
    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = 0
        self.names: list[str] = []

    def fail(self, name: str) -> None:
        self.failed += 1
        self.names.append(name)


def stream(command: list[str], directory: pathlib.Path) -> Generator[str, None, int]:
    """Runs a command, showing and yielding its lines; returns its exit code."""
    environment = {**os.environ, "CARGO_TERM_COLOR": "never", "INSTA_UPDATE": "no"}
    # Where `make setup` put them: the tests' own guess is that of root.
    environment.setdefault("KT_ENGINES", str(engines.default_directory()))
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    for line in process.stdout or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        yield line.rstrip("\n")
    return process.wait()


def finish(lines: Generator[str, None, int], each: Callable[[str], object]) -> int:
    """Feeds every line to `each` and gives the exit code back."""
    while True:
        try:
            each(next(lines))
        except StopIteration as end:
            return int(end.value)


def check(tally: Tally, name: str, command: list[str], directory: pathlib.Path = ROOT) -> None:
    """One step that passes or fails as a whole."""
    print(f"== {name}", flush=True)
    if finish(stream(command, directory), lambda line: None) == 0:
        tally.passed += 1
    else:
        tally.fail(name)


RUNNING = re.compile(r"^\s*Running (?:unittests )?(\S+) \((\S+)\)$")
RESULT = re.compile(r"^test (.+?) \.\.\. (ok|FAILED|ignored)")
SECTION = re.compile(r"^---- (.+) stdout ----$")


def cargo_tests(tally: Tally) -> None:
    """Runs every test, then those that failed once more, alone: shared machines are noisy, and a test that
    fails only beside others is named as such instead of being hidden or failing the run."""
    print("== cargo test", flush=True)
    failed: list[tuple[str, str, str]] = []
    seen = {"source": "", "binary": "", "section": ""}

    def each(line: str) -> None:
        if match := RUNNING.match(line):
            seen["source"], seen["binary"] = match.groups()
        elif match := RESULT.match(line):
            name, verdict = match.groups()
            seen["section"] = ""
            tally.passed += verdict == "ok"
            tally.skipped += verdict == "ignored"
            if verdict == "FAILED":
                failed.append((seen["source"], seen["binary"], name))
        elif match := SECTION.match(line):
            seen["section"] = match.group(1)
        elif line.startswith("SKIP:"):
            # A skipped test of the standard harness returns early and is reported as passed.
            tally.passed -= bool(seen["section"])
            seen["section"] = ""
            tally.skipped += 1

    command = ["cargo", "test", *PROFILE, "--no-fail-fast", "--", "--show-output"]
    code = finish(stream(command, ROOT), each)
    for source, binary, name in failed:
        again(tally, source, binary, name)
    if code != 0 and not failed:
        tally.fail("cargo test (did not build or was cut off)")


def again(tally: Tally, source: str, binary: str, name: str) -> None:
    """A failed test once more, with the machine to itself."""
    print(f"== once more, alone: {name}", flush=True)
    homes = [path for path in [*ROOT.glob("crates/*"), ROOT / "tests"] if (path / source).exists()]
    stem = pathlib.Path(binary).name.rsplit("-", 1)[0].removeprefix("kt_")
    home = next((path for path in homes if path.name == stem), homes[0] if homes else ROOT)
    verdicts: list[str] = []

    def each(line: str) -> None:
        if (match := RESULT.match(line)) and match.group(1) == name:
            verdicts.append(match.group(2))

    finish(stream([str(ROOT / binary), name, "--show-output"], home), each)
    if verdicts == ["ok"]:
        tally.passed += 1
        print(f"UNSTEADY {name}: failed beside other tests, passed alone", flush=True)
    else:
        tally.fail(name)


def node_tests(tally: Tally, name: str, script: str) -> None:
    """One suite of the page; a suite with a failure runs once more, as a failed Rust test does."""
    print(f"== {name}", flush=True)
    code, totals = node_suite(script)
    if code != 0:
        print(f"== once more: {name}", flush=True)
        code, totals = node_suite(script)
        if code == 0:
            print(f"UNSTEADY {name}: failed at first, passed when run again", flush=True)
    broken = totals["fail"] + totals["cancelled"]
    tally.passed += totals["pass"]
    tally.failed += broken
    tally.skipped += totals["skipped"]
    if broken:
        tally.names.append(name)
    elif code != 0:
        tally.fail(f"{name} (did not run)")


def node_suite(script: str) -> tuple[int, dict[str, int]]:
    """Exit code and counts of one npm script that runs Node's test runner."""
    count = re.compile(r"^(?:#|ℹ) (pass|fail|skipped|cancelled) (\d+)$")
    totals = {"pass": 0, "fail": 0, "skipped": 0, "cancelled": 0}

    def each(line: str) -> None:
        if match := count.match(line):
            totals[match.group(1)] += int(match.group(2))

    code = finish(stream(["npm", "run", "--silent", script], ROOT / "web"), each)
    return code, totals


def lint(tally: Tally) -> None:
    check(tally, "cargo fmt", ["cargo", "fmt", "--all", "--check"])
    check(tally, "cargo clippy", ["cargo", "clippy", *PROFILE, "--all-targets", "--", "-D", "warnings"])
    if (ROOT / "web/package.json").exists():
        check(tally, "web check", ["npm", "run", "--silent", "check"], ROOT / "web")
    python_checks(tally)


def python(name: str) -> str:
    """The interpreter of an environment that setup/python.py made."""
    script = [sys.executable, str(ROOT / "setup/python.py"), "--interpreter", name]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout.strip()


def python_checks(tally: Tally) -> None:
    """Format, lint and types of every Python file; types see the packages that a file runs with."""
    tools = python("tools")
    files = ["benches/research.py", "orchestration", "research", "setup", "tests/run.py"]
    check(tally, "ruff format", [tools, "-m", "ruff", "format", "--check", *files])
    check(tally, "ruff check", [tools, "-m", "ruff", "check", *files])

    def types(name: str, environment: str, directory: str, *files: str) -> None:
        mypy = [tools, "-m", "mypy", "--python-executable", python(environment)]
        check(tally, f"mypy {name}", [*mypy, *files], ROOT / directory)

    types("orchestration", "orchestration", "orchestration", "kt_orchestration", "tests")
    types("setup", "orchestration", "setup", ".", "../tests/run.py")
    package = ("kubetrader", "tests/test_package.py", "tests/against_platform.py", "../benches/research.py")
    types("research", "research-kernel", "research", *package)
    types("clients of research", "research-gateway", "research", "tests/notebooks.py", "tests/client.py")


def python_tests(tally: Tally, name: str, environment: str) -> None:
    """The tests of a directory of Python, without a platform."""
    print(f"== {name} tests", flush=True)
    found = {"ran": 0, "broken": 0, "skipped": 0}

    def each(line: str) -> None:
        if match := re.match(r"^Ran (\d+) tests?", line):
            found["ran"] = int(match.group(1))
        for word, number in re.findall(r"(failures|errors|skipped)=(\d+)", line):
            found["skipped" if word == "skipped" else "broken"] += int(number)

    command = [python(environment), "-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."]
    code = finish(stream(command, ROOT / name), each)
    tally.passed += found["ran"] - found["broken"] - found["skipped"]
    tally.skipped += found["skipped"]
    if code != 0:
        tally.failed += max(found["broken"], 1) - 1
        tally.fail(f"{name} tests")


def main() -> int:
    started = time.monotonic()
    tally = Tally()
    lint(tally)
    if "--lint" not in sys.argv[1:]:
        cargo_tests(tally)
        python_tests(tally, "orchestration", "orchestration")
        python_tests(tally, "research", "research-kernel")
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
