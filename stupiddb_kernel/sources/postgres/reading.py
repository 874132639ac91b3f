"""One reading statement on PostgreSQL: described, wrapped where the driver is wrong, streamed by COPY.

The statement is described first, so its errors carry the user's own positions and every column's type is
known. Then it runs inside a READ ONLY transaction as ``COPY (…) TO STDOUT (FORMAT binary)``, which is what
ADBC makes of a query; columns that ADBC reads wrongly are cast on the server (``types``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stupiddb_kernel.errors import InexactValue, QueryFailed
from stupiddb_kernel.sources import relational
from stupiddb_kernel.sources.literal import literal
from stupiddb_kernel.sources.postgres import faults, types
from stupiddb_kernel.sources.reading import ConnectionLost
from stupiddb_kernel.sources.relational import READING, unique_names

if TYPE_CHECKING:
    from stupiddb_kernel.sources.postgres.connection import DataConnection

SHOWING = ("SHOW", "EXPLAIN")
"""First words of statements that read but can't stand in parentheses."""


@dataclass(frozen=True)
class Statement:
    """What is to be read: the user's text, and the same with its values in place."""

    source: str
    original: str
    text: str
    first_word: str
    origin: Callable[[int], int]
    limit: int | None = None
    timeout: float | None = None
    settings: tuple[tuple[str, str], ...] = ()
    """Set for this transaction alone."""
    batch_rows: int = 65_536

    @property
    def is_query(self) -> bool:
        """Whether it can stand in parentheses; SHOW and EXPLAIN can't, and COPY does not take them."""
        return self.first_word in READING

    def select(self, plans: Sequence[types.ColumnPlan], condition: str = "") -> str:
        """The text to send: the user's own if the driver reads all of it exactly, else wrapped in casts."""
        if not self.is_query:
            return self.text
        if all(plan.direct for plan in plans) and self.limit is None:
            return self.text
        aliases = [f"c{index}" for index in range(len(plans))]
        wanted = [plan.expression.format(alias) for plan, alias in zip(plans, aliases, strict=True)]
        wanted += [
            plan.guard.format(alias)
            for plan, alias in zip(plans, aliases, strict=True)
            if plan.guard is not None
        ]
        limit = "" if self.limit is None else f" LIMIT {int(self.limit)}"
        names = f" AS q({', '.join(aliases)})"
        return f"SELECT {', '.join(wanted)} FROM (\n{self.text}\n){names}{condition}{limit}"


class Stream:
    """The statement running on one connection. Opened and read by one thread, cancelled by any."""

    def __init__(self, statement: Statement, connection: DataConnection) -> None:
        self.statement = statement
        self.connection = connection
        self.plans: list[types.ColumnPlan] = []
        self._cursor: Any = None
        self._reader: Any = None
        self._ahead: list[pa.RecordBatch] = []
        self._lost = False
        self._started = time.monotonic()

    def prepare(self) -> None:
        """Open the transaction everything happens in and learn the columns; nothing runs yet."""
        self._guarded(lambda: self.connection.execute("BEGIN READ ONLY"))
        if self.statement.settings:
            calls = [f"set_config({_text(n)}, {_text(v)}, true)" for n, v in self.statement.settings]
            self._guarded(lambda: self.connection.rows("SELECT " + ", ".join(calls)))
        self._describe()

    def _describe(self) -> None:
        cursor = self.connection.raw.cursor()
        try:
            schema = self._guarded(lambda: cursor.adbc_execute_schema(self.statement.text))
        finally:
            cursor.close()
        relational.refuse_unless_reading(self.statement.first_word, SHOWING)
        if not len(schema):
            raise QueryFailed(
                "the statement returns no columns", source=self.statement.source, sql=self.statement.original
            )
        names = unique_names(schema.names)
        self.plans = [
            types.column_plan(name, *_native(field)) for name, field in zip(names, schema, strict=True)
        ]

    def start(self, condition: str = "") -> None:
        """Send the statement; numerics without precision get their type from the first rows."""
        copies = "true" if self.statement.is_query else "false"
        self._cursor = self.connection.raw.cursor(adbc_stmt_kwargs={"adbc.postgresql.use_copy": copies})
        self._started = time.monotonic()
        sql = self.statement.select(self.plans, condition)
        self._guarded(lambda: self._cursor.execute(sql))
        self._reader = self._guarded(self._cursor.fetch_record_batch)
        if any(plan.unscaled for plan in self.plans):
            self._settle_scales()

    @property
    def schema(self) -> pa.Schema:
        """What is delivered."""
        return pa.schema([(plan.name, plan.type) for plan in self.plans])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        rows = max(1, self.statement.batch_rows)
        while (batch := self._next()) is not None:
            exact = types.restore_batch(batch, self.plans, self.statement.source)
            if not self.connection.text_is_checked:
                self._check_text(exact)
            # DuckDB writes row groups twice if a batch is longer than one and not a multiple of it.
            for offset in range(0, exact.num_rows, rows):
                yield exact.slice(offset, rows)

    def stop(self, attempt: int) -> None:  # noqa: ARG002 - every attempt asks the same
        """Ask the server to stop; the connection is not used for another statement."""
        self.connection.cancel()

    def finish(self, *, complete: bool) -> bool:
        """End the transaction; True if the connection can be used again.

        What is still being sent is stopped, not read to its end.
        """
        usable = complete and not self.connection.cancelled and not self._lost
        if not usable and not self._lost and self._reader is not None:
            with contextlib.suppress(Exception):
                self.connection.cancel()
        for thing in (self._reader, self._cursor):
            with contextlib.suppress(Exception):
                if thing is not None:
                    thing.close()
        if usable:
            try:
                self.connection.execute("ROLLBACK")
            except Exception:  # noqa: BLE001 - whatever it is, the connection is not used again
                return False
        return usable

    def _next(self) -> pa.RecordBatch | None:
        if self._ahead:
            return self._ahead.pop(0)
        try:
            return self._guarded(self._reader.read_next_batch)
        except StopIteration:
            return None

    def _settle_scales(self) -> None:
        first, second = self._next(), None
        if first is not None:
            second = self._next()
        self._ahead = [batch for batch in (first, second) if batch is not None]
        for index, plan in enumerate(self.plans):
            if plan.unscaled:
                texts = first.column(index) if first is not None else pa.array([], pa.string())
                kind = types.unscaled_type(texts, complete=second is None)
                self.plans[index] = types.with_type(plan, kind)

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """Do it; what the driver raises is translated here."""
        from adbc_driver_manager import Error

        try:
            return work()
        except (Error, pa.ArrowException, OSError) as error:
            fault = faults.running(
                error,
                self.statement.source,
                sql=self.statement.original,
                origin=self.statement.origin,
                timeout=self.statement.timeout,
                elapsed=time.monotonic() - self._started,
            )
            self._lost = isinstance(fault, ConnectionLost)
            raise fault from error

    def _check_text(self, batch: pa.RecordBatch) -> None:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                column.validate(full=True)
            except pa.ArrowInvalid as error:
                raise InexactValue(
                    f"the column {name!r} holds bytes that are no UTF-8, in a SQL_ASCII database",
                    source=self.statement.source,
                    hint="cast it to bytea, or convert_from(column::bytea, 'LATIN1')",
                ) from error


def _native(field: pa.Field) -> tuple[str, int]:
    metadata = field.metadata or {}
    modifier = int(metadata.get(b"POSTGRESQL:typmod", b"-1"))
    return metadata.get(b"POSTGRESQL:type", b"").decode(), modifier


def _text(value: str) -> str:
    return literal(value, "postgres")
