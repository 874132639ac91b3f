"""Statements that change the catalog. Each takes the parsed statement and answers with nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from stupiddb_kernel.local.athena import hive
from stupiddb_kernel.local.athena.errors import QueryError
from stupiddb_kernel.local.athena.glue import CATALOG, NULL_PARTITION, Catalog, Column, Partition, Table, View
from stupiddb_kernel.local.athena.statements import Statement
from stupiddb_kernel.local.athena.storage import Location, Storage
from stupiddb_kernel.local.athena.text import Reader
from stupiddb_kernel.local.athena.writing import folder_name

PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
_FORMATS: dict[str, dict[str, Any]] = {
    "PARQUET": PARQUET,
    "ORC": {
        "InputFormat": "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.orc.OrcSerde"},
    },
    "TEXTFILE": {
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"},
    },
    "JSON": {
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
    },
}


@dataclass(frozen=True)
class Place:
    """Where a statement works."""

    catalog: Catalog
    storage: Storage
    database: str

    def name(self, parts: list[str]) -> tuple[str, str]:
        """Database and table of a dotted name.

        Raises:
            QueryError: the name has too many parts or another catalog.
        """
        if len(parts) > 3 or (len(parts) == 3 and parts[0].lower() != CATALOG):
            raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{parts[0].lower()}' does not exist")
        return (parts[-2] if len(parts) > 1 else self.database).lower(), parts[-1].lower()

    def table(self, parts: list[str]) -> Table:
        """The table of a dotted name.

        Raises:
            QueryError: there is none.
        """
        database, name = self.name(parts)
        table = self.catalog.table(database, name)
        if table is None:
            raise QueryError(
                "TABLE_NOT_FOUND" if self.catalog.database(database) else "SCHEMA_NOT_FOUND",
                f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}",
            )
        return table


def run(statement: Statement, place: Place) -> None:
    """Do what the statement says.

    Raises:
        QueryError: it can't be done.
    """
    _RUNNERS[statement.kind](statement, place, Reader(statement.text, start=statement.parts["at"]))


def table_input(
    name: str,
    columns: list[Column],
    keys: list[Column],
    location: str,
    layout: str,
    parameters: dict[str, str],
    comment: str | None = None,
) -> dict[str, Any]:
    """Glue's TableInput for a table of files."""
    document: dict[str, Any] = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **parameters},
        "PartitionKeys": [key.document() for key in keys],
        "StorageDescriptor": {
            "Columns": [column.document() for column in columns],
            "Location": location,
            "Compressed": False,
            "NumberOfBuckets": -1,
            **_FORMATS[layout],
        },
    }
    if comment:
        document["Description"] = comment
    return document


def _create_database(_: Statement, place: Place, reader: Reader) -> None:
    exists = reader.accept("IF", "NOT", "EXISTS")
    name = reader.name()[-1].lower()
    comment = location = None
    while not reader.done and not reader.peek(";"):
        if reader.accept("COMMENT"):
            comment = reader.string()
        elif reader.accept("LOCATION"):
            location = reader.string()
        elif reader.accept("WITH", "DBPROPERTIES"):
            _properties(reader)
        else:
            raise reader.mismatch("'COMMENT', 'LOCATION', 'WITH', <EOF>")
    if place.catalog.database(name):
        if exists:
            return
        raise QueryError(
            "SCHEMA_ALREADY_EXISTS", f"FAILED: Execution Error, return code 1. Database {name} already exists"
        )
    place.catalog.create_database(name, location, comment)


def _drop_database(_: Statement, place: Place, reader: Reader) -> None:
    exists = reader.accept("IF", "EXISTS")
    name = reader.name()[-1].lower()
    cascade = reader.accept("CASCADE")
    reader.accept("RESTRICT")
    reader.finish()
    if place.catalog.database(name) is None:
        if exists:
            return
        raise QueryError(
            "SCHEMA_NOT_FOUND", f"FAILED: SemanticException [Error 10072]: Database does not exist: {name}"
        )
    if not cascade and place.catalog.tables(name):
        raise QueryError(
            "SCHEMA_NOT_EMPTY",
            "FAILED: Execution Error, return code 1. "
            f"InvalidOperationException(message:Database {name} is not empty. "
            "One or more tables exist.)",
        )
    place.catalog.drop_database(name)


