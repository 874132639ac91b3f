"""The files that UNLOAD, CTAS and INSERT leave in S3.

Everything is written to private files first and uploaded once the query has succeeded, so a failed or
stopped query leaves nothing behind. Timestamps are INT96, as Athena writes them.
"""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stupiddb_kernel.local.athena import hive
from stupiddb_kernel.local.athena.errors import QueryError
from stupiddb_kernel.local.athena.glue import NULL_PARTITION
from stupiddb_kernel.local.athena.printing import text, text_column

MAX_PARTITIONS = 100
_ROW_GROUP = 262_144
_ROLL_BYTES = 512 * 1024 * 1024
"""Arrow bytes after which another file is begun."""
_CODECS = {
    "PARQUET": {
        "GZIP": "gzip",
        "SNAPPY": "snappy",
        "ZSTD": "zstd",
        "LZ4": "lz4",
        "NONE": "none",
        "UNCOMPRESSED": "none",
    },
    "ORC": {"ZLIB": "zlib", "SNAPPY": "snappy", "ZSTD": "zstd", "LZ4": "lz4", "NONE": "uncompressed"},
    "JSON": {"GZIP": "gzip", "NONE": "none"},
    "TEXTFILE": {"GZIP": "gzip", "NONE": "none"},
}
_DEFAULT_CODEC = {"PARQUET": "GZIP", "ORC": "ZLIB", "JSON": "GZIP", "TEXTFILE": "GZIP"}


@dataclass(frozen=True)
class Layout:
    """How files are written: format, codec, and the last columns that become folders."""

    format: str = "PARQUET"
    codec: str = "gzip"
    partitioned_by: tuple[str, ...] = ()
    delimiter: str = "\x01"

    @classmethod
    def of(
        cls, properties: Mapping[str, Any], default_format: str | None, default_codec: str | None = None
    ) -> Layout:
        """From the properties of ``WITH ( … )``.

        Raises:
            QueryError: a format or codec that Athena or this stand-in does not have.
        """
        name = properties.get("format", default_format)
        if name is None:
            raise QueryError("INVALID_PROPERTY_DEFINITION", "The format property is required for UNLOAD")
        kind = str(name).upper()
        kind = {"TEXT": "TEXTFILE", "CSV": "TEXTFILE"}.get(kind, kind)
        if kind not in _CODECS:
            known = kind in ("AVRO", "ICEBERG", "RCFILE", "SEQUENCEFILE")
            raise QueryError(
                "NOT_SUPPORTED" if known else "INVALID_TABLE_PROPERTY",
                f"Format {kind} is not supported here; PARQUET, ORC, JSON and TEXTFILE are",
            )
        asked = properties.get("write_compression", properties.get("compression"))
        asked = (
            asked or properties.get(f"{kind.lower()}_compression") or default_codec or _DEFAULT_CODEC[kind]
        )
        codec = _CODECS[kind].get(str(asked).upper())
        if codec is None:
            raise QueryError("INVALID_TABLE_PROPERTY", f"Compression {asked} is not supported for {kind}")
        keys = tuple(str(key).lower() for key in properties.get("partitioned_by", ()))
        return cls(kind, codec, keys, str(properties.get("field_delimiter", "\x01")))


@dataclass
class Written:
    """One finished file: its partition values, its private file and its name in the folder."""

    values: tuple[str | None, ...]
    file: Path
    name: str
    rows: int = 0


