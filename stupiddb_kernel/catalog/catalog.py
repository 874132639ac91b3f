"""One tree over all sources: source > database > table > column, with search and names that resolve.

A source is asked only when its part is needed, all of its databases at once, in the background; what it
said is kept in memory and on disk. One that can't be reached is shown as such and holds up no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.catalog import naming
from stupiddb_kernel.catalog.branch import Branch
from stupiddb_kernel.catalog.cache import Cache, fingerprint
from stupiddb_kernel.catalog.nodes import Hit, Profile, SourceNode
from stupiddb_kernel.catalog.search import search
from stupiddb_kernel.catalog.snapshot import Snapshot, fold
from stupiddb_kernel.errors import UnknownName
from stupiddb_kernel.sources.base import Statistics, Table, TableName

if TYPE_CHECKING:
    from stupiddb_kernel.config.settings import Settings
    from stupiddb_kernel.sources.base import Source
    from stupiddb_kernel.sources.result import Result

_log = logging.getLogger(__name__)
_FRESH_SECONDS = 5.0


class Catalog:
    """What all sources hold. Safe to use from several threads.

    ``wait`` is always the most seconds to wait for sources that have not answered yet; None means
    ``[catalog] deadline_seconds``, and 0 means what is known now, the rest being on its way.
    """

    def __init__(self, sources: Mapping[str, Source[Any]], settings: Settings | None = None) -> None:
        """``sources`` makes a source when it is asked for one, which happens only when it is needed."""
        from stupiddb_kernel.config.settings import Settings

        self.settings = settings or Settings()
        self._sources = sources
        self._listeners: list[Callable[[str], None]] = []
        self._statistics: dict[TableName, tuple[float, Statistics]] = {}
        self._lock = threading.Lock()
        cache = Cache(self.settings.catalog.cache_directory)
        self._branches = {name: self._branch(name, cache) for name in sources}

    # -- the tree

    def sources(self, wait: float | None = None) -> list[SourceNode]:
        """Every source and how it is doing; asks those that nothing is known of."""
        self._open(self._branches.values(), wait)
        return [branch.node() for branch in self._branches.values()]

    def source(self, name: str) -> SourceNode:
        """How one source is doing, without asking it. Raises UnknownName."""
        return self._of(name).node()

    def databases(self, source: str, wait: float | None = None) -> list[str]:
        """The databases of a source. Raises UnknownName, or why the source can't say."""
        return self._of(source).databases(self._until(wait))

    def tables(self, source: str, database: str, wait: float | None = None) -> list[Table]:
        """The tables of a database with sizes; columns are unpacked when they are looked at.

        Raises UnknownName, or why the source can't say.
        """
        return self._of(source).tables(database, self._until(wait))

    def table(self, name: TableName | str, wait: float | None = None) -> Table:
        """A table with its columns. Raises UnknownName with the nearest names."""
        found = self.resolve(name, wait) if isinstance(name, str) else name
        branch = self._of(found.source)
        table = branch.current(self._until(wait)).find(found.database, found.table)
        if table is None and self._renew([branch], wait):
            table = branch.current(self._until(wait)).find(found.database, found.table)
        if table is None:
            raise naming.unknown(str(found), self._snapshots([branch]))
        return table

    def refresh(self, source: str | None = None, wait: float | None = None) -> list[SourceNode]:
        """Ask one source, or all, again, whatever is cached; how they are doing afterwards."""
        branches = [self._of(source)] if source is not None else list(self._branches.values())
        for branch in branches:
            branch.read_cache()
            branch.ask(again=True)
        self._await(branches, wait)
        with self._lock:
            for name in [name for name in self._statistics if source in (None, name.source)]:
                del self._statistics[name]
        return [branch.node() for branch in branches]

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call ``listener`` with a source's name, in a thread of the catalog, whenever more is known of it.

        Returns what ends that.
        """
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    # -- names

    def search(self, text: str, limit: int = 50, wait: float | None = None) -> list[Hit]:
        """What is named or commented like ``text``, best first, over all sources that can be read."""
        self._open([b for b in self._branches.values() if b.snapshot is None or b.live], wait)
        return search(self._snapshots(), text, limit)

    def resolve(self, name: str, wait: float | None = None) -> TableName:
        """The table that ``source.database.table``, ``database.table`` or a unique bare name means.

        Names may be quoted with ``"`` or a backtick. A name that the catalog does not hold is looked for
        again in the sources themselves, as a table may be new. Raises UnknownName with the nearest names,
        UsageError with the candidates for an ambiguous one.
        """
        parts = naming.split(name)
        branches = list(self._branches.values())
        if len(parts) > 1 and parts[0] in self._branches:
            branches = [self._branches[parts[0]]]
        self._open(branches, wait)
        found = naming.resolve(parts, self._snapshots(branches))
        if found is None and self._renew(branches, wait):
            found = naming.resolve(parts, self._snapshots(branches))
        if found is not None:
            return found
        failures = [branch.failure for branch in branches if branch.failure is not None]
        if len(branches) == 1 and failures and branches[0].snapshot is None:
            raise failures[0]
        raise naming.unknown(name, self._snapshots(branches), failures)

    # -- names for completion: memory only

    def warm_up(self) -> None:
        """Read the cached catalogs, ask sources that have none, and wait for neither's network."""
        for branch in self._branches.values():
            branch.open()

    def known_sources(self) -> list[str]:
        """The names of all sources."""
        return list(self._branches)

    def known_databases(self, source: str) -> list[str]:
        """The databases known of a source; never does I/O, empty where nothing is known yet."""
        snapshot = self._known(source)
        return list(snapshot.databases) if snapshot else []

    def known_tables(self, source: str, database: str | None = None) -> list[str]:
        """The names of the tables known of a source, or of one of its databases; never does I/O."""
        snapshot = self._known(source)
        if snapshot is None:
            return []
        names = snapshot.databases
        wanted = None if database is None else fold(database)
        return [row[1] for row in snapshot.tables if wanted is None or fold(names[row[0]]) == wanted]

    def known_columns(self, source: str, database: str, table: str) -> list[str]:
        """The names of the columns known of a table, in its order; never does I/O."""
        snapshot = self._known(source)
        found = snapshot.find(database, table) if snapshot else None
        return [column.name for column in found.columns] if found else []

    def complete(self, path: str, limit: int = 200) -> list[str]:
        """Whole paths that continue ``source.database.table.column`` typed so far; never does I/O."""
        *above, start = path.split(".")
        prefix, begin = ".".join(above), fold(start)
        names: list[str] = []
        if not above:
            names = self.known_sources()
        elif len(above) == 1:
            names = self.known_databases(above[0])
        elif len(above) == 2:
            names = self.known_tables(*above)
        else:
            names = self.known_columns(above[0], above[1], ".".join(above[2:]))
        found = [name for name in names if fold(name).startswith(begin)][:limit]
        return [f"{prefix}.{name}" if prefix else name for name in found]

    # -- what tables hold

    def preview(self, name: TableName, limit: int = 100) -> Result:
        """Some rows, as cheaply as the source allows; never a billed scan of the whole table."""
        return self.connection(name.source).preview(name, limit)

    def statistics(self, name: TableName) -> Statistics:
        """The best statistics to be had without reading data, with when they were taken.

        Kept for ``[catalog] max_age_seconds``, or till ``refresh``; those of the local store are not kept.
        """
        with self._lock:
            taken, statistics = self._statistics.get(name, (0.0, None))
        if statistics is not None and time.monotonic() - taken <= self.settings.catalog.max_age_seconds:
            return statistics
        statistics = self.connection(name.source).statistics(name)
        if statistics.as_of is None:
            statistics = replace(statistics, as_of=datetime.now(UTC))
        if not self._of(name.source).live:
            with self._lock:
                self._statistics[name] = (time.monotonic(), statistics)
        return statistics

    def profile(self, name: TableName, rows: int = 10_000) -> Profile:
        """What each column holds, from statistics and at most ``rows`` previewed rows."""
        from stupiddb_kernel.catalog.profile import profile

        return profile(self.table(name), self.statistics(name), self.preview(name, rows), rows)

    def connection(self, name: str) -> Source[Any]:
        """The source itself, made now if it was not needed before. Raises UnknownName."""
        self._of(name)
        return self._sources[name]

    def close(self) -> None:
        """Ask no source any more; what is known stays."""
        for branch in self._branches.values():
            branch.close()

    # -- inside

    def _branch(self, name: str, cache: Cache) -> Branch:
        configured = {source.name: source for source in (self.settings.store, *self.settings.sources)}
        settings = configured.get(name)
        kind = settings.kind if settings is not None else self._sources[name].kind

        def digest() -> str:
            return fingerprint(settings or self._sources[name].settings, self.settings.aws)

        return Branch(
            name,
            kind,
            lambda: self.connection(name),
            cache=cache,
            fingerprint=digest,
            max_age=self.settings.catalog.max_age_seconds,
            live=kind == "duckdb",
            changed=self._tell,
        )

    def _of(self, name: str) -> Branch:
        if name not in self._branches:
            raise UnknownName("source", name, self._branches)
        return self._branches[name]

    def _known(self, source: str) -> Snapshot | None:
        branch = self._branches.get(source)
        if branch is None:
            return None
        branch.look()
        return branch.snapshot

    def _snapshots(self, branches: list[Branch] | None = None) -> list[Snapshot]:
        chosen = self._branches.values() if branches is None else branches
        return [branch.snapshot for branch in chosen if branch.snapshot is not None]

    def _until(self, wait: float | None) -> float:
        return time.monotonic() + (self.settings.catalog.deadline_seconds if wait is None else wait)

    def _open(self, branches: Any, wait: float | None) -> None:
        """See that all are known or on their way, and wait for those of which nothing is known."""
        chosen = list(branches)
        for branch in chosen:
            branch.open()
        self._await([branch for branch in chosen if branch.snapshot is None or branch.live], wait)

    def _await(self, branches: list[Branch], wait: float | None) -> None:
        until = self._until(wait)
        for branch in branches:
            branch.wait(until)

    def _renew(self, branches: list[Branch], wait: float | None) -> bool:
        """Ask those again whose snapshot may lack a table that is there by now; whether there are any."""
        old = [branch for branch in branches if _is_old(branch)]
        for branch in old:
            branch.ask(older_than=0.0 if branch.live else _FRESH_SECONDS)
        self._await(old, wait)
        return bool(old)

    def _tell(self, source: str) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(source)
            except Exception:  # noqa: BLE001 - its error is no reason to stop reading
                _log.warning("a listener of the catalog failed", exc_info=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._branches)


def _is_old(branch: Branch) -> bool:
    """Whether a source may hold a table by now that its snapshot lacks."""
    snapshot = branch.snapshot
    return snapshot is not None and (branch.live or time.time() - snapshot.read_at > _FRESH_SECONDS)