def _create_table(statement: Statement, place: Place, reader: Reader) -> None:
    if not statement.parts["external"]:
        raise QueryError(
            "NOT_SUPPORTED",
            "Table must be EXTERNAL or created with AS; Iceberg tables are not supported here",
        )
    database, name = place.name(statement.parts["name"])
    columns = _column_list(reader)
    keys: list[Column] = []
    comment, location, layout, serde = None, None, "TEXTFILE", None
    parameters: dict[str, str] = {}
    while not reader.done and not reader.peek(";"):
        if reader.accept("COMMENT"):
            comment = reader.string()
        elif reader.accept("PARTITIONED", "BY"):
            keys = _column_list(reader)
        elif reader.accept("ROW", "FORMAT"):
            serde = _row_format(reader)
        elif reader.accept("STORED", "AS"):
            layout = _stored_as(reader)
        elif reader.accept("WITH", "SERDEPROPERTIES"):
            _properties(reader)
        elif reader.accept("LOCATION"):
            location = reader.string()
        elif reader.accept("TBLPROPERTIES"):
            parameters = _properties(reader)
        else:
            raise reader.mismatch(
                "'COMMENT', 'PARTITIONED', 'ROW', 'STORED', 'LOCATION', 'TBLPROPERTIES', <EOF>"
            )
    _refuse_columns(columns + keys)
    if location is None:
        raise QueryError("NOT_SUPPORTED", "FAILED: SemanticException: CREATE EXTERNAL TABLE needs a LOCATION")
    _check_location(location)
    document = table_input(
        name, columns, keys, location, "TEXTFILE" if serde else layout, parameters, comment
    )
    if serde:
        document["StorageDescriptor"]["SerdeInfo"] = {"SerializationLibrary": serde}
        if "parquet" in serde.lower():
            document["StorageDescriptor"].update(PARQUET)
    create(place, database, document, statement.parts["if_not_exists"])


def create(place: Place, database: str, document: dict[str, Any], if_not_exists: bool) -> bool:
    """Make a table; False if it exists and that is allowed.

    Raises:
        QueryError: the database is missing, or the table exists.
    """
    if place.catalog.database(database) is None:
        raise QueryError(
            "SCHEMA_NOT_FOUND",
            f"FAILED: SemanticException [Error 10072]: Database does not exist: {database}",
        )
    if place.catalog.table(database, document["Name"]):
        if if_not_exists:
            return False
        raise QueryError(
            "TABLE_ALREADY_EXISTS",
            "FAILED: Execution Error, return code 1. "
            f"AlreadyExistsException(message:Table {document['Name']} already exists)",
        )
    place.catalog.create_table(database, document)
    return True


def _check_location(text: str) -> None:
    try:
        location = Location.parse(text)
    except ValueError as error:
        raise QueryError("INVALID_TABLE_PROPERTY", f"FAILED: IllegalArgumentException: {error}") from error
    if location.key.rsplit("/", 1)[-1].endswith((".parquet", ".csv", ".json", ".gz")):
        raise QueryError(
            "INVALID_TABLE_PROPERTY", f"Can't make directory for path '{text}' since it is a file."
        )


