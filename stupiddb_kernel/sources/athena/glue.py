"""Databases, tables and partitions, as Glue (or another Athena data catalog) holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from stupiddb_kernel.errors import SourceError, UnknownName
from stupiddb_kernel.sources.athena.execution import Throttle
from stupiddb_kernel.sources.athena.types import ibis_type
from stupiddb_kernel.sources.base import Column, Statistics, Table, TableName
from stupiddb_kernel.sources.objects.errors import code_of

_ROWS = ("recordCount", "numRows", "spark.sql.statistics.numRows")
_BYTES = ("totalSize", "sizeKey", "rawDataSize", "spark.sql.statistics.totalSize")
_SEGMENTS = 8


@dataclass(frozen=True)
class GlueTable:
    """A table as Glue describes it, with what reading its files needs."""

    table: Table
    input_format: str
    parameters: Mapping[str, str]
    partition_keys: tuple[str, ...]

    @property
    def is_parquet(self) -> bool:
        """Whether its files are plain Parquet, which can be read without Athena."""
        managed = self.parameters.get("table_type", "").upper() in ("ICEBERG", "DELTA", "HUDI")
        return "parquet" in self.input_format.lower() and not managed


@dataclass(frozen=True)
class Partition:
    """One partition: its values in the order of the partition keys, and where its files are."""

    values: tuple[str, ...]
    location: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class Glue:
    """Reads a data catalog through boto3; every list is paged."""

    def __init__(self, glue: Any, athena: Any, source: str, catalog: str) -> None:
        self._glue = glue
        self._athena = athena
        self._source = source
        self._catalog = catalog
        self._throttle = Throttle(source)

    @property
    def native(self) -> bool:
        """Whether the catalog is Glue's; others are reached through Athena's own metadata calls."""
        return self._catalog.lower() == "awsdatacatalog"

    def databases(self) -> list[str]:
        """Every database, sorted."""
        if self.native:
            pages = self._pages("list Glue databases", self._glue.get_databases)
            return sorted(each["Name"] for page in pages for each in page["DatabaseList"])
        pages = self._pages("list databases", self._athena.list_databases, CatalogName=self._catalog)
        return sorted(each["Name"] for page in pages for each in page["DatabaseList"])

    def tables(self, database: str) -> list[GlueTable]:
        """Every table of a database, sorted. Raises UnknownName."""
        try:
            if self.native:
                pages = self._pages(
                    f"list tables of {database}", self._glue.get_tables, DatabaseName=database
                )
                found = [self._table(database, each) for page in pages for each in page["TableList"]]
            else:
                pages = self._pages(
                    f"list tables of {database}",
                    self._athena.list_table_metadata,
                    CatalogName=self._catalog,
                    DatabaseName=database,
                )
                found = [
                    self._metadata(database, each) for page in pages for each in page["TableMetadataList"]
                ]
        except SourceError as error:
            if self._missing(error):
                raise UnknownName(f"database in {self._source}", database, self.databases()) from error
            raise
        if not found and database not in (known := self.databases()):
            raise UnknownName(f"database in {self._source}", database, known)
        return sorted(found, key=lambda each: each.table.name)

    def table(self, name: TableName) -> GlueTable:
        """One table. Raises UnknownName with the nearest names."""
        try:
            if self.native:
                answer = self._throttle.call(
                    f"describe {name}", self._glue.get_table, DatabaseName=name.database, Name=name.table
                )
                return self._table(name.database, answer["Table"])
            answer = self._throttle.call(
                f"describe {name}",
                self._athena.get_table_metadata,
                CatalogName=self._catalog,
                DatabaseName=name.database,
                TableName=name.table,
            )
            return self._metadata(name.database, answer["TableMetadata"])
        except SourceError as error:
            if self._missing(error):
                known = [each.table.name.table for each in self.tables(name.database)]
                raise UnknownName(f"table in {self._source}.{name.database}", name.table, known) from error
            raise

    def partitions(self, name: TableName, expression: str | None = None) -> list[Partition]:
        """Every partition that Glue lists, or those for which ``expression`` holds; segments in parallel."""
        if not self.native:
            return []
        arguments: dict[str, Any] = {
            "DatabaseName": name.database,
            "TableName": name.table,
            "ExcludeColumnSchema": True,
        }
        if expression:
            arguments["Expression"] = expression

        def segment(number: int) -> list[Partition]:
            pages = self._pages(
                f"list partitions of {name}",
                self._glue.get_partitions,
                Segment={"SegmentNumber": number, "TotalSegments": _SEGMENTS},
                **arguments,
            )
            return [_partition(each) for page in pages for each in page["Partitions"]]

        with ThreadPoolExecutor(_SEGMENTS, thread_name_prefix="glue partitions") as pool:
            found = {each.values: each for part in pool.map(segment, range(_SEGMENTS)) for each in part}
        return sorted(found.values(), key=lambda each: each.values)

    def first_partitions(self, name: TableName, count: int) -> list[Partition]:
        """Some partitions, in one request."""
        if not self.native:
            return []
        answer = self._throttle.call(
            f"list partitions of {name}",
            self._glue.get_partitions,
            DatabaseName=name.database,
            TableName=name.table,
            MaxResults=count,
            ExcludeColumnSchema=True,
        )
        found = [_partition(each) for each in answer["Partitions"][:count]]
        return sorted(found, key=lambda each: each.values)

    def _pages(self, action: str, operation: Any, **arguments: Any) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            more: dict[str, Any] = {"NextToken": token} if token else {}
            page = self._throttle.call(action, operation, **arguments, **more)
            yield page
            following = page.get("NextToken")
            if not following or following == token:
                return
            token = following

    @staticmethod
    def _missing(error: SourceError) -> bool:
        cause = error.__cause__
        code = code_of(cause) if cause is not None else ""
        return code == "EntityNotFoundException" or (
            code in ("MetadataException", "InvalidRequestException") and "not found" in error.message.lower()
        )

    def _table(self, database: str, data: Mapping[str, Any]) -> GlueTable:
        storage = data.get("StorageDescriptor") or {}
        return self._describe(
            database,
            data["Name"],
            storage.get("Columns") or (),
            data.get("PartitionKeys") or (),
            data.get("Parameters") or {},
            data.get("TableType") or "",
            data.get("Description"),
            storage.get("InputFormat") or "",
            storage.get("Location") or None,
        )

    def _metadata(self, database: str, data: Mapping[str, Any]) -> GlueTable:
        parameters = data.get("Parameters") or {}
        return self._describe(
            database,
            data["Name"],
            data.get("Columns") or (),
            data.get("PartitionKeys") or (),
            parameters,
            data.get("TableType") or "",
            parameters.get("comment"),
            parameters.get("inputformat", ""),
            parameters.get("location") or None,
        )

    def _describe(
        self,
        database: str,
        name: str,
        columns: Sequence[Mapping[str, Any]],
        keys: Sequence[Mapping[str, Any]],
        parameters: Mapping[str, str],
        kind: str,
        comment: str | None,
        input_format: str,
        location: str | None,
    ) -> GlueTable:
        shown: Literal["table", "view", "external"] = "external" if "EXTERNAL" in kind.upper() else "table"
        if "VIEW" in kind.upper():
            shown = "view"
        table = Table(
            TableName(self._source, database, name),
            (*(_column(each) for each in columns), *(_column(each, partition=True) for each in keys)),
            shown,
            comment or parameters.get("comment") or None,
            Statistics(rows=_number(parameters, _ROWS), bytes=_number(parameters, _BYTES)),
            location,
        )
        return GlueTable(table, input_format, dict(parameters), tuple(each["Name"] for each in keys))


def _column(data: Mapping[str, Any], *, partition: bool = False) -> Column:
    native = data.get("Type") or "string"
    return Column(
        data["Name"], ibis_type(native), native, comment=data.get("Comment") or None, partition=partition
    )


def _partition(data: Mapping[str, Any]) -> Partition:
    location = (data.get("StorageDescriptor") or {}).get("Location") or ""
    return Partition(tuple(data["Values"]), location, data.get("Parameters") or {})


def _number(parameters: Mapping[str, str], names: Sequence[str]) -> int | None:
    for name in names:
        value = str(parameters.get(name, ""))
        if value.isdigit():
            return int(value)
    return None


def partition_numbers(partitions: Sequence[Partition]) -> tuple[int | None, int | None]:
    """Rows and bytes over all partitions, from what crawlers and ANALYZE noted; None if one lacks it."""
    rows = [_number(each.parameters, _ROWS) for each in partitions]
    sizes = [_number(each.parameters, _BYTES) for each in partitions]
    return (
        sum(each for each in rows if each is not None) if rows and None not in rows else None,
        sum(each for each in sizes if each is not None) if sizes and None not in sizes else None,
    )
