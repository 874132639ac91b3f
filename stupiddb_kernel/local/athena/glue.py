"""The catalog: Glue's databases, tables, partitions and views. Names are lower case, as Glue keeps them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.local.athena import hive
from stupiddb_kernel.local.athena.errors import QueryError
from stupiddb_kernel.local.athena.storage import Location

if TYPE_CHECKING:
    import pyarrow as pa

CATALOG = "awsdatacatalog"
DISPLAY_NAME = "AwsDataCatalog"
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_VIEW_HEAD, _VIEW_TAIL = "/* Presto View: ", " */"
_BATCH = 100
"""Partitions that one BatchCreatePartition call may carry."""


@dataclass(frozen=True)
class Column:
    """A column as Glue has it: its Hive type is text."""

    name: str
    type: str
    comment: str = ""

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Column:
        """From Glue's JSON."""
        return cls(entry["Name"].lower(), entry.get("Type", "string"), entry.get("Comment") or "")

    def document(self) -> dict[str, str]:
        """As Glue's JSON."""
        return {"Name": self.name, "Type": self.type} | ({"Comment": self.comment} if self.comment else {})


@dataclass(frozen=True)
class Partition:
    """One partition: its key values as text (None for Hive's default partition) and where its files lie."""

    values: tuple[str | None, ...]
    location: Location


@dataclass(frozen=True)
class View:
    """A Presto view: its SQL and the catalog and schema its bare names mean."""

    sql: str
    catalog: str
    schema: str

    def encode(self, columns: list[dict[str, str]]) -> str:
        """The text Athena stores in Glue."""
        document = {
            "originalSql": self.sql,
            "catalog": self.catalog,
            "schema": self.schema,
            "columns": columns,
        }
        return _VIEW_HEAD + base64.b64encode(json.dumps(document).encode()).decode() + _VIEW_TAIL


@dataclass(frozen=True)
class Table:
    """A Glue table; ``raw`` is Glue's own document."""

    database: str
    name: str
    raw: dict[str, Any]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns stored in the files."""
        return tuple(Column.read(entry) for entry in self.storage.get("Columns") or ())

    @cached_property
    def partition_keys(self) -> tuple[Column, ...]:
        """The columns that are not in the files but in the partitions."""
        return tuple(Column.read(entry) for entry in self.raw.get("PartitionKeys") or ())

    @property
    def storage(self) -> dict[str, Any]:
        """Glue's StorageDescriptor."""
        descriptor: dict[str, Any] = self.raw.get("StorageDescriptor") or {}
        return descriptor

    @property
    def parameters(self) -> dict[str, str]:
        """Table properties."""
        return dict(self.raw.get("Parameters") or {})

    @property
    def location(self) -> Location:
        """Where the files lie.

        Raises:
            QueryError: Glue has no S3 location for this table.
        """
        try:
            return Location.parse(self.storage.get("Location") or "").folder
        except ValueError as error:
            raise QueryError(
                "HIVE_INVALID_METADATA", f"Table {self.database}.{self.name}: {error}"
            ) from error

    @property
    def is_view(self) -> bool:
        """Whether the table is a view."""
        return self.raw.get("TableType") == "VIRTUAL_VIEW"

    @cached_property
    def view(self) -> View:
        """What the view stands for.

        Raises:
            QueryError: it is not stored as Athena stores views.
        """
        text = self.raw.get("ViewOriginalText") or ""
        if not (text.startswith(_VIEW_HEAD) and text.endswith(_VIEW_TAIL)):
            raise QueryError("INVALID_VIEW", f"View {self.database}.{self.name} is not a Presto view")
        document = json.loads(base64.b64decode(text[len(_VIEW_HEAD) : -len(_VIEW_TAIL)]))
        return View(document["originalSql"], document.get("catalog", CATALOG), document["schema"])

    @property
    def is_parquet(self) -> bool:
        """Whether the files are Parquet, by SerDe, input format or classification."""
        serde = (self.storage.get("SerdeInfo") or {}).get("SerializationLibrary") or ""
        known = f"{serde} {self.storage.get('InputFormat') or ''} {self.parameters.get('classification', '')}"
        return "parquet" in known.lower()

    @cached_property
    def schema(self) -> pa.Schema:
        """Stored columns, then partition keys, as Arrow."""
        import pyarrow as pa

        everything = self.columns + self.partition_keys
        return pa.schema([pa.field(column.name, hive.arrow_type(column.type)) for column in everything])


