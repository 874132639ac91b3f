"""One SELECT over files in S3: which tables it names, its bound values, and the running read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import InexactValue, UsageError
from stupiddb_kernel.sources import binding
from stupiddb_kernel.sources.base import QueryStats, ReadOptions, TableName
from stupiddb_kernel.sources.literal import is_list, items_of
from stupiddb_kernel.sources.objects.file import ObjectReader
from stupiddb_kernel.sources.result import Result, interruptible
from stupiddb_kernel.sources.s3.engine import Deadline, Engine

if TYPE_CHECKING:
    import pyarrow as pa

_CHANGED = {
    "TIME WITH TIME ZONE": "loses its offset",
    "UHUGEINT": "wraps above 127 bits",
    "BIT": "becomes DuckDB's own bytes",
}


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
    bound = _Bound(sql, parameters or {})
    deadline = Deadline(options.timeout_seconds, engine.connection.interrupt)

    def explain(error: Exception) -> Exception:
        if deadline.passed:
            return deadline.error(engine.source, sql)
        failed = engine.explain(error, bound.text, reader.failure)
        position = getattr(failed, "position", None)
        if position is not None:
            failed.position = bound.original_position(position)  # type: ignore[attr-defined]
            failed.sql = sql  # type: ignore[attr-defined]
        return failed

    def start() -> pa.RecordBatchReader:
        text = f"EXPLAIN {bound.text}" if options.dry_run else bound.text
        engine.connection.execute(text, bound.values or None)
        _refuse_inexact(engine)
        return engine.connection.to_arrow_reader(options.batch_rows)

    deadline.start()
    try:
        engine.refuse_unsafe(bound.text)
        batches = interruptible(start, engine.connection.interrupt)
    except Exception as error:
        deadline.stop()
        raise explain(error) from error

    def stream() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            raise explain(error) from error

    def close() -> None:
        deadline.stop()
        engine.close()

    return Result(
        batches.schema,
        stream(),
        QueryStats(engine.source, sql),
        cancel=engine.connection.interrupt,
        close=close,
        limit=options.limit,
    )


def _refuse_inexact(engine: Engine) -> None:
    """Raise InexactValue for a column whose type DuckDB gives to Arrow with its values changed."""
    for name, kind, *_ in engine.connection.description or ():
        changed = next((each for each in _CHANGED if each in str(kind).upper()), None)
        if changed is not None:
            raise InexactValue(
                f"column {name!r} is {kind}, which {_CHANGED[changed]} on its way to Arrow",
                source=engine.source,
                hint=f"cast it: CAST({name} AS VARCHAR)",
            )


class _Bound:
    """``:name`` as DuckDB's ``$name``; a list inside ``IN (…)`` is its items."""

    def __init__(self, sql: str, parameters: Mapping[str, object]) -> None:
        self.values: dict[str, object] = {}
        self._parameters = parameters
        self._found = binding.placeholders(sql, "duckdb")
        binding.check(self._found, parameters)
        self.text = binding.rewrite(sql, self._found, self._render)

    def original_position(self, position: int) -> int:
        """The offset in the SQL as it was typed."""
        return binding.original_position(position, self._found, self._render)

    def _render(self, placeholder: binding.Placeholder) -> str:
        value = self._parameters[placeholder.name]
        if not is_list(value):
            self.values[placeholder.name] = value
            return f"${placeholder.name}"
        items = items_of(value)
        if not placeholder.in_list:
            self.values[placeholder.name] = items
            return f"${placeholder.name}"
        if not items:
            if placeholder.alone:
                return "SELECT NULL WHERE FALSE"
            raise UsageError(
                f"the value of :{placeholder.name} is an empty list beside other items",
                hint="put the list alone into IN ( )",
            )
        names = [f"{placeholder.name}__{index}" for index in range(len(items))]
        self.values.update(zip(names, items, strict=True))
        return ", ".join(f"${name}" for name in names)
