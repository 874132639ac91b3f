"""The local DuckDB as a source: the store file, and the results of every other source beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import pyarrow as pa

from stupiddb_kernel.config.settings import DuckdbSettings
from stupiddb_kernel.errors import StoreError, StoreLocked, StupiddbError
from stupiddb_kernel.sources.base import (
    Capabilities,
    Check,
    ReadOptions,
    Source,
    SourceContext,
    Statistics,
    Table,
    TableName,
)
from stupiddb_kernel.sources.duckdb.connection import RESULTS, Instance
from stupiddb_kernel.sources.duckdb.inventory import Inventory
from stupiddb_kernel.sources.duckdb.results import Results
from stupiddb_kernel.sources.engine.bound import Bound
from stupiddb_kernel.sources.engine.naming import literal, qualified, quote
from stupiddb_kernel.sources.engine.reading import read
from stupiddb_kernel.sources.engine.statements import translate
from stupiddb_kernel.sources.result import Result, interruptible

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from duckdb import DuckDBPyConnection

    from stupiddb_kernel.sources.engine.backend import HardenedBackend

_WRITES = {
    "create": "CREATE TABLE {} AS FROM incoming",
    "replace": "CREATE OR REPLACE TABLE {} AS FROM incoming",
    "append": "INSERT INTO {} FROM incoming",
}


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
        self._inventory = Inventory(self.instance, self.name)
        self._results = Results(self.instance, self.name)
        self._backend: HardenedBackend | None = None
        self._lock = threading.RLock()

    def databases(self) -> list[str]:
        """Schemas of the store file."""
        return self._inventory.databases()

    def tables(self, database: str) -> list[Table]:
        """Tables and views of a schema; row counts are exact."""
        return self._inventory.tables(database)

    def statistics(self, name: TableName) -> Statistics:
        """Row count and the bytes of the blocks the table occupies in the file."""
        return self._inventory.statistics(name)

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        """Run one statement; a writing one returns a single row with the count of changed rows."""
        options = options or ReadOptions()
        bound = Bound(sql, parameters or {})
        cursor, locked = self._cursor()

        def blame(error: Exception) -> StupiddbError | None:
            # a name that is not found may be in the store that another process holds
            return locked if type(error).__name__ == "CatalogException" else None

        try:
            if options.database is not None:
                self._use(cursor, options.database)
        except BaseException:
            cursor.close()
            raise
        return read(cursor, bound, options, source=self.name, close=cursor.close, may_write=True, blame=blame)

    def preview(self, name: TableName, limit: int = 100) -> Result:
        """The first rows in storage order."""
        self._inventory.require_table(name)
        return self.query(f"FROM {qualified(name)} LIMIT {int(limit)}")

    def ibis(self) -> HardenedBackend:
        """The instance as an Ibis backend; results are tables of it."""
        from stupiddb_kernel.sources.engine.backend import HardenedBackend

        with self._lock:
            if self._backend is None:
                self._backend = HardenedBackend.from_connection(self.instance.connection())
            return self._backend

    def table(self, name: TableName) -> ir.Table:
        """A table of the store as an Ibis expression."""
        self._inventory.require_table(name)
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
            self._results.forget()
            self.instance.close()

    def write(
        self,
        name: TableName,
        batches: pa.RecordBatchReader,
        *,
        mode: Literal["create", "replace", "append"] = "create",
        comment: str | None = None,
    ) -> int:
        """Write a table of the store in one transaction and return its rows.

        ``create`` fails where the table exists. On any failure the store is as it was before.
        """
        cursor = self.instance.cursor()
        target = qualified(name)
        try:
            cursor.register("incoming", batches)
            cursor.begin()
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(name.source)}.{quote(name.database)}")
            changed = interruptible(
                lambda: cursor.execute(_WRITES[mode].format(target)).fetchone(), cursor.interrupt
            )
            if comment is not None:
                cursor.execute(f"COMMENT ON TABLE {target} IS {literal(comment)}")
            cursor.commit()
        except StupiddbError:
            raise
        except Exception as error:
            raise translate(error, f"write {name}", source=self.name) from error
        finally:
            cursor.close()  # rolls back what was not committed
        return int(changed[0]) if changed else 0

    def hold(self, result: Result, out: str | None = None) -> ir.Table:
        """Read a result to its end and keep it, as an Ibis expression.

        The data lives as long as an expression over it does. ``out`` also names it for SQL on this
        source, until the next result of that name.
        """
        table = self._results.load(result)
        expression = self.ibis().table(table, database=(RESULTS, "main"))
        self._results.follow(expression, table)
        if out is not None:
            self._results.name(out, table)
        return expression

    def _cursor(self) -> tuple[DuckDBPyConnection, StoreLocked | None]:
        """A cursor; where another process holds the store, one over the results alone, and why."""
        try:
            return self.instance.cursor(), None
        except StoreLocked as locked:
            return self.instance.cursor(attach=False), locked

    def _use(self, cursor: DuckDBPyConnection, database: str) -> None:
        self._inventory.require_database(database)
        path = f"{quote(self.name)}.{quote(database)},{quote(self.name)}.main,{RESULTS}.main"
        cursor.execute(f"SET search_path = {literal(path)}")
