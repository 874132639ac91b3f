"""A DuckDB of its own for each query: in memory, locked, and able to reach nothing but the given scans.

Two walls stand between SQL and this machine: the allow-list of functions and tables in ``translate``, and
here a configuration without files, network, extensions and Python variables that can't be changed back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.local.athena.functions import MACROS

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"
"""Memory one query may use before it spills into its private folder."""
SPILL = "8GB"
THREADS = 2


def quote(name: str) -> str:
    """A name as DuckDB reads it literally."""
    return '"' + name.replace('"', '""') + '"'


def open_engine(spill: Path, relations: Mapping[str, tuple[Any, list[str]]]) -> duckdb.DuckDBPyConnection:
    """A locked engine with these relations: name -> (Arrow data, the columns that are visible)."""
    import duckdb

    engine = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": str(spill),
            "max_temp_directory_size": SPILL,
            "memory_limit": MEMORY,
            "threads": str(THREADS),
            "default_null_order": "nulls_last",
            "integer_division": "true",
        },
    )
    try:
        engine.execute("SET TimeZone = 'UTC'")  # the ICU extension is only there once connected
        for macro in MACROS:
            engine.execute(macro)
        for name, (data, columns) in relations.items():
            engine.register(f"{name}_data", data)
            visible = ", ".join(quote(column) for column in columns)
            engine.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT {visible} FROM {quote(name + '_data')}")
        engine.execute("SET lock_configuration = true")
    except BaseException:
        engine.close()
        raise
    return engine
