"""The hardened DuckDB instance of a session: results in memory, the store file attached beside them.

One instance holds two databases: ``results`` (in memory, spills to a private folder) and ``local``,
the store file. So ``local.main.flights`` means the same in SQL and in the catalog. The file is attached
apart from opening the instance: where another process holds it, everything else goes on working.

From the first moment external access is off and the configuration locked: no statement can read or
write any file but the store's own, load an extension, reach a URL, or see a Python variable.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import StoreError, StoreLocked
from stupiddb_kernel.sources.engine.hardening import harden
from stupiddb_kernel.sources.engine.naming import literal, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from stupiddb_kernel.config.settings import DuckdbSettings

RESULTS = "results"
_OWN_FILES = ("", ".wal", ".wal.checkpoint", ".wal.recovery", ".tmp")  # what DuckDB writes beside a database


class Instance:
    """Opens on first use; ``prepare`` is called once with a connection after the file was attached."""

    def __init__(
        self, settings: DuckdbSettings, prepare: Callable[[DuckDBPyConnection], None] = lambda _: None
    ) -> None:
        self.settings = settings
        self.prepare = prepare
        self._connection: DuckDBPyConnection | None = None
        self._attached = False
        self._spill: Path | None = None
        self._lock = threading.RLock()

    @property
    def attached(self) -> bool:
        """Whether the store file is attached now."""
        return self._attached

    def connection(self) -> DuckDBPyConnection:
        """The instance's first connection. Other threads use ``cursor``."""
        with self._lock:
            if self._connection is None:
                self._connection = self._open()
            return self._connection

    def cursor(self, *, attach: bool = True) -> DuckDBPyConnection:
        """A connection of its own, which finds bare names in the store first, then among the results.

        Raises StoreLocked, with who holds it, if ``attach`` and another process has the file open.
        """
        with self._lock:
            connection = self.connection()
            if attach:
                self.attach()
            cursor = connection.cursor()
            self._set_path(cursor)
            return cursor

    def attach(self) -> None:
        """Attach the store file if it is not; creates it, and its folder, where there is none."""
        with self._lock:
            if self._attached:
                return
            connection = self.connection()
            target = "':memory:'" if self.settings.path is None else literal(str(self.settings.path))
            try:
                if self.settings.path is not None:
                    self.settings.path.parent.mkdir(parents=True, exist_ok=True)
                connection.execute(f"ATTACH {target} AS {self._quoted_name}")
            except Exception as error:
                raise self._translate(error) from error
            self._attached = True
            try:
                self.prepare(connection)
            except BaseException:
                connection.execute(f"DETACH {self._quoted_name}")
                self._attached = False
                raise
            self._set_path(connection)

    def close(self) -> None:
        """Checkpoint the store and release the file; results are gone."""
        with self._lock:
            connection, self._connection, self._attached = self._connection, None, False
            try:
                if connection is not None:
                    connection.close()
            finally:
                if self._spill is not None:
                    shutil.rmtree(self._spill, ignore_errors=True)
                    self._spill = None

    @property
    def _quoted_name(self) -> str:
        return quote(self.settings.name)

    def _set_path(self, connection: DuckDBPyConnection) -> None:
        path = f"{self._quoted_name}.main,{RESULTS}.main" if self._attached else f"{RESULTS}.main"
        connection.execute(f"SET search_path = {literal(path)}")

    def _open(self) -> DuckDBPyConnection:
        import duckdb

        spill = self.settings.temp_directory
        if spill is None:
            spill = self._spill = Path(tempfile.mkdtemp(prefix="stupiddb-spill-"))
        connection = duckdb.connect(":memory:")
        connection.execute(f"SET temp_directory = {literal(str(spill))}")
        if self.settings.memory_limit is not None:
            connection.execute(f"SET memory_limit = {literal(self.settings.memory_limit)}")
        if self.settings.threads is not None:
            connection.execute(f"SET threads = {int(self.settings.threads)}")
        if self.settings.path is not None:
            own = ", ".join(literal(f"{self.settings.path}{suffix}") for suffix in _OWN_FILES)
            connection.execute(f"SET allowed_paths = [{own}]")
        connection.execute(f"ATTACH ':memory:' AS {RESULTS}")
        harden(connection)
        return connection

    def _translate(self, error: Exception) -> StoreError:
        path, text = self.settings.path, str(error)
        held = re.search(r"Conflicting lock is held in (.+?) \(PID (\d+)\)", text)
        if held:
            who = _describe_process(int(held[2])) or held[1]
            return StoreLocked(
                f"the local store {path} is held by {who} (process {held[2]})",
                hint="close that notebook, kernel or job, or set another [store] path; "
                "everything but the local store works meanwhile",
            )
        if "Could not set lock" in text:
            return StoreLocked(
                f"the local store {path} is held by another process",
                hint="close the other notebook or job, or set another [store] path",
            )
        if isinstance(error, PermissionError) or "Permission denied" in text:
            return StoreError(
                f"the local store {path} can't be opened: permission denied",
                hint="set [store] path to a file you may write",
            )
        return StoreError(
            f"the local store {path} can't be opened: {text.splitlines()[0]}",
            hint="if the file is damaged, move it away or restore it from a copy; a new one is made then",
        )


def _describe_process(pid: int) -> str | None:
    """The command line of a process, shortened; None where it can't be seen."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    line = " ".join(word for word in words if word)
    return f"`{line[:117] + '…' if len(line) > 118 else line}`" if line else None
