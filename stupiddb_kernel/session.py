"""The one object that a notebook, a script or the CLI holds: the configured sources and their results.

Making a session does no I/O beyond reading ``stupiddb.toml``; a source connects when it is first used.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.errors import UnknownName
from stupiddb_kernel.sources.base import QueryStats, ReadOptions, Source, SourceContext, TableName

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from stupiddb_kernel.catalog import Catalog
    from stupiddb_kernel.config.settings import Settings, SourceSettings
    from stupiddb_kernel.sources.duckdb import DuckdbSource
    from stupiddb_kernel.sources.result import Result


@dataclass(frozen=True)
class Answer:
    """What a query gave: an Ibis expression over the local DuckDB, and what getting it took.

    ``truncated`` is True where ``limit`` may have cut rows off.
    """

    expression: ir.Table
    stats: QueryStats
    name: str | None = None
    limit: int | None = None

    @property
    def truncated(self) -> bool:
        """Whether as many rows came as were allowed, so there may be more."""
        return self.limit is not None and self.stats.rows >= self.limit

    def to_arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        return self.expression.to_pyarrow()

    def to_pandas(self) -> Any:
        """All rows as a pandas DataFrame."""
        return self.expression.to_pandas()


class Sources(Mapping[str, Source[Any]]):
    """The enabled sources by name; each is made when it is first asked for, and kept."""

    def __init__(self, settings: Settings, context: SourceContext) -> None:
        self._context = context
        self._settings: dict[str, SourceSettings] = {
            source.name: source for source in settings.sources if source.enabled
        }
        self._settings.setdefault(settings.store.name, settings.store)
        self._made: dict[str, Source[Any]] = {}
        self._lock = threading.RLock()

    def __getitem__(self, name: str) -> Source[Any]:
        """Raises UnknownName with the nearest configured names."""
        with self._lock:
            if name not in self._made:
                if name not in self._settings:
                    raise UnknownName("source", name, self._settings)
                self._made[name] = self._make(self._settings[name])
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __contains__(self, name: object) -> bool:
        return name in self._settings

    def close(self) -> None:
        """Close every source that was made."""
        with self._lock:
            for source in self._made.values():
                source.close()

    def _make(self, settings: SourceSettings) -> Source[Any]:
        if getattr(settings, "kind", None) == "duckdb":
            from stupiddb_kernel.config.settings import DuckdbSettings
            from stupiddb_kernel.store import open_store

            assert isinstance(settings, DuckdbSettings)  # noqa: S101 - narrows the discriminated union
            return open_store(settings, self._context)
        from stupiddb_kernel.sources import create

        return create(settings, self._context)


class Session:
    """Everything configured, as one catalog. Close it, or use it as a context manager."""

    def __init__(self, settings: Settings | Path | str | None = None) -> None:
        """Take settings as they are, or read them from a ``stupiddb.toml``, found upwards if not named."""
        from stupiddb_kernel.config.aws import Aws
        from stupiddb_kernel.config.loading import load
        from stupiddb_kernel.config.secrets import Secrets

        if settings is None or isinstance(settings, str | Path):
            self.settings: Settings = load(Path(settings) if settings is not None else None)
        else:
            self.settings = settings
        aws = Aws(self.settings.aws)
        self.context = SourceContext(aws, Secrets(aws))
        self.sources = Sources(self.settings, self.context)
        self._catalog: Catalog | None = None
        self._lock = threading.Lock()

    @property
    def local(self) -> DuckdbSource:
        """The local store, which also holds the results of this session."""
        from stupiddb_kernel.sources.duckdb import DuckdbSource

        source = self.sources[self.settings.store.name]
        assert isinstance(source, DuckdbSource)  # noqa: S101 - made so in Sources
        return source

    @property
    def catalog(self) -> Catalog:
        """One tree over all sources."""
        with self._lock:
            if self._catalog is None:
                from stupiddb_kernel.catalog import Catalog

                self._catalog = Catalog(self.sources, self.settings)
            return self._catalog

    def read(
        self,
        source: str,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: ReadOptions | None = None,
    ) -> Result:
        """Run one statement on one source and stream its rows."""
        return self.sources[source].query(sql, parameters, options)

    def query(
        self,
        source: str,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        options: ReadOptions | None = None,
        *,
        out: str | None = None,
    ) -> Answer:
        """Run one statement on one source and hold its rows locally as an Ibis expression.

        ``out`` also names the result for SQL on the local source.
        """
        options = options or ReadOptions()
        return self.hold(self.read(source, sql, parameters, options), out=out, limit=options.limit)

    def hold(self, result: Result, *, out: str | None = None, limit: int | None = None) -> Answer:
        """Read a running result to its end; Ctrl-C stops it in its store."""
        return Answer(self.local.hold(result, out), result.stats, out, limit)

    def table(self, name: str | TableName) -> ir.Table:
        """A table of the catalog as a lazy Ibis expression on its own store; bare names where unique."""
        resolved = self.catalog.resolve(name) if isinstance(name, str) else name
        return self.sources[resolved.source].table(resolved)

    def external_sources(self) -> dict[str, Any]:
        """The catalog as the ``external_sources`` document, from what is really there."""
        from stupiddb_kernel.catalog.external import external_sources

        return external_sources(self.catalog, self.settings)

    def close(self) -> None:
        """Close every source and the local store; results end here."""
        with self._lock:
            catalog, self._catalog = self._catalog, None
        if catalog is not None:
            catalog.close()  # first: a refresh in the background would open sources again
        self.sources.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
