"""What one query has read so far, and whether it may read on. Shared by all threads of that query."""

from __future__ import annotations

import threading
import time

from stupiddb_kernel.local.athena.errors import QueryStopped, ScanCutoffReached

SETTLE_SECONDS = 10.0


class Meter:
    """Counts the bytes of column chunks as they arrive; stops the query at its cutoff or on demand.

    The first error inside a scan is kept in ``error``: DuckDB only passes its text on.
    """

    def __init__(self, cutoff: int | None = None) -> None:
        self.cutoff = cutoff
        self.bytes = 0
        self.rows = 0
        self.files = 0
        self.row_groups = 0
        self.error: Exception | None = None
        self.stopped = False
        self._fetching = 0
        self._closed = False
        self._changed = threading.Condition()

    def stop(self) -> None:
        """Let nothing more be read."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raise if the query may not read on.

        Raises:
            QueryStopped: it was stopped.
            ScanCutoffReached: it is over its cutoff.
        """
        if self.stopped:
            raise QueryStopped
        if self.cutoff is not None and self.bytes > self.cutoff:
            raise ScanCutoffReached

    def fail(self, error: Exception) -> None:
        """Keep the first error of any thread."""
        with self._changed:
            if self.error is None:
                self.error = error

    def begin(self) -> None:
        """A fetch from S3 starts."""
        with self._changed:
            self._fetching += 1

    def end(self, fetched: int) -> None:
        """A fetch from S3 is over and brought this many bytes."""
        with self._changed:
            self._fetching -= 1
            if not self._closed:
                self.bytes += fetched
            self._changed.notify_all()

    def decoded(self, rows: int) -> None:
        """A row group was handed on."""
        with self._changed:
            self.rows += rows
            self.row_groups += 1

    def opened(self, files: int) -> None:
        """Files survived pruning by partition."""
        with self._changed:
            self.files += files

    def settle(self) -> int:
        """Wait for fetches under way, so that the count is true; then count no more. Returns the bytes."""
        deadline = time.monotonic() + SETTLE_SECONDS
        with self._changed:
            while self._fetching and not self.stopped and time.monotonic() < deadline:
                self._changed.wait(0.05)
            self._closed = True
            return self.bytes
