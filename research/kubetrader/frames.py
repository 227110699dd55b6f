"""Arrow tables as frames: polars, or pandas."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from .transport import Batches

Library = Literal["polars", "pandas"]
# A polars.DataFrame, or a pandas.DataFrame where that was asked for.
Frame = Any

LIBRARIES = ("polars", "pandas")


def check(library: str) -> None:
    if library not in LIBRARIES:
        raise ValueError(f"frame={library!r}: write one of {', '.join(LIBRARIES)}")


def frame(table: pa.Table, library: Library = "polars", facts: Mapping[str, object] | None = None) -> Frame:
    """A table as a frame, without a copy of its numbers.

    The names in a column of text (venues, sides) become categories. `facts` go into a pandas frame's `attrs`;
    polars' frames have no place for them.
    """
    table = table.unify_dictionaries()
    if library == "polars":
        return pl.from_arrow(table, rechunk=False)
    # Decimals stay Arrow's: exact, and without an object per number.
    decimals = {field.type: _arrow_dtype(field.type) for field in table.schema if pa.types.is_decimal(field.type)}
    with warnings.catch_warnings():
        # Blocks are handed over one by one, so that the table is not there twice.
        made = table.to_pandas(split_blocks=True, self_destruct=True, types_mapper=decimals.get if decimals else None)
    made.attrs["kubetrader"] = dict(facts or {})
    return made


def _arrow_dtype(kind: pa.DataType) -> Any:
    # Only who wants pandas waits for its import.
    import pandas

    return pandas.ArrowDtype(kind)


def pieces(batches: Batches, rows: int, library: Library, facts: Mapping[str, object]) -> Iterator[Frame]:
    """Frames of about `rows` rows, made while the result arrives. Only one is in memory at a time."""
    try:
        for group in _groups(batches, rows):
            yield frame(pa.Table.from_batches(group, schema=batches.schema), library, facts)
    finally:
        batches.close()


def _groups(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    gathered: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        gathered.append(batch)
        size += batch.num_rows
        if size >= rows:
            group, gathered, size = gathered, [], 0
            yield group
            del group
    if gathered:
        yield gathered
