"""One table reference of a query, as something DuckDB can scan.

DuckDB plans the query and hands each scan the columns it needs and the filters it could push down; the
scan reads nothing else. Partitions and row groups are pruned by simplifying the filter with what is
known of them (partition values, min/max statistics), which is pyarrow's own machinery.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs

from stupiddb_kernel.local.athena.chunks import ChunkReader, Footers, ParquetFile
from stupiddb_kernel.local.athena.errors import QueryError
from stupiddb_kernel.local.athena.meter import Meter
from stupiddb_kernel.local.athena.storage import Location, Object, Storage

if TYPE_CHECKING:
    from stupiddb_kernel.local.athena.glue import Partition, Table

_In = TypeVar("_In")
_Out = TypeVar("_Out")

ROW = "$row"
"""A column every scan has first and never reads: DuckDB counts rows with it."""
_BATCH_ROWS = 65_536
_AHEAD = 8
"""Row groups fetched ahead at most; a scan starts with one, so that LIMIT stays cheap."""
_LIST_TOGETHER = 8
"""From so many partitions on, their table's folder is listed once instead of each of theirs."""
_MILLISECOND = dt.timedelta(milliseconds=1)


@dataclass(frozen=True)
class Reading:
    """What the scans of one query share."""

    storage: Storage
    footers: Footers
    meter: Meter
    pool: ThreadPoolExecutor


