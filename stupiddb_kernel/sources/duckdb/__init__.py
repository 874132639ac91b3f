"""The local DuckDB as a source: the store file, and the results of every other source beside it."""

from __future__ import annotations

from stupiddb_kernel.sources.duckdb.source import DuckdbSource

__all__ = ["DuckdbSource"]
