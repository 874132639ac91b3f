"""Results that Athena gives as text: pages of GetQueryResults, or the CSV file it wrote to S3.

The first page tells the columns' exact types. A result that fits in it takes one request. A longer one is
read from the CSV file, many times faster than 1,000 rows a request; where there is no such file
(managed results, no permission in S3, a ``.txt`` result) the pages are followed to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from stupiddb_kernel.errors import PermissionDenied, SourceError
from stupiddb_kernel.sources.athena.cells import Cells, batch, cells, schema
from stupiddb_kernel.sources.athena.execution import Execution
from stupiddb_kernel.sources.objects.errors import ObjectGone, translated
from stupiddb_kernel.sources.objects.file import ObjectReader
from stupiddb_kernel.sources.objects.listing import Object
from stupiddb_kernel.sources.objects.location import Location

_PAGE_ROWS = 1_000
_CSV_BLOCK_BYTES = 4 * 1024**2


@dataclass
class _Page:
    columns: list[dict[str, Any]]
    rows: list[list[str | None]]
    more: str | None


class Results:
    """Reads the text result of one finished query."""

    def __init__(
        self,
        execution: Execution,
        source: str,
        fetch: Callable[..., dict[str, Any]],
        s3: Callable[[], Any],
    ) -> None:
        self._execution = execution
        self._source = source
        self._fetch = fetch
        self._s3 = s3

    def open(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The schema and, lazily, the batches."""
        first = self._page(None)
        columns = cells(first.columns, self._source)
        if self._execution.statement_type == "DML" and _is_header(first):
            first.rows.pop(0)
        head = self._batch(first, columns)  # now, so that what can't be read exactly is refused at once
        return schema(columns), self._batches(first, head, columns)

    def _batches(self, first: _Page, head: pa.RecordBatch, columns: list[Cells]) -> Iterator[pa.RecordBatch]:
        if first.more is None:
            yield head
            return
        target = self._csv_object()
        if target is not None:
            yield from self._csv(target, columns)
            return
        yield head
        page = first
        while page.more is not None:
            page = self._page(page.more)
            yield self._batch(page, columns)

    def _page(self, token: str | None) -> _Page:
        more = {"NextToken": token} if token else {}
        answer = self._fetch(QueryExecutionId=self._execution.id, MaxResults=_PAGE_ROWS, **more)
        result = answer["ResultSet"]
        columns = result.get("ResultSetMetadata", {}).get("ColumnInfo", [])
        rows = [
            [datum.get("VarCharValue") for datum in row.get("Data", ())] for row in result.get("Rows", ())
        ]
        return _Page(columns, rows, answer.get("NextToken"))

    def _batch(self, page: _Page, columns: list[Cells]) -> pa.RecordBatch:
        width = len(columns)
        rows = [_fit(row, width) for row in page.rows]
        texts = [pa.array([row[index] for row in rows], pa.string()) for index in range(width)]
        if not width:
            return pa.RecordBatch.from_arrays([], schema=pa.schema([]))
        return batch(columns, texts)

    def _csv_object(self) -> Object | None:
        """The CSV file, if there is one that we may read."""
        uri = self._execution.output_location or ""
        if self._execution.managed or not uri.endswith(".csv"):
            return None
        where = Location.parse(uri)
        key = where.prefix.removesuffix("/")
        try:
            with translated(self._source, f"find the result {uri}"):
                head = self._s3().head_object(Bucket=where.bucket, Key=key)
        except (PermissionDenied, ObjectGone):
            return None
        return Object(where.bucket, key, head["ContentLength"], head["ETag"].strip('"'))

    def _csv(self, target: Object, columns: list[Cells]) -> Iterator[pa.RecordBatch]:
        """Every value is quoted in Athena's CSV but NULL: an empty string is ``""``, a null is nothing."""
        import pyarrow.csv as pc

        names = [str(index) for index in range(len(columns))]
        reader = ObjectReader(self._s3(), self._source)
        try:
            stream = pc.open_csv(
                _Sequential(reader, target).file(),
                read_options=pc.ReadOptions(
                    column_names=names, skip_rows=1, block_size=_CSV_BLOCK_BYTES, use_threads=True
                ),
                parse_options=pc.ParseOptions(newlines_in_values=True, double_quote=True),
                convert_options=pc.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            for part in stream:
                yield batch(columns, part.columns)
        except pa.ArrowInvalid as error:
            raise SourceError(
                f"the result file {target.uri} can't be read: {str(error).splitlines()[0]}",
                source=self._source,
            ) from error


class _Sequential:
    """An object read from start to end, a few megabytes at a time."""

    _CHUNK = 8 * 1024**2

    def __init__(self, reader: ObjectReader, target: Object) -> None:
        self._reader = reader
        self._target = target
        self._position = 0
        self._held = b""
        self._offset = 0
        self.closed = False

    def file(self) -> pa.PythonFile:
        return pa.PythonFile(self, mode="r")

    def read(self, size: int | None = None) -> bytes:
        if size is None or size < 0:
            size = self._target.size
        if self._offset == len(self._held):
            self._held = self._reader.read(self._target, self._position, max(size, self._CHUNK))
            self._position += len(self._held)
            self._offset = 0
        data = self._held[self._offset : self._offset + size]
        self._offset += len(data)
        return data

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


def _fit(row: list[str | None], width: int) -> list[str | None]:
    """A row of as many cells as there are columns; DESCRIBE comes as one cell with tabs between."""
    if len(row) == 1 and width > 1 and row[0] is not None:
        row = [cell.strip() or None for cell in row[0].split("\t")]
    return (row + [None] * width)[:width]


def _is_header(page: _Page) -> bool:
    """Whether the first row repeats the columns' names, as for every SELECT."""
    names = [column["Name"] for column in page.columns]
    return bool(page.rows) and page.rows[0] == names
