"""The `kt` binary: what only the platform itself knows is asked of it, as JSON."""

import json
import subprocess
from typing import Any, Protocol

from dagster import ConfigurableResource, Failure


class Log(Protocol):
    """Where a command's words go: a run's log, or a program's own."""

    def info(self, msg: object, *args: object) -> None: ...


class PlatformError(Failure):
    """`kt` could not do what was asked."""

    def __init__(self, text: str) -> None:
        super().__init__(description=text)


class Platform(ConfigurableResource[None]):  # type: ignore[type-arg,unused-ignore]
    """Runs commands of `kt` against the platform this process belongs to."""

    program: str
    config_file: str

    def ask(self, arguments: list[str], log: Log) -> "Answer":
        """The JSON that a command prints. What it says beside it goes to the run's log."""
        code, output, errors = self._run(arguments, log)
        try:
            answer = json.loads(output)
        except json.JSONDecodeError as error:
            last = (errors.strip().splitlines() or [f"it printed no JSON: {error}"])[-1]
            raise PlatformError(f"kt {' '.join(arguments)} ended with exit code {code}: {last}") from None
        return Answer(code, answer, errors)

    def text(self, arguments: list[str], log: Log) -> str:
        """The text that a command prints."""
        code, output, errors = self._run(arguments, log)
        if code != 0:
            last = (errors.strip().splitlines() or ["it gave no reason"])[-1]
            raise PlatformError(f"kt {' '.join(arguments)} ended with exit code {code}: {last}")
        return output

    def _run(self, arguments: list[str], log: Log) -> tuple[int, str, str]:
        command = [self.program, *arguments]
        if self.config_file:
            command += ["--config", self.config_file]
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        except OSError as error:
            raise PlatformError(f"{self.program} cannot be started: {error}") from error
        for line in ended.stderr.splitlines()[-200:]:
            log.info("%s", line)
        return ended.returncode, ended.stdout, ended.stderr


class Answer:
    """What a command printed, and how it ended: some say with their exit code that data is not whole."""

    def __init__(self, code: int, json_value: Any, errors: str) -> None:
        self.code = code
        self.json = json_value
        self.complaint = (errors.strip().splitlines() or [""])[-1]
