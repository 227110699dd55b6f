"""Statements over ClickHouse's HTTP protocol; results come as an Arrow stream, part by part."""

import base64
import http.client
import io
import re
import urllib.parse
from collections.abc import Iterator, Mapping

import pyarrow as pa

from .config import Connection
from .errors import AccessDenied, KubeTraderError, QuotaExceeded, Unreachable, WarehouseError

# Between two parts of a result; the warehouse has its own limits on a statement's time.
TIMEOUT_SECONDS = 120
# Where the reason stands when a statement fails after its first rows were sent.
REASON = re.compile(rb"__exception__\r\n(?P<tag>\w+)\r\n(?P<text>.*?)\n\d+ (?P=tag)\r\n__exception__", re.DOTALL)
KEPT = 64 << 10
# A message of length 0 (Arrow's IPC streaming format).
ARROW_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"

# Arrow as polars and pandas like it: text as text, names as dictionaries, nothing packed on the way.
SETTINGS = {
    "output_format_arrow_string_as_string": "1",
    "output_format_arrow_low_cardinality_as_dictionary": "1",
    "output_format_arrow_compression_method": "none",
    # A row and its repeats are of one day, and days are partitions.
    "do_not_merge_across_partitions_select_final": "1",
}

QUOTAS = {
    396: "the result is larger than allowed",
    158: "more rows would be read than allowed",
    307: "more data would be read than allowed",
    241: "the statement needs more memory than allowed",
    159: "the statement takes longer than allowed",
    202: "too many statements run at the same time",
}
ADVICE = {
    202: "wait for one to end",
    241: "ask for a shorter range or fewer columns, sum up in the statement, or start a bigger kernel",
}
DENIED = {164, 192, 193, 194, 497, 516}


class Session:
    """Sends statements. Each has a connection of its own, so several results can be read side by side."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        address = urllib.parse.urlsplit(connection.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise KubeTraderError(f"{connection.url!r} is no address of a warehouse; write http://127.0.0.1:8124")
        self._address = address

    def table(self, sql: str, parameters: Mapping[str, str | int] | None = None) -> pa.Table:
        """The whole result of a statement."""
        answer = self.stream(sql, parameters)
        return pa.Table.from_batches(list(answer), schema=answer.schema)

    def stream(self, sql: str, parameters: Mapping[str, str | int] | None = None, block: int = 65_409) -> "Batches":
        """The result of a statement as Arrow record batches of about `block` rows, read while they are used."""
        settings = {**SETTINGS, "default_format": "ArrowStream", "max_block_size": str(block)}
        settings |= {f"param_{name}": str(value) for name, value in (parameters or {}).items()}
        return Batches(self._send(sql, settings), self.connection)

    def _send(self, sql: str, query: Mapping[str, str]) -> "Body":
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        host = self._address.hostname or ""
        connection = kind(host, self._address.port, timeout=TIMEOUT_SECONDS)
        secret = f"{self.connection.user}:{self.connection.password}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(secret).decode()}"} if self.connection.user else {}
        path = f"{self._address.path or '/'}?{urllib.parse.urlencode(query)}"
        try:
            connection.request("POST", path, sql.encode(), headers)
            answer = connection.getresponse()
            if answer.status == http.client.OK:
                return Body(connection, answer)
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(
                f"the warehouse at {self.connection.url} gives no answer ({error}); `kt status` tells whether it runs"
            ) from error
        connection.close()
        raise refusal(text, self.connection.user, answer.status)


class Batches(Iterator[pa.RecordBatch]):
    """Record batches of one result. A result that breaks off raises; it never just ends."""

    def __init__(self, body: "Body", connection: Connection) -> None:
        self._connection = connection
        self._body = body
        try:
            self._reader = pa.ipc.open_stream(pa.PythonFile(self._body, mode="r"))
        except (pa.ArrowException, OSError, EOFError) as error:
            raise self._failure(error) from error
        self.schema: pa.Schema = self._reader.schema

    def __next__(self) -> pa.RecordBatch:
        try:
            batch = self._reader.read_next_batch()
        except StopIteration:
            # Arrow takes any end between two messages for the end.
            if not self._body.is_whole():
                raise self._failure(EOFError("it has no end")) from None
            self.close()
            raise
        except (pa.ArrowException, OSError, EOFError) as error:
            raise self._failure(error) from error
        return batch

    def close(self) -> None:
        """Gives the rest of the result up; the warehouse then stops working on it."""
        self._body.close()

    def _failure(self, error: Exception) -> KubeTraderError:
        reason = self._body.reason()
        self.close()
        if reason is not None:
            return refusal(reason, self._connection.user)
        return Unreachable(f"the answer of the warehouse at {self._connection.url} broke off: {error}")


class Body(io.RawIOBase):
    """An answer's body, with its newest part kept for the reason of a failure."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer
        self._newest = b""
        self._is_broken = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        try:
            data = self._answer.read(None if size is None or size < 0 else size)
        except http.client.IncompleteRead as error:
            data, self._is_broken = error.partial, True
        except (ConnectionError, TimeoutError):
            data, self._is_broken = b"", True
        self._newest = data[-KEPT:] if len(data) >= KEPT else (self._newest + data)[-KEPT:]
        return data

    def is_whole(self) -> bool:
        """Whether both the answer and the Arrow stream in it came to their ends."""
        while self.read(KEPT):
            pass
        return not self._is_broken and self._newest.endswith(ARROW_END)

    def reason(self) -> str | None:
        """Why the statement failed, when the warehouse said so at the end of the body."""
        for _ in range(64):
            if not self.read(KEPT // 2):
                break
        match = REASON.search(self._newest)
        return match["text"].decode(errors="replace") if match else None

    def close(self) -> None:
        if not self.closed:
            self._answer.close()
            self._connection.close()
        super().close()


def refusal(text: str, user: str, status: int = 0) -> WarehouseError:
    """The warehouse's text of an error as one of ours."""
    text = text.strip()
    match = re.search(r"Code: (\d+)\. (?:DB::Exception: )?(.*)", text, re.DOTALL)
    code, said = (int(match[1]), match[2]) if match else (0, text or f"HTTP status {status}")
    said = re.sub(r"\s*\(version .*\)\s*$", "", said).strip()[:1000]
    who = user or "default"
    if code in QUOTAS:
        advice = ADVICE.get(code, "ask for a shorter range or fewer columns, or start a bigger kernel")
        return QuotaExceeded(f"quota of {who}: {QUOTAS[code]} ({said}). What to do: {advice}", code)
    if code in DENIED:
        return AccessDenied(f"{who} may not do this: {said}", code)
    return WarehouseError(said, code)
