"""PostgreSQL (Aurora, RDS, RDS Proxy) as a source: ADBC for data, psycopg under Ibis, one pool."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from stupiddb_kernel.config.settings import PostgresSettings
from stupiddb_kernel.errors import SourceError, UnknownName
from stupiddb_kernel.sources import binding, relational
from stupiddb_kernel.sources.base import (
    Capabilities,
    Check,
    QueryStats,
    ReadOptions,
    Source,
    SourceContext,
    Statistics,
    Table,
    TableName,
)
from stupiddb_kernel.sources.literal import Renderer, literal
from stupiddb_kernel.sources.pool import Pool, PoolRules
from stupiddb_kernel.sources.postgres import catalog
from stupiddb_kernel.sources.postgres.connection import SESSION, DataConnection, Door
from stupiddb_kernel.sources.postgres.diagnosis import diagnose
from stupiddb_kernel.sources.postgres.reading import SHOWING, Statement, Stream
from stupiddb_kernel.sources.postgres.types import ibis_name
from stupiddb_kernel.sources.reading import Read

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends import BaseBackend

    from stupiddb_kernel.sources.result import Result


class PostgresSource(Source[PostgresSettings]):
    """One PostgreSQL database. Schemas are its databases; ``public`` goes by the database's own name."""

    kind: ClassVar[str] = "postgres"
    dialect: ClassVar[str] = "postgres"
    capabilities: ClassVar[Capabilities] = Capabilities(transactions=True)

    def __init__(self, settings: PostgresSettings, context: SourceContext) -> None:
        super().__init__(settings, context)
        self._door = Door(settings, context.secrets)
        self._pool = Pool[DataConnection](
            settings.name,
            PoolRules(settings.pool_min, settings.pool_max, wait_seconds=settings.statement_timeout_seconds),
            open=self._door.data,
            probe=DataConnection.keeps_its_role,
            close=DataConnection.close,
        )
        self._backend: BaseBackend | None = None
        self._schemas: dict[str, str] | None = None
        self._lock = threading.RLock()

    def databases(self) -> list[str]:
        """Schemas that may be used, without the system's."""
        return sorted(self._names(fresh=True))

    def tables(self, database: str) -> list[Table]:
        """Tables, partitioned tables, views and foreign tables that may be read."""
        schema = literal(_quoted(self._schema(database)), "postgres")
        tables, partitioned, columns = (
            self._look(query.format(schema=schema))
            for query in (catalog.TABLES, catalog.PARTITIONED, catalog.COLUMNS)
        )
        return catalog.build_tables(self.name, database, tables, partitioned, columns)

    def statistics(self, name: TableName) -> Statistics:
        """Sizes from the files' lengths, rows and columns from the last ANALYZE."""
        schema = self._schema(name.database)
        scope = {"schema": literal(_quoted(schema), "postgres"), "table": literal(name.table, "postgres")}
        sizes = self._look(catalog.SIZES.format(**scope))
        if not sizes:
            raise self._unknown_table(name)
        parents = self._look(catalog.PARTITIONED.format(**scope)) if sizes[0]["kind"] == "p" else []
        parent = next((row for row in parents if row["oid"] == sizes[0]["oid"]), None)
        columns = self._look(
            catalog.COLUMN_STATISTICS.format(
                schema=literal(schema, "postgres"),
                table=scope["table"],
                inherited="true" if parent is not None else "false",
            )
        )
        kinds = self._look(catalog.COLUMN_TYPES.format(**scope))
        return catalog.build_statistics(
            sizes[0], parent, columns, {row["name"]: ibis_name(row["type"], row["modifier"]) for row in kinds}
        )

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        """Run one reading statement in a READ ONLY transaction; it also reads SHOW and EXPLAIN."""
        return self._run(self._statement(sql, parameters, options or ReadOptions()), options or ReadOptions())

    def preview(self, name: TableName, limit: int = 100) -> Result:
        """The first rows in storage order."""
        try:
            return self.query(f"SELECT * FROM {self._sql_name(name)}", options=ReadOptions(limit=limit))
        except SourceError as error:
            if getattr(error.__cause__, "sqlstate", None) == "42P01":
                raise self._unknown_table(name) from error
            raise

    def ibis(self) -> BaseBackend:
        """An Ibis backend that compiles and looks with psycopg and reads its rows through this source."""
        from stupiddb_kernel.sources.postgres.backend import PostgresBackend

        with self._lock:
            if self._backend is None:
                self._backend = PostgresBackend.of(self._send, self._door.plain)
            return self._backend

    def table(self, name: TableName) -> ir.Table:
        """A table as an Ibis expression."""
        import ibis.common.exceptions as ibis_errors

        try:
            return self.ibis().table(name.table, database=self._schema(name.database))
        except ibis_errors.TableNotFound as error:
            raise self._unknown_table(name) from error

    def check(self) -> Sequence[Check]:
        """Resolve the login, connect, look at TLS and role, read a catalog table."""
        return diagnose(self._door)

    def close(self) -> None:
        """Close connections; those of running reads when they end."""
        self._pool.close()
        with self._lock:
            backend, self._backend = self._backend, None
            self._schemas = None
        if backend is not None:
            backend.disconnect()

    def _statement(
        self, sql: str, parameters: Mapping[str, object] | None, options: ReadOptions
    ) -> Statement:
        found = binding.placeholders(sql, self.dialect)
        binding.check(found, parameters)
        single = binding.single_statement(sql, self.dialect)
        word = binding.first_word(single, self.dialect)
        relational.refuse_commands(word, SHOWING)
        render = Renderer(parameters, self.dialect)
        found = render.place(found)
        text = binding.rewrite(single, found, render)
        shift = 0
        if options.dry_run and word != "EXPLAIN":
            text, word, shift = f"EXPLAIN {text}", "EXPLAIN", len("EXPLAIN ")
        timeout = options.timeout_seconds or self.settings.statement_timeout_seconds
        return Statement(
            self.name,
            sql,
            text,
            word,
            lambda position: binding.original_position(max(position - shift, 0), found, render),
            limit=options.limit if word in relational.READING else None,
            timeout=timeout,
            settings=self._transaction_settings(timeout, options.database),
            batch_rows=options.batch_rows,
        )

    def _transaction_settings(self, timeout: float, database: str | None) -> tuple[tuple[str, str], ...]:
        """What must be set in the transaction because the session can't or doesn't have it."""
        wanted: dict[str, str] = {}
        if self.settings.rds_proxy:
            wanted.update(SESSION)
        if self.settings.rds_proxy or timeout != self.settings.statement_timeout_seconds:
            wanted["statement_timeout"] = str(math.ceil(timeout * 1000))
        if database is not None:
            wanted["search_path"] = _quoted(self._schema(database))
        return tuple(wanted.items())

    def _run(self, statement: Statement, options: ReadOptions) -> Result:
        stats = QueryStats(self.name, statement.original)
        if options.watch is not None:
            options.watch(stats)
        read = Read(stats, self._pool, partial(Stream, statement), self.settings.connect_timeout_seconds)
        return read.result(None if statement.is_query else options.limit)

    def _send(self, sql: str) -> Result:
        """Read SQL that has no placeholders: Ibis's, and our own."""
        timeout = self.settings.statement_timeout_seconds
        settings = self._transaction_settings(timeout, None)
        statement = Statement(
            self.name, sql, sql, "SELECT", lambda position: position, timeout=timeout, settings=settings
        )
        return self._run(statement, ReadOptions())

    def _look(self, sql: str) -> list[dict[str, Any]]:
        """Rows of one of our own queries."""
        rows: list[dict[str, Any]] = self._send(sql).to_arrow().to_pylist()
        return rows

    def _names(self, *, fresh: bool = False) -> dict[str, str]:
        """Our names of the schemas, and the schemas."""
        with self._lock:
            known = self._schemas
        if known is None or fresh:
            rows = self._look(catalog.SCHEMAS)
            schemas = {row["name"] for row in rows}
            own = rows[0]["database"] if rows else self.settings.database
            # A schema that really has the database's name keeps it, and public then stays public.
            known = {
                own if schema == "public" and own not in schemas else schema: schema for schema in schemas
            }
            with self._lock:
                self._schemas = known
        return known

    def _schema(self, database: str) -> str:
        """The schema behind our name of it. Raises UnknownName."""
        for fresh in (False, True):
            names = self._names(fresh=fresh)
            if database in names:
                return names[database]
            if database in names.values():
                return database
        raise UnknownName(f"database in {self.name}", database, names)

    def _sql_name(self, name: TableName) -> str:
        return f"{_quoted(self._schema(name.database))}.{_quoted(name.table)}"

    def _unknown_table(self, name: TableName) -> UnknownName:
        return UnknownName(
            f"table in {self.name}.{name.database}",
            name.table,
            [table.name.table for table in self.tables(name.database)],
        )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
