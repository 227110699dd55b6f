"""The warehouse over ClickHouse's HTTP protocol: rows in, rows out, every number exact."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence

from dagster import ConfigurableResource, Failure

Value = str | int | float | bool | None | list[str]
Row = dict[str, Value]

# Decimals as text: a JSON number would pass through a float.
OUTPUT = {"output_format_json_quote_decimals": "1", "output_format_json_quote_64bit_integers": "0"}
TIMEOUT_SECONDS = 300


class WarehouseError(Failure):
    """The warehouse refused a statement or could not be reached."""

    def __init__(self, text: str) -> None:
        super().__init__(description=text)


class Warehouse(ConfigurableResource[None]):  # type: ignore[type-arg,unused-ignore]
    """Statements over HTTP; each is one request."""

    url: str

    def rows(self, sql: str, parameters: Mapping[str, str | int] | None = None) -> list[Row]:
        """The rows of a SELECT; `parameters` fill its `{name:Type}` places."""
        text = self._send(sql, {**OUTPUT, "default_format": "JSONEachRow"}, parameters or {}, None)
        return [json.loads(line) for line in text.splitlines() if line]

    def value(self, sql: str, parameters: Mapping[str, str | int] | None = None) -> Value:
        """The one value of a SELECT that gives one row with one column."""
        rows = self.rows(sql, parameters)
        if len(rows) != 1 or len(rows[0]) != 1:
            raise WarehouseError(f"expected one value, got {len(rows)} rows: {sql[:200]}")
        return next(iter(rows[0].values()))

    def command(self, sql: str) -> None:
        """A statement without a result."""
        self._send(sql, {}, {}, None)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Inserts rows as one block, which appears whole or not at all; returns how many."""
        lines = [json.dumps({name: row[name] for name in columns}) for row in rows]
        if not lines:
            return 0
        sql = f"INSERT INTO {table} ({', '.join(columns)}) FORMAT JSONEachRow"
        settings = {
            "max_insert_block_size": str(len(lines)),
            "min_insert_block_size_rows": str(len(lines)),
            "min_insert_block_size_bytes": "0",
            "input_format_parallel_parsing": "0",
        }
        self._send(sql, settings, {}, ("\n".join(lines) + "\n").encode())
        return len(lines)

    def _send(
        self, sql: str, settings: Mapping[str, str], parameters: Mapping[str, str | int], data: bytes | None
    ) -> str:
        query = dict(settings) | {f"param_{name}": str(value) for name, value in parameters.items()}
        body = sql.encode() if data is None else data
        if data is not None:
            query["query"] = sql
        address = f"{self.url}/?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(address, data=body, method="POST"), timeout=TIMEOUT_SECONDS
            ) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace").strip()
            raise WarehouseError(f"the warehouse refused a statement: {text[:1000]}") from error
        except OSError as error:
            raise WarehouseError(f"the warehouse at {self.url} cannot be reached: {error}") from error
