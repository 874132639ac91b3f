"""One source's part of the catalog: when it is asked, what it last said, and how it is doing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.catalog import threads
from stupiddb_kernel.catalog.nodes import SourceNode, State
from stupiddb_kernel.catalog.snapshot import Snapshot
from stupiddb_kernel.errors import (
    AuthenticationFailed,
    SourceUnreachable,
    StupiddbError,
    UnknownName,
)

if TYPE_CHECKING:
    from stupiddb_kernel.catalog.cache import Cache
    from stupiddb_kernel.sources.base import Source, Table

_log = logging.getLogger(__name__)

_AT_ONCE = 8
_RETRY_SECONDS = 10.0
_LIVE_SECONDS = 0.25


class Branch:
    """What is known of one source. Reads happen in daemon threads; callers wait as long as they like.

    ``live`` sources (the local store) are asked each time, but for a blink, and never cached on disk.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        make: Callable[[], Source[Any]],
        *,
        cache: Cache,
        fingerprint: Callable[[], str],
        max_age: float,
        live: bool = False,
        changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.live = live
        self._make = make
        self._cache = cache
        self._fingerprint = fingerprint
        self._max_age = max_age
        self._changed = changed
        self._snapshot: Snapshot | None = None
        self._cache_was_read = live
        self._cache_lock = threading.Lock()
        self._state = threading.Condition()
        self._loading = False
        self._closed = False
        self._failure: StupiddbError | None = None
        self._failed_at = 0.0
        self._databases: list[str] | None = None
        self._parts: dict[str, list[Table] | StupiddbError] = {}

    # -- what is known, without asking anybody

    @property
    def snapshot(self) -> Snapshot | None:
        """What was last read, from the source or from the cache; never does I/O."""
        return self._snapshot

    @property
    def failure(self) -> StupiddbError | None:
        """Why the last attempt to ask the source failed; None if it didn't."""
        return self._failure

    def node(self) -> SourceNode:
        """How the source is doing."""
        with self._state:
            snapshot, failure, loading = self._snapshot, self._failure, self._loading
        state: State = "unread"
        if failure is not None:
            state = "unreachable"
        elif loading and snapshot is None:
            state = "loading"
        elif snapshot is not None:
            state = "ok"
        node = SourceNode(self.name, self.kind, state)
        if failure is not None:
            node = replace(node, error=failure.message, advice=failure.hint)
        if snapshot is not None:
            node = replace(
                node,
                age_seconds=max(0.0, time.time() - snapshot.read_at),
                databases=len(snapshot.databases),
                tables=len(snapshot.tables),
                columns=snapshot.column_starts[-1],
                failed_databases=tuple(f"{name}: {reason}" for name, reason in snapshot.errors.items()),
            )
        return node

    # -- asking

    def open(self) -> None:
        """See that something is known or on its way: the cache is read, or the source asked."""
        self.read_cache()
        self.ask(older_than=self._max_age)

    def look(self) -> None:
        """The same without ever doing I/O in the calling thread."""
        if self._cache_was_read:
            self.ask(older_than=self._max_age)
        else:
            threads.start(self.open, f"catalog {self.name}")

    def close(self) -> None:
        """Ask nothing any more; a read that is going on ends after the database it is at."""
        self._closed = True

    def read_cache(self) -> None:
        """Take what the disk holds, once."""
        if self._cache_was_read:
            return
        with self._cache_lock:
            if not self._cache_was_read:
                cached = self._cache.read(self.name, self._fingerprint())
                if cached is not None and self._snapshot is None:
                    cached.prepare()
                    self._snapshot = cached
                self._cache_was_read = True

    def ask(self, older_than: float = 0.0, *, again: bool = False) -> None:
        """Start asking the source if what is known is older than so many seconds.

        Not while that is going on; nor after it has just failed, unless ``again`` is set.
        """
        with self._state:
            failed = self._failure is not None and time.monotonic() - self._failed_at < _RETRY_SECONDS
            age = time.time() - self._snapshot.read_at if self._snapshot else None
            allowed = min(older_than, _LIVE_SECONDS) if self.live else older_than
            enough = age is not None and 0 <= age <= allowed
            if self._closed or self._loading or (not again and (failed or enough)):
                return
            self._loading = True
            self._databases, self._parts = None, {}
            threads.start(self._load, f"catalog {self.name}")

    def wait(self, until: float) -> bool:
        """Wait till nothing is going on or ``until`` (monotonic); whether nothing is."""
        with self._state:
            return self._state.wait_for(lambda: not self._loading, max(0.0, until - time.monotonic()))

    def current(self, until: float) -> Snapshot:
        """What the source holds, waiting for it where nothing is known.

        Raises why it can't be said: the source's own error, or SourceUnreachable when time is up.
        """
        self.open()
        if self._snapshot is None or self.live:
            self.wait(until)
        if self._snapshot is None:
            raise self._failure or self._late()
        return self._snapshot

    def databases(self, until: float) -> list[str]:
        """Names of the databases, as soon as they are known. Raises as ``current`` does."""
        self.open()
        with self._state:
            if self._snapshot is None or self.live:
                self._state.wait_for(
                    lambda: self._databases is not None or not self._loading,
                    max(0.0, until - time.monotonic()),
                )
            if self._databases is not None and self._loading:
                return list(self._databases)
            if self._snapshot is None:
                raise self._failure or self._late()
            return list(self._snapshot.databases)

    def tables(self, database: str, until: float) -> list[Table]:
        """The tables of one database, as soon as they are known.

        Raises UnknownName, the database's own error, or as ``current`` does.
        """
        known = self.databases(until)
        if database not in known:
            raise UnknownName(
                "database", f"{self.name}.{database}", [f"{self.name}.{name}" for name in known]
            )
        with self._state:
            if self._snapshot is None or self.live:
                self._state.wait_for(
                    lambda: database in self._parts or not self._loading,
                    max(0.0, until - time.monotonic()),
                )
            part = self._parts.get(database) if self._loading else None
            if isinstance(part, StupiddbError):
                raise part
            if part is not None:
                return list(part)
            snapshot = self._snapshot
            if snapshot is None:
                raise self._failure or self._late()
        if database in snapshot.errors:
            raise SourceUnreachable(f"{database}: {snapshot.errors[database]}", source=self.name)
        return snapshot.tables_of(database)

    # -- the work, in threads of its own

    def _load(self) -> None:
        failure: StupiddbError | None = None
        snapshot: Snapshot | None = None
        try:
            source = self._make()
            databases = source.databases()
            self._tell(databases=databases)
            threads.for_each(
                databases,
                lambda database: self._read_database(source, database),
                at_once=_AT_ONCE,
                name=f"catalog {self.name}",
            )
            if self._closed:
                raise SourceUnreachable("the session was closed while it was asked", source=self.name)
            snapshot, failure = self._outcome()
        except StupiddbError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - shown in the tree; a thread has nobody to raise it to
            _log.info("the catalog of %s could not be read", self.name, exc_info=True)
            failure = SourceUnreachable(
                f"its catalog could not be read: {type(error).__name__}: {error}", source=self.name
            )
        with self._state:
            self._loading = False
            self._failure, self._failed_at = failure, time.monotonic()
            self._snapshot = snapshot or self._snapshot
            self._parts = {}
            self._state.notify_all()
        self._changed(self.name)
        if snapshot is not None and not self.live:
            try:
                self._cache.write(snapshot, self._fingerprint())
            except OSError as error:
                _log.warning("the catalog of %s is not cached: %s", self.name, error)

    def _read_database(self, source: Source[Any], database: str) -> None:
        part: list[Table] | StupiddbError
        if self._closed:
            return
        try:
            part = sorted(source.tables(database), key=lambda table: table.name.table)
        except UnknownName:
            part = []  # dropped since the databases were listed
        except StupiddbError as error:
            part = error
        except Exception as error:  # noqa: BLE001 - shown in the tree; a thread has nobody to raise it to
            _log.info("the tables of %s.%s could not be read", self.name, database, exc_info=True)
            part = SourceUnreachable(f"{database}: {type(error).__name__}: {error}", source=self.name)
        self._tell(database=database, part=part)

    def _tell(
        self,
        *,
        databases: list[str] | None = None,
        database: str | None = None,
        part: list[Table] | StupiddbError | None = None,
    ) -> None:
        """Make known what has just arrived."""
        with self._state:
            if databases is not None:
                self._databases = databases
            if database is not None and part is not None:
                self._parts[database] = part
            self._state.notify_all()
        self._changed(self.name)

    def _outcome(self) -> tuple[Snapshot | None, StupiddbError | None]:
        """A snapshot of all parts; a failure instead where the source could not be read at all."""
        failed = {name: part for name, part in self._parts.items() if isinstance(part, StupiddbError)}
        read = {name: part for name, part in self._parts.items() if isinstance(part, list)}
        if failed and not read:
            lost = [e for e in failed.values() if isinstance(e, SourceUnreachable | AuthenticationFailed)]
            if lost:
                return None, lost[0]
        errors = {name: error.message for name, error in failed.items()}
        snapshot = Snapshot.of(self.name, read, errors)
        snapshot.prepare()
        return snapshot, None

    def _late(self) -> SourceUnreachable:
        return SourceUnreachable(
            "it has not said yet what it holds",
            source=self.name,
            hint="it is still being asked; try again, or see `stupiddb doctor`",
        )