def _refuse_columns(columns: list[Column]) -> None:
    names = [column.name for column in columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise QueryError(
            "DUPLICATE_COLUMN_NAME",
            f"FAILED: SemanticException [Error 10036]: Duplicate column name: {doubled[0]}",
        )
    for column in columns:
        hive.arrow_type(column.type)


def _column_list(reader: Reader) -> list[Column]:
    columns = []
    reader.expect("(")
    while True:
        name = reader.identifier().lower()
        reader.accept(":")
        kind = _type(reader)
        comment = reader.string() if reader.accept("COMMENT") else ""
        columns.append(Column(name, kind, comment))
        if not reader.accept(","):
            break
    reader.expect(")")
    return columns


def _type(reader: Reader) -> str:
    """A Hive type, as one lower-case text without blanks."""
    depth = 0
    words: list[str] = []
    while not reader.done:
        token = reader.tokens[reader.index]
        sign = reader.text(token)
        if depth == 0 and words and (sign in (",", ")") or sign.upper() == "COMMENT"):
            break
        depth += sign.count("<") + sign.count("(") - sign.count(">") - sign.count(")")
        words.append(sign)
        reader.index += 1
    if not words:
        raise reader.mismatch("<type>")
    return "".join(words).lower().replace("`", "").replace("integer", "int")


def _row_format(reader: Reader) -> str:
    if reader.accept("SERDE"):
        return reader.string()
    reader.expect("DELIMITED")
    while (
        reader.peek("FIELDS")
        or reader.peek("LINES")
        or reader.peek("COLLECTION")
        or reader.peek("MAP")
        or reader.peek("NULL")
        or reader.peek("ESCAPED")
    ):
        while not reader.done and not (reader.current is not None and reader.text(reader.current)[0] == "'"):
            reader.index += 1
        reader.string()
    return "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"


def _stored_as(reader: Reader) -> str:
    if reader.accept("INPUTFORMAT"):
        text = reader.string()
        reader.expect("OUTPUTFORMAT")
        reader.string()
        return "PARQUET" if "parquet" in text.lower() else "ORC" if "orc" in text.lower() else "TEXTFILE"
    layout = reader.identifier().upper()
    if layout not in _FORMATS:
        raise QueryError(
            "NOT_SUPPORTED", f"STORED AS {layout} is not supported here; allowed: {', '.join(_FORMATS)}"
        )
    return layout


def _properties(reader: Reader) -> dict[str, str]:
    found = {}
    reader.expect("(")
    while True:
        name = reader.string()
        reader.expect("=")
        found[name] = reader.string()
        if not reader.accept(","):
            break
    reader.expect(")")
    return found


def _drop_table(_: Statement, place: Place, reader: Reader) -> None:
    _drop(place, reader, view=False)


def _drop_view(_: Statement, place: Place, reader: Reader) -> None:
    _drop(place, reader, view=True)


def _drop(place: Place, reader: Reader, view: bool) -> None:
    exists = reader.accept("IF", "EXISTS")
    database, name = place.name(reader.name())
    reader.finish()
    table = place.catalog.table(database, name)
    if table is None:
        if exists:
            return
        kind = "View" if view else "Table"
        raise QueryError(
            "TABLE_NOT_FOUND", f"FAILED: SemanticException [Error 10001]: {kind} not found {database}.{name}"
        )
    if table.is_view != view:
        raise QueryError("NOT_SUPPORTED", f"{database}.{name} is a {'view' if table.is_view else 'table'}")
    place.catalog.drop_table(table)


def create_view(place: Place, columns: list[Column], query: str, name: list[str], replace: bool) -> None:
    """Store a view whose columns were found by planning its query.

    Raises:
        QueryError: a table of that name exists, or the view does and may not be replaced.
    """
    database, view_name = place.name(name)
    if place.catalog.database(database) is None:
        raise QueryError("SCHEMA_NOT_FOUND", f"line 1:1: Schema '{database}' does not exist")
    found = place.catalog.table(database, view_name)
    if found is not None and not (found.is_view and replace):
        what = "View" if found.is_view else "Table"
        raise QueryError("TABLE_ALREADY_EXISTS", f"{what} already exists: '{CATALOG}.{database}.{view_name}'")
    typed = [{"name": column.name, "type": hive.trino_name(column.type)} for column in columns]
    document = {
        "Name": view_name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"comment": "Presto View", "presto_view": "true"},
        "ViewOriginalText": View(query, CATALOG, place.database).encode(typed),
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {
            "Columns": [column.document() for column in columns],
            "Location": "",
            "SerdeInfo": {},
        },
        "PartitionKeys": [],
    }
    (place.catalog.update_table if found else place.catalog.create_table)(database, document)


def _alter_table(_: Statement, place: Place, reader: Reader) -> None:
    table = place.table(reader.name())
    if reader.accept("ADD"):
        exists = reader.accept("IF", "NOT", "EXISTS")
        if reader.peek("PARTITION"):
            _add_partitions(place, table, reader, exists)
            return
        if reader.accept("COLUMNS"):
            _set_columns(place, table, [*table.columns, *_column_list(reader)])
            return
    elif reader.accept("DROP"):
        _drop_partitions(place, table, reader, reader.accept("IF", "EXISTS"))
        return
    elif reader.accept("REPLACE", "COLUMNS"):
        _set_columns(place, table, _column_list(reader))
        return
    elif reader.accept("SET"):
        _set(place, table, reader)
        return
    elif reader.peek("PARTITION"):
        _move_partition(place, table, reader)
        return
    raise reader.mismatch("'ADD', 'DROP', 'PARTITION', 'REPLACE', 'SET'")


def _set(place: Place, table: Table, reader: Reader) -> None:
    if reader.accept("LOCATION"):
        location = reader.string()
        _check_location(location)
        _update(place, table, StorageDescriptor={**table.storage, "Location": location})
    else:
        reader.expect("TBLPROPERTIES")
        _update(place, table, Parameters={**table.parameters, **_properties(reader)})


