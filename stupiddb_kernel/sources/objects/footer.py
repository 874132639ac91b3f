"""Footers of Parquet files: schema, rows and per-column figures, for a few kilobytes of ranges a file."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stupiddb_kernel.errors import StupiddbError
from stupiddb_kernel.sources.base import ColumnStatistics
from stupiddb_kernel.sources.objects.errors import CorruptObject
from stupiddb_kernel.sources.objects.file import ObjectReader
from stupiddb_kernel.sources.objects.listing import Object

_WORKERS = 16
INT96_UNIT = "us"
"""INT96 timestamps are read in microseconds: nanoseconds would wrap silently outside 1677-2262."""


@dataclass(frozen=True, slots=True)
class ColumnFooter:
    """A column of one file: compressed bytes, nulls, bounds. None where the file does not say."""

    bytes: int
    nulls: int | None = None
    minimum: Any = None
    maximum: Any = None


@dataclass(frozen=True, slots=True)
class Footer:
    """What one file says of itself."""

    object: Object
    schema: pa.Schema
    rows: int
    row_groups: int
    columns: Mapping[str, ColumnFooter]
    compression: str = "UNCOMPRESSED"
    """Of the first column chunk."""


class Footers:
    """Reads footers, several at once, and keeps them by key and etag; safe to use from several threads."""

    def __init__(self, reader: ObjectReader, capacity: int = 20_000) -> None:
        self._reader = reader
        self._capacity = capacity
        self._kept: OrderedDict[Object, Footer] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, target: Object) -> Footer:
        """The footer of one file. Raises CorruptObject, naming the key, and what reading ranges raises."""
        with self._lock:
            kept = self._kept.get(target)
            if kept is not None:
                self._kept.move_to_end(target)
                return kept
        footer = _parse(self._reader, target)
        with self._lock:
            self._kept[target] = footer
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return footer

    def read_all(self, targets: Iterable[Object]) -> list[Footer]:
        """Footers of several files in their order; the first failure is raised."""
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="footers s3") as pool:
            return list(pool.map(self.read, targets))

    def try_all(self, targets: Sequence[Object]) -> Iterator[Footer | CorruptObject]:
        """As ``read_all``, but a corrupt file gives its error in its place and the others go on."""

        def attempt(target: Object) -> Footer | CorruptObject:
            try:
                return self.read(target)
            except CorruptObject as error:
                return error

        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="footers s3") as pool:
            yield from list(pool.map(attempt, targets))


def sample(objects: Sequence[Object], count: int) -> list[Object]:
    """At most ``count`` objects spread evenly, the first and the last among them."""
    if len(objects) <= count:
        return list(objects)
    if count == 1:
        return [objects[-1]]
    step = (len(objects) - 1) / (count - 1)
    return [objects[round(index * step)] for index in range(count)]


def merge_columns(footers: Sequence[Footer]) -> dict[str, ColumnStatistics]:
    """Statistics of each column over several files.

    Bounds and null counts are given only if every file that has rows states them; a file that lacks the
    column counts as all null.
    """
    rows = sum(footer.rows for footer in footers)
    names = dict.fromkeys(name for footer in footers for name in footer.columns)
    merged: dict[str, ColumnStatistics] = {}
    for name in names:
        parts = [footer.columns.get(name, ColumnFooter(0, footer.rows)) for footer in footers if footer.rows]
        nulls = [part.nulls for part in parts]
        known = [count for count in nulls if count is not None]
        bounded = [
            part
            for part, footer in zip(parts, (f for f in footers if f.rows), strict=True)
            if part.nulls != footer.rows
        ]
        low, high = _bounds(bounded)
        merged[name] = ColumnStatistics(
            null_fraction=sum(known) / rows if rows and len(known) == len(nulls) else None,
            minimum=low,
            maximum=high,
            bytes=sum(part.bytes for part in parts),
        )
    return merged


def partition_columns(
    values: Iterable[Mapping[str, str | None]], rows: int | None
) -> dict[str, ColumnStatistics]:
    """Statistics of partition columns from the values of each file: distinct values and bounds are exact."""
    found: dict[str, set[str | None]] = {}
    for each in values:
        for name, value in each.items():
            found.setdefault(name, set()).add(value)
    return {
        name: ColumnStatistics(
            distinct=float(len(known := seen - {None})),
            null_fraction=0.0 if None not in seen else (1.0 if rows and not known else None),
            minimum=min((each for each in known if each is not None), default=None),
            maximum=max((each for each in known if each is not None), default=None),
            bytes=0,
        )
        for name, seen in found.items()
    }


def _bounds(parts: Sequence[ColumnFooter]) -> tuple[Any, Any]:
    lows, highs = [part.minimum for part in parts], [part.maximum for part in parts]
    if not parts or any(value is None for value in (*lows, *highs)):
        return None, None
    try:
        return min(lows), max(highs)
    except TypeError:  # files disagree on the column's type, so there is no order to state
        return None, None


def _parse(reader: ObjectReader, target: Object) -> Footer:
    try:
        with pq.ParquetFile(reader.open(target), coerce_int96_timestamp_unit=INT96_UNIT) as file:
            metadata, schema = file.metadata, file.schema_arrow
            return Footer(
                target,
                schema.remove_metadata(),
                metadata.num_rows,
                metadata.num_row_groups,
                _columns(metadata, schema),
                _compression(metadata),
            )
    except StupiddbError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CorruptObject(
            f"{target.uri} ({target.size:,} bytes) is not a readable Parquet file: {reason}",
            source=reader.source,
            hint="remove or replace the file, or narrow the source's `pattern` so that it is left out",
        ) from error


def _columns(metadata: pq.FileMetaData, schema: pa.Schema) -> dict[str, ColumnFooter]:
    columns: dict[str, ColumnFooter] = {}
    leaf = 0
    for field in schema:
        leaves = range(leaf, leaf := leaf + _leaf_count(field.type))
        columns[field.name] = _column(metadata, leaves)
    return columns


def _compression(metadata: pq.FileMetaData) -> str:
    if not metadata.num_row_groups or not metadata.num_columns:
        return "UNCOMPRESSED"
    return str(metadata.row_group(0).column(0).compression)


def _leaf_count(kind: pa.DataType) -> int:
    """How many Parquet columns an Arrow type takes; they follow each other in the order of the fields."""
    if pa.types.is_dictionary(kind):
        return _leaf_count(kind.value_type)
    if pa.types.is_nested(kind):
        return sum(_leaf_count(kind.field(index).type) for index in range(kind.num_fields))
    return 1


def _column(metadata: pq.FileMetaData, leaves: range) -> ColumnFooter:
    size, nulls, parts = 0, 0, []
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        chunks = [row_group.column(leaf) for leaf in leaves]
        size += sum(chunk.total_compressed_size for chunk in chunks)
        if len(chunks) != 1 or not row_group.num_rows:
            continue
        part = _chunk(chunks[0])
        parts.append((part, row_group.num_rows))
    if len(leaves) != 1:
        return ColumnFooter(size)
    counted = [part.nulls for part, _ in parts]
    nulls = sum(count for count in counted if count is not None)
    low, high = _bounds([part for part, rows in parts if part.nulls != rows])
    return ColumnFooter(size, nulls if None not in counted else None, low, high)


def _chunk(chunk: pq.ColumnChunkMetaData) -> ColumnFooter:
    try:
        statistics = chunk.statistics
        if statistics is None:
            return ColumnFooter(0)
        nulls = statistics.null_count if statistics.has_null_count else None
        if not statistics.has_min_max:
            return ColumnFooter(0, nulls)
        return ColumnFooter(0, nulls, _plain_bound(statistics.min), _plain_bound(statistics.max))
    except (pa.ArrowNotImplementedError, ValueError, OverflowError):
        return ColumnFooter(0)  # a bound that has no Python value, such as a timestamp of the year 20000


def _plain_bound(value: Any) -> Any:
    """A bound as a plain Python value; None for one that has nanoseconds or is no number."""
    if hasattr(value, "to_pydatetime"):
        return None if getattr(value, "nanosecond", 0) else value.to_pydatetime()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
