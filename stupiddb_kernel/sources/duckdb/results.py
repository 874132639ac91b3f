"""Results of all sources, held in the memory of the local DuckDB while anything refers to them."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import InexactValue
from stupiddb_kernel.sources.duckdb.connection import RESULTS, Instance
from stupiddb_kernel.sources.engine.exactness import refuse_unholdable
from stupiddb_kernel.sources.engine.naming import quote
from stupiddb_kernel.sources.engine.statements import translate
from stupiddb_kernel.sources.result import Result, interruptible

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from duckdb import DuckDBPyConnection


class Results:
    """Tables ``results.main.result_N``, each dropped after the last expression and name of it are gone.

    Dropping waits for the next ``load``: a finalizer may run in the midst of any statement.
    """

    def __init__(self, instance: Instance, source: str) -> None:
        self._instance = instance
        self._source = source
        self._lock = threading.RLock()
        self._count = 0
        self._names: dict[str, str] = {}
        self._unreferenced: deque[str] = deque()

    def load(self, result: Result) -> str:
        """Read a result to its end, spilling where memory does not suffice; returns the table's name.

        Ctrl-C stops the read in its own store. Raises what the read raised.
        """
        try:
            refuse_unholdable(result.schema, source=result.stats.source)
        except InexactValue:
            result.close()
            raise
        with self._lock:
            self._sweep()
            self._count += 1
            table = f"result_{self._count}"
        cursor = self._instance.cursor(attach=False)

        def pull() -> None:
            with result:
                cursor.register("incoming", result.reader())
                cursor.execute(f"CREATE TABLE {RESULTS}.main.{table} AS FROM incoming")

        def stop() -> None:
            result.cancel()
            cursor.interrupt()

        try:
            interruptible(pull, stop)
        except Exception as error:
            # what fails while DuckDB pulls comes back as DuckDB's error: the cause is what the read met
            raise result.error or translate(error, result.stats.sql, source=self._source) from error
        finally:
            cursor.close()
        return table

    def follow(self, expression: ir.Table, table: str) -> None:
        """Keep ``table`` while ``expression``, or anything built on it, lives."""
        weakref.finalize(expression.op(), self._unreferenced.append, table).atexit = False

    def name(self, name: str, table: str) -> None:
        """Let SQL find ``table`` as ``name``, until the next result of that name."""
        with self._lock:
            cursor = self._instance.cursor(attach=False)
            try:
                target = f"{RESULTS}.main.{quote(name)}"
                cursor.execute(f"CREATE OR REPLACE VIEW {target} AS FROM {RESULTS}.main.{table}")
            finally:
                cursor.close()
            self._names[name] = table

    def forget(self) -> None:
        """Start anew after the instance was closed, which took all results with it."""
        with self._lock:
            self._names.clear()
            self._unreferenced.clear()

    def _sweep(self) -> None:
        kept: list[str] = []
        cursor: DuckDBPyConnection | None = None
        while self._unreferenced:
            table = self._unreferenced.popleft()
            if table in self._names.values():
                kept.append(table)
                continue
            cursor = cursor or self._instance.cursor(attach=False)
            cursor.execute(f"DROP TABLE IF EXISTS {RESULTS}.main.{table}")
        if cursor is not None:
            cursor.close()
        self._unreferenced.extend(kept)
