"""Which statements a user may send to a DuckDB of ours: exactly one, of a kind that stays inside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import QueryFailed, UnsafeStatement

if TYPE_CHECKING:
    import duckdb
    from duckdb import DuckDBPyConnection

_READING = {"SELECT", "EXPLAIN"}
_WRITING = {"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "MERGE_INTO", "ANALYZE"}


def single_statement(
    connection: DuckDBPyConnection, sql: str, *, source: str, may_write: bool = False
) -> duckdb.Statement:
    """The one statement in ``sql``.

    Raises DuckDB's own error for SQL that does not parse, UnsafeStatement for none, for more than one,
    and for kinds that reach outside (COPY, ATTACH, SET, INSTALL, PRAGMA …) or write where they may not.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        found = "no statement" if not statements else f"{len(statements)} statements"
        raise UnsafeStatement(f"{source}: expected one statement, found {found}", hint="send one at a time")
    statement = statements[0]
    kind = statement.type.name
    allowed = _READING | _WRITING if may_write else _READING
    if kind not in allowed:
        raise UnsafeStatement(
            f"{source}: {kind} statements are not allowed",
            hint=f"allowed: {', '.join(sorted(allowed))}; "
            "files are read through the s3 source and written with expr.to_parquet(…)",
        )
    return statement


def reads(statement: duckdb.Statement) -> bool:
    """Whether the statement only reads."""
    return statement.type.name in _READING


def translate(error: Exception, sql: str, *, source: str) -> QueryFailed:
    """DuckDB's own error as ours, with the 0-based position it points at."""
    message = str(error).split("\n\nLINE ")[0].strip()
    return QueryFailed(message, source=source, sql=sql, position=_position(str(error), sql))


def _position(text: str, sql: str) -> int | None:
    """The 0-based offset that DuckDB's caret points at; long lines are shown in part, between dots."""
    pointed = re.search(r"\n\nLINE (\d+): (.*)\n( *)\^", text)
    if pointed is None:
        return None
    lines = sql.split("\n")
    line, shown = int(pointed[1]), pointed[2]
    if not 0 < line <= len(lines):
        return None
    core = shown.removeprefix("...").removesuffix("...")
    start = lines[line - 1].find(core) if core else -1
    if start < 0:
        return None
    column = len(pointed[3]) - len(f"LINE {line}: ") - (len(shown) - len(shown.removeprefix("...")))
    return sum(len(each) + 1 for each in lines[: line - 1]) + start + max(column, 0)
