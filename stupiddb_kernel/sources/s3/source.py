"""S3Source: prefixes as databases, event types as tables, lazy reads that fetch only what is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from stupiddb_kernel.config.settings import S3Settings
from stupiddb_kernel.errors import PermissionDenied, UnknownName, UsageError
from stupiddb_kernel.sources.base import (
    Capabilities,
    Check,
    Column,
    QueryStats,
    ReadOptions,
    Source,
    SourceContext,
    Statistics,
    Table,
    TableName,
)
from stupiddb_kernel.sources.objects.dataset import Part, dataset
from stupiddb_kernel.sources.objects.errors import CorruptObject
from stupiddb_kernel.sources.objects.file import ObjectReader, Tails, Transfer
from stupiddb_kernel.sources.objects.footer import Footer, Footers, merge_columns, partition_columns, sample
from stupiddb_kernel.sources.objects.listing import Lister, Object
from stupiddb_kernel.sources.objects.schema import SchemaConflict, unify
from stupiddb_kernel.sources.result import Result
from stupiddb_kernel.sources.s3 import archive
from stupiddb_kernel.sources.s3.engine import Engine
from stupiddb_kernel.sources.s3.prefix import SAMPLE, Contents, Prefix, database_names
from stupiddb_kernel.sources.s3.query import referenced, run
from stupiddb_kernel.sources.s3.segments import Segment

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    import pyarrow.dataset as ds
    from ibis.backends import BaseBackend

MOST_FOOTERS = 20_000
"""Above so many files a table's schema and statistics come from that many, spread evenly."""


@dataclass(frozen=True, slots=True)
class PrefixSummary:
    """What a prefix holds: the catalog's ``s3_sources``. Figures are exact."""

    database: str
    bucket: str
    prefix: str
    file_count: int
    total_bytes: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class Archived:
    """What ``archive`` wrote."""

    files: tuple[Object, ...]
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Opened:
    """A table with its files and the schema they have together, partition columns last."""

    parts: list[Part]
    schema: pa.Schema
    row_groups: Mapping[Object, int]


