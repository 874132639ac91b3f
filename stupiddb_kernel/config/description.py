"""What is configured and where each value came from, as ``stupiddb config check`` shows it.

Secrets are shown as set or missing; their values are never read here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from stupiddb_kernel.config.settings import MappingSettings, S3PrefixSettings, Settings, SourceSettings

_SECTIONS = ("aws", "store", "lake", "graph", "jobs", "catalog")
_DEFAULT = "default"


@dataclass(frozen=True)
class Row:
    """One value: its key path, how it reads, and the line of the file, variable or default behind it."""

    key: str
    value: str
    origin: str


def rows(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[Row]:
    """Every value that is set, in the order sources, then the other tables; unset ones are left out."""
    found = [
        row
        for source in settings.sources
        for row in _section(_table(settings, source), source, settings, environ)
    ]
    for name in _SECTIONS:
        found += _section(name, getattr(settings, name), settings, environ)
    if settings.environment is not None:
        found.append(Row("environment", settings.environment, settings.origins.get("environment", _DEFAULT)))
    return found


def missing(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The environment variables that enabled sources name but that are not set."""
    return [
        getattr(source, field)
        for source in settings.sources
        for field in type(source).model_fields
        if field.endswith("_env") and getattr(source, field) and getattr(source, field) not in environ
    ]


def describe(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """The whole configuration as a text table, each value with where it came from."""
    file = str(settings.path) if settings.path else "none found; the environment alone"
    sources = ", ".join(f"{source.name} ({source.kind})" for source in settings.sources) or "none"
    lines = [f"file      {file}", f"sources   {sources}"]
    if settings.disabled:
        lines.append(f"disabled  {', '.join(settings.disabled)}")
    table = rows(settings, environ)
    widths = [max([len(getattr(row, column)) for row in table], default=0) for column in ("key", "value")]
    section = None
    for row in table:
        if row.key.rpartition(".")[0].partition("[")[0] != section:
            section = row.key.rpartition(".")[0].partition("[")[0]
            lines.append("")
        lines.append(f"{row.key:<{widths[0]}}  {row.value:<{min(widths[1], 60)}}  {row.origin}".rstrip())
    return "\n".join(lines)


def _table(settings: Settings, source: SourceSettings) -> str:
    """The table a source was read from: ``aws.aurora`` or ``sources.crm``."""
    own = f"sources.{source.name}"
    return own if any(key.startswith(f"{own}.") for key in settings.origins) else f"aws.{source.name}"


def _section(table: str, section: BaseModel, settings: Settings, environ: Mapping[str, str]) -> Iterator[Row]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        key = f"{table}.{field.alias or name}"
        if name in ("name", "kind", "enabled") or value is None or value == () or value == "":
            continue
        if isinstance(value, tuple) and all(isinstance(entry, BaseModel) for entry in value):
            for index, entry in enumerate(value):
                yield Row(f"{key}[{index}]", _entry(entry), _origin(settings, f"{key}[{index}]"))
        elif name.endswith("_env"):
            state = "set" if value in environ else "missing"
            yield Row(key, f"{value} ({state})", _origin(settings, key))
        elif name == "secret":
            yield Row(key, f"{value} (read when it connects)", _origin(settings, key))
        else:
            yield Row(key, _text(value), _origin(settings, key))


def _origin(settings: Settings, key: str) -> str:
    if key in settings.origins:
        return settings.origins[key]
    return next((origin for name, origin in settings.origins.items() if name.startswith(f"{key}.")), _DEFAULT)


def _entry(entry: BaseModel) -> str:
    if isinstance(entry, MappingSettings):
        by = f" by {entry.sync_key}" if entry.sync_key else ""
        return f"{entry.table} -> {entry.entity_type}, {entry.sync_mode}{by}"
    if isinstance(entry, S3PrefixSettings):
        note = ", read only" if entry.read_only else ""
        return f"s3://{entry.bucket}/{entry.prefix}{entry.pattern}{note}"
    return str(entry)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
