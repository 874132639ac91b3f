"""A running read: Arrow batches as they arrive, stoppable at any moment, with its figures.

A worker thread reads ahead a few batches, so decoding overlaps with what the consumer does, memory
stays bounded, and the consuming thread only ever waits on a queue: Ctrl-C always gets through, even
when the driver is inside C code, and it stops the statement in the store.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from stupiddb_kernel.errors import QueryCancelled

if TYPE_CHECKING:
    from types import TracebackType

    from stupiddb_kernel.sources.base import QueryStats

_READ_AHEAD = 4
_POLL = 0.2  # seconds; a signal that another thread received is only handled when a wait ends
_ROW_GROUP = 122_880
_GROUP_BYTES = 64 << 20
T = TypeVar("T")


class Result:
    """What ``Source.query`` returns: iterate it once for ``pa.RecordBatch``.

    ``batches`` is pulled in a worker thread and never after ``close``. ``cancel`` is called at most
    once, from any thread, and must make a blocked ``next(batches)`` return or raise soon; ``close`` is
    called exactly once, after the worker has ended. ``limit`` cuts the stream after so many rows.
    """

    def __init__(
        self,
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
        stats: QueryStats,
        *,
        cancel: Callable[[], None] = lambda: None,
        close: Callable[[], None] = lambda: None,
        limit: int | None = None,
    ) -> None:
        self.schema = schema
        self.stats = stats
        self._batches = batches
        self._on_cancel = cancel
        self._on_close = close
        self._limit = limit
        self._queue: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(_READ_AHEAD)
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._cancelled = self._complete = self._closed = False
        self._worker: threading.Thread | None = None
        self.error: BaseException | None = None
        """What ended the read early, for consumers behind the Arrow C stream, which loses it."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name=f"read {self.stats.source}", daemon=True)
            self._worker.start()
        try:
            while not self._complete:
                try:
                    item = self._queue.get(timeout=_POLL)
                except queue.Empty:
                    continue
                if item is None or isinstance(item, BaseException):
                    self._complete = True
                    if item is not None:
                        self.error = item
                        raise item
                else:
                    self.stats.rows += item.num_rows
                    self.stats.bytes += item.nbytes
                    yield item
        finally:
            self.close()

    def reader(self) -> pa.RecordBatchReader:
        """The same stream for Arrow consumers such as DuckDB and Parquet writers, in row groups of theirs."""
        return pa.RecordBatchReader.from_batches(self.schema, _grouped(iter(self)))

    def to_arrow(self) -> pa.Table:
        """Everything, in memory."""
        return pa.Table.from_batches(list(self), self.schema)

    def cancel(self) -> None:
        """Stop the statement in the store; whoever is reading gets QueryCancelled."""
        with self._lock:
            if self._complete or self._cancelled:
                return
            self._cancelled = True
        self._stopped.set()
        self._on_cancel()

    def close(self) -> None:
        """Release what the read holds; a read that is not complete is cancelled."""
        self.cancel()
        self._stopped.set()
        if self._worker is not None:
            self._ended.wait()  # no join: see interruptible
        with self._lock:
            if self._closed:
                return
            self._closed = self._complete = True
        self._on_close()
        self.stats.finish()

    def __enter__(self) -> Result:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        try:
            self._read()
        finally:
            self._ended.set()

    def _read(self) -> None:
        outcome: BaseException | None = None
        remaining = self._limit
        try:
            for batch in self._batches:
                if remaining is not None:
                    batch = batch.slice(0, remaining)
                    remaining -= batch.num_rows
                if self._stopped.is_set() or not self._put(batch):
                    break
                if remaining is not None and remaining <= 0:
                    self._on_cancel()
                    break
        except BaseException as error:  # noqa: BLE001 - Rust drivers panic with a BaseException; re-raised by the consumer
            outcome = error
        if self._cancelled:
            cancelled = QueryCancelled(
                "the query was cancelled",
                source=self.stats.source,
                sql=self.stats.sql,
                query_id=self.stats.query_id,
            )
            cancelled.__cause__ = outcome
            outcome = cancelled
        self._put(outcome, force=True)

    def _put(self, item: pa.RecordBatch | BaseException | None, *, force: bool = False) -> bool:
        while True:
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                if self._stopped.is_set():
                    if not force:
                        return False
                    try:
                        self._queue.get_nowait()  # nobody reads any more: make room for the outcome
                    except queue.Empty:
                        continue


def _grouped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of just one DuckDB row group, as long as that is no more than 64 MiB.

    Other sizes cost DuckDB up to twice the time and, above one group, twice the file: it compresses what it
    takes in, and once more when the pieces of groups are put together.
    """
    parts: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        while batch.num_rows:
            part = batch.slice(0, _ROW_GROUP - rows)
            batch = batch.slice(part.num_rows)
            parts.append(part)
            rows, size = rows + part.num_rows, size + part.nbytes
            if rows == _ROW_GROUP or size >= _GROUP_BYTES:
                yield pa.concat_batches(parts)
                parts, rows, size = [], 0, 0
    if parts:
        yield pa.concat_batches(parts)


def interruptible(work: Callable[[], T], on_interrupt: Callable[[], None]) -> T:
    """Run blocking ``work`` in a thread so that Ctrl-C gets through; then ``on_interrupt`` must end it.

    Returns what ``work`` returned or raises what it raised; KeyboardInterrupt is raised again after
    ``on_interrupt`` was called and ``work`` has ended.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - re-raised in the caller's thread
            failure.append(error)
        finally:
            ended.set()

    # An event, not Thread.join: on Python 3.11 a join that Ctrl-C interrupts takes the thread for ended
    # (its state lock is released in the exception path), and the next join returns at once.
    ended = threading.Event()
    worker = threading.Thread(target=run, name="interruptible", daemon=True)
    try:
        worker.start()
        while not ended.wait(_POLL):
            pass
    except KeyboardInterrupt:
        on_interrupt()
        if worker.ident is not None:  # Ctrl-C may come while the thread is being started
            ended.wait()
        raise
    if failure:
        raise failure[0]
    return outcome[0]
