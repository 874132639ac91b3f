"""Parquet below an S3 prefix as a table of Athena: schema from footers, partitions from paths.

Registering again adds what is new, partitions and columns, and changes nothing else. What would be done
is ``Registration.ddl``: the statements that do the same in Athena's own DDL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

import pyarrow as pa

from stupiddb_kernel.errors import SourceError, UnknownName, UsageError
from stupiddb_kernel.sources.athena.execution import Throttle
from stupiddb_kernel.sources.athena.files import is_data
from stupiddb_kernel.sources.athena.types import hive_type
from stupiddb_kernel.sources.base import TableName
from stupiddb_kernel.sources.objects.errors import code_of
from stupiddb_kernel.sources.objects.file import ObjectReader
from stupiddb_kernel.sources.objects.footer import Footer, Footers, sample
from stupiddb_kernel.sources.objects.listing import Lister, Object
from stupiddb_kernel.sources.objects.location import Location
from stupiddb_kernel.sources.objects.schema import SchemaConflict, plain, unify

if TYPE_CHECKING:
    from stupiddb_kernel.sources.athena.source import AthenaSource

MOST_FOOTERS = 20_000
BATCH = 100  # partitions a request: the most that BatchCreatePartition takes
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,254}")
_FIELD = re.compile(r"\{([^{}/]+)\}")
_HIVE = re.compile(r"([^=/]+)=(.*)")
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_FORMATS = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
# Files of one table may differ so far: what Athena's Parquet reader widens by itself.
_WIDENS = {"tinyint": 1, "smallint": 2, "int": 3, "bigint": 4}


@dataclass(frozen=True)
class NewPartition:
    """A partition that is in S3 and not in the catalog."""

    values: tuple[str, ...]
    location: str


@dataclass(frozen=True)
class Registration:
    """What was found and done, or would be done with ``dry_run``."""

    table: TableName
    location: str
    ddl: str
    columns: tuple[tuple[str, str], ...]
    """Name and Hive type, without partition columns."""
    partition_columns: tuple[str, ...]
    files: int
    rows: int
    bytes: int
    created: bool
    columns_added: tuple[str, ...] = ()
    partitions_added: int = 0
    partitions_present: int = 0
    dry_run: bool = False

    def __str__(self) -> str:
        """What was done, in a line; with ``dry_run`` the DDL that would do it, first."""
        verb = "would be created" if self.dry_run else "created"
        done = [f"{self.table}: {verb if self.created else 'exists'}"]
        if self.columns_added:
            done.append(f"columns added: {', '.join(self.columns_added)}")
        if self.partition_columns:
            done.append(f"{self.partitions_added:,} partitions new, {self.partitions_present:,} there before")
        done.append(f"{self.files:,} files, {self.rows:,} rows, {self.bytes:,} bytes at {self.location}")
        summary = "; ".join(done)
        if self.dry_run:
            return (
                f"{self.ddl}\n\n-- dry run, nothing was changed: {summary}" if self.ddl else f"-- {summary}"
            )
        return summary


@dataclass(frozen=True)
class _Plan:
    name: TableName
    location: Location
    columns: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    found: Mapping[tuple[str, ...], str]
    """Values of each partition in S3 and its folder."""
    compression: str
    footers: Sequence[Footer] = field(repr=False, default=())


def register(
    source: AthenaSource,
    *,
    location: str,
    table: str,
    database: str | None = None,
    partitions: str | None = None,
    dry_run: bool = False,
    through: Literal["glue", "athena"] = "glue",
) -> Registration:
    """Register the Parquet files below ``location`` as ``database.table``.

    ``partitions`` is a pattern of folders below the location, as ``{event_type}/dt={dt}``; without it,
    folders named ``key=value`` are partitions. ``through`` says who makes the table: Glue's API, or
    Athena by the DDL.

    Raises UsageError for names, patterns and files that don't fit, CorruptObject and SchemaConflict.
    """
    name = TableName(source.name, database or source.settings.database, table)
    for part in (name.database, name.table):
        if not _NAME.fullmatch(part):
            raise UsageError(
                f"{part!r} can't be a name in Athena",
                hint="use lower-case letters, digits and underscores, at most 255",
            )
    plan = _plan(source, name, Location.parse(location), partitions)
    existing = _existing(source, name)
    added = _new_columns(plan, existing)
    present = {each.values for each in source.glue().partitions(name)} if existing and plan.keys else set()
    new = [
        NewPartition(values, where) for values, where in sorted(plan.found.items()) if values not in present
    ]
    statements = _statements(plan, existing is None, added, new)
    if not dry_run:
        if through == "athena":
            _create_database(source, name.database)
            for statement in statements:
                with source.query(statement) as result:
                    result.to_arrow()
        else:
            _apply(source, plan, existing, added, new)
    return Registration(
        name,
        str(plan.location),
        ";\n\n".join(statements) + (";" if statements else ""),
        plan.columns,
        plan.keys,
        len(plan.footers),
        sum(footer.rows for footer in plan.footers),
        sum(footer.object.size for footer in plan.footers),
        created=existing is None,
        columns_added=tuple(column for column, _ in added),
        partitions_added=len(new),
        partitions_present=len(present & set(plan.found)),
        dry_run=dry_run,
    )


def _plan(source: AthenaSource, name: TableName, location: Location, pattern: str | None) -> _Plan:
    """Look at every file: where it lies, what is in it."""
    objects = [
        each for each in Lister(source.s3(), source.name).objects(location) if _visible(each, location)
    ]
    if not objects:
        raise UsageError(f"there is no data file below {location}", hint="check the bucket and the prefix")
    objects.sort(key=lambda each: each.key)
    expression = None if pattern is None else _compile(pattern)
    keys: tuple[str, ...] | None = None
    found: dict[tuple[str, ...], str] = {}
    for each in objects:
        relative = each.key[len(location.prefix) :]
        names, values, folder = _place(relative, expression, pattern)
        if keys is None:
            keys = names
        if names != keys:
            raise UsageError(
                f"{each.uri} has the partition columns {list(names)}, files before it {list(keys)}",
                hint="register one layout of folders at a time, or give `partitions`",
            )
        if names:
            here = f"{location}{folder}"
            if found.setdefault(values, here) != here:
                raise UsageError(f"{found[values]} and {here} are the same partition {values}")
    footers = Footers(ObjectReader(source.s3(), source.name)).read_all(sample(objects, MOST_FOOTERS))
    columns = _columns(source, name, footers, keys or ())
    return _Plan(name, location, columns, keys or (), found, footers[0].compression, footers)


def _visible(target: Object, location: Location) -> bool:
    folders = target.key[len(location.prefix) :].split("/")
    return is_data(target) and not any(folder.startswith(("_", ".")) for folder in folders)


def _compile(pattern: str) -> re.Pattern[str]:
    """``{event_type}/dt={dt}`` as a regular expression over the folders below the location."""
    text, position, names = "", 0, set()
    pattern = pattern.strip("/")
    for match in _FIELD.finditer(pattern):
        name = match[1].lower()
        if not _NAME.fullmatch(name) or name in names:
            raise UsageError(
                f"the pattern {pattern!r} has the partition column {match[1]!r}, which can't be one"
            )
        names.add(name)
        text += re.escape(pattern[position : match.start()]) + f"(?P<{name}>[^/]+)"
        position = match.end()
    text += re.escape(pattern[position:])
    if not names or "{" in pattern[position:]:
        raise UsageError(
            f"the pattern {pattern!r} names no partition column", hint="write it as {event_type}/dt={dt}"
        )
    return re.compile(f"(?P<folder_>{text}/).*")


def _place(
    relative: str, expression: re.Pattern[str] | None, pattern: str | None
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Partition columns, their values and the partition's folder, of a file below the location."""
    if expression is not None:
        match = expression.fullmatch(relative)
        if match is None:
            raise UsageError(
                f"{relative!r} does not fit the pattern {pattern!r}",
                hint="every file must lie in folders of that form; move the others or register deeper",
            )
        groups = match.groupdict()
        folder = groups.pop("folder_")
        return tuple(groups), tuple(unquote(value) for value in groups.values()), folder
    names: list[str] = []
    values: list[str] = []
    depth = 0
    folders = relative.split("/")[:-1]
    for index, segment in enumerate(folders):
        hive = _HIVE.fullmatch(segment)
        if hive:
            names.append(unquote(hive[1]).lower())
            values.append(unquote(hive[2]))
            depth = index + 1
    return tuple(names), tuple(values), "".join(f"{segment}/" for segment in folders[:depth])


