"""What a finished query leaves behind: rows to page through, and the result file in S3.

Rows are kept as text in a private file (never in memory) for GetQueryResults; the CSV is written as
Athena writes it: every value quoted, NULL as nothing, the header quoted too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stupiddb_kernel.local.athena import hive
from stupiddb_kernel.local.athena.printing import text_column

PAGE = 1000
"""Rows GetQueryResults hands out at most."""


@dataclass(frozen=True)
class ColumnInfo:
    """A column of ResultSetMetadata."""

    name: str
    type: str
    precision: int
    scale: int

    @classmethod
    def of(cls, field: pa.Field, duck_kind: str = "") -> ColumnInfo:
        """A query's output column; JSON and UUID are text to Arrow, so DuckDB's own type name decides."""
        if duck_kind in ("JSON", "UUID"):
            return cls(field.name, duck_kind.lower(), 0, 0)
        return cls(field.name, *hive.column_type(field.type))

    def document(self) -> dict[str, Any]:
        """As Athena's JSON."""
        return {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": self.name,
            "Label": self.name,
            "Type": self.type,
            "Precision": self.precision,
            "Scale": self.scale,
            "Nullable": "UNKNOWN",
            "CaseSensitive": self.type in ("varchar", "char"),
        }


@dataclass(frozen=True)
class Result:
    """A finished result: columns, whether pages start with a header row, and where the rows are kept."""

    columns: tuple[ColumnInfo, ...]
    header: bool
    rows: int
    bytes: int
    file: Path | None

    @property
    def length(self) -> int:
        """Rows with the header."""
        return self.rows + self.header

    def page(self, offset: int, limit: int) -> list[list[str | None]]:
        """Rows from ``offset`` on, the header being row 0 where there is one.

        Raises:
            FileNotFoundError: the rows were cleared away with the query's history.
        """
        page: list[list[str | None]] = []
        if self.header and offset == 0:
            page.append([column.name for column in self.columns])
        start = max(0, offset - self.header)
        wanted = min(limit - len(page), self.rows - start)
        if wanted > 0 and self.file is not None:
            page += self._read(start, wanted)
        return page

    def _read(self, start: int, count: int) -> Iterator[list[str | None]]:
        assert self.file is not None  # noqa: S101 - checked by page()
        with pa.memory_map(str(self.file)) as source, pa.ipc.open_file(source) as kept:
            first, last = start // PAGE, (start + count - 1) // PAGE
            rows = pa.Table.from_batches([kept.get_batch(index) for index in range(first, last + 1)])
            rows = rows.slice(start - first * PAGE, count)
            columns = [column.to_pylist() for column in rows.columns]
        if not columns:
            return iter([])
        return (list(row) for row in zip(*columns, strict=True))


def metadata_file(columns: Sequence[ColumnInfo], query_id: str) -> bytes:
    """The ``.metadata`` object beside a result: the columns as a protocol buffer, as Athena keeps them."""
    out = _field(1, query_id.encode())
    for column in columns:
        body = _field(1, b"hive") + _field(4, column.name.encode()) + _field(5, column.name.encode())
        body += _field(6, column.type.encode()) + _number(7, column.precision) + _number(8, column.scale)
        out += _field(4, body + _number(9, 3) + _number(10, int(column.type in ("varchar", "char"))))
    return out


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def keep_query(
    schema: pa.Schema, kinds: Sequence[str], batches: Iterable[pa.RecordBatch], kept: Path, csv: Path
) -> Result:
    """Write a query's rows to both private files as they stream by."""
    columns = tuple(ColumnInfo.of(field, kind) for field, kind in zip(schema, kinds, strict=True))
    layout = pa.schema([pa.field(str(index), pa.string()) for index in range(len(columns))])
    rows = 0
    with csv.open("wb") as out, pa.ipc.new_file(str(kept), layout) as writer:
        out.write((",".join(_quoted(column.name) for column in columns) + "\n").encode())
        for batch in _pages(batches, layout):
            writer.write_batch(batch)
            out.write(_csv(batch))
            rows += batch.num_rows
    return Result(columns, True, rows, csv.stat().st_size, kept)


def keep_lines(
    columns: Sequence[ColumnInfo], lines: Sequence[Sequence[str]], kept: Path, out: Path
) -> Result:
    """Write the rows of a statement such as SHOW TABLES, whose file is plain text with tabs."""
    layout = pa.schema([pa.field(str(index), pa.string()) for index in range(len(lines[0]) if lines else 1)])
    with pa.ipc.new_file(str(kept), layout) as writer:
        for start in range(0, len(lines), PAGE):
            part = lines[start : start + PAGE]
            writer.write_batch(
                pa.RecordBatch.from_arrays(
                    [pa.array(c, pa.string()) for c in zip(*part, strict=True)], schema=layout
                )
            )
    out.write_text("".join("\t".join(line) + "\n" for line in lines), "utf-8")
    return Result(tuple(columns), False, len(lines), out.stat().st_size, kept)


def _pages(batches: Iterable[pa.RecordBatch], layout: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows as text, in batches of exactly one page but for the last, so that pages have numbers."""
    left: pa.Table | None = None
    for batch in batches:
        printed = pa.RecordBatch.from_arrays([text_column(column) for column in batch.columns], schema=layout)
        table = pa.Table.from_batches([printed])
        table = table if left is None else pa.concat_tables([left, table])
        whole = table.num_rows - table.num_rows % PAGE
        yield from table.slice(0, whole).combine_chunks().to_batches(max_chunksize=PAGE)
        left = table.slice(whole)
    if left is not None and left.num_rows:
        yield from left.combine_chunks().to_batches(max_chunksize=PAGE)


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _csv(batch: pa.RecordBatch) -> bytes:
    cells = []
    for column in batch.columns:
        escaped = pc.replace_substring(column, '"', '""')
        cells.append(pc.binary_join_element_wise('"', escaped, '"', "").fill_null(""))
    lines = pc.binary_join_element_wise(*cells, ",") if len(cells) > 1 else cells[0]
    joined = pc.binary_join_element_wise(lines, "", "\n")
    offsets = pa.Array.from_buffers(
        pa.int32(), len(joined) + 1, [None, joined.buffers()[1]], offset=joined.offset
    )
    return bytes(joined.buffers()[2][offsets[0].as_py() : offsets[-1].as_py()])
