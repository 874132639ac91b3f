"""Runs one statement of any kind and puts its result where it belongs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stupiddb_kernel.local.athena.clients import Caller, Clients
from stupiddb_kernel.local.athena.errors import ApiError, QueryError
from stupiddb_kernel.local.athena.executions import Execution
from stupiddb_kernel.local.athena.statements import Statement, bind, classify

if TYPE_CHECKING:
    import pyarrow as pa

    from stupiddb_kernel.local.athena.ddl import Place
    from stupiddb_kernel.local.athena.query import Output, Query
    from stupiddb_kernel.local.athena.writing import FileSet, Layout

_READERS = 16
"""Threads that fetch from S3 for all queries together."""


class Prepared(Protocol):
    """Where prepared statements are kept."""

    def put(self, workgroup: str, name: str, query: str) -> None:
        """Keep one."""

    def query(self, workgroup: str, name: str) -> str:
        """The text of one."""

    def drop(self, workgroup: str, name: str) -> None:
        """Forget one."""


class Engine:
    """Runs statements in a private folder; shared by all regions."""

    def __init__(self, clients: Clients, folder: Path) -> None:
        self._clients = clients
        self._results = folder / "results"
        self._work = folder / "work"
        for place in (self._results, self._work):
            place.mkdir(parents=True, exist_ok=True)
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="s3")
        self._footers: Any = None
        self._evaluator: Any = None

    def warm(self) -> None:
        """Import what queries need, so that the first one is fast; done while the server already answers."""
        import stupiddb_kernel.local.athena.query
        import stupiddb_kernel.local.athena.show
        import stupiddb_kernel.local.athena.writing  # noqa: F401

        caller = Caller("warm", "us-east-1")
        self._clients.s3(caller)
        self._clients.glue(caller)

    def place(self, caller: Caller, database: str) -> Place:
        """The caller's catalog and storage."""
        from stupiddb_kernel.local.athena.ddl import Place
        from stupiddb_kernel.local.athena.glue import Catalog
        from stupiddb_kernel.local.athena.storage import Storage

        return Place(Catalog(self._clients.glue(caller)), Storage(self._clients.s3(caller)), database)

    def run(self, execution: Execution, prepared: Prepared) -> None:
        """Run a query to its end.

        Raises:
            QueryError, QueryStopped, ScanCutoffReached: it failed or was stopped.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            _Run(self, execution, prepared, self.place(execution.caller, execution.database)).statement(
                execution.statement, execution.parameters
            )
        except ApiError as error:
            raise QueryError("NOT_SUPPORTED", error.message) from error
        except ClientError as error:
            problem = error.response.get("Error", {})
            raise QueryError(
                "HIVE_METASTORE_ERROR", f"{problem.get('Code')}: {problem.get('Message')}"
            ) from error
        except BotoCoreError as error:
            raise QueryError("HIVE_METASTORE_ERROR", str(error)) from error

    @contextlib.contextmanager
    def folder(self, query_id: str) -> Iterator[Path]:
        """A private folder that is gone afterwards."""
        import shutil

        path = self._work / query_id
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def kept(self, query_id: str) -> Path:
        """Where a query's rows are kept."""
        return self._results / f"{query_id}.arrow"

    @property
    def footers(self) -> Any:
        """Footers read before, for all queries."""
        from stupiddb_kernel.local.athena.chunks import Footers

        if self._footers is None:
            self._footers = Footers()
        return self._footers

    @property
    def evaluator(self) -> Any:
        """The engine that prunes partitions, for all queries."""
        from stupiddb_kernel.local.athena.duck import Evaluator

        if self._evaluator is None:
            self._evaluator = Evaluator(self._work / "evaluator")
        return self._evaluator

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads that fetch from S3."""
        return self._pool


class _Run:
    """One statement being run."""

    def __init__(self, engine: Engine, execution: Execution, prepared: Prepared, place: Place) -> None:
        self.engine, self.execution, self.prepared, self.place = engine, execution, prepared, place

    def statement(self, statement: Statement, parameters: list[str]) -> None:
        """Run it."""
        from stupiddb_kernel.local.athena import ddl, show

        if statement.kind == "EXECUTE":
            values = statement.parts["values"] or parameters
            statement = replace(statement, parts={**statement.parts, "values": values})
        elif parameters:
            statement = classify(bind(statement.text, parameters))
        kind = statement.kind
        if kind in ddl.KINDS:
            ddl.run(statement, self.place)
            self.lines([], [])
        elif kind in show.KINDS:
            self.lines(*show.run(statement, self.place))
        else:
            _KINDS[kind](self, statement)

    def select(self, statement: Statement) -> None:
        """A query whose rows are the result."""
        from stupiddb_kernel.local.athena.results import keep_query

        with self.query(statement.query) as (query, folder):
            output = query.run()
            csv = folder / "result.csv"
            kept = self.engine.kept(self.execution.id)
            result = keep_query(output.schema, output.kinds, output.batches, kept, csv)
            self.execution.meter.check()
            self.publish(result, csv, ".csv")

    def explain(self, statement: Statement) -> None:
        """The plan; it is DuckDB's and says so."""
        from stupiddb_kernel.local.athena.results import ColumnInfo

        with self.query(statement.query) as (query, _):
            plan = query.explain(statement.parts["analyze"])
        scans = "Plan by DuckDB, in stupiddb's stand-in for Athena. Statement as executed:"
        lines = [[line] for line in [scans, query.text, *plan.splitlines()]]
        self.lines([ColumnInfo("Query Plan", "varchar", 2147483647, 0)], lines)

    def unload(self, statement: Statement) -> None:
        """Rows into files below an S3 prefix."""
        from stupiddb_kernel.local.athena.storage import Location
        from stupiddb_kernel.local.athena.writing import Layout

        properties = statement.parts["properties"]
        unknown = set(properties) - {
            "format",
            "compression",
            "compression_level",
            "field_delimiter",
            "partitioned_by",
        }
        if unknown:
            raise QueryError("INVALID_PROPERTY_DEFINITION", f"Unknown UNLOAD property: {min(unknown)}")
        layout = Layout.of(properties, None)
        try:
            target = Location.parse(statement.parts["target"]).folder
        except ValueError as error:
            raise QueryError("INVALID_PROPERTY_DEFINITION", str(error)) from error
        if not layout.partitioned_by and not self.place.storage.is_empty(target):
            raise _path_exists(target)
        self.execution.update_count = self.write(statement.query, layout, target)[0]
        self.no_rows()

    def create_table_as(self, statement: Statement) -> None:
        """A new table from a query."""
        from stupiddb_kernel.local.athena import ddl, hive
        from stupiddb_kernel.local.athena.glue import Column, Partition
        from stupiddb_kernel.local.athena.storage import Location
        from stupiddb_kernel.local.athena.writing import Layout, folder_name

        properties = statement.parts["properties"]
        _check_ctas(properties)
        database, name = self.place.name(statement.parts["name"])
        if self.place.catalog.database(database) is None:
            raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist", (1, 1))
        if self.place.catalog.table(database, name):
            if statement.parts["if_not_exists"]:
                self.no_rows()
                return
            raise QueryError(
                "TABLE_ALREADY_EXISTS",
                f"Destination table 'awsdatacatalog.{database}.{name}' already exists",
                (1, 1),
            )
        layout = Layout.of(properties, "PARQUET")
        target = self.table_target(properties.get("external_location"))
        if not self.place.storage.is_empty(target):
            raise _path_exists(target)
        rows, files = self.write(statement.query, layout, target, with_data=statement.parts["with_data"])
        columns = [Column(field.name.lower(), hive.hive_type(field.type)) for field in files.schema]
        width = len(columns) - len(layout.partitioned_by)
        parameters = {
            f"{layout.format.lower()}.compression": layout.codec.upper(),
            "classification": layout.format.lower(),
        }
        document = ddl.table_input(
            name,
            columns[:width],
            columns[width:],
            str(target),
            layout.format,
            parameters,
            statement.parts["comment"],
        )
        ddl.create(self.place, database, document, if_not_exists=False)
        table = self.place.table([database, name])
        values = {written.values for written in files.done}
        if layout.partitioned_by:
            self.place.catalog.add_partitions(
                table,
                [
                    Partition(v, Location(target.bucket, target.key + folder_name(layout.partitioned_by, v)))
                    for v in sorted(values, key=str)
                ],
            )
        self.execution.update_count = rows
        self.no_rows()

    def insert(self, statement: Statement) -> None:
        """Rows into the files of a table."""
        from stupiddb_kernel.local.athena.glue import Partition
        from stupiddb_kernel.local.athena.writing import Layout, folder_name

        table = self.place.table(statement.parts["name"])
        if table.is_view or not table.is_parquet:
            raise QueryError(
                "NOT_SUPPORTED", f"Cannot insert into {table.database}.{table.name}: it is no Parquet table"
            )
        keys = tuple(key.name for key in table.partition_keys)
        codec = table.parameters.get("parquet.compression") or table.parameters.get("parquet.compress")
        layout = Layout.of({"format": "PARQUET", "partitioned_by": list(keys)}, None, codec)
        rows, files = self.write(
            statement.query, layout, table.location, table.schema, statement.parts["columns"]
        )
        if keys:
            known = {partition.values: partition for partition in self.place.catalog.partitions(table)}
            fresh = {written.values for written in files.done} - known.keys()
            self.place.catalog.add_partitions(
                table,
                [
                    Partition(values, table.location / folder_name(keys, values))
                    for values in sorted(fresh, key=str)
                ],
            )
        self.execution.update_count = rows
        self.no_rows()

    def create_view(self, statement: Statement) -> None:
        """A view; its query is planned now, so that it can't be broken from the start."""
        from stupiddb_kernel.local.athena import ddl, hive
        from stupiddb_kernel.local.athena.glue import Column

        with self.query(statement.query) as (query, _):
            output = query.describe()
            output.require_names()
            columns = [Column(field.name.lower(), hive.hive_type(field.type)) for field in output.schema]
        parts = statement.parts
        ddl.create_view(self.place, columns, statement.query.strip(), parts["name"], parts["replace"])
        self.lines([], [])

    def prepare(self, statement: Statement) -> None:
        """Keep a statement under a name."""
        classify(statement.query)
        self.prepared.put(self.execution.workgroup, statement.parts["name"], statement.query.strip())
        self.lines([], [])

    def deallocate(self, statement: Statement) -> None:
        """Forget a kept statement."""
        self.prepared.drop(self.execution.workgroup, statement.parts["name"])
        self.lines([], [])

    def execute(self, statement: Statement) -> None:
        """Run a kept statement with values."""
        text = self.prepared.query(self.execution.workgroup, statement.parts["name"])
        inner = classify(bind(text, statement.parts["values"]))
        if inner.kind in ("EXECUTE", "PREPARE", "DEALLOCATE"):
            raise QueryError("NOT_SUPPORTED", f"Invalid statement type for prepared statement: {inner.kind}")
        self.statement(inner, [])

    @contextlib.contextmanager
    def query(self, text: str) -> Iterator[tuple[Query, Path]]:
        """A query over the caller's tables, and its private folder; freed afterwards."""
        from stupiddb_kernel.local.athena import translate
        from stupiddb_kernel.local.athena.query import Context, Query

        execution = self.execution
        with self.engine.folder(execution.id) as folder:
            context = Context(
                catalog=self.place.catalog,
                storage=self.place.storage,
                footers=self.engine.footers,
                pool=self.engine.pool,
                meter=execution.meter,
                spill=folder / "spill",
                evaluator=self.engine.evaluator,
                database=execution.database,
                now=datetime.now(UTC),
            )
            query = Query(context, text, translate.parse(text))
            execution.interrupt = query.interrupt
            try:
                query.open()
                execution.planned_since = time.monotonic()
                yield query, folder
            finally:
                execution.interrupt = None
                query.close()

    def write(
        self,
        text: str,
        layout: Layout,
        target: Any,
        schema: pa.Schema | None = None,
        columns: list[str] | None = None,
        with_data: bool = True,
    ) -> tuple[int, FileSet]:
        """Run a query into files below a folder; gives the rows and the files. Uploads only at the end."""
        from stupiddb_kernel.local.athena.writing import FileSet, folder_name

        execution = self.execution
        with self.query(text) as (query, folder):
            output = query.run() if with_data else query.describe()
            if schema is None:
                output.require_names()
                output = _lowered(output)
            else:
                output = _fitted(output, schema, columns or [])
            prefix = f"{execution.submitted:%Y%m%d_%H%M%S}_{execution.id[:5]}_{execution.id[9:13]}"
            data = folder / "files"
            data.mkdir()
            files = FileSet(layout, output.schema, data, prefix)
            rows = files.write(output.batches)
            execution.meter.check()
            names = []
            for written in files.done:
                place = target / (folder_name(layout.partitioned_by, written.values) + written.name)
                self.place.storage.upload(written.file, place)
                names.append(str(place))
        self.manifest(names)
        return rows, files

    def table_target(self, external: str | None) -> Any:
        """Where a CTAS writes."""
        from stupiddb_kernel.local.athena.storage import Location

        if external:
            try:
                return Location.parse(external).folder
            except ValueError as error:
                raise QueryError("INVALID_TABLE_PROPERTY", f"external_location: {error}") from error
        base = self.execution.result_configuration.get("OutputLocation")
        if not base:
            raise QueryError(
                "INVALID_TABLE_PROPERTY", "external_location is required where results are managed"
            )
        return (Location.parse(base) / f"tables/{self.execution.id}").folder

    def manifest(self, names: list[str]) -> None:
        """List the written files beside the query's results."""
        from stupiddb_kernel.local.athena.storage import Location

        base = self.execution.result_configuration.get("OutputLocation")
        if base:
            place = Location.parse(base) / f"{self.execution.id}-manifest.csv"
            self.place.storage.put("\n".join(names).encode() + (b"\n" if names else b""), place)
            self.execution.manifest = str(place)

    def lines(self, columns: Any, lines: list[list[str]]) -> None:
        """A result that is text: DDL, SHOW, EXPLAIN."""
        from stupiddb_kernel.local.athena.results import keep_lines

        with self.engine.folder(f"{self.execution.id}-text") as folder:
            out = folder / "result.txt"
            self.publish(keep_lines(columns, lines, self.engine.kept(self.execution.id), out), out, ".txt")

    def no_rows(self) -> None:
        """A statement that only wrote files."""
        from stupiddb_kernel.local.athena.results import ColumnInfo, Result

        self.execution.result = Result((ColumnInfo("rows", "bigint", 19, 0),), False, 0, 0, None)
        if base := self.execution.result_configuration.get("OutputLocation"):
            from stupiddb_kernel.local.athena.storage import Location

            self.execution.output = str(Location.parse(base) / self.execution.id)

    def publish(self, result: Any, file: Path, ending: str) -> None:
        """Upload the result file and its metadata, then make the result known."""
        from stupiddb_kernel.local.athena.results import metadata_file
        from stupiddb_kernel.local.athena.storage import Location

        if base := self.execution.result_configuration.get("OutputLocation"):
            place = Location.parse(base) / f"{self.execution.id}{ending}"
            self.place.storage.upload(file, place)
            described = metadata_file(result.columns, self.execution.id)
            self.place.storage.put(described, Location(place.bucket, place.key + ".metadata"))
            self.execution.output = str(place)
        self.execution.result = result


