"""Names of databases, tables and columns for completion: what the catalog has in memory, never I/O.

The first question opens the session and fills the catalog in a thread of its own; until that is done,
completion offers what needs no catalog.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stupiddb.extension import Extension
    from stupiddb_kernel.session import Session


class Names:
    """The names one shell's session knows. Every method returns at once, empty where nothing is known."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        self._warmed: Session | None = None
        self._warming: threading.Thread | None = None
        self._lock = threading.Lock()

    def databases(self, source: str) -> Iterable[str]:
        """The databases of a source."""
        session = self._session()
        return session.catalog.known_databases(source) if session is not None else ()

    def tables(self, source: str, database: str) -> Iterable[str]:
        """The tables of a database."""
        session = self._session()
        if session is None:
            return ()
        results = self._results(session, source) if database == self.default_database(source) else {}
        return [*results, *session.catalog.known_tables(source, database)]

    def columns(self, source: str, database: str, table: str) -> Iterable[str]:
        """The columns of a table; case is ignored."""
        session = self._session()
        if session is None:
            return ()
        result = self._results(session, source).get(table.casefold())
        return result or session.catalog.known_columns(source, database, table)

    def default_database(self, source: str) -> str | None:
        """The database that bare table names are in."""
        session = self._extension.opened
        if session is None:
            return None
        for settings in (session.settings.store, *session.settings.sources):
            if settings.name == source:
                return "main" if settings.kind == "duckdb" else getattr(settings, "database", None)
        return None

    def _results(self, session: Session, source: str) -> Mapping[str, tuple[str, ...]]:
        """The columns of this session's named results, which are tables of the local store."""
        return self._extension.results if source == session.settings.store.name else {}

    def wait(self, seconds: float) -> bool:
        """Wait for the warm-up that is running, if one is; whether it has ended. For tests."""
        self._session()
        warming = self._warming
        if warming is not None:
            warming.join(seconds)
        return warming is None or not warming.is_alive()

    def _session(self) -> Session | None:
        """The open session; starts to open and warm one where there is none."""
        session = self._extension.opened
        with self._lock:
            stale = session is None or session is not self._warmed
            if stale and (self._warming is None or not self._warming.is_alive()):
                self._warming = threading.Thread(target=self._warm, name="catalog warm-up", daemon=True)
                self._warming.start()
        return session

    def _warm(self) -> None:
        from stupiddb_kernel.errors import StupiddbError

        try:
            session = self._extension.session
            with self._lock:
                self._warmed = session
            session.catalog.warm_up()
        except StupiddbError:
            return  # the magic itself will say what is wrong
