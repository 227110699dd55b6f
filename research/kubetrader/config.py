"""Where the warehouse is and who asks: `~/.kubetrader.json`, which every research kernel finds in its home."""

import json
import os
import pathlib
from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigurationError

VARIABLE = "KUBETRADER_CONFIG"


@dataclass(frozen=True)
class Storage:
    """A part of the experiments bucket that belongs to one person."""

    endpoint: str
    bucket: str
    prefix: str
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Connection:
    """How to reach the platform."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    storage: Storage | None = None
    kt: str = "kt"


def load(path: str | os.PathLike[str] | None = None) -> Connection:
    """Reads the connection from `path`, from where KUBETRADER_CONFIG points, or from the home folder."""
    chosen = pathlib.Path(path or os.environ.get(VARIABLE) or pathlib.Path.home() / ".kubetrader.json")
    try:
        content = json.loads(chosen.read_text())
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{chosen} does not exist. A research kernel finds it in its home; elsewhere set {VARIABLE} "
            "or use kubetrader.Client(url=…, user=…, password=…)"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{chosen} cannot be read: {error}") from error
    try:
        warehouse = content["warehouse"]
        return Connection(
            url=warehouse["url"],
            user=warehouse.get("user", ""),
            password=warehouse.get("password", ""),
            storage=storage(content.get("s3")),
            kt=content.get("kt") or "kt",
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{chosen} is not as expected: {error!r} is missing or of the wrong kind") from error


def storage(content: dict[str, Any] | None) -> Storage | None:
    if not content:
        return None
    names = ("endpoint", "bucket", "prefix", "access_key", "secret_key")
    return Storage(**{name: content[name] for name in names})
