"""What the store file holds, from DuckDB's own catalog functions."""

from __future__ import annotations

from typing import Any

from stupiddb_kernel.errors import UnknownName
from stupiddb_kernel.sources.base import Column, Statistics, Table, TableName
from stupiddb_kernel.sources.duckdb.connection import Instance
from stupiddb_kernel.sources.engine.naming import literal, qualified


class Inventory:
    """Schemas, tables and sizes of the attached file of one source.

    Values stand in the SQL as literals: DuckDB imports pandas, which takes a third of a second, as soon as
    a statement has parameters.
    """

    def __init__(self, instance: Instance, source: str) -> None:
        self._instance = instance
        self._source = source

    def databases(self) -> list[str]:
        """Schemas, but for the one stupiddb keeps for itself."""
        rows = self._look(
            f"SELECT schema_name FROM duckdb_schemas() WHERE database_name = {literal(self._source)}"
            " AND NOT internal AND schema_name <> 'stupiddb'"
        )
        return sorted({row[0] for row in rows} | {"main"})

    def require_database(self, database: str) -> None:
        """Raise UnknownName for a schema that is not there."""
        known = self.databases()
        if database not in known:
            raise UnknownName(f"database in {self._source}", database, known)

    def require_table(self, name: TableName) -> None:
        """Raise UnknownName for a table or view that is not there."""
        scope = self._scope(name.database)
        rows = self._look(
            f"SELECT table_name FROM duckdb_tables() {scope}"
            f" UNION ALL SELECT view_name FROM duckdb_views() {scope}"
        )
        if name.table not in [row[0] for row in rows]:
            raise UnknownName(
                f"table in {self._source}.{name.database}", name.table, [row[0] for row in rows]
            )

    def tables(self, database: str) -> list[Table]:
        """Tables and views with columns; row counts are exact."""
        self.require_database(database)
        scope = self._scope(database)
        columns: dict[str, list[Column]] = {}
        for table, name, native, nullable, comment in self._look(
            "SELECT table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns()"
            f" {scope} ORDER BY table_name, column_index"
        ):
            columns.setdefault(table, []).append(Column(name, _ibis_type(native), native, nullable, comment))
        tables = [
            Table(
                TableName(self._source, database, name),
                tuple(columns.get(name, ())),
                comment=comment,
                statistics=Statistics(rows=rows, exact=True),
            )
            for name, comment, rows in self._look(
                f"SELECT table_name, comment, estimated_size FROM duckdb_tables() {scope}"
            )
        ]
        tables += [
            Table(TableName(self._source, database, name), tuple(columns.get(name, ())), "view", comment)
            for name, comment in self._look(
                f"SELECT view_name, comment FROM duckdb_views() {scope} AND NOT internal"
            )
        ]
        return sorted(tables, key=lambda table: table.name)

    def statistics(self, name: TableName) -> Statistics:
        """Row count, and the bytes of the file's blocks that hold the table; nothing for a view."""
        self.require_table(name)
        rows = self._look(
            f"SELECT estimated_size FROM duckdb_tables() {self._scope(name.database)}"
            f" AND table_name = {literal(name.table)}"
        )
        if not rows:
            return Statistics()
        [(blocks,)] = self._look(
            f"SELECT count(DISTINCT block_id) FROM pragma_storage_info({literal(qualified(name))})"
            " WHERE block_id >= 0"
        )
        [(block_size,)] = self._look(
            f"SELECT block_size FROM pragma_database_size() WHERE database_name = {literal(self._source)}"
        )
        return Statistics(rows=rows[0][0], bytes=blocks * block_size, exact=True)

    def _scope(self, database: str) -> str:
        return f"WHERE database_name = {literal(self._source)} AND schema_name = {literal(database)}"

    def _look(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self._instance.cursor()
        try:
            return cursor.execute(sql).fetchall()
        finally:
            cursor.close()


def _ibis_type(native: str) -> str:
    from ibis.backends.sql.datatypes import DuckDBType

    try:
        return str(DuckDBType.from_string(native))
    except Exception:  # noqa: BLE001 - a type Ibis has no name for is shown by DuckDB's
        return "unknown"
