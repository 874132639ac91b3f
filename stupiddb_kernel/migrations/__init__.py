"""SQL migrations with a tracking table: numbered files, each applied once, in order, in a transaction.

Files are named ``0001_what.sql``. What was applied is remembered with a checksum, so that an edited old
file is found out, and a store made by a newer stupiddb is refused instead of misread.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import StoreError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, order=True)
class Migration:
    """One numbered SQL file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Traversable) -> list[Migration]:
    """The migrations in a folder, in order. Raises StoreError for a number that is missing or doubled."""
    found = sorted(
        Migration(int(matched[1]), matched[2], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (matched := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name))
    )
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise StoreError(f"migrations are not numbered 1 to {len(found)}: {[m.version for m in found]}")
    return found


def migrate(connection: DuckDBPyConnection, schema: str, migrations: list[Migration]) -> list[Migration]:
    """Bring ``schema`` (``database.schema``, quoted) up to date; returns what was applied now.

    Each file runs with ``schema`` as the current one. Raises StoreError if the store is newer than
    ``migrations`` or an applied file was changed since.
    """
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {schema}.migrations (version INTEGER PRIMARY KEY, name VARCHAR NOT NULL,"
        " checksum VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    )
    applied = dict(connection.execute(f"SELECT version, checksum FROM {schema}.migrations").fetchall())
    known = {migration.version: migration for migration in migrations}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise StoreError(
            f"the store is at schema version {newer[-1]}, this stupiddb knows up to {len(migrations)}",
            hint="update stupiddb, or use another [store] path",
        )
    for version, checksum in applied.items():
        if known[version].checksum != checksum:
            raise StoreError(f"migration {version} ({known[version].name}) was changed after it was applied")
    pending = [migration for migration in migrations if migration.version not in applied]
    for migration in pending:
        cursor = connection.cursor()
        cursor.execute(f"USE {schema}")
        cursor.begin()
        try:
            cursor.execute(migration.sql)
            # both texts are word characters alone, and a statement with parameters would import pandas
            cursor.execute(
                f"INSERT INTO {schema}.migrations (version, name, checksum)"
                f" VALUES ({migration.version}, '{migration.name}', '{migration.checksum}')"
            )
            cursor.commit()
        except Exception as error:
            cursor.rollback()
            raise StoreError(f"migration {migration.version} ({migration.name}) failed: {error}") from error
        finally:
            cursor.close()
    return pending
