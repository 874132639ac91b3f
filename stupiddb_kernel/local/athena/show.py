"""Statements that list the catalog; each yields columns and lines of text."""

from __future__ import annotations

import re
from collections.abc import Callable

from stupiddb_kernel.local.athena.ddl import Place
from stupiddb_kernel.local.athena.errors import QueryError
from stupiddb_kernel.local.athena.results import ColumnInfo
from stupiddb_kernel.local.athena.statements import Statement
from stupiddb_kernel.local.athena.text import Reader
from stupiddb_kernel.local.athena.writing import folder_name

Lines = tuple[list[ColumnInfo], list[list[str]]]
_WIDTH = 20
"""Hive pads the columns of DESCRIBE to this width."""


def run(statement: Statement, place: Place) -> Lines:
    """The answer of the statement.

    Raises:
        QueryError: what it names does not exist.
    """
    return _RUNNERS[statement.kind](place, Reader(statement.text, start=statement.parts["at"]))


def _one(name: str, lines: list[str]) -> Lines:
    return [ColumnInfo(name, "string", 0, 0)], [[line] for line in lines]


def _pattern(reader: Reader) -> Callable[[str], bool]:
    """Hive's pattern (``'ev.*|m*'``, where ``*`` is any text) or LIKE's."""
    like = reader.accept("LIKE")
    if reader.done or reader.peek(";"):
        reader.finish()
        return lambda _: True
    text = reader.string()
    reader.finish()
    parts = [
        part.replace("%", ".*") if like else re.sub(r"(?<!\.)\*", ".*", part)
        for part in text.lower().split("|")
    ]
    try:
        whole = re.compile("|".join(f"(?:{part})" for part in parts))
    except re.error as error:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"Pattern '{text}': {error}") from error
    return lambda name: whole.fullmatch(name) is not None


def _database(place: Place, reader: Reader) -> str:
    name = reader.name()[-1].lower() if reader.accept("IN") or reader.accept("FROM") else place.database
    if place.catalog.database(name) is None:
        raise QueryError(
            "SCHEMA_NOT_FOUND", f"FAILED: SemanticException [Error 10072]: Database does not exist: {name}"
        )
    return name


def _databases(place: Place, reader: Reader) -> Lines:
    fits = _pattern(reader)
    return _one("database_name", [e["Name"] for e in place.catalog.databases() if fits(e["Name"])])


def _tables(place: Place, reader: Reader) -> Lines:
    database = _database(place, reader)
    fits = _pattern(reader)
    return _one("tab_name", [table.name for table in place.catalog.tables(database) if fits(table.name)])


def _views(place: Place, reader: Reader) -> Lines:
    database = _database(place, reader)
    fits = _pattern(reader)
    return _one("views", [t.name for t in place.catalog.tables(database) if t.is_view and fits(t.name)])


def _columns(place: Place, reader: Reader) -> Lines:
    if not (reader.accept("IN") or reader.accept("FROM")):
        raise reader.mismatch("'FROM', 'IN'")
    parts = reader.name()
    if reader.accept("IN") or reader.accept("FROM"):
        parts = [*reader.name(), parts[-1]]
    reader.finish()
    table = place.table(parts)
    return _one("field", [f"{c.name:<{_WIDTH}}" for c in table.columns + table.partition_keys])


def _partitions(place: Place, reader: Reader) -> Lines:
    table = place.table(reader.name())
    reader.finish()
    keys = [key.name for key in table.partition_keys]
    if not keys:
        raise QueryError(
            "NOT_SUPPORTED",
            f"FAILED: SemanticException: {table.database}.{table.name} is not a partitioned table",
        )
    lines = [folder_name(keys, partition.values).rstrip("/") for partition in place.catalog.partitions(table)]
    return _one("partition", lines)


