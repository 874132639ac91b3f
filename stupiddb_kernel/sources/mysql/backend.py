"""The Ibis backend of a MySQL source.

Ibis imports ``MySQLdb``. Where the real mysqlclient is installed it is used; it has no wheel for Linux,
so elsewhere PyMySQL stands in under its name.
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pymysql

if importlib.util.find_spec("MySQLdb") is None:
    pymysql.install_as_MySQLdb()

from ibis.backends.mysql import Backend

from stupiddb_kernel.sources.expressions import ExactReads

if TYPE_CHECKING:
    from stupiddb_kernel.sources.result import Result


class MysqlBackend(ExactReads, Backend):
    """Ibis on MySQL: it compiles and looks with a connection of its own and reads through the source."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = threading.local()
        self._open: Callable[[], Any] | None = None

    @classmethod
    def of(cls, read: Callable[[str], Result], connect: Callable[[], Any]) -> MysqlBackend:
        """A backend that connects when it is first used and again after its connection was lost."""
        backend = cls()
        backend._can_reconnect = False
        backend._open = connect
        backend.read = read
        return backend

    @property
    def con(self) -> Any:
        """A live connection of this thread, since MySQL's drivers let no two share one; READ ONLY."""
        connection = getattr(self._connections, "own", None)
        if connection is not None:
            try:
                connection.ping()
            except Exception:  # noqa: BLE001 - whichever driver says that it is dead, it is
                connection = None
        if connection is None:
            if self._open is None:
                raise RuntimeError("this backend is made by MysqlBackend.of")
            connection = self._open()
            with contextlib.closing(connection.cursor()) as cursor:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")
            self._connections.own = connection
        return connection

    def _post_connect(self) -> None:
        """Nothing: sessions run in UTC from their start."""

    def disconnect(self) -> None:
        """Close this thread's connection; others end with their threads."""
        connection = getattr(self._connections, "own", None)
        self._connections = threading.local()
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
