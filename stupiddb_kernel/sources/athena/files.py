"""A table's own files: figures from footers and a look at the first rows, without Athena and its bill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from stupiddb_kernel.sources.athena.glue import GlueTable, Partition, partition_numbers
from stupiddb_kernel.sources.base import QueryStats, Statistics
from stupiddb_kernel.sources.objects.dataset import Part, dataset
from stupiddb_kernel.sources.objects.file import ObjectReader, Tails
from stupiddb_kernel.sources.objects.footer import Footers, merge_columns, partition_columns, sample
from stupiddb_kernel.sources.objects.listing import Lister, Object
from stupiddb_kernel.sources.objects.location import Location
from stupiddb_kernel.sources.objects.schema import SchemaConflict, unify
from stupiddb_kernel.sources.result import Result

if TYPE_CHECKING:
    from stupiddb_kernel.sources.athena.source import AthenaSource

MOST_FOOTERS = 2_000
"""Above so many files rows are estimated from that many, spread evenly."""
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class Files:
    """Reads the Parquet files of Glue tables, with footers kept for as long as the source is open."""

    def __init__(self, source: AthenaSource) -> None:
        self._source = source
        self._tails = Tails()
        self._footers: Footers | None = None

    def statistics(self, described: GlueTable) -> Statistics:
        """Rows, bytes, files and partitions; exact where every footer was read."""
        table = described.table
        if table.kind == "view" or not table.location:
            return table.statistics
        partitions = self._source.glue().partitions(table.name) if described.partition_keys else []
        noted_rows, noted_bytes = partition_numbers(partitions)
        count = len(partitions) if described.partition_keys else None
        objects = self._objects(described, partitions)
        size = sum(each.size for each in objects)
        known = replace(
            table.statistics,
            rows=noted_rows if noted_rows is not None else table.statistics.rows,
            bytes=size or noted_bytes or table.statistics.bytes,
            files=len(objects),
            partitions=count,
            as_of=max((each.modified for each in objects if each.modified), default=None),
        )
        if not described.is_parquet:
            return known
        keys = partition_columns(
            (
                {
                    key: None if value == _HIVE_NULL else value
                    for key, value in zip(described.partition_keys, each.values, strict=False)
                }
                for each in partitions
            ),
            None,
        )
        chosen = sample(objects, MOST_FOOTERS)
        footers = self._kept().read_all(chosen)
        rows = sum(footer.rows for footer in footers)
        if len(chosen) == len(objects):
            return replace(known, rows=rows, exact=True, columns={**merge_columns(footers), **keys})
        estimated = round(rows * size / max(1, sum(each.size for each in chosen)))
        return replace(known, rows=noted_rows if noted_rows is not None else estimated, columns=keys)

    def preview(self, described: GlueTable, limit: int) -> Result | None:
        """The first rows of the first files; None if they can't be read like that."""
        table = described.table
        if table.kind == "view" or not table.location or not described.is_parquet:
            return None
        parts = self._first_parts(described)
        if parts is None:
            return None
        reader = self._reader()
        try:
            footers = self._kept().read_all(part.object for part in parts)
            schema = self._schema(described, unify(footers, source=self._source.name, table=str(table.name)))
        except SchemaConflict:
            return None  # Athena's own SerDe decides what such files hold
        if schema is None:
            return None

        def batches() -> Iterator[pa.RecordBatch]:
            remaining = limit
            for part in parts:
                scanner = dataset(reader, [part], schema).scanner(
                    batch_size=max(1, min(limit, 65_536)), batch_readahead=0, fragment_readahead=0
                )
                for batch in scanner.to_batches():
                    yield batch.slice(0, remaining)
                    remaining -= min(batch.num_rows, remaining)
                    if remaining <= 0:
                        return

        stats = QueryStats(self._source.name, f"preview of {table.name}", scanned=0, dollars=0.0)
        return Result(schema, batches(), stats, limit=limit)

    def _schema(self, described: GlueTable, found: pa.Schema) -> pa.Schema | None:
        """The file's columns in Glue's order and spelling, Hive matching names without case.

        None if the files hold a type that Glue calls otherwise: then only Athena knows the value.
        """
        by_name = {field.name.lower(): field for field in found}
        fields = []
        for column in described.table.columns:
            if column.partition:
                fields.append(pa.field(column.name, pa.string()))
                continue
            field = by_name.get(column.name.lower())
            if field is None or field.name != column.name or not _same_type(field.type, column.type):
                return None
            fields.append(field)
        return pa.schema(fields)

    def _first_parts(self, described: GlueTable) -> list[Part] | None:
        """Up to eight files with their partition values; None if there are none or they can't be found."""
        lister = Lister(self._source.s3(), self._source.name)
        if any(column.partition and column.type != "string" for column in described.table.columns):
            return None
        if not described.partition_keys:
            objects = [each for each in lister.first(_location(described.table.location)) if is_data(each)]
            return [Part(each, {}) for each in objects[:8]] or None
        parts: list[Part] = []
        for partition in self._source.glue().first_partitions(described.table.name, 20):
            values = {
                key: None if value == _HIVE_NULL else value
                for key, value in zip(described.partition_keys, partition.values, strict=False)
            }
            found = lister.first(_location(partition.location))
            parts += [Part(each, values) for each in found if is_data(each)]
            if len(parts) >= 4:
                break
        return parts[:8] or None

    def _objects(self, described: GlueTable, partitions: Sequence[Partition]) -> list[Object]:
        """Every data file: below the table's location, and of partitions that lie elsewhere.

        Files below the location that belong to no listed partition are not the table's.
        """
        lister = Lister(self._source.s3(), self._source.name)
        root = _location(described.table.location)
        if not described.partition_keys or described.parameters.get("projection.enabled") == "true":
            return sorted(filter(is_data, lister.objects(root)), key=lambda each: each.key)
        prefixes = [_location(each.location) for each in partitions]
        inside = {(each.bucket, each.prefix) for each in prefixes if str(each).startswith(str(root))}
        found = (
            [each for each in lister.objects(root) if is_data(each) and _below(each, inside)]
            if inside
            else []
        )
        for each in prefixes:
            if (each.bucket, each.prefix) not in inside:
                found += filter(is_data, lister.objects(each))
        return sorted(found, key=lambda each: (each.bucket, each.key))

    def _reader(self) -> ObjectReader:
        return ObjectReader(self._source.s3(), self._source.name, tails=self._tails)

    def _kept(self) -> Footers:
        if self._footers is None:
            self._footers = Footers(self._reader())
        return self._footers


def _location(uri: str | None) -> Location:
    return Location.parse(uri or "")


def is_data(target: Object) -> bool:
    """Athena, as Hive, reads neither empty markers nor names that begin with ``_`` or ``.``."""
    name = target.key.rsplit("/", 1)[-1]
    return target.size > 0 and not name.startswith(("_", "."))


def _below(target: Object, prefixes: set[tuple[str, str]]) -> bool:
    """Whether an object lies below one of the prefixes, however deep."""
    folders = target.key.split("/")[:-1]
    return any(
        (target.bucket, "/".join(folders[:depth]) + "/") in prefixes for depth in range(len(folders), 0, -1)
    )


def _same_type(found: pa.DataType, declared: str) -> bool:
    """Whether Glue's type reads a file's column as what it is."""
    from ibis.formats.pyarrow import PyArrowType

    shown = str(PyArrowType.to_ibis(found)).replace("!", "")
    if shown.startswith("timestamp") and declared.startswith("timestamp"):
        return True
    return shown == declared
