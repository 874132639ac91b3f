"""How names and texts are written in DuckDB's SQL."""

from __future__ import annotations

from stupiddb_kernel.sources.base import TableName


def quote(name: str) -> str:
    """``name`` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as a string literal."""
    return "'" + text.replace("'", "''") + "'"


def qualified(name: TableName) -> str:
    """A table of the store file with its catalog and schema."""
    return ".".join(map(quote, (name.source, name.database, name.table)))
