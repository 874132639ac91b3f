"""A statement's time limit, for a database that has none of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from stupiddb_kernel.errors import QueryTimeout


class Deadline:
    """Interrupts a statement that runs longer than allowed; waiting for the consumer does not count."""

    def __init__(self, seconds: float | None, interrupt: Callable[[], None]) -> None:
        self.seconds = seconds
        self.passed = False
        self._interrupt = interrupt
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Deadline:
        if self.seconds is not None:
            self._timer = threading.Timer(self.seconds, self._end)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
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