class S3Source(Source[S3Settings]):
    """Parquet files below ``[[aws.s3.sources]]``.

    SQL is DuckDB's, run here: an in-memory DuckDB that sees only the tables a statement names, each as
    a pyarrow dataset. It pushes its filters and columns down, so files whose path and row groups whose
    statistics don't fit are never fetched. Every read works on one listing and on exactly the file
    versions in it.
    """

    kind: ClassVar[str] = "s3"
    dialect: ClassVar[str] = "duckdb"
    capabilities: ClassVar[Capabilities] = Capabilities(partitions=True, writes=False)

    def __init__(self, settings: S3Settings, context: SourceContext) -> None:
        super().__init__(settings, context)
        self.transfer = Transfer()
        """Requests and bytes that reading has cost so far."""
        self._tails = Tails()
        self._engine: Engine | None = None
        self._backend: BaseBackend | None = None
        self._lock = threading.RLock()

    # Looking

    def databases(self) -> list[str]:
        """One for each configured prefix; no request is made."""
        return sorted(self._prefixes)

    def tables(self, database: str) -> list[Table]:
        """Tables with exact files and bytes; columns from up to 16 footers of each.

        A file that can't be read is named in the table's comment and hurts nothing else.
        """
        prefix = self._prefix(database)
        return [self._describe(prefix, name, found) for name, found in prefix.contents().items()]

    def summaries(self) -> list[PrefixSummary]:
        """Exact number of files and bytes of each prefix."""
        result = []
        for database, prefix in sorted(self._prefixes.items()):
            found = prefix.contents().values()
            result.append(
                PrefixSummary(
                    database,
                    prefix.location.bucket,
                    prefix.location.prefix,
                    sum(each.files for each in found),
                    sum(each.bytes for each in found),
                    prefix.settings.read_only,
                )
            )
        return result

    def statistics(self, name: TableName) -> Statistics:
        """Rows, nulls and bounds from footers, exact up to 20,000 files; no data is read."""
        parts = self._parts(name)
        chosen = sample([part.object for part in parts], MOST_FOOTERS)
        footers = self._footers().read_all(chosen)
        exact = len(chosen) == len(parts)
        total = sum(part.object.size for part in parts)
        rows = sum(footer.rows for footer in footers)
        if not exact:
            rows = round(rows * total / max(1, sum(each.size for each in chosen)))
        return Statistics(
            rows=rows,
            bytes=total,
            partitions=len({tuple(part.values.items()) for part in parts}),
            files=len(parts),
            exact=exact,
            columns={
                **(merge_columns(footers) if exact else {}),
                **partition_columns((part.values for part in parts), rows),
            },
            as_of=max((part.object.modified for part in parts if part.object.modified), default=None),
        )

    def segments(self, name: TableName) -> list[Segment]:
        """Each file of a table as an external segment: registered by its footer, not imported."""
        parts = self._parts(name)
        footers = self._footers().read_all(part.object for part in parts)
        return [Segment.of(footer, part.values) for footer, part in zip(footers, parts, strict=True)]

    # Reading

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        """Run one SELECT in DuckDB over the tables it names. ``dry_run`` gives DuckDB's plan."""
        options = options or ReadOptions()
        reader = self._reader()
        engine = Engine(self.name)
        try:
            if options.database is not None:
                self._prefix(options.database)
            search = self.databases() if options.database is None else [options.database]
            for name in referenced(sql, self.name, search, self._names):
                engine.register(name.database, name.table, self._dataset(name, reader))
            for database in self._prefixes:
                engine.ensure_database(database)
            engine.use(search)
            return run(engine, sql, parameters, options, reader)
        except BaseException:
            engine.close()
            raise

    def preview(self, name: TableName, limit: int = 100) -> Result:
        """The first rows in key order, fetched from as few files as hold them."""
        parts = self._parts(name)
        chosen = sample([part.object for part in parts], 2 * SAMPLE)
        schema = self._open(parts, str(name), chosen).schema
        reader = self._reader()

        def batches() -> Iterator[pa.RecordBatch]:
            remaining = limit
            for part in parts:
                scanner = dataset(reader, [part], schema).scanner(
                    batch_size=max(1, min(limit, 65_536)), batch_readahead=0, fragment_readahead=0
                )
                for batch in scanner.to_batches():
                    yield batch.slice(0, remaining)
                    remaining -= min(batch.num_rows, remaining)
                    if remaining <= 0:
                        return

        return Result(schema, batches(), QueryStats(self.name, f"preview of {name}"), limit=limit)

    def import_table(
        self,
        name: TableName,
        *,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002 - pyarrow's own word
        batch_rows: int = 131_072,
    ) -> Result:
        """Every row of a table for loading it elsewhere: ``result.reader()`` is a RecordBatchReader.

        Files with missing, additional or narrower columns are brought to one schema; memory is bounded
        by a few row groups. Raises SchemaConflict before anything is read.
        """
        reader = self._reader()
        data = self._dataset(name, reader)
        unknown = [column for column in columns or () if column not in data.schema.names]
        if unknown:
            raise UnknownName(f"column in {name}", unknown[0], data.schema.names)
        return self._scan(data, f"import of {name}", columns, filter, batch_rows)

    def read_segments(self, segments: Sequence[Segment]) -> Result:
        """The rows of registered segments. A file that changed since gives ObjectChanged."""
        if not segments:
            raise UsageError("there are no segments to read")
        reader = self._reader()
        parts = [Part(segment.object, segment.partition) for segment in segments]
        opened = self._open(parts, "the segments", [part.object for part in parts])
        data = dataset(reader, opened.parts, opened.schema, opened.row_groups)
        return self._scan(data, "segments", None, None, 131_072)

    def ibis(self) -> BaseBackend:
        """A DuckDB backend whose tables are the datasets, except those that can't be opened."""
        with self._lock:
            fresh = self._backend is None
            backend, engine = self._connected()
        if fresh:
            for database in self.databases():
                engine.ensure_database(database)
                for table in self._prefix(database).contents():
                    name = TableName(self.name, database, table)
                    try:
                        engine.register(database, table, self._dataset(name, self._reader()))
                    except (CorruptObject, SchemaConflict):
                        continue  # `table` and `query` say what is wrong with it when it is asked for
        return backend

    def table(self, name: TableName) -> ir.Table:
        """A table as a lazy Ibis expression over the files that are there now."""
        data = self._dataset(name, self._reader())
        with self._lock:
            backend, engine = self._connected()
            engine.register(name.database, name.table, data)
        return backend.table(name.table, database=(self.name, name.database))

    # Writing

    def archive(
        self,
        batches: pa.RecordBatchReader | pa.Table | Result,
        database: str,
        key: str,
        *,
        overwrite: bool = False,
        rows_per_file: int | None = None,
    ) -> Archived:
        """Write a result below a prefix as Parquet; readers see all of it or nothing.

        ``key`` is relative to the prefix: ``reports/2025-06.parquet`` is one object, replaced only with
        ``overwrite``. With ``rows_per_file``, ``key`` is a folder, and several files are added to it
        that become visible together.

        Raises PermissionDenied for a ``read_only`` prefix, UsageError for a key that leads out of the
        prefix, ObjectExists.
        """
        prefix = self._prefix(database)
        if prefix.settings.read_only:
            raise PermissionDenied(
                f"{prefix.location} is read-only: {key!r} was not written",
                source=self.name,
                hint="choose another prefix, or set read_only = false in its [[aws.s3.sources]]",
            )
        stream, schema = _stream(batches)
        if rows_per_file is not None:
            if overwrite or rows_per_file < 1:
                raise UsageError(
                    "several files are only ever added, at least one row each: "
                    f"overwrite={overwrite}, rows_per_file={rows_per_file}"
                )
            folder = prefix.location.below(key)
            files, rows = archive.write_run(
                self._client(), self.name, folder, stream, schema, rows_per_file=rows_per_file
            )
            return Archived(tuple(files), rows, sum(file.size for file in files))
        if not key.endswith((".parquet", ".pq")):
            raise UsageError(f"{key!r} does not end in .parquet", hint="or give rows_per_file for a folder")
        file, rows = archive.write_object(
            self._client(), self.name, prefix.location, key, stream, schema, overwrite=overwrite
        )
        return Archived((file,), rows, file.size)

    # Diagnosing

    def check(self) -> Sequence[Check]:
        """Whether each prefix can be listed and a footer read."""
        from stupiddb_kernel.sources.s3.check import check

        return check(self)

    def close(self) -> None:
        """Forget connections, footers and expressions' tables."""
        with self._lock:
            engine, self._engine, self._backend = self._engine, None, None
            self.__dict__.pop("_kept_footers", None)
            if engine is not None:
                engine.close()

    def prefixes(self) -> list[Prefix]:
        """The configured prefixes by database name."""
        return [prefix for _, prefix in sorted(self._prefixes.items())]

    def footer(self, target: Object) -> Footer:
        """The footer of one file. Raises CorruptObject."""
        return self._footers().read(target)

    # Within

    @cached_property
    def _prefixes(self) -> dict[str, Prefix]:
        names = database_names(self.settings.sources)
        return {
            name: Prefix(each, name, self.name, self._lister, self._small_object)
            for name, each in zip(names, self.settings.sources, strict=True)
        }

    def _prefix(self, database: str) -> Prefix:
        prefix = self._prefixes.get(database)
        if prefix is None:
            raise UnknownName(f"database in {self.name}", database, self._prefixes)
        return prefix

    def _client(self) -> Any:
        return self.context.aws.client(
            "s3", region=self.settings.region, endpoint_url=self.settings.endpoint_url
        )

    def _lister(self) -> Lister:
        return Lister(self._client(), self.name)

    def _reader(self) -> ObjectReader:
        return ObjectReader(self._client(), self.name, self.transfer, self._tails)

    @cached_property
    def _kept_footers(self) -> Footers:
        return Footers(self._reader())

    def _footers(self) -> Footers:
        return self._kept_footers

    def _small_object(self, target: Object) -> bytes:
        return self._reader().read(target, 0, target.size)

    def _names(self, database: str) -> list[str]:
        return self._prefix(database).names()

    def _connected(self) -> tuple[BaseBackend, Engine]:
        from stupiddb_kernel.sources.engine.backend import HardenedBackend

        with self._lock:
            if self._engine is None or self._backend is None:
                self._engine = Engine(self.name)
                self._backend = HardenedBackend.from_connection(self._engine.connection)
            return self._backend, self._engine

    def _parts(self, name: TableName) -> list[Part]:
        prefix = self._prefix(name.database)
        parts = prefix.parts(name.table)
        if not parts:
            raise UnknownName(f"table in {self.name}.{name.database}", name.table, prefix.contents())
        return parts

    def _open(self, parts: list[Part], what: str, chosen: Sequence[Object]) -> _Opened:
        import pyarrow as pa

        footers = self._footers().read_all(chosen)
        schema = unify(footers, source=self.name, table=what)
        for column in parts[0].values:
            index = schema.get_field_index(column)
            schema = schema if index < 0 else schema.remove(index)
            schema = schema.append(pa.field(column, pa.string()))
        return _Opened(parts, schema, {footer.object: footer.row_groups for footer in footers})

    def _dataset(self, name: TableName, reader: ObjectReader) -> ds.FileSystemDataset:
        parts = self._parts(name)
        opened = self._open(parts, str(name), sample([part.object for part in parts], MOST_FOOTERS))
        return dataset(reader, parts, opened.schema, opened.row_groups)

    def _scan(
        self,
        data: ds.Dataset,
        what: str,
        columns: Sequence[str] | None,
        filter: ds.Expression | None,  # noqa: A002
        batch_rows: int,
    ) -> Result:
        scanner = data.scanner(
            columns=list(columns) if columns is not None else None,
            filter=filter,
            batch_size=batch_rows,
            batch_readahead=4,
            fragment_readahead=2,
        )
        schema = scanner.projected_schema
        return Result(schema, scanner.to_batches(), QueryStats(self.name, what))

    def _describe(self, prefix: Prefix, table: str, found: Contents) -> Table:
        name = TableName(self.name, prefix.database, table)
        readable, problems = [], []
        for footer in self._footers().try_all(found.sample):
            if isinstance(footer, CorruptObject):
                problems.append(footer.message)
            else:
                readable.append(footer)
        columns: list[Column] = []
        try:
            schema = unify(readable, source=self.name, table=str(name))
            columns = [
                Column(field.name, _ibis_type(field.type), str(field.type), field.nullable)
                for field in schema
                if field.name not in found.partition_columns
            ]
        except SchemaConflict as error:
            problems.append(error.message)
        columns += [Column(column, "string", "string", partition=True) for column in found.partition_columns]
        return Table(
            name,
            tuple(columns),
            "external",
            "; ".join(problems) or None,
            Statistics(bytes=found.bytes, files=found.files, exact=True),
            str(prefix.location) + (f"{table}/" if table != prefix.database else ""),
        )


def _stream(
    batches: pa.RecordBatchReader | pa.Table | Result,
) -> tuple[Iterable[pa.RecordBatch], pa.Schema]:
    import pyarrow as pa

    if isinstance(batches, pa.Table):
        return batches.to_batches(), batches.schema
    return batches, batches.schema


def _ibis_type(kind: pa.DataType) -> str:
    """Ibis's name of an Arrow type."""
    from ibis.formats.pyarrow import PyArrowType

    return str(PyArrowType.to_ibis(kind))
