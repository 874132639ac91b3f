"""One statement in a hardened DuckDB, streamed: bound, timed, interruptible, its errors told as ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import StupiddbError
from stupiddb_kernel.sources.base import QueryStats, ReadOptions
from stupiddb_kernel.sources.engine.bound import Bound
from stupiddb_kernel.sources.engine.deadline import Deadline
from stupiddb_kernel.sources.engine.exactness import refuse_inexact
from stupiddb_kernel.sources.engine.statements import reads, single_statement
from stupiddb_kernel.sources.result import Result, interruptible

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


def read(
    connection: DuckDBPyConnection,
    bound: Bound,
    options: ReadOptions,
    *,
    source: str,
    close: Callable[[], None],
    may_write: bool = False,
    blame: Callable[[Exception], StupiddbError | None] = lambda _: None,
) -> Result:
    """Start a statement on a connection of its own and stream what it returns.

    ``close`` is called once, at the end or when starting fails. ``blame`` may name a better cause for an
    error of DuckDB, such as the file it could not read. The timeout counts DuckDB's work, not the waits
    of the consumer.
    """
    stats = QueryStats(source, bound.sql)
    if options.watch is not None:
        options.watch(stats)
    deadline = Deadline(options.timeout_seconds, connection.interrupt)

    def explain(error: Exception) -> Exception:
        if deadline.passed:
            return deadline.error(source, bound.sql)
        return blame(error) or bound.explain(error, source)

    def start() -> pa.RecordBatchReader:
        connection.execute(f"EXPLAIN {bound.text}" if options.dry_run else bound.text, bound.values or None)
        refuse_inexact(connection.description or (), source=source)
        return connection.to_arrow_reader(options.batch_rows)

    try:
        statement = single_statement(connection, bound.text, source=source, may_write=may_write)
        with deadline:
            reader = interruptible(start, connection.interrupt)
    except Exception as error:
        close()
        raise explain(error) from error
    except KeyboardInterrupt:
        close()
        raise

    def batches() -> Iterator[pa.RecordBatch]:
        while True:
            try:
                with deadline:
                    batch = reader.read_next_batch()
            except StopIteration:
                return
            except Exception as error:
                raise explain(error) from error
            yield batch

    limit = options.limit if reads(statement) else None
    return Result(reader.schema, batches(), stats, cancel=connection.interrupt, close=close, limit=limit)
