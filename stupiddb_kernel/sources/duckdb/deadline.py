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
        self.resume()

    def resume(self) -> None:
        """Let the time run."""
        if self.seconds is not None and self._timer is None:
            self._timer = threading.Timer(self.seconds, self._end)
            self._timer.daemon = True
            self._timer.start()

    def pause(self) -> None:
        """Stop the time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def explain(self, error: Exception) -> Exception:
        """``error``, or QueryTimeout where it came from this deadline."""
        if not self.passed:
            return error
        return QueryTimeout(
            f"stopped after {self.seconds:g} s",
            source=getattr(error, "source", "local"),
            sql=getattr(error, "sql", None),
            hint="allow more with --timeout, or read less",
        )

    def _end(self) -> None:
        self.passed = True
        self._interrupt()