def _columns(
    source: AthenaSource, name: TableName, footers: Sequence[Footer], keys: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    schema = unify(footers, source=source.name, table=str(name))
    columns = tuple(
        (each.name, hive_type(each.type, column=each.name, source=source.name))
        for each in schema
        if each.name.lower() not in keys
    )
    declared = dict(columns)
    for footer in footers:
        for each in footer.schema:
            wanted = declared.get(each.name)
            if wanted is None or pa.types.is_null(each.type):
                continue
            kind = hive_type(plain(each.type), column=each.name, source=source.name)
            if kind != wanted and not _reads(kind, wanted):
                raise SchemaConflict(
                    f"column {each.name!r} is {kind} in {footer.object.key} and {wanted} in others; "
                    "Athena can't read the one as the other",
                    source=source.name,
                    hint="rewrite the files that differ",
                )
    return columns


def _reads(kind: str, wanted: str) -> bool:
    """Whether Athena reads a Parquet column of one Hive type as another: wider numbers, new struct fields."""
    if kind in _WIDENS and wanted in _WIDENS:
        return _WIDENS[kind] <= _WIDENS[wanted]
    if kind == "float" and wanted == "double":
        return True
    return kind.split("(")[0].split("<")[0] == wanted.split("(")[0].split("<")[0]


def _existing(source: AthenaSource, name: TableName) -> dict[str, Any] | None:
    """The table as Glue holds it; None if there is none."""
    client = source.context.aws.client("glue", region=source.settings.region)
    try:
        answer = Throttle(source.name).call(
            f"describe {name}", client.get_table, DatabaseName=name.database, Name=name.table
        )
    except SourceError as error:
        if error.__cause__ is not None and code_of(error.__cause__) == "EntityNotFoundException":
            return None
        raise
    table: dict[str, Any] = answer["Table"]
    return table


def _new_columns(plan: _Plan, existing: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Columns that the files have and the table lacks. Raises UsageError where they contradict."""
    if existing is None:
        return []
    there = existing["StorageDescriptor"]
    if str(Location.parse(there.get("Location") or "s3://none/")) != str(plan.location):
        raise UsageError(
            f"{plan.name} exists and lies at {there.get('Location')}, not {plan.location}",
            hint="choose another table name, or drop the table first",
        )
    keys = tuple(each["Name"] for each in existing.get("PartitionKeys", ()))
    if keys != plan.keys:
        raise UsageError(
            f"{plan.name} exists and is partitioned by {list(keys)}; the folders say {list(plan.keys)}",
            hint="give `partitions` as it was registered first, or drop the table",
        )
    known = {each["Name"].lower(): each["Type"] for each in there["Columns"]}
    for column, kind in plan.columns:
        declared = known.get(column.lower())
        if declared is not None and declared != kind and not _reads(kind, declared):
            raise UsageError(
                f"{plan.name} exists with column {column!r} as {declared}; the files hold {kind}",
                hint=f"drop the table {plan.name.database}.{plan.name.table} and register it anew",
            )
    return [(column, kind) for column, kind in plan.columns if column.lower() not in known]


def _statements(
    plan: _Plan, create: bool, added: Sequence[tuple[str, str]], new: Sequence[NewPartition]
) -> list[str]:
    """The DDL that does what is to be done."""
    name = f"{_quote(plan.name.database)}.{_quote(plan.name.table)}"
    statements = []
    if create:
        columns = ",\n".join(f"    {_quote(column)} {kind.upper()}" for column, kind in plan.columns)
        keys = ", ".join(f"{_quote(key)} STRING" for key in plan.keys)
        partitioned = f"PARTITIONED BY ({keys})\n" if keys else ""
        statements.append(
            f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (\n{columns}\n)\n{partitioned}"
            f"STORED AS PARQUET\nLOCATION {_text(str(plan.location))}\n"
            f"TBLPROPERTIES ('parquet.compression'={_text(plan.compression)})"
        )
    if added:
        columns = ", ".join(f"{_quote(column)} {kind.upper()}" for column, kind in added)
        statements.append(f"ALTER TABLE {name} ADD COLUMNS ({columns})")
    for start in range(0, len(new), BATCH):
        lines = []
        for each in new[start : start + BATCH]:
            pairs = zip(plan.keys, each.values, strict=True)
            values = ", ".join(f"{_quote(key)} = {_text(value)}" for key, value in pairs)
            lines.append(f"    PARTITION ({values}) LOCATION {_text(each.location)}")
        statements.append(f"ALTER TABLE {name} ADD IF NOT EXISTS\n" + "\n".join(lines))
    return statements


def _apply(
    source: AthenaSource,
    plan: _Plan,
    existing: dict[str, Any] | None,
    added: Sequence[tuple[str, str]],
    new: Sequence[NewPartition],
) -> None:
    client = source.context.aws.client("glue", region=source.settings.region)
    call = Throttle(source.name).call
    name = plan.name
    columns = [{"Name": column.lower(), "Type": kind} for column, kind in plan.columns]
    if existing is None:
        _create_database(source, name.database)
        definition = {
            "Name": name.table,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {
                "EXTERNAL": "TRUE",
                "classification": "parquet",
                "parquet.compression": plan.compression,
            },
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in plan.keys],
            "StorageDescriptor": {"Columns": columns, "Location": str(plan.location), **_FORMATS},
        }
        call(f"create {name}", client.create_table, DatabaseName=name.database, TableInput=definition)
    elif added:
        kept = ("Name", "Description", "Owner", "Retention", "PartitionKeys", "TableType", "Parameters")
        definition = {key: existing[key] for key in kept if existing.get(key)}
        storage = dict(existing["StorageDescriptor"])
        storage["Columns"] = [
            *storage["Columns"],
            *({"Name": column.lower(), "Type": kind} for column, kind in added),
        ]
        columns = storage["Columns"]
        definition["StorageDescriptor"] = storage
        call(f"add columns to {name}", client.update_table, DatabaseName=name.database, TableInput=definition)
    for start in range(0, len(new), BATCH):
        answer = call(
            f"add partitions to {name}",
            client.batch_create_partition,
            DatabaseName=name.database,
            TableName=name.table,
            PartitionInputList=[
                {
                    "Values": list(each.values),
                    "StorageDescriptor": {"Columns": columns, "Location": each.location, **_FORMATS},
                }
                for each in new[start : start + BATCH]
            ],
        )
        _raise_failed(source, name, answer.get("Errors") or ())


def _raise_failed(source: AthenaSource, name: TableName, errors: Sequence[Mapping[str, Any]]) -> None:
    """A partition that someone else added meanwhile is what was wanted; anything else is an error."""
    failed = [each for each in errors if each["ErrorDetail"].get("ErrorCode") != "AlreadyExistsException"]
    if failed:
        detail = failed[0]["ErrorDetail"]
        raise SourceError(
            f"{len(failed)} partitions of {name} were not added; {failed[0]['PartitionValues']}: "
            f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}",
            source=source.name,
            hint="register again: what was added stays, the rest is tried anew",
        )


def _create_database(source: AthenaSource, database: str) -> None:
    if source.settings.databases and database not in source.settings.databases:
        raise UnknownName(f"database in {source.name}", database, source.settings.databases)
    client = source.context.aws.client("glue", region=source.settings.region)
    try:
        Throttle(source.name).call(
            f"create the database {database}", client.create_database, DatabaseInput={"Name": database}
        )
    except SourceError as error:
        if error.__cause__ is None or code_of(error.__cause__) != "AlreadyExistsException":
            raise


def _quote(name: str) -> str:
    """An identifier in Athena's DDL, which is Hive's: backticks where the name needs them."""
    return name if _PLAIN_NAME.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
