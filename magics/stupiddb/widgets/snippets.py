"""A cell that selects from a table, in the words of its source."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stupiddb_kernel.sources.base import Source, Table

_ROWS = 100
_MOST_NAMED = 12
"""Wider tables are selected with a star."""


def select(table: Table, source: Source[Any]) -> str:
    """A notebook cell that reads some rows of ``table``.

    The database goes into a flag, not into the statement: on PostgreSQL its name may be ours, not a schema's.
    A partitioned table of a source that bills scans gets a condition to fill in, because it is not read
    without one.
    """
    names = [_identifier(column.name, source.dialect) for column in table.columns]
    columns = ", ".join(names) if 0 < len(names) <= _MOST_NAMED else "*"
    usual = table.name.database == _usual_database(source)
    flag = "" if usual else f" --database {shlex.quote(table.name.database)}"
    lines = [
        f"%%{table.name.source}{flag}",
        f"SELECT {columns}",
        f"FROM {_identifier(table.name.table, source.dialect)}",
    ]
    partitions = [column for column in table.columns if column.partition]
    if partitions and source.capabilities.billed_by_scan:
        lines.append(f"WHERE {_identifier(partitions[0].name, source.dialect)} = '…'")
    return "\n".join([*lines, f"LIMIT {_ROWS}"])


def _usual_database(source: Source[Any]) -> str | None:
    """The database whose tables the source finds by their bare names."""
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