class Scan(ds.Dataset):
    """A Glue table for DuckDB, which calls ``scanner()`` with its pushed-down columns and filter.

    The base class is what makes DuckDB push down; none of its state is used.
    """

    def __init__(self, table: Table, partitions: Sequence[Partition] | None, reading: Reading) -> None:
        self._table = table
        self._partitions = partitions
        self._reading = reading

    @property
    def schema(self) -> pa.Schema:
        """The counting column, the stored columns, the partition keys."""
        return pa.schema([pa.field(ROW, pa.int8()), *self._table.schema])

    def scanner(
        self,
        columns: list[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002 - DuckDB's name for it
        **_: object,
    ) -> Scanner:
        """A single pass over the table."""
        return Scanner(
            self._table, self._partitions, self._reading, columns or self.schema.names, filter, self.schema
        )


class Scanner:
    """One pass over a table with a fixed set of columns and a filter."""

    def __init__(
        self,
        table: Table,
        partitions: Sequence[Partition] | None,
        reading: Reading,
        columns: list[str],
        condition: ds.Expression | None,
        schema: pa.Schema,
    ) -> None:
        self._table = table
        self._partitions = partitions
        self._reading = reading
        self._columns = columns
        self._filter = condition
        self._full = schema
        self._keys = {column.name: index for index, column in enumerate(table.partition_keys)}

    @property
    def projected_schema(self) -> pa.Schema:
        """What the batches look like."""
        return pa.schema([self._full.field(name) for name in self._columns])

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows, as a stream."""
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._guarded())

    def _guarded(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches()
        except GeneratorExit:
            raise
        except Exception as error:
            self._reading.meter.fail(error)
            raise

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for rows in _in_order(self._reading, self._units(), self._read):
            for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
                if batch.num_rows:
                    yield batch

    @cached_property
    def _stored(self) -> list[str]:
        """The columns that have to be fetched."""
        return [name for name in self._columns if name != ROW and name not in self._keys]

    def _units(self) -> Iterator[tuple[ParquetFile, int, Partition | None]]:
        """Row groups that may hold matching rows, with the partition they belong to."""
        files = list(self._files())
        self._reading.meter.opened(len(files))
        opened = _in_order(self._reading, iter(files), self._open)
        for (_, partition), file in zip(files, opened, strict=True):
            for row_group in self._row_groups(file, partition):
                yield file, row_group, partition

    def _open(self, entry: tuple[Object, Partition | None]) -> ParquetFile:
        return self._reading.footers.read(self._reading.storage, entry[0])

    def _files(self) -> Iterator[tuple[Object, Partition | None]]:
        storage = self._reading.storage
        if self._partitions is None:
            for file in storage.objects(self._table.location):
                yield file, None
            return
        kept = self._matching(
            [(partition, self._known_partition(partition)) for partition in self._partitions]
        )
        listed = _list_partitions(storage, self._table, kept)
        for partition in kept:
            for file in listed(partition.location):
                yield file, partition

    def _known_partition(self, partition: Partition) -> ds.Expression | None:
        known: ds.Expression | None = None
        for name, index in self._keys.items():
            field, value = ds.field(name), self._key_value(partition, index)
            part = field.is_null() if not value.is_valid else field == value
            known = part if known is None else known & part
        return known

    def _key_value(self, partition: Partition, index: int) -> pa.Scalar:
        key = self._table.partition_keys[index]
        kind, text = self._full.field(key.name).type, partition.values[index]
        try:
            return pa.scalar(text, pa.string()).cast(kind)
        except pa.ArrowInvalid as error:
            raise QueryError(
                "HIVE_INVALID_PARTITION_VALUE",
                f"Invalid partition value '{text}' for {key.type} partition key: {key.name}",
            ) from error

    def _row_groups(self, file: ParquetFile, partition: Partition | None) -> list[int]:
        groups = range(file.metadata.num_row_groups)
        if self._filter is None:
            return list(groups)
        known_partition = self._known_partition(partition) if partition else None
        mentioned = str(self._filter)
        names = [name for name in self._table.schema.names if name in mentioned and name not in self._keys]
        known = []
        for group in groups:
            facts = known_partition
            for name in names:
                if (fact := _statistics(file, group, name, self._full.field(name).type)) is not None:
                    facts = fact if facts is None else facts & fact
            known.append((group, facts))
        return self._matching(known)

    def _matching(self, known: list[tuple[_In, ds.Expression | None]]) -> list[_In]:
        """Those whose known facts don't contradict the filter."""
        if self._filter is None or not known:
            return [item for item, _ in known]
        layout = ds.ParquetFileFormat()
        filesystem = pa.fs.LocalFileSystem()
        fragments = [
            layout.make_fragment(str(index), filesystem, partition_expression=facts)
            for index, (_, facts) in enumerate(known)
        ]
        everything = ds.FileSystemDataset(fragments, self._full, layout, filesystem)
        return [known[int(found.path)][0] for found in everything.get_fragments(self._filter)]

    def _read(self, unit: tuple[ParquetFile, int, Partition | None]) -> pa.Table:
        file, group, partition = unit
        meter = self._reading.meter
        meter.check()
        count = file.metadata.row_group(group).num_rows
        read = ChunkReader(self._reading.storage, meter).read(file, group, self._stored)
        arrays = [self._column(name, read, file, partition, count) for name in self._columns]
        rows = pa.table(arrays, schema=self.projected_schema)
        meter.decoded(count)
        return rows if self._filter is None else rows.filter(self._filter)

    def _column(
        self,
        name: str,
        read: dict[str, pa.ChunkedArray],
        file: ParquetFile,
        partition: Partition | None,
        count: int,
    ) -> pa.Array | pa.ChunkedArray:
        kind = self._full.field(name).type
        if name == ROW:
            return pa.repeat(pa.scalar(0, pa.int8()), count)
        if name in self._keys and partition is not None:
            return pa.repeat(self._key_value(partition, self._keys[name]), count)
        if name not in read:
            return pa.nulls(count, kind)
        return fit(read[name], kind, name, file.object.location)


def _list_partitions(
    storage: Storage, table: Table, partitions: Sequence[Partition]
) -> Callable[[Location], list[Object]]:
    """How to list the files of each of these partitions with few requests."""
    root = table.location
    inside = all(p.location.bucket == root.bucket and p.location.key.startswith(root.key) for p in partitions)
    if len(partitions) < _LIST_TOGETHER or not inside:
        return lambda place: list(storage.objects(place))
    by_folder: dict[str, list[Object]] = {}
    for file in storage.objects(root):
        parts = file.location.key.split("/")
        for depth in range(root.key.count("/"), len(parts)):
            by_folder.setdefault("/".join(parts[:depth]) + "/", []).append(file)
    return lambda place: by_folder.get(place.key, [])


def _in_order(reading: Reading, items: Iterator[_In], work: Callable[[_In], _Out]) -> Iterator[_Out]:
    """Do the work on a few items at a time, ahead of the reader, and hand results on in order."""
    waiting: deque[Future[_Out]] = deque()
    ahead = 1
    try:
        while True:
            while len(waiting) < ahead and (item := next(items, None)) is not None:
                waiting.append(reading.pool.submit(work, item))
            if not waiting:
                return
            yield _wait(reading.meter, waiting.popleft())
            ahead = min(_AHEAD, ahead * 2)
    finally:
        for future in waiting:
            future.cancel()


def _wait(meter: Meter, future: Future[_Out]) -> _Out:
    while True:
        meter.check()
        try:
            return future.result(timeout=0.1)
        except FutureTimeout:
            if future.done():
                raise


def _statistics(file: ParquetFile, group: int, name: str, kind: pa.DataType) -> ds.Expression | None:
    """What a row group's min/max say about a column, in the table's type; None if they say nothing."""
    leaves = file.leaves.get(name)
    if leaves is None:
        return ds.field(name).is_null()
    if len(leaves) != 1 or pa.types.is_nested(kind):
        return None
    found = file.metadata.row_group(group).column(leaves[0]).statistics
    if found is None or not found.has_min_max:
        return None
    try:
        low, high = _bound(found.min, kind, -_MILLISECOND), _bound(found.max, kind, _MILLISECOND)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    field = ds.field(name)
    between = (field >= low) & (field <= high)
    return between if found.has_null_count and found.null_count == 0 else between | field.is_null()


def _bound(value: Any, kind: pa.DataType, slack: dt.timedelta) -> pa.Scalar:
    """A statistic in the table's type; timestamps were rounded to milliseconds, hence the slack."""
    if isinstance(value, bytes) and pa.types.is_string(kind):
        value = value.decode()
    if isinstance(value, dt.datetime) and pa.types.is_timestamp(kind):
        value = value.replace(tzinfo=None) + slack
    return pa.scalar(value, kind)


def fit(column: pa.ChunkedArray, kind: pa.DataType, name: str, place: Location) -> pa.Array | pa.ChunkedArray:
    """A file's column in the table's type, where Athena would read it so.

    Raises:
        QueryError: HIVE_BAD_DATA, the file holds something else.
    """
    import pyarrow.compute as pc

    have = column.type
    if have == kind and not (pa.types.is_timestamp(kind) and have.unit in ("us", "ns")):
        return column
    if not _readable_as(have, kind):
        raise QueryError(
            "HIVE_BAD_DATA",
            f"Field {name}'s type {str(have).upper()} in parquet file {place} is incompatible with type "
            f"{kind} defined in table schema",
        )
    try:
        if pa.types.is_timestamp(kind):
            if have.unit in ("us", "ns"):
                column = pc.round_temporal(column, unit="millisecond")
            if have.tz is not None:
                column = column.cast(pa.timestamp("us", "UTC"))
            return column.cast(kind)
        return column.cast(kind)
    except (pa.ArrowException, ValueError) as error:
        raise QueryError("HIVE_BAD_DATA", f"Field {name} in parquet file {place}: {error}") from error


def _readable_as(have: pa.DataType, kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(have):
        return _readable_as(have.value_type, kind)
    families: tuple[Callable[[pa.DataType], bool], ...] = (
        types.is_integer,
        types.is_floating,
        lambda t: types.is_decimal(t),
        lambda t: (
            types.is_string(t) or types.is_large_string(t) or types.is_binary(t) or types.is_large_binary(t)
        ),
        types.is_timestamp,
        types.is_date,
        types.is_struct,
        types.is_map,
        lambda t: types.is_list(t) or types.is_large_list(t),
    )
    if types.is_integer(have) and types.is_decimal(kind):
        return True
    return types.is_null(have) or any(family(have) and family(kind) for family in families)
