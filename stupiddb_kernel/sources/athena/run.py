"""One read through Athena, from the statement as typed to the batches: how, how long, for how much."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from stupiddb_kernel.errors import (
    QueryCancelled,
    QueryFailed,
    QueryTimeout,
    ScanLimitExceeded,
    SourceError,
    UsageError,
)
from stupiddb_kernel.sources.athena import billing
from stupiddb_kernel.sources.athena.errors import bytes_text, failure, refuses_unload
from stupiddb_kernel.sources.athena.execution import Execution, Queries, Request
from stupiddb_kernel.sources.athena.results import Results
from stupiddb_kernel.sources.athena.statement import Statement
from stupiddb_kernel.sources.athena.unload import Unload, UnloadReader
from stupiddb_kernel.sources.base import QueryStats, ReadOptions
from stupiddb_kernel.sources.binding import first_word
from stupiddb_kernel.sources.result import Result

if TYPE_CHECKING:
    import pyarrow as pa

    from stupiddb_kernel.sources.athena.source import AthenaSource

REUSE_MINUTES = 24 * 60
E = TypeVar("E", bound=QueryFailed)


class Run:
    """Made for one read. ``start`` blocks until the result can be read; ``stop`` ends it from any thread."""

    def __init__(self, source: AthenaSource, statement: Statement, options: ReadOptions) -> None:
        self._source = source
        self._statement = statement
        self._options = options
        self._queries: Queries = source.queries()
        self._stopped = threading.Event()
        self._counted = 0
        self._unloaded: UnloadReader | None = None
        self.stats = QueryStats(source.name, statement.typed, scanned=0, dollars=0.0, queued=0.0, engine=0.0)
        settings = source.settings
        self._seconds = options.timeout_seconds or settings.timeout_seconds
        self._cap = options.max_scan_bytes or settings.max_scan_bytes
        self._end = time.monotonic() + self._seconds

    def start(self) -> Result:
        """Run the statement and open its result. Raises QueryFailed and its kin; leaves no file behind."""
        if self._options.watch is not None:
            self._options.watch(self.stats)
        try:
            schema, batches = self._open()
        except BaseException:
            self.discard()
            raise
        return Result(
            schema,
            batches,
            self.stats,
            cancel=self._stopped.set,
            close=self.discard,
            limit=self._options.limit,
        )

    def stop(self) -> None:
        """Stop what runs in Athena; ``start`` then raises QueryCancelled once it has stopped there."""
        self._stopped.set()

    def discard(self) -> None:
        """Remove temporary files."""
        unloaded, self._unloaded = self._unloaded, None
        if unloaded is not None:
            unloaded.remove()

    def _open(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        output = self._source.unload_location()
        if self._options.dry_run:
            if first_word(self._statement.inlined, "athena") == "EXPLAIN":
                raise UsageError(
                    "an EXPLAIN can't be explained once more",
                    hint="leave out dry-run, or the word EXPLAIN; EXPLAIN ANALYZE runs it and is billed",
                )
            return self._direct(f"EXPLAIN {self._statement.inlined}", ())
        if self._statement.unload and output is not None:
            try:
                return self._unload(output)
            except SourceError as error:
                if not refuses_unload(error):
                    raise
                self.discard()
        return self._direct(self._statement.direct, self._statement.execution_parameters)

    def _unload(self, output: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        unload = Unload.below(output)
        sql = unload.sql(self._statement.inlined)
        self._unloaded = UnloadReader(self._source.s3(), self._source.name, unload)
        execution = self._execute(sql, (), first_line=2)
        opened = self._unloaded.open(execution.manifest_location)
        if opened is not None:
            return opened
        # No row, no file, no schema: ask for the same columns without a row, which scans nothing.
        sql = f"SELECT * FROM (\n{self._statement.inlined}\n) LIMIT 0"
        return self._direct(sql, (), first_line=2)

    def _direct(
        self, sql: str, parameters: tuple[str, ...], *, first_line: int = 1
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        execution = self._execute(
            sql, parameters, first_line=first_line, reuse=self._statement.select and self._options.use_cache
        )
        results = Results(
            execution,
            self._source.name,
            lambda **arguments: self._queries.throttle.call(
                f"read the result of {execution.id}",
                self._source.athena().get_query_results,
                self._stopped,
                **arguments,
            ),
            self._source.s3,
        )
        return results.open()

    def _execute(
        self, sql: str, parameters: tuple[str, ...], *, first_line: int, reuse: bool = False
    ) -> Execution:
        """Run one query to its end within timeout and cap. ``first_line``: where the typed SQL begins."""
        source = self._source
        body = sql if first_line == 1 else self._statement.inlined

        def position(line: int, column: int) -> int | None:
            if sql.startswith("EXPLAIN ") and not self._statement.inlined.startswith("EXPLAIN "):
                column -= len("EXPLAIN ") if line == 1 else 0
                return self._statement.position(self._statement.inlined, line, column)
            return self._statement.position(body, line - first_line + 1, column)

        request = Request(
            sql,
            self._options.database or source.settings.database,
            source.settings.catalog,
            source.settings.workgroup,
            source.client_output_location(),
            parameters,
            REUSE_MINUTES if reuse else None,
        )
        if self._stopped.is_set():
            raise self._cancelled(None)
        query_id = self._queries.start(request, self._statement.typed, position, self._stopped)
        self.stats.query_id = query_id
        finished = False
        try:
            execution = self._queries.watch(query_id, self._stopped, self._guard)
            if not execution.finished:
                execution, finished = self._ended(query_id), True
                raise self._cancelled(execution)
            finished = True
        except (_OverTime, _OverCap) as reason:
            execution, finished = self._ended(query_id), True
            raise self._over(reason, execution) from None
        finally:
            if not finished:  # whatever broke the watch: nothing of ours may go on running
                self._ended(query_id)
        self._count(execution)
        if self._cap is not None and execution.scanned > self._cap:
            raise self._over(_OverCap(), execution)  # it was faster than the watch
        if execution.state == "SUCCEEDED":
            return execution
        if execution.state == "CANCELLED" and not execution.reason:
            raise self._cancelled(execution)
        error = failure(
            execution.reason or f"query {query_id} ended as {execution.state}",
            source=source.name,
            sql=self._statement.typed,
            position=position,
            query_id=query_id,
            retryable=execution.retryable,
        )
        if isinstance(error, QueryFailed):
            self._attach(error)
        raise error

    def _guard(self, execution: Execution) -> None:
        self.stats.scanned = self._counted + execution.scanned
        if time.monotonic() > self._end:
            raise _OverTime
        if self._cap is not None and execution.scanned > self._cap:
            raise _OverCap

    def _ended(self, query_id: str) -> Execution:
        """Stop a query for good and count what it cost."""
        execution = self._queries.stop(query_id)
        self._count(execution)
        return execution

    def _count(self, execution: Execution) -> None:
        self.stats.scanned = self._counted  # what `_guard` showed on the way is part of the final figure
        billing.add(self.stats, execution, self._source.settings.dollars_per_tb)
        self._counted = self.stats.scanned

    def _over(self, reason: Exception, execution: Execution) -> QueryFailed:
        cost = self._cost(execution)
        where: dict[str, Any] = {
            "source": self._source.name,
            "sql": self._statement.typed,
            "query_id": execution.id,
        }
        if isinstance(reason, _OverTime):
            return self._attach(
                QueryTimeout(
                    f"stopped after {self._seconds:g} s; {cost}",
                    **where,
                    hint="allow more with --timeout or timeout_seconds, or read less",
                )
            )
        return self._attach(
            ScanLimitExceeded(
                f"stopped above the cap of {bytes_text(self._cap or 0)}; {cost}",
                **where,
                hint="filter on partition columns and select fewer columns, or allow more with --max-scan",
            )
        )

    def _cancelled(self, execution: Execution | None) -> QueryCancelled:
        cost = "nothing was started" if execution is None else self._cost(execution)
        return self._attach(
            QueryCancelled(
                f"the query was cancelled; {cost}",
                source=self._source.name,
                sql=self._statement.typed,
                query_id=execution.id if execution else None,
            )
        )

    def _cost(self, execution: Execution) -> str:
        per_tb = self._source.settings.dollars_per_tb
        price = billing.dollars(execution, per_tb)
        return f"{bytes_text(execution.scanned)} scanned, ${price:.6f} (query {execution.id})"

    def _attach(self, error: E) -> E:
        error.scanned, error.dollars = self.stats.scanned, self.stats.dollars
        return error


class _OverTime(Exception):
    """The query ran longer than allowed."""


class _OverCap(Exception):
    """The query scanned more than allowed."""
