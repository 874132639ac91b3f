"""What PostgreSQL's own catalog says of schemas, tables, columns and sizes; a few bulk queries each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from stupiddb_kernel.sources.base import Column, ColumnStatistics, Statistics, Table, TableName
from stupiddb_kernel.sources.postgres.types import ibis_name

SCHEMAS = """
SELECT nspname AS name, current_database() AS database
FROM pg_namespace
WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'USAGE')
"""

# Children of a partitioned table are its storage, not tables of their own.
TABLES = """
SELECT c.oid::int8 AS oid, c.relname AS name, c.relkind::text AS kind,
       obj_description(c.oid, 'pg_class') AS comment,
       c.reltuples::float8 AS rows, c.relpages::int8 AS pages,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) END AS bytes
FROM pg_class c
WHERE c.relnamespace = {schema}::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND NOT c.relispartition AND has_table_privilege(c.oid, 'SELECT')
"""

PARTITIONED = """
SELECT parent.oid::int8 AS oid, count(*) FILTER (WHERE tree.isleaf) AS partitions,
       sum(pg_total_relation_size(tree.relid)) FILTER (WHERE tree.isleaf) AS bytes,
       sum(greatest(leaf.reltuples, 0)) FILTER (WHERE tree.isleaf)::float8 AS rows,
       bool_or(leaf.reltuples < 0) FILTER (WHERE tree.isleaf) AS unknown
FROM pg_class parent, pg_partition_tree(parent.oid) tree JOIN pg_class leaf ON leaf.oid = tree.relid
WHERE parent.relnamespace = {schema}::regnamespace AND parent.relkind = 'p' AND NOT parent.relispartition
GROUP BY parent.oid
"""

COLUMNS = """
SELECT a.attrelid::int8 AS oid, a.attname AS name,
       CASE WHEN t.typtype = 'd' THEN bt.typname ELSE t.typname END AS type,
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier,
       format_type(a.atttypid, a.atttypmod) AS native, NOT a.attnotnull AS nullable,
       col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type bt ON bt.oid = t.typbasetype
WHERE c.relnamespace = {schema}::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

SIZES = """
SELECT c.oid::int8 AS oid, c.relkind::text AS kind, c.reltuples::float8 AS rows,
       pg_relation_size(c.oid)::int8 AS heap, c.relpages::int8 AS pages,
       current_setting('block_size')::int8 AS block, pg_total_relation_size(c.oid) AS bytes,
       greatest(s.last_analyze, s.last_autoanalyze, s.last_vacuum, s.last_autovacuum) AS as_of
FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relnamespace = {schema}::regnamespace AND c.relname = {table}
"""

COLUMN_STATISTICS = """
SELECT attname AS name, n_distinct::float8 AS distinct, null_frac::float8 AS nulls, avg_width AS width,
       histogram_bounds::text::text[] AS bounds, most_common_vals::text::text[] AS common
FROM pg_stats WHERE schemaname = {schema} AND tablename = {table} AND inherited = {inherited}
"""

COLUMN_TYPES = """
SELECT a.attname AS name, t.typname AS type, a.atttypmod AS modifier
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relnamespace = {schema}::regnamespace AND c.relname = {table} AND a.attnum > 0 AND NOT a.attisdropped
"""

_KINDS: dict[str, Literal["table", "view", "external"]] = {"v": "view", "f": "external"}


def build_tables(
    source: str,
    database: str,
    tables: Sequence[Mapping[str, Any]],
    partitioned: Sequence[Mapping[str, Any]],
    columns: Sequence[Mapping[str, Any]],
) -> list[Table]:
    """The rows of TABLES, PARTITIONED and COLUMNS as the catalog's tables, sorted."""
    by_table: dict[int, list[Column]] = {}
    for row in columns:
        column = Column(
            row["name"],
            ibis_name(row["type"], row["modifier"]),
            row["native"],
            row["nullable"],
            row["comment"],
        )
        by_table.setdefault(row["oid"], []).append(column)
    parents = {row["oid"]: row for row in partitioned}
    found = [
        Table(
            TableName(source, database, row["name"]),
            tuple(by_table.get(row["oid"], ())),
            _KINDS.get(row["kind"], "table"),
            row["comment"],
            _cheap_statistics(row, parents.get(row["oid"])),
        )
        for row in tables
    ]
    return sorted(found, key=lambda table: table.name)


def _cheap_statistics(row: Mapping[str, Any], parent: Mapping[str, Any] | None) -> Statistics:
    if parent is not None:
        rows = None if parent["unknown"] else round(parent["rows"] or 0)
        return Statistics(rows, int(parent["bytes"] or 0), parent["partitions"])
    if row["kind"] == "v":
        return Statistics()
    return Statistics(_estimate(row["rows"]), row["bytes"])


def _estimate(tuples: float) -> int | None:
    """reltuples; negative (before 14: 0 with 0 pages) means never counted."""
    return None if tuples < 0 else round(tuples)


def build_statistics(
    sizes: Mapping[str, Any],
    parent: Mapping[str, Any] | None,
    columns: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, str],
) -> Statistics:
    """The rows of SIZES and COLUMN_STATISTICS as statistics; ``kinds`` are the columns' Ibis types.

    Rows are estimated as the planner does it: density of the last ANALYZE times the present pages.
    """
    rows, size, partitions = _estimate(sizes["rows"]), sizes["bytes"], None
    if rows is not None and sizes["pages"]:
        rows = round(sizes["rows"] / sizes["pages"] * (sizes["heap"] / sizes["block"]))
    if parent is not None:
        rows = None if parent["unknown"] else round(parent["rows"] or 0)
        size, partitions = int(parent["bytes"] or 0), parent["partitions"]
    if sizes["kind"] == "v":
        rows = size = None
    as_of = sizes["as_of"]
    if isinstance(as_of, datetime):
        as_of = as_of.astimezone(UTC)
    return Statistics(
        rows,
        size,
        partitions,
        columns={row["name"]: _column_statistics(row, rows, kinds.get(row["name"], "")) for row in columns},
        as_of=as_of,
    )


def _column_statistics(row: Mapping[str, Any], rows: int | None, kind: str) -> ColumnStatistics:
    distinct = row["distinct"]
    if distinct is not None and distinct < 0:  # a share of the rows: the column grows with the table
        distinct = -distinct * rows if rows is not None else None
    size = round(row["width"] * rows * (1 - row["nulls"])) if rows is not None else None
    # The histogram leaves out the most common values, so the least value may be among either.
    seen = [*(row["bounds"] or [])[:1], *(row["bounds"] or [])[-1:], *(row["common"] or [])]
    known = [
        value for value in map(_READERS.get(kind.split("(")[0], lambda _: None), seen) if value is not None
    ]
    # Texts are left out: the server orders them by its own collation.
    low, high = (min(known), max(known)) if known else (None, None)
    return ColumnStatistics(distinct or None, row["nulls"], low, high, size)


def _moment(text: str) -> datetime | date | None:
    """A date or timestamp in ISO form; None for infinity and years that Python doesn't know."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return None


def _number(text: str) -> Decimal | None:
    value = Decimal(text)
    return value if value.is_finite() else None


def _real(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


_READERS: dict[str, Callable[[str], Any]] = {
    "int16": int,
    "int32": int,
    "int64": int,
    "float32": _real,
    "float64": _real,
    "decimal": _number,
    "date": _moment,
    "timestamp": _moment,
}