def _path_exists(target: Any) -> QueryError:
    return QueryError(
        "HIVE_PATH_ALREADY_EXISTS",
        f"Target directory for table already exists: {target}. You may need to manually clean the data "
        f"at location '{target}' before retrying. Athena will not delete data in your account.",
    )


def _check_ctas(properties: dict[str, Any]) -> None:
    allowed = {
        "format",
        "write_compression",
        "external_location",
        "partitioned_by",
        "field_delimiter",
        "table_type",
    }
    allowed |= {"parquet_compression", "orc_compression", "is_external"}
    if properties.keys() & {"bucketed_by", "bucket_count"}:
        raise QueryError("NOT_SUPPORTED", "Bucketed tables are not supported here")
    if str(properties.get("table_type", "HIVE")).upper() != "HIVE":
        raise QueryError(
            "NOT_SUPPORTED", f"table_type {properties['table_type']} is not supported here; HIVE is"
        )
    if unknown := set(properties) - allowed:
        raise QueryError(
            "INVALID_TABLE_PROPERTY",
            f"Catalog 'awsdatacatalog' does not support table property '{min(unknown)}'",
        )


def _lowered(output: Output) -> Output:
    """The same rows under Glue's lower-case names."""
    import pyarrow as pa

    schema = pa.schema([pa.field(field.name.lower(), field.type) for field in output.schema])
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in output.batches)
    return type(output)(schema, output.kinds, batches)


