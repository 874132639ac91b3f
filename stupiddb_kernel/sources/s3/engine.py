"""A hardened in-memory DuckDB over datasets in S3: it sees the tables it was given and nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import QueryFailed, QueryTimeout, StupiddbError, UnsafeStatement

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from duckdb import DuckDBPyConnection

_SWITCHED_OFF = (
    "autoinstall_known_extensions",
    "autoload_known_extensions",
    "allow_community_extensions",
    "python_enable_replacements",
    "enable_external_access",
)


class Engine:
    """One DuckDB whose catalog is named as the source is, so that ``s3.events.Login`` works in SQL."""

    def __init__(self, source: str) -> None:
        import duckdb

        self.source = source
        self.connection: DuckDBPyConnection = duckdb.connect(":memory:")
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute(f"ATTACH ':memory:' AS {quote(source)}")
        for setting in _SWITCHED_OFF:
            self.connection.execute(f"SET {setting} = false")
        self.connection.execute("SET lock_configuration = true")
        self._registered: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def register(self, database: str, table: str, data: ds.Dataset) -> None:
        """Make ``data`` the table ``source.database.table``, in place of what went by that name."""
        with self._lock:
            name = self._registered.setdefault((database, table), f"dataset_{len(self._registered)}")
            schema = f"{quote(self.source)}.{quote(database)}"
            self.connection.register(name, data)
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            self.connection.execute(
                f"CREATE OR REPLACE VIEW {schema}.{quote(table)} AS FROM temp.main.{name}"
            )

    def ensure_database(self, database: str) -> None:
        """Make the database exist, so that a wrong table in it is refused by name."""
        with self._lock:
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self.source)}.{quote(database)}")

    def use(self, databases: list[str]) -> None:
        """Where bare names are looked for, first match wins."""
        if databases:
            path = ",".join(f"{quote(self.source)}.{quote(database)}" for database in databases)
            self.connection.execute(f"SET search_path = '{path.replace(chr(39), chr(39) * 2)}'")

    def refuse_unsafe(self, sql: str) -> None:
        """Raise UnsafeStatement unless ``sql`` is one statement that reads."""
        statements = self.connection.extract_statements(sql)
        kinds = [statement.type.name for statement in statements]
        if len(kinds) != 1:
            raise UnsafeStatement(
                f"{self.source}: expected one statement, found {len(kinds)}", hint="send one at a time"
            )
        if kinds[0] not in ("SELECT", "EXPLAIN"):
            raise UnsafeStatement(
                f"{self.source}: {kinds[0]} statements are not possible",
                hint="files are read with SELECT, and written with archive()",
            )

    def explain(self, error: Exception, sql: str, cause: StupiddbError | None) -> StupiddbError:
        """DuckDB's error as ours; ``cause`` is what reading a file failed with, and wins."""
        if isinstance(error, StupiddbError):
            return error
        if cause is not None:
            return cause
        message = str(error).split("\n\nLINE ")[0].strip()
        return QueryFailed(message, source=self.source, sql=sql, position=_position(str(error), sql))

    def close(self) -> None:
        """Give the memory back."""
        self.connection.close()


class Deadline:
    """Interrupts work that runs longer than ``seconds``; None never does."""

    def __init__(self, seconds: float | None, interrupt: Callable[[], None]) -> None:
        self.seconds = seconds
        self.passed = False
        self._interrupt = interrupt
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """Begin to count."""
        if self.seconds is not None:
            self._timer = threading.Timer(self.seconds, self._end)
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        """No longer count."""
        if self._timer is not None:
            self._timer.cancel()

    def error(self, source: str, sql: str) -> QueryTimeout:
        """What to raise once it has passed."""
        return QueryTimeout(
            f"stopped after {self.seconds:g} s",
            source=source,
            sql=sql,
            hint="allow more with --timeout, or read less",
        )

    def _end(self) -> None:
        self.passed = True
        self._interrupt()


def quote(name: str) -> str:
    """An identifier in DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def _position(text: str, sql: str) -> int | None:
    """The 0-based offset that DuckDB's caret points at; long lines are shown in part, between dots."""
    pointed = re.search(r"\n\nLINE (\d+): (.*)\n( *)\^", text)
    if pointed is None:
        return None
    lines = sql.split("\n")
    line, shown = int(pointed[1]), pointed[2]
    if not 0 < line <= len(lines):
        return None
    core = shown.removeprefix("...").removesuffix("...")
    start = lines[line - 1].find(core) if core else -1
    if start < 0:
        return None
    column = len(pointed[3]) - len(f"LINE {line}: ") - (len(shown) - len(shown.removeprefix("...")))
    return sum(len(each) + 1 for each in lines[: line - 1]) + start + max(column, 0)