class Catalog:
    """One caller's Glue, read afresh for each query so that nothing is ever stale."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def databases(self) -> list[dict[str, Any]]:
        """Every database, by name."""
        pages = self._client.get_paginator("get_databases").paginate()
        return sorted((entry for page in pages for entry in page["DatabaseList"]), key=lambda e: e["Name"])

    def database(self, name: str) -> dict[str, Any] | None:
        """One database, or None."""
        try:
            found: dict[str, Any] = self._client.get_database(Name=name.lower())["Database"]
        except self._client.exceptions.EntityNotFoundException:
            return None
        return found

    def tables(self, database: str) -> list[Table]:
        """Every table and view of a database, by name."""
        try:
            pages = self._client.get_paginator("get_tables").paginate(DatabaseName=database.lower())
            found = [
                Table(database.lower(), e["Name"].lower(), e) for page in pages for e in page["TableList"]
            ]
        except self._client.exceptions.EntityNotFoundException:
            return []
        return sorted(found, key=lambda table: table.name)

    def table(self, database: str, name: str) -> Table | None:
        """One table or view, or None."""
        database, name = database.lower(), name.lower()
        try:
            raw = self._client.get_table(DatabaseName=database, Name=name)["Table"]
        except self._client.exceptions.EntityNotFoundException:
            return None
        return Table(database, name, raw)

    def partitions(self, table: Table) -> list[Partition]:
        """Every partition of a table, in the order of its values; pruning is done here, not by Glue."""
        pages = self._client.get_paginator("get_partitions").paginate(
            DatabaseName=table.database, TableName=table.name
        )
        found = [
            Partition(
                tuple(None if value == NULL_PARTITION else value for value in entry["Values"]),
                Location.parse(entry["StorageDescriptor"]["Location"]).folder,
            )
            for page in pages
            for entry in page["Partitions"]
        ]
        return sorted(found, key=lambda p: tuple(value or "" for value in p.values))

    def create_database(self, name: str, location: str | None, comment: str | None) -> None:
        """Make a database."""
        document = {"Name": name.lower()}
        if location:
            document["LocationUri"] = location
        if comment:
            document["Description"] = comment
        self._client.create_database(DatabaseInput=document)

    def drop_database(self, name: str) -> None:
        """Remove a database and all it holds."""
        self._client.delete_database(Name=name.lower())

    def create_table(self, database: str, document: dict[str, Any]) -> None:
        """Make a table from Glue's TableInput."""
        self._client.create_table(DatabaseName=database.lower(), TableInput=document)

    def update_table(self, database: str, document: dict[str, Any]) -> None:
        """Replace a table's definition."""
        self._client.update_table(DatabaseName=database.lower(), TableInput=document)

    def drop_table(self, table: Table) -> None:
        """Remove a table; its files stay."""
        self._client.delete_table(DatabaseName=table.database, Name=table.name)

    def add_partitions(self, table: Table, partitions: list[Partition]) -> list[tuple[str | None, ...]]:
        """Register partitions and return the values of those that existed already."""
        existing: list[tuple[str | None, ...]] = []
        for batch in _batches(partitions, _BATCH):
            answer = self._client.batch_create_partition(
                DatabaseName=table.database,
                TableName=table.name,
                PartitionInputList=[
                    {
                        "Values": [NULL_PARTITION if value is None else value for value in partition.values],
                        "StorageDescriptor": {**table.storage, "Location": str(partition.location)},
                    }
                    for partition in batch
                ],
            )
            for error in answer.get("Errors", ()):
                if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException":
                    raise QueryError("HIVE_METASTORE_ERROR", error["ErrorDetail"].get("ErrorMessage", ""))
                existing.append(tuple(error["PartitionValues"]))
        return existing

    def drop_partition(self, table: Table, values: tuple[str | None, ...]) -> None:
        """Forget one partition; its files stay."""
        self._client.delete_partition(
            DatabaseName=table.database,
            TableName=table.name,
            PartitionValues=[NULL_PARTITION if value is None else value for value in values],
        )


def _batches(items: list[Partition], size: int) -> Iterator[list[Partition]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