@dataclass
class FileSet:
    """The open files of one statement, one a partition."""

    layout: Layout
    schema: pa.Schema
    folder: Path
    prefix: str
    _open: dict[tuple[str | None, ...], _Sink] = field(default_factory=dict)
    done: list[Written] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = [name.lower() for name in self.schema.names]
        keys = list(self.layout.partitioned_by)
        if keys and names[-len(keys) :] != keys:
            raise QueryError(
                "HIVE_COLUMN_ORDER_MISMATCH",
                f"Partition keys must be the last columns in the table and in the same order as the table "
                f"properties: {keys}",
            )
        if len(keys) == len(names):
            raise QueryError("INVALID_TABLE_PROPERTY", "Table contains only partition columns")
        self.stored = pa.schema(list(self.schema)[: len(names) - len(keys)])
        for item in self.schema:
            hive.hive_type(item.type)

    def write(self, batches: Iterable[pa.RecordBatch]) -> int:
        """Write everything and return the number of rows.

        Raises:
            QueryError: more partitions than may be open.
        """
        rows = 0
        try:
            for batch in batches:
                rows += batch.num_rows
                for values, part in self._split(pa.Table.from_batches([batch])):
                    self._sink(values).write(part)
        finally:
            for sink in self._open.values():
                sink.close()
        self.done += [sink.written for sink in self._open.values() if sink.written.rows]
        return rows

    def _split(self, table: pa.Table) -> Iterator[tuple[tuple[str | None, ...], pa.Table]]:
        width = len(self.stored)
        if not self.layout.partitioned_by or not table.num_rows:
            yield (), table
            return
        stored = table.select(range(width)).rename_columns(self.stored.names)
        keys = [text_column(chunk.combine_chunks()) for chunk in table.columns[width:]]
        labels = pc.binary_join_element_wise(*[key.fill_null(NULL_PARTITION) for key in keys], "\x00")
        encoded = labels.dictionary_encode()
        for index, label in enumerate(encoded.dictionary.to_pylist()):
            part = stored.filter(pc.equal(encoded.indices, index))
            yield tuple(None if v == NULL_PARTITION else v for v in label.split("\x00")), part

    def _sink(self, values: tuple[str | None, ...]) -> _Sink:
        sink = self._open.get(values)
        if sink is not None and sink.bytes > _ROLL_BYTES:
            sink.close()
            self.done.append(sink.written)
            sink = None
            del self._open[values]
        if sink is None:
            if len(self._open) >= MAX_PARTITIONS:
                raise QueryError(
                    "HIVE_TOO_MANY_OPEN_PARTITIONS",
                    f"Exceeded limit of {MAX_PARTITIONS} open writers for partitions/buckets",
                )
            name = f"{self.prefix}_{uuid.uuid4()}" + (
                ".gz" if self.layout.codec == "gzip" and self.layout.format in ("JSON", "TEXTFILE") else ""
            )
            sink = self._open[values] = _Sink(
                self.layout, self.stored, Written(values, self.folder / name, name)
            )
        return sink


class _Sink:
    """One file being written."""

    def __init__(self, layout: Layout, schema: pa.Schema, written: Written) -> None:
        self.layout, self.schema, self.written = layout, schema, written
        self.bytes = 0
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._writer: Any = None

    def write(self, table: pa.Table) -> None:
        self.bytes += table.nbytes
        self._waiting.append(table.rename_columns(self.schema.names))
        self._waiting_rows += table.num_rows
        self.written.rows += table.num_rows
        if self._waiting_rows >= _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        if self._waiting_rows:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting, self._waiting_rows = [], 0
        if self._writer is None:
            self._writer = self._begin()
        if self.layout.format == "PARQUET":
            self._writer.write_table(table, row_group_size=_ROW_GROUP)
        elif self.layout.format == "ORC":
            self._writer.write(table)
        else:
            self._writer.write(_lines(table, self.layout))

    def _begin(self) -> Any:
        path = self.written.file
        if self.layout.format == "PARQUET":
            return pq.ParquetWriter(
                path, self.schema, compression=self.layout.codec, use_deprecated_int96_timestamps=True
            )
        if self.layout.format == "ORC":
            import pyarrow.orc as orc

            return orc.ORCWriter(str(path), compression=self.layout.codec)
        return gzip.open(path, "wb", compresslevel=4) if self.layout.codec == "gzip" else path.open("wb")


def _lines(table: pa.Table, layout: Layout) -> bytes:
    if layout.format == "JSON":
        rows = table.to_pylist()
        return "".join(
            json.dumps({n: _json(v, table.schema.field(n).type) for n, v in row.items() if v is not None})
            + "\n"
            for row in rows
        ).encode()
    columns = [text_column(column.combine_chunks()).to_pylist() for column in table.columns]
    return "".join(
        layout.delimiter.join("\\N" if cell is None else cell for cell in row) + "\n"
        for row in zip(*columns, strict=True)
    ).encode()


def _json(value: Any, kind: pa.DataType) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if pa.types.is_map(kind):
        return {str(text(k, kind.key_type)): _json(v, kind.item_type) for k, v in value}
    if pa.types.is_struct(kind):
        return {field.name: _json(value[field.name], field.type) for field in kind}
    if pa.types.is_list(kind):
        return [_json(item, kind.value_type) for item in value]
    return text(value, kind)


def folder_name(keys: Sequence[str], values: Sequence[str | None]) -> str:
    """``key=value/…/`` with Hive's escapes for signs a path can't hold."""
    from urllib.parse import quote

    return "".join(
        f"{key}={NULL_PARTITION if value is None else quote(value, safe=' !@$&()+,;-._~')}/"
        for key, value in zip(keys, values, strict=True)
    )
