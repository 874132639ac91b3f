"""MySQL and MariaDB (Aurora, RDS, RDS Proxy) as a source: connectorx for data, PyMySQL for the rest."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from stupiddb_kernel.config.settings import MysqlSettings
from stupiddb_kernel.errors import PermissionDenied, QueryFailed, SourceError, UnknownName
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
from stupiddb_kernel.sources.mysql import catalog, faults
from stupiddb_kernel.sources.mysql.connection import Door, Link
from stupiddb_kernel.sources.mysql.diagnosis import diagnose
from stupiddb_kernel.sources.mysql.reading import SHOWING, Statement, Stream
from stupiddb_kernel.sources.pool import Pool, PoolRules
from stupiddb_kernel.sources.reading import ConnectionLost, Read

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends import BaseBackend

    from stupiddb_kernel.sources.result import Result


class MysqlSource(Source[MysqlSettings]):
    """One MySQL or MariaDB server."""

    kind: ClassVar[str] = "mysql"
    dialect: ClassVar[str] = "mysql"
    capabilities: ClassVar[Capabilities] = Capabilities(transactions=True)

    def __init__(self, settings: MysqlSettings, context: SourceContext) -> None:
        super().__init__(settings, context)
        self._door = Door(settings, context.secrets)
        self._pool = Pool[Link](
            settings.name, _rules(settings), open=self._door.link, probe=Link.keeps_its_role, close=Link.close
        )
        self._backend: BaseBackend | None = None
        self._lock = threading.RLock()

    def databases(self) -> list[str]:
        """Databases that may be seen, without the system's."""
        return sorted(row["name"] for row in self._look(catalog.DATABASES)[0])

    def tables(self, database: str) -> list[Table]:
        """Tables and views that may be seen."""
        scope = literal(database, "mysql")
        names, tables, columns = self._look(
            catalog.DATABASES, catalog.TABLES.format(database=scope), catalog.COLUMNS.format(database=scope)
        )
        known = [row["name"] for row in names]
        if database not in known:
            raise UnknownName(f"database in {self.name}", database, known)
        return catalog.build_tables(self.name, database, tables, columns)

    def statistics(self, name: TableName) -> Statistics:
        """Sizes and InnoDB's row estimate, distinct values from indexes, the rest where ANALYZE kept it."""
        scope = {"database": literal(name.database, "mysql"), "table": literal(name.table, "mysql")}
        tables, columns, partitions, keys = self._look(
            (catalog.TABLES + catalog.ONE_TABLE).format(**scope),
            catalog.COLUMNS.replace("ORDER BY", "AND table_name = {table} ORDER BY").format(**scope),
            catalog.PARTITIONS.format(**scope),
            catalog.KEYS.format(**scope),
        )
        if not tables:
            raise self._unknown_table(name)
        return catalog.build_statistics(
            tables[0], columns, partitions[0]["count"], keys, self._column_values(scope)
        )

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        """Run one reading statement in a READ ONLY transaction; it also reads SHOW, EXPLAIN and DESCRIBE."""
        options = options or ReadOptions()
        found = binding.placeholders(sql, self.dialect)
        binding.check(found, parameters)
        single = binding.single_statement(sql, self.dialect)
        word = binding.first_word(single, self.dialect)
        relational.refuse_commands(word, SHOWING)
        text = binding.rewrite(single, found, Renderer(parameters, self.dialect))
        if options.dry_run and word in relational.READING:
            text, word = f"EXPLAIN {text}", "EXPLAIN"
        return self._run(sql, text, word, options)

    def preview(self, name: TableName, limit: int = 100) -> Result:
        """The first rows in the order of the primary key."""
        sql = f"SELECT * FROM {_quoted(name.database)}.{_quoted(name.table)}"
        try:
            return self.query(sql, options=ReadOptions(limit=limit))
        except (QueryFailed, PermissionDenied) as error:
            if (getattr(error.__cause__, "args", None) or (0,))[0] in (1146, 1049):
                raise self._unknown_table(name) from error
            raise

    def ibis(self) -> BaseBackend:
        """An Ibis backend that compiles and looks with PyMySQL and reads its rows through this source."""
        from stupiddb_kernel.sources.mysql.backend import MysqlBackend

        with self._lock:
            if self._backend is None:
                self._backend = MysqlBackend.of(
                    lambda sql: self._run(sql, sql, "SELECT", ReadOptions()), self._door.library
                )
            return self._backend

    def table(self, name: TableName) -> ir.Table:
        """A table as an Ibis expression."""
        import ibis.common.exceptions as ibis_errors

        try:
            return self.ibis().table(name.table, database=name.database)
        except ibis_errors.TableNotFound as error:
            raise self._unknown_table(name) from error

    def check(self) -> Sequence[Check]:
        """Resolve the login, connect, look at TLS and role, count what may be read."""
        return diagnose(self._door)

    def close(self) -> None:
        """Close connections; those of running reads when they end."""
        self._pool.close()
        with self._lock:
            backend, self._backend = self._backend, None
        if backend is not None:
            backend.disconnect()

    def _run(self, sql: str, text: str, word: str, options: ReadOptions) -> Result:
        statement = Statement(
            self.name,
            sql,
            text,
            word,
            options.timeout_seconds or self.settings.statement_timeout_seconds,
            limit=options.limit,
            database=options.database,
            batch_rows=options.batch_rows,
        )
        stats = QueryStats(self.name, sql)
        if options.watch is not None:
            options.watch(stats)
        read = Read(stats, self._pool, partial(Stream, statement), self.settings.connect_timeout_seconds)
        return read.result(options.limit)

    def _look(self, *queries: str) -> list[list[dict[str, Any]]]:
        """Rows of our own queries, all on one connection; tried again once if that was lost."""
        for last in (False, True):
            try:
                with self._pool.lend() as link:
                    return [self._guarded(link, query) for query in queries]
            except ConnectionLost:
                if last:
                    raise
                self._pool.clear()
        raise AssertionError("unreachable")

    def _guarded(self, link: Link, query: str) -> list[dict[str, Any]]:
        import pymysql

        try:
            return link.rows(query)
        except (pymysql.Error, OSError) as error:
            raise faults.running(error, self.name, sql=query) from error

    def _column_values(self, scope: Mapping[str, str]) -> list[dict[str, Any]]:
        """What ANALYZE kept of columns, where this user may see it."""
        with self._pool.lend() as link:
            query = catalog.COLUMN_STATISTICS if link.is_mariadb else catalog.HISTOGRAMS
            try:
                return self._guarded(link, query.format(**scope))
            except SourceError as error:
                if isinstance(error, ConnectionLost):
                    raise
                return []  # no such table before MySQL 8, or no right to it

    def _unknown_table(self, name: TableName) -> UnknownName:
        known = [table.name.table for table in self.tables(name.database)]
        return UnknownName(f"table in {self.name}.{name.database}", name.table, known)


def _rules(settings: MysqlSettings) -> PoolRules:
    """Behind RDS Proxy a connection serves one read: what pins its session then ends with it."""
    wait = settings.statement_timeout_seconds
    if settings.rds_proxy:
        return PoolRules(0, settings.pool_max, wait_seconds=wait, lifetime_seconds=0.0)
    return PoolRules(settings.pool_min, settings.pool_max, wait_seconds=wait)


def _quoted(identifier: str) -> str:
    return "`" + identifier.replace("`", "``") + "`"
