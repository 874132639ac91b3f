"""A read on a pooled connection, from the first try to the last row; what PostgreSQL and MySQL share."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from stupiddb_kernel.errors import QueryCancelled, SourceError, SourceUnreachable
from stupiddb_kernel.sources.result import Result, interruptible

if TYPE_CHECKING:
    import pyarrow as pa

    from stupiddb_kernel.sources.base import QueryStats
    from stupiddb_kernel.sources.pool import Pool

C = TypeVar("C")
_STOP_AGAIN_SECONDS = 0.3


class ConnectionLost(SourceUnreachable):
    """The connection broke while it was used; the statement may be sent again if nothing was delivered."""


class Stream(Protocol):
    """A statement on one connection. Opened and read by one thread, stopped by any."""

    def prepare(self) -> None:
        """Open the transaction and learn the columns; nothing runs yet."""

    def start(self) -> None:
        """Run the statement up to where ``schema`` is final."""

    @property
    def schema(self) -> pa.Schema:
        """What is delivered."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, exact, to the end."""

    def stop(self, attempt: int) -> None:
        """Stop the statement in the server; called again, with a higher number, until it has stopped."""

    def finish(self, *, complete: bool) -> bool:
        """End the transaction; True if the connection can be used again."""


class Read(Generic[C]):
    """Takes a connection, retries once if it was lost, gives it back.

    A read that lost its connection before any row was delivered starts again by itself on a new one, so
    a failover or a restarted server costs a pause of at most ``patience`` seconds and no error.
    """

    def __init__(
        self, stats: QueryStats, pool: Pool[C], stream: Callable[[C], Stream], patience: float
    ) -> None:
        self._stats = stats
        self._pool = pool
        self._make = stream
        self._patience = patience
        self._current: tuple[C, Stream] | None = None
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._over = threading.Event()
        self._complete = False
        self._retried = False

    def result(self, limit: int | None = None) -> Result:
        """Open, interruptibly, and hand over what streams. A result that nobody holds stops by itself."""
        try:
            schema = interruptible(self._open, self._cancel)
        except BaseException:
            self._close()
            raise
        result = Result(
            schema, self._batches(), self._stats, cancel=self._cancel, close=self._close, limit=limit
        )
        weakref.finalize(result, self._abandon).atexit = False
        return result

    def _open(self) -> pa.Schema:
        try:
            self._try()
        except ConnectionLost as lost:
            self._retry(lost)
        except BaseException:
            self._release(complete=True)
            raise
        return self._stream().schema

    def _batches(self) -> Iterator[pa.RecordBatch]:
        delivered = False
        while True:
            schema = self._stream().schema
            try:
                for batch in self._stream():
                    delivered = True
                    yield batch
            except ConnectionLost as lost:
                if delivered:
                    raise
                self._retry(lost)
                if self._stream().schema != schema:
                    raise
                continue
            self._complete = True
            return

    def _cancel(self) -> None:
        if self._cancelled.is_set() or self._complete:
            return
        self._cancelled.set()
        threading.Thread(target=self._stop, name=f"cancel {self._stats.source}", daemon=True).start()

    def _stop(self) -> None:
        """A request to stop may come before the statement has begun, so it is repeated until all is over."""
        attempt = 0
        while True:
            with self._lock:
                if self._current is not None:
                    self._current[1].stop(attempt)
            if self._over.wait(_STOP_AGAIN_SECONDS):
                return
            attempt += 1

    def _close(self) -> None:
        self._over.set()
        self._release(complete=self._complete)

    def _abandon(self) -> None:
        self._cancel()
        self._close()

    def _try(self) -> None:
        connection = self._pool.take(abandoned=self._cancelled.is_set)
        stream = self._make(connection)
        with self._lock:
            self._current = (connection, stream)
        self._stop_if_cancelled()
        stream.prepare()
        self._stop_if_cancelled()
        stream.start()

    def _retry(self, lost: ConnectionLost) -> None:
        """Try once more, on a new connection, as soon as the server is back."""
        self._release(complete=False)
        if self._retried or self._cancelled.is_set():
            raise lost
        self._retried = True
        self._pool.clear()  # the others went the same way
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self._try()
                return
            except SourceUnreachable as error:
                self._release(complete=False)
                gone = isinstance(error, ConnectionLost) or time.monotonic() > deadline
                if gone or self._cancelled.wait(0.2):
                    raise
            except BaseException:
                self._release(complete=True)
                raise

    def _stream(self) -> Stream:
        if self._current is None:
            raise SourceError("the read is closed", source=self._stats.source)
        return self._current[1]

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise QueryCancelled("the query was cancelled", source=self._stats.source, sql=self._stats.sql)

    def _release(self, *, complete: bool) -> None:
        with self._lock:
            current, self._current = self._current, None
        if current is not None:
            connection, stream = current
            self._pool.give(connection, broken=not stream.finish(complete=complete))
