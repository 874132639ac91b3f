"""Tables about tables: ``information_schema`` and ``"table$partitions"``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stupiddb_kernel.local.athena import hive
from stupiddb_kernel.local.athena.errors import QueryError
from stupiddb_kernel.local.athena.glue import CATALOG, Catalog, Table

if TYPE_CHECKING:
    import pyarrow as pa


def rows(catalog: Catalog, name: str) -> pa.Table | None:
    """The rows of a table of information_schema, or None if there is no such table."""
    makers = {"schemata": _schemata, "tables": _tables, "columns": _columns, "views": _views}
    maker = makers.get(name)
    return maker(catalog) if maker else None


def partitions(catalog: Catalog, table: Table) -> pa.Table:
    """The partition keys of a table, one row a partition, in their own types."""
    import pyarrow as pa

    found = catalog.partitions(table)
    arrays = [
        pa.array([partition.values[index] for partition in found], pa.string()).cast(
            hive.arrow_type(key.type)
        )
        for index, key in enumerate(table.partition_keys)
    ]
    return pa.table(arrays, names=[key.name for key in table.partition_keys])


def _text_table(names: list[str], found: list[tuple[object, ...]], whole: tuple[str, ...] = ()) -> pa.Table:
    import pyarrow as pa

    columns = list(zip(*found, strict=True)) if found else [()] * len(names)
    return pa.table(
        [
            pa.array(column, pa.int64() if name in whole else pa.string())
            for name, column in zip(names, columns, strict=True)
        ],
        names=names,
    )


def _schemata(catalog: Catalog) -> pa.Table:
    found: list[tuple[object, ...]] = [(CATALOG, entry["Name"]) for entry in catalog.databases()]
    return _text_table(["catalog_name", "schema_name"], [*found, (CATALOG, "information_schema")])


def _everything(catalog: Catalog) -> list[Table]:
    return [table for entry in catalog.databases() for table in catalog.tables(entry["Name"])]


def _tables(catalog: Catalog) -> pa.Table:
    found: list[tuple[object, ...]] = [
        (CATALOG, table.database, table.name, "VIEW" if table.is_view else "BASE TABLE")
        for table in _everything(catalog)
    ]
    return _text_table(["table_catalog", "table_schema", "table_name", "table_type"], found)


def _columns(catalog: Catalog) -> pa.Table:
    names = [
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "ordinal_position",
        "column_default",
        "is_nullable",
        "data_type",
        "comment",
        "extra_info",
    ]
    found: list[tuple[object, ...]] = []
    for table in _everything(catalog):
        for index, column in enumerate(table.columns + table.partition_keys):
            try:
                kind = hive.trino_name(column.type)
            except QueryError:
                kind = column.type
            extra = "partition key" if index >= len(table.columns) else None
            found.append(
                (
                    CATALOG,
                    table.database,
                    table.name,
                    column.name,
                    index + 1,
                    None,
                    "YES",
                    kind,
                    column.comment or None,
                    extra,
                )
            )
    return _text_table(names, found, ("ordinal_position",))


def _views(catalog: Catalog) -> pa.Table:
    found: list[tuple[object, ...]] = [
        (CATALOG, table.database, table.name, table.view.sql)
        for table in _everything(catalog)
        if table.is_view
    ]
    return _text_table(["table_catalog", "table_schema", "table_name", "view_definition"], found)
