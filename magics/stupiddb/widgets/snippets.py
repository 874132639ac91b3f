"""A cell that selects from a table, in the words of its source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stupiddb_kernel.sources.base import Source, Table

_ROWS = 100
_MOST_NAMED = 12
"""Wider tables are selected with a star."""


def select(table: Table, source: Source[Any]) -> str:
    """A notebook cell that reads some rows of ``table``; Python where its source takes no SQL.

    A partitioned table of a source that bills scans gets a condition to fill in, because it is not read
    without one.
    """
    if not source.capabilities.sql:
        return f'stupiddb.Session().table("{table.name}").limit({_ROWS})'
    names = [_identifier(column.name, source.dialect) for column in table.columns]
    columns = ", ".join(names) if 0 < len(names) <= _MOST_NAMED else "*"
    path = [table.name.table]
    if table.name.database != _default_database(source):
        path.insert(0, table.name.database)
    lines = [
        f"%%{table.name.source}",
        f"SELECT {columns}",
        f"FROM {'.'.join(_identifier(part, source.dialect) for part in path)}",
    ]
    partitions = [column for column in table.columns if column.partition]
    if partitions and source.capabilities.billed_by_scan:
        lines.append(f"WHERE {_identifier(partitions[0].name, source.dialect)} = '…'")
    return "\n".join([*lines, f"LIMIT {_ROWS}"])


def _default_database(source: Source[Any]) -> str | None:
    """The database whose tables need no prefix in the source's own SQL."""
    if source.kind == "duckdb":
        return "main"
    found = getattr(source.settings, "database", None)
    return found if isinstance(found, str) else None


def _identifier(name: str, dialect: str) -> str:
    """``name`` as SQL writes it: quoted only where it must be."""
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect

    keywords = Dialect.get_or_raise(dialect).tokenizer_class.KEYWORDS
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) is not None and name.upper() not in keywords
    return exp.to_identifier(name, quoted=not plain).sql(dialect=dialect)
