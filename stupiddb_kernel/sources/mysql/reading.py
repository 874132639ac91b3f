"""One reading statement on MySQL: prepared to learn its columns, wrapped in casts where needed, streamed.

It runs in a READ ONLY transaction on a PyMySQL session that connectorx borrows through the relay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from stupiddb_kernel.errors import QueryFailed
from stupiddb_kernel.sources import binding, relational
from stupiddb_kernel.sources.mysql import faults, types
from stupiddb_kernel.sources.mysql.process import WorkerFailed
from stupiddb_kernel.sources.reading import ConnectionLost

if TYPE_CHECKING:
    from stupiddb_kernel.sources.mysql.connection import Link
    from stupiddb_kernel.sources.mysql.process import Worker

T = TypeVar("T")

SHOWING = ("SHOW", "EXPLAIN", "DESCRIBE", "DESC")
"""First words of statements that read but can't stand in parentheses."""

_ALL_ROWS = 2**64 - 1


@dataclass(frozen=True)
class Statement:
    """What is to be read: the user's text, and the same with its values in place."""

    source: str
    original: str
    text: str
    first_word: str
    timeout: float
    limit: int | None = None
    database: str | None = None
    batch_rows: int = 65_536

    @property
    def is_query(self) -> bool:
        """Whether it can stand in parentheses."""
        return self.first_word in relational.READING

    def select(self, plans: Sequence[types.ColumnPlan], *, named: bool) -> str:
        """The text to send: the user's own, or wrapped in casts where connectorx is wrong.

        ``named``: the server takes names for the columns of a common table expression. MariaDB forgets
        the order of a subquery without LIMIT, so it is given one that cuts nothing.
        """
        if not self.is_query or all(plan.direct for plan in plans):
            return self.text
        inner = self.text
        if _is_ordered(inner):
            inner += f"\nLIMIT {_ALL_ROWS}"
        names = [f"c{index}" for index in range(len(plans))] if named else [_quoted(p.name) for p in plans]
        wanted = ", ".join(
            f"{plan.expression.format(name)} AS c{index}"
            for index, (plan, name) in enumerate(zip(plans, names, strict=True))
        )
        if named:
            return f"WITH q ({', '.join(names)}) AS (\n{inner}\n) SELECT {wanted} FROM q"
        return f"SELECT {wanted} FROM (\n{inner}\n) AS q"


class Stream:
    """The statement running on one link. Opened and read by one thread, killed by any."""

    def __init__(self, statement: Statement, link: Link) -> None:
        self.statement = statement
        self.link = link
        self.plans: list[types.ColumnPlan] = []
        self.lost = False
        self._worker: Worker | None = None
        self._found: pa.Schema | None = None
        self._sent: str | None = None
        self._ended = False

    def prepare(self) -> None:
        """Open the transaction everything happens in and learn the columns; nothing runs yet."""
        statement, link = self.statement, self.link
        self._guarded(lambda: link.limit_time(statement.timeout))
        if statement.database is not None:
            self._guarded(lambda: link.session.select_db(statement.database))
        limit = "DEFAULT" if statement.limit is None else str(int(statement.limit))
        self._guarded(lambda: link.execute(f"SET sql_select_limit = {limit}"))
        self._guarded(lambda: link.execute("START TRANSACTION READ ONLY"))
        self._describe()

    def _describe(self) -> None:
        columns = self._guarded(lambda: self.link.describe(self.statement.text))
        relational.refuse_unless_reading(self.statement.first_word, SHOWING)
        if not columns:
            raise QueryFailed(
                "the statement returns no columns", source=self.statement.source, sql=self.statement.original
            )
        names = relational.unique_names(column.name for column in columns)
        self.plans = [types.column_plan(name, column) for name, column in zip(names, columns, strict=True)]

    def start(self) -> None:
        """Send the statement and wait for what connectorx says of its columns."""
        if self.statement.limit == 0:
            # Nothing to run; and a session without rows would not even let connectorx in.
            self._ended = True
            return
        major = self.link.release
        named = major >= ((10, 2) if self.link.is_mariadb else (8, 0))
        self._sent = self.statement.select(self.plans, named=named)
        rows = types.batch_rows(self.plans, self.statement.batch_rows)
        self._worker = self._guarded(lambda: self.link.start(str(self._sent), rows))
        self._found = self._guarded(self._worker.schema)

    @property
    def schema(self) -> pa.Schema:
        """What is delivered."""
        return pa.schema([(plan.name, plan.type) for plan in self.plans])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._worker is None:  # no rows were asked for
            return
        batches = self._worker.batches(self._found)
        while (batch := self._guarded(lambda: next(batches, None))) is not None:
            if batch.num_rows:
                yield types.restore_batch(batch, self.plans, self.statement.source)
        self._ended = True

    def stop(self, attempt: int) -> None:
        """Kill the statement by another connection; hang up if that was of no use."""
        if attempt == 0:
            self.link.kill()
        elif attempt > 3:
            self.link.hang_up()

    def finish(self, *, complete: bool) -> bool:
        """End the transaction; True if the link can be used again."""
        if self.link.cancelled or self.lost or (self._worker is not None and not self._ended):
            return False
        if not complete and self._worker is not None:
            return False
        try:
            if not self.link.settle():
                return False
            self.link.execute("ROLLBACK")
            if self.statement.limit:  # the next one may be a look at the catalog, which must not be cut
                self.link.execute("SET sql_select_limit = DEFAULT")
        except Exception:  # noqa: BLE001 - whatever it is, the link is not used again
            return False
        return self.statement.database is None

    def _guarded(self, work: Callable[[], T]) -> T:
        """Do it; what the drivers raise is translated here."""
        import pymysql

        try:
            return work()
        except (pymysql.Error, OSError, EOFError, WorkerFailed) as error:
            if isinstance(error, WorkerFailed) and error.kind == "gone" and self.link.lost:
                self.lost = True
                raise faults.lost("the server ended it", self.statement.source) from error
            fault = faults.running(
                error,
                self.statement.source,
                sql=self.statement.original,
                sent=self._sent or self.statement.text,
                timeout=self.statement.timeout,
            )
            self.lost = isinstance(fault, ConnectionLost)
            raise fault from error


def _is_ordered(sql: str) -> bool:
    """Whether the statement itself ends in ORDER BY without LIMIT."""
    depth = 0
    ordered = False
    for token in binding.tokenize(sql, "mysql"):
        if token.kind == "symbol":
            depth += (token.text == "(") - (token.text == ")")
        elif depth == 0 and token.word == "ORDER":
            ordered = True
        elif depth == 0 and token.word in ("LIMIT", "UNION", "EXCEPT", "INTERSECT"):
            ordered = False
    return ordered


def _quoted(identifier: Any) -> str:
    return "`" + str(identifier).replace("`", "``") + "`"
