"""Data catalogs, databases and tables, as Glue has them."""

from __future__ import annotations

import re
from typing import Any

from stupiddb_kernel.local.athena.api.validation import page
from stupiddb_kernel.local.athena.clients import Caller
from stupiddb_kernel.local.athena.errors import InvalidRequest, MetadataFailed
from stupiddb_kernel.local.athena.glue import CATALOG, DISPLAY_NAME, Catalog, Table
from stupiddb_kernel.local.athena.region import Region

Document = dict[str, Any]


def list_data_catalogs(_: Region, __: Caller, request: Document) -> Document:
    """The one catalog there is."""
    found, token = page([{"CatalogName": DISPLAY_NAME, "Type": "GLUE"}], request, 50)
    return {"DataCatalogsSummary": found, **token}


def get_data_catalog(_: Region, __: Caller, request: Document) -> Document:
    """The one catalog."""
    _only(request["Name"])
    return {"DataCatalog": {"Name": DISPLAY_NAME, "Type": "GLUE"}}


def list_databases(region: Region, caller: Caller, request: Document) -> Document:
    """Every database."""
    found, token = page(
        [_database(entry) for entry in _catalog(region, caller, request).databases()], request, 50
    )
    return {"DatabaseList": found, **token}


def get_database(region: Region, caller: Caller, request: Document) -> Document:
    """One database."""
    name = request["DatabaseName"]
    entry = _catalog(region, caller, request).database(name)
    if entry is None:
        raise MetadataFailed(f"Database {name} not found.", "EntityNotFoundException")
    return {"Database": _database(entry)}


def list_table_metadata(region: Region, caller: Caller, request: Document) -> Document:
    """The tables of a database whose name fits a pattern, in which ``*`` is any text."""
    catalog = _catalog(region, caller, request)
    if catalog.database(request["DatabaseName"]) is None:
        raise MetadataFailed(f"Database {request['DatabaseName']} not found.", "EntityNotFoundException")
    fits = _pattern(request.get("Expression"))
    tables = [table for table in catalog.tables(request["DatabaseName"]) if fits.search(table.name)]
    found, token = page(tables, request, 50)
    return {"TableMetadataList": [_table(table) for table in found], **token}


def get_table_metadata(region: Region, caller: Caller, request: Document) -> Document:
    """One table."""
    table = _catalog(region, caller, request).table(request["DatabaseName"], request["TableName"])
    if table is None:
        raise MetadataFailed(
            f"EntityNotFoundException: Table {request['TableName']} not found.", "EntityNotFoundException"
        )
    return {"TableMetadata": _table(table)}


def _pattern(expression: str | None) -> re.Pattern[str]:
    if not expression:
        return re.compile("")
    try:
        return re.compile("^(?:" + re.sub(r"(?<![.\]\)])\*", ".*", expression.lower()) + ")$")
    except re.error as error:
        raise InvalidRequest(f"Expression '{expression}' is no regular expression: {error}") from error


def _only(name: str) -> None:
    if name.lower() != CATALOG:
        raise InvalidRequest(f"Data catalog {name} was not found")


def _catalog(region: Region, caller: Caller, request: Document) -> Catalog:
    _only(request["CatalogName"])
    return region.engine.place(caller, "default").catalog


def _database(entry: Document) -> Document:
    return {
        "Name": entry["Name"],
        **({"Description": entry["Description"]} if entry.get("Description") else {}),
        "Parameters": entry.get("Parameters") or {},
    }


def _table(table: Table) -> Document:
    created = table.raw.get("CreateTime")
    return {
        "Name": table.name,
        "TableType": table.raw.get("TableType") or "EXTERNAL_TABLE",
        **({"CreateTime": created.timestamp()} if created else {}),
        "Columns": [column.document() for column in table.columns],
        "PartitionKeys": [key.document() for key in table.partition_keys],
        "Parameters": {
            **table.parameters,
            "location": table.storage.get("Location") or "",
            "inputformat": table.storage.get("InputFormat") or "",
            "outputformat": table.storage.get("OutputFormat") or "",
            "serde.serialization.lib": (table.storage.get("SerdeInfo") or {}).get("SerializationLibrary")
            or "",
        },
    }


ACTIONS = {
    "ListDataCatalogs": list_data_catalogs,
    "GetDataCatalog": get_data_catalog,
    "ListDatabases": list_databases,
    "GetDatabase": get_database,
    "ListTableMetadata": list_table_metadata,
    "GetTableMetadata": get_table_metadata,
}
