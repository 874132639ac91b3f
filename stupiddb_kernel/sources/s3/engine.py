"""A hardened in-memory DuckDB over datasets in S3: it sees the tables it was given and nothing else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stupiddb_kernel.sources.engine.hardening import harden
from stupiddb_kernel.sources.engine.naming import literal, quote

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from duckdb import DuckDBPyConnection


class Engine:
    """One DuckDB whose catalog is named as the source is, so that ``s3.events.Login`` works in SQL."""

    def __init__(self, source: str) -> None:
        import duckdb

        self.source = source
        self.connection: DuckDBPyConnection = duckdb.connect(":memory:")
        self.connection.execute(f"ATTACH ':memory:' AS {quote(source)}")
        harden(self.connection)
        self._registered: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def register(self, database: str, table: str, data: ds.Dataset) -> None:
        """Make ``data`` the table ``source.database.table``, in place of what went by that name."""
        with self._lock:
            name = self._registered.setdefault((database, table), f"dataset_{len(self._registered)}")
            schema = f"{quote(self.source)}.{quote(database)}"
            self.connection.register(name, data)
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            self.connection.execute(
                f"CREATE OR REPLACE VIEW {schema}.{quote(table)} AS FROM temp.main.{name}"
            )

    def ensure_database(self, database: str) -> None:
        """Make the database exist, so that a wrong table in it is refused by name."""
        with self._lock:
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self.source)}.{quote(database)}")

    def use(self, databases: list[str]) -> None:
        """Where bare names are looked for, first match wins."""
        if databases:
            path = ",".join(f"{quote(self.source)}.{quote(database)}" for database in databases)
            self.connection.execute(f"SET search_path = {literal(path)}")

    def close(self) -> None:
        """Give the memory back."""
        self.connection.close()