def _describe(place: Place, reader: Reader) -> Lines:
    detailed = reader.accept("FORMATTED") or reader.accept("EXTENDED")
    reader.accept("TABLE")
    table = place.table(reader.name())
    reader.finish()
    columns = [ColumnInfo(name, "string", 0, 0) for name in ("col_name", "data_type", "comment")]

    def line(*cells: str) -> list[str]:
        return ["\t".join(f"{cell:<{_WIDTH}}" for cell in cells)]

    lines = [line(c.name, c.type, c.comment) for c in table.columns + table.partition_keys]
    if table.partition_keys:
        lines += [
            line("", "", ""),
            line("# Partition Information", "", ""),
            line("# col_name", "data_type", "comment"),
            line("", "", ""),
        ]
        lines += [line(c.name, c.type, c.comment) for c in table.partition_keys]
    if detailed:
        lines += [
            line("", "", ""),
            line("# Detailed Table Information", "", ""),
            line("Location:", table.storage.get("Location", ""), ""),
        ]
    return columns, lines


def _create_table(place: Place, reader: Reader) -> Lines:
    table = place.table(reader.name())
    reader.finish()
    if table.is_view:
        raise QueryError("NOT_SUPPORTED", f"{table.database}.{table.name} is a view; use SHOW CREATE VIEW")
    lines = [f"CREATE EXTERNAL TABLE `{table.database}.{table.name}`("]
    lines += _ended([f"  `{c.name}` {c.type}" + _comment(c.comment) for c in table.columns], ")")
    if table.partition_keys:
        lines.append("PARTITIONED BY ( ")
        lines += _ended([f"  `{c.name}` {c.type}" + _comment(c.comment) for c in table.partition_keys], ")")
    storage = table.storage
    lines += ["ROW FORMAT SERDE ", f"  '{(storage.get('SerdeInfo') or {}).get('SerializationLibrary', '')}' "]
    lines += ["STORED AS INPUTFORMAT ", f"  '{storage.get('InputFormat', '')}' "]
    lines += ["OUTPUTFORMAT ", f"  '{storage.get('OutputFormat', '')}'"]
    lines += ["LOCATION", f"  '{storage.get('Location', '')}'", "TBLPROPERTIES ("]
    lines += _ended([f"  '{name}'='{value}'" for name, value in sorted(table.parameters.items())], ")")
    return _one("createtab_stmt", lines)


def _comment(text: str) -> str:
    return f" COMMENT '{text}'" if text else ""


def _ended(lines: list[str], end: str) -> list[str]:
    return [f"{line}, " if index < len(lines) - 1 else line + end for index, line in enumerate(lines)]


def _create_view(place: Place, reader: Reader) -> Lines:
    parts = reader.name()
    table = place.table(parts)
    reader.finish()
    if not table.is_view:
        raise QueryError("NOT_SUPPORTED", f"{table.database}.{table.name} is a table; use SHOW CREATE TABLE")
    return _one(
        "Create View", [f"CREATE VIEW {table.database}.{table.name} AS", *table.view.sql.splitlines()]
    )


def _tblproperties(place: Place, reader: Reader) -> Lines:
    table = place.table(reader.name())
    wanted = None
    if reader.accept("("):
        wanted = reader.string()
        reader.expect(")")
    reader.finish()
    columns = [ColumnInfo(name, "string", 0, 0) for name in ("prpt_name", "prpt_value")]
    found = {n: v for n, v in sorted(table.parameters.items()) if wanted in (None, n)}
    return columns, [[f"{name}\t{value}"] for name, value in found.items()]


_RUNNERS: dict[str, Callable[[Place, Reader], Lines]] = {
    "SHOW_DATABASES": _databases,
    "SHOW_TABLES": _tables,
    "SHOW_VIEWS": _views,
    "SHOW_COLUMNS": _columns,
    "SHOW_PARTITIONS": _partitions,
    "SHOW_CREATE_TABLE": _create_table,
    "SHOW_CREATE_VIEW": _create_view,
    "SHOW_TBLPROPERTIES": _tblproperties,
    "DESCRIBE_TABLE": _describe,
}
KINDS = frozenset(_RUNNERS)
