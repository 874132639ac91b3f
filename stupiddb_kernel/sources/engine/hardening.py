"""What keeps a statement inside its DuckDB: no files, no URLs, no extensions, no Python variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SWITCHED_OFF = (
    "autoinstall_known_extensions",
    "autoload_known_extensions",
    "allow_community_extensions",
    "python_enable_replacements",
    "enable_external_access",
)


def harden(connection: DuckDBPyConnection) -> None:
    """Switch off every way out and lock the configuration; nothing can undo it while the database lives.

    Times are computed in UTC, as Ibis expects: the machine's zone would shift every zoned time.
    """
    connection.execute("SET TimeZone = 'UTC'")
    for setting in _SWITCHED_OFF:
        connection.execute(f"SET {setting} = false")
    connection.execute("SET lock_configuration = true")