def _set_columns(place: Place, table: Table, columns: list[Column]) -> None:
    _refuse_columns([*columns, *table.partition_keys])
    _update(place, table, StorageDescriptor={**table.storage, "Columns": [c.document() for c in columns]})


def _update(place: Place, table: Table, **changes: Any) -> None:
    kept = ("Name", "Description", "Owner", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
    document = {name: table.raw[name] for name in kept if table.raw.get(name)}
    place.catalog.update_table(table.database, {**document, **changes})


def _partition_values(table: Table, reader: Reader) -> tuple[str | None, ...]:
    reader.expect("PARTITION", "(")
    given: dict[str, str | None] = {}
    while True:
        key = reader.identifier().lower()
        reader.expect("=")
        given[key] = None if reader.accept("NULL") else reader.value()
        if not reader.accept(","):
            break
    reader.expect(")")
    keys = [key.name for key in table.partition_keys]
    if sorted(given) != sorted(keys):
        raise QueryError(
            "INVALID_PARTITION",
            f"FAILED: SemanticException partition spec {given} doesn't contain exactly the keys {keys}",
        )
    return tuple(given[key] for key in keys)


def _add_partitions(place: Place, table: Table, reader: Reader, if_not_exists: bool) -> None:
    found: list[Partition] = []
    while reader.peek("PARTITION"):
        values = _partition_values(table, reader)
        location = table.location / folder_name([key.name for key in table.partition_keys], values)
        if reader.accept("LOCATION"):
            text = reader.string()
            _check_location(text)
            location = Location.parse(text).folder
        found.append(Partition(values, location))
    reader.finish()
    existing = place.catalog.add_partitions(table, found)
    if existing and not if_not_exists:
        raise QueryError(
            "ALREADY_EXISTS",
            "FAILED: Execution Error, return code 1. "
            f"AlreadyExistsException(message:Partition already exists: {existing[0]})",
        )


def _drop_partitions(place: Place, table: Table, reader: Reader, if_exists: bool) -> None:
    known = {partition.values for partition in place.catalog.partitions(table)}
    while True:
        values = _partition_values(table, reader)
        if values not in known and not if_exists:
            raise QueryError(
                "INVALID_PARTITION", f"FAILED: SemanticException [Error 10006]: Partition not found {values}"
            )
        place.catalog.drop_partition(table, values)
        if not reader.accept(","):
            break
    reader.finish()


def _move_partition(place: Place, table: Table, reader: Reader) -> None:
    values = _partition_values(table, reader)
    reader.expect("SET", "LOCATION")
    text = reader.string()
    reader.finish()
    _check_location(text)
    place.catalog.drop_partition(table, values)
    place.catalog.add_partitions(table, [Partition(values, Location.parse(text).folder)])


def _repair(_: Statement, place: Place, reader: Reader) -> None:
    """Find ``key=value/…`` folders below the table's location and register those that are new."""
    table = place.table(reader.name())
    reader.finish()
    keys = [key.name for key in table.partition_keys]
    if not keys:
        raise QueryError(
            "NOT_SUPPORTED", f"FAILED: SemanticException: {table.database}.{table.name} is not partitioned"
        )
    root = table.location
    known = {partition.values for partition in place.catalog.partitions(table)}
    found: dict[tuple[str | None, ...], Partition] = {}
    for file in place.storage.objects(root):
        folders = file.location.key[len(root.key) :].split("/")[:-1][: len(keys)]
        pairs = [folder.partition("=") for folder in folders]
        if [pair[0].lower() for pair in pairs] != keys:
            continue
        values = tuple(None if pair[2] == NULL_PARTITION else unquote(pair[2]) for pair in pairs)
        if values not in known and values not in found:
            found[values] = Partition(values, root / ("/".join(folders) + "/"))
    place.catalog.add_partitions(table, list(found.values()))


_RUNNERS: dict[str, Callable[[Statement, Place, Reader], None]] = {
    "CREATE_DATABASE": _create_database,
    "DROP_DATABASE": _drop_database,
    "CREATE_TABLE": _create_table,
    "DROP_TABLE": _drop_table,
    "DROP_VIEW": _drop_view,
    "ALTER_TABLE": _alter_table,
    "MSCK_REPAIR_TABLE": _repair,
}
KINDS = frozenset(_RUNNERS)
