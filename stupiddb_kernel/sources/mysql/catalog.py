"""What information_schema says of databases, tables, columns and sizes; one bulk query each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from stupiddb_kernel.sources.base import Column, ColumnStatistics, Statistics, Table, TableName
from stupiddb_kernel.sources.mysql.types import ibis_name

DATABASES = """
SELECT schema_name AS name FROM information_schema.schemata
WHERE schema_name NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')
"""

TABLES = """
SELECT table_name AS name, table_type AS kind, table_rows AS count, table_comment AS comment,
       data_length + index_length AS bytes, coalesce(update_time, create_time) AS as_of
FROM information_schema.tables WHERE table_schema = {database}
"""

COLUMNS = """
SELECT table_name AS tab, column_name AS name, data_type AS kind, column_type AS native,
       is_nullable AS nullable, column_comment AS comment
FROM information_schema.columns WHERE table_schema = {database} ORDER BY table_name, ordinal_position
"""

ONE_TABLE = " AND table_name = {table}"

PARTITIONS = """
SELECT count(partition_name) AS count FROM information_schema.partitions
WHERE table_schema = {database} AND table_name = {table}
"""

KEYS = """
SELECT column_name AS name, max(cardinality) AS distinct_values FROM information_schema.statistics
WHERE table_schema = {database} AND table_name = {table} AND seq_in_index = 1 GROUP BY column_name
"""

# MariaDB's engine-independent statistics, filled by ANALYZE TABLE … PERSISTENT.
COLUMN_STATISTICS = """
SELECT column_name AS name, min_value AS low, max_value AS high, nulls_ratio AS nulls, avg_length AS width
FROM mysql.column_stats WHERE db_name = {database} AND table_name = {table}
"""

# MySQL's histograms, filled by ANALYZE TABLE … UPDATE HISTOGRAM.
HISTOGRAMS = """
SELECT column_name AS name, CAST(JSON_EXTRACT(histogram, '$."null-values"') AS DOUBLE) AS nulls,
       NULL AS low, NULL AS high, NULL AS width
FROM information_schema.column_statistics WHERE schema_name = {database} AND table_name = {table}
"""

_NUMBERS = ("int", "uint", "float", "decimal")


def build_tables(
    source: str, database: str, tables: Sequence[Mapping[str, Any]], columns: Sequence[Mapping[str, Any]]
) -> list[Table]:
    """The rows of TABLES and COLUMNS as the catalog's tables, sorted."""
    by_table: dict[str, list[Column]] = {}
    for row in columns:
        by_table.setdefault(row["tab"], []).append(
            Column(
                row["name"],
                ibis_name(_text(row["native"]), _text(row["kind"])),
                _text(row["native"]),
                row["nullable"] == "YES",
                _text(row["comment"]) or None,
            )
        )
    found = [
        Table(
            TableName(source, database, row["name"]),
            tuple(by_table.get(row["name"], ())),
            _kind(row["kind"]),
            None if _kind(row["kind"]) == "view" else row["comment"] or None,
            table_statistics(row),
        )
        for row in tables
    ]
    return sorted(found, key=lambda table: table.name)


def table_statistics(row: Mapping[str, Any]) -> Statistics:
    """A row of TABLES as statistics: InnoDB's row count is an estimate from sampled pages."""
    size = row["bytes"]
    return Statistics(row["count"], int(size) if size is not None else None)


def build_statistics(
    table: Mapping[str, Any],
    columns: Sequence[Mapping[str, Any]],
    partitions: int,
    keys: Sequence[Mapping[str, Any]],
    values: Sequence[Mapping[str, Any]],
) -> Statistics:
    """All that is known of one table: distinct values from its indexes, the rest from ANALYZE."""
    rows = table["count"]
    distinct = {row["name"]: row["distinct_values"] for row in keys}
    seen = {row["name"]: row for row in values}
    found: dict[str, ColumnStatistics] = {}
    for column in columns:
        name = column["name"]
        if name not in distinct and name not in seen:
            continue
        known = seen.get(name, {})
        kind = ibis_name(_text(column["native"]), _text(column["kind"]))
        width, nulls = known.get("width"), known.get("nulls")
        found[name] = ColumnStatistics(
            float(distinct[name]) if distinct.get(name) is not None else None,
            float(nulls) if nulls is not None else None,
            _value(known.get("low"), kind),
            _value(known.get("high"), kind),
            round(float(width) * rows) if width is not None and rows is not None else None,
        )
    as_of = table["as_of"]
    return Statistics(
        rows,
        table_statistics(table).bytes,
        partitions or None,
        columns=found,
        as_of=as_of.replace(tzinfo=UTC) if isinstance(as_of, datetime) else None,
    )


def _value(text: Any, kind: str) -> Any:
    """A bound as the column's own type; text is left out, since the server has its own order of it."""
    if text is None:
        return None
    from datetime import date
    from decimal import Decimal, InvalidOperation

    text = _text(text)
    try:
        if kind.startswith(("int", "uint")):
            return int(text)
        if kind.startswith("float"):
            return float(text)
        if kind.startswith("decimal"):
            return Decimal(text)
        if kind == "date":
            return date.fromisoformat(text)
        if kind.startswith("timestamp"):
            return datetime.fromisoformat(text)
    except (ValueError, InvalidOperation):  # 0000-00-00, or cut off
        return None
    return None


def _kind(table_type: str) -> Literal["table", "view", "external"]:
    return "view" if "VIEW" in table_type else "table"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
