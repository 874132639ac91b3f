"""The seeds' ``external_sources`` document: what the configured sources really hold.

::

    {"external_sources": {
        "athena": {"enabled", "database", "tables", "estimated_data_gb"},
        "aurora", "rds", …: {"enabled", "database", "tables", "sync_mode", "last_sync"},
        "s3_sources": [{"bucket", "prefix", "file_count", "total_size_gb"}]}}

Sources of the user's own stand under their names in the shape of their kind. What can't be said is null,
and why stands in ``error``; nothing is made up. A gigabyte is 10**9 bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from stupiddb_kernel.errors import StupiddbError, UnknownName
from stupiddb_kernel.sources.base import Table, TableName

if TYPE_CHECKING:
    from stupiddb_kernel.catalog.catalog import Catalog
    from stupiddb_kernel.config.settings import RelationalSettings, S3Settings, Settings
    from stupiddb_kernel.sources.s3 import PrefixSummary, S3Source

LastSync = Callable[[str], datetime | None]
_AT_ONCE = 8


def external_sources(
    catalog: Catalog, settings: Settings, last_sync: LastSync = lambda _: None
) -> dict[str, Any]:
    """The document for all configured sources; ``last_sync`` says when one was synced last, if ever."""
    found: dict[str, Any] = {}
    catalog.sources()
    for source in settings.sources:
        if source.kind == "athena":
            found[source.name] = _athena(catalog, source.name, source.database)
        elif source.kind == "s3":
            prefixes = _prefixes(catalog, source)
            if source.name == "s3":
                found["s3_sources"] = prefixes
            else:
                found[source.name] = {"enabled": True, "s3_sources": prefixes}
        elif source.kind == "duckdb":
            found[source.name] = {
                "enabled": True,
                "database": str(source.path),
                **_all_tables(catalog, source.name),
            }
        else:
            found[source.name] = _relational(catalog, source, last_sync)
    for name in settings.disabled:
        found.setdefault(name, {"enabled": False})
    return {"external_sources": found}


def _athena(catalog: Catalog, name: str, database: str) -> dict[str, Any]:
    """Tables of the configured database, and the bytes of those whose size is known."""
    document: dict[str, Any] = {
        "enabled": True,
        "database": database,
        "tables": [],
        "estimated_data_gb": None,
    }
    try:
        tables = catalog.tables(name, database)
    except UnknownName:
        return {**document, "error": f"there is no database {database!r}"}
    except StupiddbError as error:
        return {**document, "error": error.message}
    document["tables"] = [table.name.table for table in tables]
    sizes, failures = _sizes(catalog, tables)
    if failures:
        document["error"] = "; ".join(failures)
    elif None not in sizes:
        document["estimated_data_gb"] = _gigabytes(sum(size for size in sizes if size is not None))
    return _and_age(catalog, name, document)


def _sizes(catalog: Catalog, tables: list[Table]) -> tuple[list[int | None], list[str]]:
    """Bytes of each table, from the tree or else the source's statistics; and why some can't be said."""
    failures: list[str] = []

    def size(table: Table) -> int | None:
        if table.kind == "view":
            return 0
        known = table.statistics
        if known.bytes is None:
            try:
                known = catalog.statistics(table.name)
            except StupiddbError as error:
                failures.append(error.message)
        return known.bytes

    with ThreadPoolExecutor(_AT_ONCE, "sizes") as pool:
        return list(pool.map(size, tables)), failures


def _relational(catalog: Catalog, source: RelationalSettings, last_sync: LastSync) -> dict[str, Any]:
    modes = {mapping.sync_mode for mapping in source.mappings}
    mode = next((mode for mode in ("incremental", "full", "on_demand") if mode in modes), "on_demand")
    synced = last_sync(source.name)
    document: dict[str, Any] = {
        "enabled": True,
        "database": source.database or None,
        **_all_tables(catalog, source.name, source.database),
        "sync_mode": mode,
        "last_sync": synced.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if synced else None,
    }
    return document


def _all_tables(catalog: Catalog, name: str, home: str | None = None) -> dict[str, Any]:
    """Names of all tables: bare in the home database, ``database.table`` elsewhere."""
    tables: list[str] = []
    failures: list[str] = []
    try:
        databases = catalog.databases(name)
    except StupiddbError as error:
        return {"tables": [], "error": error.message}
    for database in sorted(databases, key=lambda database: database != home):
        try:
            found = [table.name for table in catalog.tables(name, database)]
        except StupiddbError as error:
            failures.append(error.message)
            continue
        tables += [_called(table, home) for table in found]
    return _and_age(catalog, name, {"tables": tables, **({"error": "; ".join(failures)} if failures else {})})


def _called(table: TableName, home: str | None) -> str:
    return table.table if home is None or table.database == home else f"{table.database}.{table.table}"


def _and_age(catalog: Catalog, name: str, document: dict[str, Any]) -> dict[str, Any]:
    """Says so where the source can't be reached now and what is shown is what the cache remembers."""
    node = catalog.source(name)
    if node.state != "unreachable" or node.age_seconds is None:
        return document
    seen = datetime.fromtimestamp(datetime.now(UTC).timestamp() - node.age_seconds, UTC)
    return {**document, "error": node.error, "as_of": seen.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _prefixes(catalog: Catalog, settings: S3Settings) -> list[dict[str, Any]]:
    """Files and bytes of each prefix, counted now."""
    error: str | None = None
    counted: dict[tuple[str, str], PrefixSummary] = {}
    try:
        source = cast("S3Source", catalog.connection(settings.name))
        counted = {(each.bucket, each.prefix.strip("/")): each for each in source.summaries()}
    except StupiddbError as failure:
        error = failure.message
    documents = []
    for prefix in settings.sources:
        found = counted.get((prefix.bucket, prefix.prefix.strip("/")))
        document: dict[str, Any] = {
            "bucket": prefix.bucket,
            "prefix": prefix.prefix,
            "file_count": found.file_count if found else None,
            "total_size_gb": _gigabytes(found.total_bytes) if found else None,
        }
        documents.append(document if error is None else {**document, "error": error})
    return documents


def _gigabytes(size: int) -> float | int:
    """Bytes as 10**9 bytes, to a thousandth of a megabyte."""
    value = round(size / 1e9, 6)
    return int(value) if value == int(value) else value
