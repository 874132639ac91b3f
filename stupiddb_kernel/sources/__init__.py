"""Stores behind one contract: a folder a store, ``base`` the contract, ``result`` the running read."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.errors import UnknownName

if TYPE_CHECKING:
    from stupiddb_kernel.config.settings import SourceSettings
    from stupiddb_kernel.sources.base import Source, SourceContext

_KINDS = {
    "athena": ("stupiddb_kernel.sources.athena", "AthenaSource"),
    "duckdb": ("stupiddb_kernel.sources.duckdb", "DuckdbSource"),
    "mysql": ("stupiddb_kernel.sources.mysql", "MysqlSource"),
    "postgres": ("stupiddb_kernel.sources.postgres", "PostgresSource"),
    "s3": ("stupiddb_kernel.sources.s3", "S3Source"),
}


def create(settings: SourceSettings, context: SourceContext) -> Source[Any]:
    """The source for some settings; imports its driver, does no I/O. Raises UnknownName for a kind."""
    kind: str = getattr(settings, "kind", "")
    if kind not in _KINDS:
        raise UnknownName("kind of source", kind, _KINDS)
    module, name = _KINDS[kind]
    source: Source[Any] = getattr(import_module(module), name)(settings, context)
    return source