def _fitted(output: Output, schema: pa.Schema, columns: list[str]) -> Output:
    """Rows in a table's columns and types; columns that were not named are NULL.

    Raises:
        QueryError: the query has other columns than the table.
    """
    import pyarrow as pa

    from stupiddb_kernel.local.athena.hive import trino_type

    names = columns or list(schema.names)
    mismatch = QueryError(
        "TYPE_MISMATCH",
        "Insert query has mismatched column types: "
        f"Table: [{', '.join(trino_type(schema.field(n).type) for n in names if n in schema.names)}], "
        f"Query: [{', '.join(trino_type(field.type) for field in output.schema)}]",
        (1, 1),
    )
    if missing := [name for name in names if name not in schema.names]:
        raise QueryError(
            "COLUMN_NOT_FOUND", f"Insert column name does not exist in target table: {missing[0]}", (1, 1)
        )
    if len(names) != len(output.schema):
        raise mismatch

    def fit() -> Iterator[pa.RecordBatch]:
        for batch in output.batches:
            arrays = []
            for field in schema:
                if field.name not in names:
                    arrays.append(pa.nulls(batch.num_rows, field.type))
                    continue
                try:
                    arrays.append(batch.column(names.index(field.name)).cast(field.type))
                except pa.ArrowException as error:
                    raise mismatch from error
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return type(output)(schema, output.kinds, fit())


_KINDS = {
    "SELECT": _Run.select,
    "EXPLAIN": _Run.explain,
    "UNLOAD": _Run.unload,
    "CREATE_TABLE_AS_SELECT": _Run.create_table_as,
    "INSERT": _Run.insert,
    "CREATE_VIEW": _Run.create_view,
    "PREPARE": _Run.prepare,
    "DEALLOCATE": _Run.deallocate,
    "EXECUTE": _Run.execute,
}
