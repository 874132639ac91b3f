"""The local DuckDB as a source: the store file, and the results of every other source beside it."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from stupiddb_kernel.config.settings import DuckdbSettings
from stupiddb_kernel.errors import (
    QueryTimeout,
    StoreError,
    StoreLocked,
    StupiddbError,
    UnknownName,
    UsageError,
)
from stupiddb_kernel.sources import binding
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
from stupiddb_kernel.sources.duckdb.connection import RESULTS, Instance
from stupiddb_kernel.sources.duckdb.statements import reads, single_statement, translate
from stupiddb_kernel.sources.result import Result, interruptible

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from duckdb import DuckDBPyConnection

    from stupiddb_kernel.sources.duckdb.backend import LocalBackend


class DuckdbSource(Source[DuckdbSettings]):
    """The local store and the session's results, in one hardened DuckDB.

    ``%%local`` may write as well as read: the store is the user's own.
    """

    kind: ClassVar[str] = "duckdb"
    dialect: ClassVar[str] = "duckdb"
    capabilities: ClassVar[Capabilities] = Capabilities(writes=True)

    def __init__(
        self,
        settings: DuckdbSettings,
        context: SourceContext,
        *,
        prepare: Callable[[DuckDBPyConnection], None] = lambda _: None,
    ) -> None:
        super().__init__(settings, context)
        self.instance = Instance(settings, prepare)
        self._backend: LocalBackend | None = None
        self._lock = threading.RLock()
        self._results = 0
        self._views: dict[str, str] = {}
        self._unreferenced: deque[str] = deque()

    def databases(self) -> list[str]:
        """Schemas of the store file."""
        rows = self._look(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = $source AND NOT internal"
            " AND schema_name <> 'stupiddb' ORDER BY 1",
            {"source": self.name},
        )
        return sorted({row[0] for row in rows} | {"main"})

    def tables(self, database: str) -> list[Table]:
        """Tables and views of a schema; row counts are exact, sizes come from the storage metadata."""
        if database not in self.databases():
            raise UnknownName(f"database in {self.name}", database, self.databases())
        scope = {"source": self.name, "database": database}
        columns: dict[str, list[Column]] = {}
        for table, name, native, nullable, comment in self._look(
            "SELECT table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns()"
            " WHERE database_name = $source AND schema_name = $database ORDER BY table_name, column_index",
            scope,
        ):
            columns.setdefault(table, []).append(Column(name, _ibis_type(native), native, nullable, comment))
        tables = [
            Table(
                TableName(self.name, database, name),
                tuple(columns.get(name, ())),
                "table",
                comment,
                Statistics(rows=rows, exact=True),
            )
            for name, comment, rows in self._look(
                "SELECT table_name, comment, estimated_size FROM duckdb_tables()"
                " WHERE database_name = $source AND schema_name = $database",
                scope,
            )
        ]
        tables += [
            Table(TableName(self.name, database, name), tuple(columns.get(name, ())), "view", comment)
            for name, comment in self._look(
                "SELECT view_name, comment FROM duckdb_views()"
                " WHERE database_name = $source AND schema_name = $database AND NOT internal",
                scope,
            )
        ]
        return sorted(tables, key=lambda table: table.name)

    def statistics(self, name: TableName) -> Statistics:
        """Row count and the bytes of the blocks the table occupies in the file."""
        self._table(name)
        cursor = self.instance.cursor()
        try:
            row = cursor.execute(
                "SELECT estimated_size FROM duckdb_tables() WHERE database_name = $source"
                " AND schema_name = $database AND table_name = $table",
                {"source": name.source, "database": name.database, "table": name.table},
            ).fetchone()
            if row is None:  # a view holds no data
                return Statistics()
            blocks = cursor.execute(
                "SELECT count(DISTINCT block_id) FROM pragma_storage_info($name) WHERE block_id >= 0",
                {"name": self._sql_name(name)},
            ).fetchone()
            sizes = cursor.execute(
                "SELECT block_size FROM pragma_database_size() WHERE database_name = $source",
                {"source": name.source},
            ).fetchone()
        finally:
            cursor.close()
        occupied = blocks[0] * sizes[0] if blocks and sizes else None
        return Statistics(rows=row[0], bytes=occupied, exact=True)

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        """Run one statement; a writing one returns a single row with the count of changed rows."""
        options = options or ReadOptions()
        bound = _Bound(sql, parameters or {})
        cursor, locked = self._cursor()
        try:
            statement = single_statement(cursor, bound.text, source=self.name)
            if options.database is not None:
                self._use(cursor, options.database)
        except Exception as error:
            cursor.close()
            raise bound.explain(error, self.name) from error
        stats = QueryStats(self.name, sql)
        timeout = _Deadline(options.timeout_seconds, cursor.interrupt)

        def run() -> pa.RecordBatchReader:
            cursor.execute(f"EXPLAIN {bound.text}" if options.dry_run else bound.text, bound.values or None)
            return cursor.to_arrow_reader(options.batch_rows)

        try:
            reader = interruptible(run, cursor.interrupt)
        except Exception as error:
            cursor.close()
            # a name that is not found may be in the store that another process holds
            raise locked or timeout.explain(bound.explain(error, self.name)) from error
        finally:
            timeout.pause()

        def batches() -> Iterator[pa.RecordBatch]:
            timeout.resume()
            try:
                yield from reader
            except Exception as error:
                raise timeout.explain(bound.explain(error, self.name)) from error
            finally:
                timeout.pause()

        return Result(
            reader.schema,
            batches(),
            stats,
            cancel=cursor.interrupt,
            close=cursor.close,
            limit=options.limit if reads(statement) else None,
        )

    def preview(self, name: TableName, limit: int = 100) -> Result:
        """The first rows in storage order."""
        self._table(name)
        return self.query(f"SELECT * FROM {self._sql_name(name)} LIMIT {int(limit)}")

    def ibis(self) -> LocalBackend:
        """The instance as an Ibis backend; results are tables of it."""
        from stupiddb_kernel.sources.duckdb.backend import LocalBackend

        with self._lock:
            if self._backend is None:
                backend = LocalBackend.from_connection(self.instance.connection())
                self._backend = backend
            return self._backend

    def table(self, name: TableName) -> ir.Table:
        """A table of the store as an Ibis expression."""
        self._table(name)
        return self.ibis().table(name.table, database=(name.source, name.database))

    def check(self) -> Sequence[Check]:
        """Whether the file opens, and which DuckDB reads it."""
        import duckdb

        version = Check("version", True, f"DuckDB {duckdb.__version__}")
        where = str(self.settings.path or "in memory")
        try:
            self.instance.attach()
        except StoreError as error:
            return [version, Check("reachable", False, error.message, advice=error.hint)]
        return [version, Check("reachable", True, where), Check("writable", True, where)]

    def close(self) -> None:
        """Checkpoint and release the store file; results and their expressions end here."""
        with self._lock:
            self._backend = None
            self._views.clear()
            self._unreferenced.clear()
            self.instance.close()

    def write(
        self,
        name: TableName,
        batches: pa.RecordBatchReader,
        *,
        mode: str = "create",
        comment: str | None = None,
    ) -> int:
        """Write a table of the store in one transaction and return its rows.

        ``mode``: ``create`` fails if it exists, ``replace``, ``append``.
        """
        verbs = {
            "create": "CREATE TABLE {} AS",
            "replace": "CREATE OR REPLACE TABLE {} AS",
            "append": "INSERT INTO {}",
        }
        cursor = self.instance.cursor()
        target = self._sql_name(name)
        try:
            cursor.register("incoming", batches)
            cursor.begin()
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {_quote(name.source)}.{_quote(name.database)}")
            changed = cursor.execute(f"{verbs[mode].format(target)} SELECT * FROM incoming").fetchone()
            if comment is not None:
                cursor.execute(f"COMMENT ON TABLE {target} IS '{comment.replace(chr(39), chr(39) * 2)}'")
            cursor.commit()
        except BaseException as error:
            cursor.interrupt()
            if isinstance(error, StupiddbError) or not isinstance(error, Exception):
                raise
            raise translate(error, f"write {name}", source=self.name) from error
        finally:
            cursor.close()
        return int(changed[0]) if changed else 0

    def hold(self, result: Result, out: str | None = None) -> ir.Table:
        """Read a result to its end into memory (spilling where it must) as an Ibis expression.

        The data lives as long as an expression over it does. ``out`` also names it for SQL on this
        source, until the next result of that name.
        """
        with self._lock:
            self._sweep()
            self._results += 1
            table = f"result_{self._results}"
        cursor = self.instance.cursor(attach=False)

        def load() -> None:
            with result:
                cursor.register("incoming", result.reader())
                cursor.execute(f"CREATE TABLE {RESULTS}.main.{table} AS SELECT * FROM incoming")

        def stop() -> None:
            result.cancel()
            cursor.interrupt()

        try:
            interruptible(load, stop)
        except Exception as error:
            # what fails while DuckDB pulls comes back as DuckDB's error: the cause is what the read met
            raise result.error or translate(error, result.stats.sql, source=self.name) from error
        finally:
            cursor.close()
        expression = self.ibis().table(table, database=(RESULTS, "main"))
        weakref.finalize(expression.op(), self._unreferenced.append, table).atexit = False
        if out is not None:
            self._name(out, table)
        return expression

    def _name(self, out: str, table: str) -> None:
        with self._lock:
            cursor = self.instance.cursor(attach=False)
            try:
                cursor.execute(
                    f"CREATE OR REPLACE VIEW {RESULTS}.main.{_quote(out)} AS FROM {RESULTS}.main.{table}"
                )
            finally:
                cursor.close()
            self._views[out] = table

    def _sweep(self) -> None:
        """Drop results that no expression and no name refers to any more."""
        kept: list[str] = []
        cursor: DuckDBPyConnection | None = None
        while self._unreferenced:
            table = self._unreferenced.popleft()
            if table in self._views.values():
                kept.append(table)
                continue
            cursor = cursor or self.instance.cursor(attach=False)
            cursor.execute(f"DROP TABLE IF EXISTS {RESULTS}.main.{table}")
        if cursor is not None:
            cursor.close()
        self._unreferenced.extend(kept)

    def _cursor(self) -> tuple[DuckDBPyConnection, StoreLocked | None]:
        """A cursor; where another process holds the store, one over the results alone, and why."""
        try:
            return self.instance.cursor(), None
        except StoreLocked as locked:
            return self.instance.cursor(attach=False), locked

    def _look(self, sql: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        cursor = self.instance.cursor()
        try:
            return cursor.execute(sql, dict(parameters)).fetchall()
        finally:
            cursor.close()

    def _table(self, name: TableName) -> None:
        known = [
            row[0]
            for row in self._look(
                "SELECT table_name FROM duckdb_tables()"
                " WHERE database_name = $source AND schema_name = $database"
                " UNION ALL SELECT view_name FROM duckdb_views()"
                " WHERE database_name = $source AND schema_name = $database",
                {"source": self.name, "database": name.database},
            )
        ]
        if name.table not in known:
            raise UnknownName(f"table in {self.name}.{name.database}", name.table, known)

    def _use(self, cursor: DuckDBPyConnection, database: str) -> None:
        if database not in self.databases():
            cursor.close()
            raise UnknownName(f"database in {self.name}", database, self.databases())
        path = f"{_quote(self.name)}.{_quote(database)},{_quote(self.name)}.main,{RESULTS}.main"
        cursor.execute(f"SET search_path = '{path.replace(chr(39), chr(39) * 2)}'")

    def _sql_name(self, name: TableName) -> str:
        return ".".join(map(_quote, (name.source, name.database, name.table)))


class _Deadline:
    """Interrupts a statement that runs longer than allowed; waiting for the consumer does not count."""

    def __init__(self, seconds: float | None, interrupt: Callable[[], None]) -> None:
        self.seconds = seconds
        self.passed = False
        self._interrupt = interrupt
        self._timer: threading.Timer | None = None
        self.resume()

    def resume(self) -> None:
        if self.seconds is not None and self._timer is None:
            self._timer = threading.Timer(self.seconds, self._end)
            self._timer.daemon = True
            self._timer.start()

    def pause(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def explain(self, error: Exception) -> Exception:
        if not self.passed:
            return error
        return QueryTimeout(
            f"stopped after {self.seconds:g} s",
            source=getattr(error, "source", "local"),
            sql=getattr(error, "sql", None),
            hint="allow more with --timeout, or read less",
        )

    def _end(self) -> None:
        self.passed = True
        self._interrupt()


class _Bound:
    """A statement with ``:name`` as DuckDB's ``$name``; a list inside ``IN (…)`` is its items, even none."""

    def __init__(self, sql: str, parameters: Mapping[str, object]) -> None:
        self.sql = sql
        self.values: dict[str, object] = {}
        self._parameters = parameters
        self._found = binding.placeholders(sql, "duckdb")
        binding.check(self._found, parameters)
        self.text = binding.rewrite(sql, self._found, self._render)

    def explain(self, error: Exception, source: str) -> Exception:
        """DuckDB's error as ours, pointing into the SQL as it was typed."""
        if isinstance(error, StupiddbError):
            return error
        failed = translate(error, self.text, source=source)
        failed.sql = self.sql
        if failed.position is not None:
            failed.position = binding.original_position(failed.position, self._found, self._render)
        return failed

    def _render(self, placeholder: binding.Placeholder) -> str:
        name, value = placeholder.name, self._parameters[placeholder.name]
        if not isinstance(value, list | tuple):
            self.values[name] = value
            return f"${name}"
        if placeholder.in_list and not placeholder.alone:
            if not value:
                raise UsageError(
                    f"the list :{name} is empty", hint=f"write IN (:{name}) with nothing beside it"
                )
            items = {f"{name}__{index}": item for index, item in enumerate(value)}
            self.values.update(items)
            return ", ".join(f"${item}" for item in items)
        self.values[name] = list(value)
        return f"SELECT unnest(${name})" if placeholder.alone else f"${name}"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _ibis_type(native: str) -> str:
    from ibis.backends.sql.datatypes import DuckDBType

    try:
        return str(DuckDBType.from_string(native))
    except Exception:  # noqa: BLE001 - a type Ibis has no name for is shown by DuckDB's
        return "unknown"
