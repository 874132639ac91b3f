"""The local store: the DuckDB file with its own schema ensured, and what was brought into it.

stupiddb's own tables live in the schema ``stupiddb`` of the file; everything else in it is the user's.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from stupiddb_kernel import migrations
from stupiddb_kernel.sources.duckdb import DuckdbSource

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from stupiddb_kernel.config.settings import DuckdbSettings
    from stupiddb_kernel.sources.base import SourceContext


def open_store(settings: DuckdbSettings, context: SourceContext) -> DuckdbSource:
    """The local source whose file gets its schema when it is first opened. No I/O before that."""

    def ensure_schema(connection: DuckDBPyConnection) -> None:
        quoted = settings.name.replace('"', '""')
        migrations.migrate(connection, f'"{quoted}".stupiddb', migrations.read(files(__name__) / "schema"))

    return DuckdbSource(settings, context, prepare=ensure_schema)
