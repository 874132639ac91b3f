"""The Ibis backend of a PostgreSQL source."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ibis.backends.postgres import Backend

from stupiddb_kernel.sources.expressions import ExactReads

if TYPE_CHECKING:
    import psycopg

    from stupiddb_kernel.sources.result import Result


class PostgresBackend(ExactReads, Backend):
    """Ibis on PostgreSQL: it compiles and looks with a psycopg connection and reads through the source."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connection: psycopg.Connection[Any] | None = None
        self._opening = threading.Lock()
        self._open: Callable[[], psycopg.Connection[Any]] | None = None

    @classmethod
    def of(
        cls, read: Callable[[str], Result], connect: Callable[[], psycopg.Connection[Any]]
    ) -> PostgresBackend:
        """A backend that connects when it is first used and again after its connection was lost."""
        backend = cls()
        backend._can_reconnect = False
        backend._open = connect
        backend.read = read
        return backend

    @property
    def con(self) -> psycopg.Connection[Any]:
        """A live connection for Ibis's own look-ups; psycopg lets threads share it.

        Its transactions are READ ONLY, like every read of the source.
        """
        with self._opening:
            if self._connection is None or self._connection.closed or self._connection.broken:
                if self._open is None:
                    raise RuntimeError("this backend is made by PostgresBackend.of")
                connection = self._open()
                connection.read_only = True
                self._connection = connection
            return self._connection

    def _post_connect(self) -> None:
        """Nothing: sessions run in UTC from their start."""

    def disconnect(self) -> None:
        """Close the connection; the next use opens another."""
        with self._opening:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
