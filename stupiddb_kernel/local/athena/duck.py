"""A DuckDB of its own for each query: in memory, locked, and able to reach nothing but the given scans.

Two walls stand between SQL and this machine: the allow-list of functions and tables in ``translate``, and
here a configuration without files, network, extensions and Python variables that can't be changed back.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.local.athena.functions import MACROS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY = "1GB"
"""Memory one query may use before it spills into its private folder."""
SPILL = "8GB"
THREADS = 2


class Evaluator:
    """One locked engine, kept open, that evaluates conditions over a few rows at a time."""

    def __init__(self, spill: Path) -> None:
        self._spill = spill
        self._lock = threading.Lock()
        self._engine: duckdb.DuckDBPyConnection | None = None

    def matching(self, rows: pa.Table, condition: str) -> list[int]:
        """The first column's value of those rows that meet a condition.

        Raises:
            duckdb.Error: the condition can't be evaluated on them.
        """
        with self._lock:
            if self._engine is None:
                self._engine = open_engine(self._spill, {})
            self._engine.register("rows", rows)
            try:
                wanted = f'SELECT {quote(rows.schema.names[0])} FROM "rows" WHERE {condition} ORDER BY 1'
                return [value for (value,) in self._engine.execute(wanted).fetchall()]
            finally:
                self._engine.unregister("rows")


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
