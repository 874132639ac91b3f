"""Parquet files in S3: footers, the byte ranges of column chunks, and their decoding.

A row group is read by fetching exactly the byte ranges of the wanted column chunks. Ranges that touch
become one request; a gap is never bridged, so what is counted is what was needed *and* what was fetched.
"""

from __future__ import annotations

import io
import struct
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.local.athena.errors import QueryError
from stupiddb_kernel.local.athena.meter import Meter
from stupiddb_kernel.local.athena.storage import Object, Storage

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_TAIL = 16 * 1024
"""Bytes read at a file's end first; most footers fit."""
_FOOTERS_KEPT = 4096
_MAGIC = b"PAR1"


@dataclass(frozen=True)
class ParquetFile:
    """One file and what its footer says; ``leaves`` maps a column's lower-case name to its leaf columns."""

    object: Object
    metadata: pq.FileMetaData
    schema: pa.Schema
    leaves: dict[str, tuple[int, ...]]

    def ranges(self, row_group: int, names: Sequence[str]) -> list[tuple[int, int]]:
        """Offset and length of every column chunk these columns have in a row group, by offset."""
        group = self.metadata.row_group(row_group)
        found = []
        for leaf in sorted({leaf for name in names for leaf in self.leaves.get(name, ())}):
            chunk = group.column(leaf)
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and chunk.dictionary_page_offset:
                start = min(start, chunk.dictionary_page_offset)
            found.append((start, chunk.total_compressed_size))
        return sorted(found)


def merge(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that touch; no byte is added."""
    merged: list[tuple[int, int]] = []
    for start, length in ranges:
        if merged and merged[-1][0] + merged[-1][1] == start:
            merged[-1] = (merged[-1][0], merged[-1][1] + length)
        else:
            merged.append((start, length))
    return merged


class Footers:
    """Footers already read, by object version; the oldest are forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Object, ParquetFile] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, storage: Storage, file: Object) -> ParquetFile:
        """The footer of a file.

        Raises:
            QueryError: it is no Parquet file.
        """
        with self._lock:
            if found := self._kept.get(file):
                self._kept.move_to_end(file)
                return found
        read = _describe(file, _footer(storage, file))
        with self._lock:
            self._kept[file] = read
            while len(self._kept) > _FOOTERS_KEPT:
                self._kept.popitem(last=False)
        return read


def _footer(storage: Storage, file: Object) -> pq.FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tail = storage.read(file, max(0, file.size - _TAIL), min(_TAIL, file.size))
    if len(tail) < 12 or tail[-4:] != _MAGIC:
        raise QueryError("HIVE_BAD_DATA", f"Not valid Parquet file: {file.location}")
    needed = struct.unpack("<I", tail[-8:-4])[0] + 8
    if needed > file.size:
        raise QueryError("HIVE_BAD_DATA", f"Not valid Parquet file: {file.location} has a damaged footer")
    if needed > len(tail):
        tail = storage.read(file, file.size - needed, needed)
    try:
        return pq.read_metadata(pa.BufferReader(tail))
    except (pa.ArrowException, OSError) as error:
        raise QueryError("HIVE_BAD_DATA", f"Not valid Parquet file: {file.location}: {error}") from error


def _describe(file: Object, metadata: pq.FileMetaData) -> ParquetFile:
    leaves: dict[str, list[int]] = {}
    schema = metadata.schema.to_arrow_schema()
    tops = {name.lower() for name in schema.names}
    for index in range(metadata.num_columns):
        path = metadata.schema.column(index).path.lower()
        name = path if path in tops else path.split(".", 1)[0]
        leaves.setdefault(name, []).append(index)
    return ParquetFile(file, metadata, schema, {name: tuple(found) for name, found in leaves.items()})


class _Fetched(io.RawIOBase):
    """The fetched ranges of a file, as a file; a read outside of them is fetched, and counted, too."""

    def __init__(self, reader: ChunkReader, file: Object, ranges: list[tuple[int, int]]) -> None:
        self._reader, self._file, self._position = reader, file, 0
        self._parts = [(start, reader.fetch(file, start, length)) for start, length in ranges]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        start = self._position
        end = self._file.size if size < 0 else min(start + size, self._file.size)
        self._position = end
        for offset, data in self._parts:
            if offset <= start and end <= offset + len(data):
                return data[start - offset : end - offset]
        return self._reader.fetch(self._file, start, end - start) if end > start else b""


class ChunkReader:
    """Reads row groups of one query through its meter."""

    def __init__(self, storage: Storage, meter: Meter) -> None:
        self._storage = storage
        self._meter = meter

    def fetch(self, file: Object, offset: int, length: int) -> bytes:
        """One range from S3, counted.

        Raises:
            QueryStopped, ScanCutoffReached: the query may not read on.
        """
        self._meter.check()
        self._meter.begin()
        fetched = 0
        try:
            data = self._storage.read(file, offset, length)
            fetched = len(data)
        finally:
            self._meter.end(fetched)
        self._meter.check()
        return data

    def read(self, file: ParquetFile, row_group: int, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """The wanted columns of one row group, by lower-case name, in the file's own types.

        Raises:
            QueryError: the pages are damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        leaves = sorted({leaf for name in names for leaf in file.leaves.get(name, ())})
        if not leaves:
            return {}
        source: Any = _Fetched(self, file.object, merge(file.ranges(row_group, names)))
        try:
            opened = pq.ParquetFile(
                source, metadata=file.metadata, pre_buffer=False, coerce_int96_timestamp_unit="us"
            )
            table = opened.reader.read_row_group(row_group, column_indices=leaves, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise QueryError(
                "HIVE_CURSOR_ERROR", f"Failed to read Parquet file: {file.object.location}: {error}"
            ) from error
        return {name.lower(): column for name, column in zip(table.column_names, table.columns, strict=True)}
