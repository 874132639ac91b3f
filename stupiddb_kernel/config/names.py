"""The sources' names: which tables are sources, what kind each is, and which names can't be had.

Standard library only: this is what ``%load_ext stupiddb`` reads to know which magics there are.
"""

from __future__ import annotations

import keyword
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stupiddb_kernel.config import environment, file
from stupiddb_kernel.config.file import Key
from stupiddb_kernel.config.reserved import IPYTHON_MAGICS, OWN_MAGICS

KINDS = ("athena", "duckdb", "mysql", "postgres", "redshift", "s3")
ENGINES = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "aurora-postgresql": "postgres",
    "mysql": "mysql",
    "aurora-mysql": "mysql",
    "mariadb": "mysql",
    "redshift": "redshift",
}
AWS_SOURCES = ("athena", "aurora", "rds", "redshift", "s3")


@dataclass(frozen=True)
class SourceTable:
    """A table of the configuration that describes a source."""

    name: str
    kind: str | None
    """None where the table does not say it, or says something unknown."""
    key: Key
    table: Any


def source_tables(tables: Mapping[str, Any]) -> Iterator[SourceTable]:
    """Every table that describes a source, in file order: ``[aws.*]`` first, then ``[sources.*]``."""
    aws = tables.get("aws")
    for name, table in aws.items() if isinstance(aws, Mapping) else ():
        if name in AWS_SOURCES:
            kind = name if name in KINDS else _kind(table, "engine")
            yield SourceTable(name, kind, ("aws", name), table)
    sources = tables.get("sources")
    for name, table in sources.items() if isinstance(sources, Mapping) else ():
        yield SourceTable(name, _kind(table, "kind", "engine"), ("sources", name), table)


def refusal(name: str) -> str | None:
    """Why a source can't be called so; None if it can."""
    folded = name.casefold()
    if not (name.isidentifier() and name.isascii()) or len(name) > 63:
        return "a name made of ASCII letters, digits and _, at most 63 long, as it becomes a magic"
    if keyword.iskeyword(folded):
        return "a name that is no word of Python"
    if folded in OWN_MAGICS:
        return f"another name: %{folded} is stupiddb's own"
    if folded in IPYTHON_MAGICS:
        return f"another name: %{folded} is a magic of IPython"
    return None


def with_urls(
    tables: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[list[environment.Override], list[tuple[Key, str]]]:
    """What the URLs named by ``url_env`` say and their tables don't: kind, host, port, database …

    Beside it, the keys whose variable holds no URL of a store, each with the variable's name.
    """
    found: list[environment.Override] = []
    unreadable: list[tuple[Key, str]] = []
    for source in source_tables(tables):
        variable = source.table.get("url_env") if isinstance(source.table, Mapping) else None
        url = environ.get(variable, "") if isinstance(variable, str) else ""
        if not url.strip():
            continue
        try:
            said = environment.url_settings(url)
        except ValueError:
            said = None
        if said is None:
            unreadable.append(((*source.key, "url_env"), str(variable)))
            continue
        if "engine" in source.table or "kind" in source.table:
            said.pop("kind")
        elif source.key[0] == "aws":
            said["engine"] = said.pop("kind")
        found += [
            environment.Override((*map(str, source.key), key), value, str(variable))
            for key, value in said.items()
            if key not in source.table
        ]
    return found, unreadable


def source_names(
    path: Path | None = None, *, environ: Mapping[str, str] = os.environ, start: Path | None = None
) -> list[tuple[str, str]]:
    """Name and kind of each enabled source, in order, read fast and without checking the rest.

    What is wrong with a table is ``load``'s to say; here such a source is left out. The local store is
    not among them: it is always there. Raises ConfigurationError for a file that is no TOML.
    """
    found = file.find(path, environ, start)
    tables = file.read(found).tables if found else {}
    tables = environment.merge(tables, environment.overrides(environ, tables))
    tables = environment.merge(tables, with_urls(tables, environ)[0])
    names: dict[str, tuple[str, str]] = {}
    for source in source_tables(tables):
        if source.kind is None or not isinstance(source.table, Mapping) or refusal(source.name):
            continue
        if environment.is_true(source.table.get("enabled", True)):
            names.setdefault(source.name.casefold(), (source.name, source.kind))
    return list(names.values())


def _kind(table: Any, *keys: str) -> str | None:
    for key in keys:
        said = table.get(key) if isinstance(table, Mapping) else None
        if isinstance(said, str) and (said in KINDS or said in ENGINES):
            return said if said in KINDS else ENGINES[said]
    return None
