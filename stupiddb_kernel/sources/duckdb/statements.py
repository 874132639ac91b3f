"""Which statements a user may send to the local DuckDB: exactly one, of a kind that stays inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stupiddb_kernel.errors import QueryFailed, UnsafeStatement

if TYPE_CHECKING:
    import duckdb
    from duckdb import DuckDBPyConnection

_READING = {"SELECT", "EXPLAIN"}
_WRITING = {"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "MERGE_INTO", "ANALYZE"}


def single_statement(connection: DuckDBPyConnection, sql: str, *, source: str) -> duckdb.Statement:
    """The one statement in ``sql``.

    Raises DuckDB's own error for SQL that does not parse, UnsafeStatement for none, for more than one,
    and for kinds that reach outside (COPY, ATTACH, SET, INSTALL, PRAGMA …).
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        found = "no statement" if not statements else f"{len(statements)} statements"
        raise UnsafeStatement(f"{source}: expected one statement, found {found}", hint="send one at a time")
    statement = statements[0]
    kind = statement.type.name
    if kind not in _READING | _WRITING:
        raise UnsafeStatement(
            f"{source}: {kind} statements are not allowed",
            hint=f"allowed: {', '.join(sorted(_READING | _WRITING))}; "
            "files are read through the s3 source and written with expr.to_parquet(…)",
        )
    return statement


def reads(statement: duckdb.Statement) -> bool:
    """Whether the statement only reads."""
    return statement.type.name in _READING


def translate(error: Exception, sql: str, *, source: str) -> QueryFailed:
    """DuckDB's own error as ours, with the 0-based position it points at."""
    import re

    text = str(error)
    message = text.split("\n\nLINE ")[0].strip()
    position = None
    pointed = re.search(r"\n\nLINE (\d+): (.*)\n( *)\^", text)
    if pointed:
        line, shown, indent = int(pointed[1]), pointed[2], len(pointed[3]) - len(f"LINE {pointed[1]}: ")
        lines = sql.split("\n")
        if 0 < line <= len(lines):
            core = shown.strip(".")
            start = lines[line - 1].find(core) if core else -1
            if start >= 0:
                offset = start + indent - (len(shown) - len(shown.lstrip(".")))
                position = sum(len(each) + 1 for each in lines[: line - 1]) + max(offset, 0)
    return QueryFailed(message, source=source, sql=sql, position=position)
