"""One SELECT over files in S3: which tables it names, its bound values, and the running read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stupiddb_kernel.sources import binding
from stupiddb_kernel.sources.base import ReadOptions, TableName
from stupiddb_kernel.sources.engine.bound import Bound
from stupiddb_kernel.sources.engine.reading import read
from stupiddb_kernel.sources.objects.file import ObjectReader
from stupiddb_kernel.sources.result import Result
from stupiddb_kernel.sources.s3.engine import Engine


def referenced(
    sql: str, source: str, search: Sequence[str], names: Callable[[str], list[str]]
) -> list[TableName]:
    """The tables a statement reads: ``source.database.table``, ``database.table`` or ``table``.

    A bare name is looked for in the databases ``search``, in order. As in all of DuckDB, case does not
    matter unless two names differ only in it. What names no table of ours is left to DuckDB to refuse.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    text = binding.rewrite(sql, binding.placeholders(sql, "duckdb"), lambda _: "NULL")
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
    except SqlglotError:
        return _mentioned(text, source, search, names)
    found: dict[TableName, None] = {}
    for table in tree.find_all(exp.Table):
        if table.catalog and table.catalog.casefold() != source.casefold():
            continue
        databases = [table.db] if table.db else search
        for database in databases:
            match = _match(database, table.name, search if not table.db else None, names)
            if match is not None:
                found[TableName(source, *match)] = None
                break
    return list(found)


def _mentioned(
    text: str, source: str, search: Sequence[str], names: Callable[[str], list[str]]
) -> list[TableName]:
    """Tables whose names occur as words in SQL that sqlglot can't parse but DuckDB may."""
    words = {token.text.strip('"').casefold() for token in binding.tokenize(text, "duckdb")}
    return [
        TableName(source, database, name)
        for database in search
        for name in names(database)
        if name.casefold() in words
    ]


def _match(
    database: str, table: str, search: Sequence[str] | None, names: Callable[[str], list[str]]
) -> tuple[str, str] | None:
    from stupiddb_kernel.errors import UnknownName

    try:
        known = names(database)
    except UnknownName:
        if search is not None:
            raise
        return None
    if table in known:
        return database, table
    folded = [name for name in known if name.casefold() == table.casefold()]
    return (database, folded[0]) if len(folded) == 1 else None


def run(
    engine: Engine,
    sql: str,
    parameters: Mapping[str, object] | None,
    options: ReadOptions,
    reader: ObjectReader,
) -> Result:
    """Start ``sql`` in ``engine`` and stream it; the engine ends with the result."""
    return read(
        engine.connection,
        Bound(sql, parameters or {}),
        options,
        source=engine.source,
        close=engine.close,
        blame=lambda _: reader.failure,
    )
