"""A line that follows a running statement: state, time, bytes and rows so far; gone when it ends.

A thread redraws it at most four times a second, and not at all for what is done at once. In a notebook
it lives in the display that the result then takes over, so that nothing of it stays in the file.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from stupiddb.display.front import Bundle, in_this_cell, is_notebook, is_terminal, show
from stupiddb_kernel import figures

if TYPE_CHECKING:
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

    from stupiddb_kernel.sources.base import QueryStats

DELAY = 0.4
INTERVAL = 0.25


class Progress:
    """Shows what ``source`` is doing while the ``with`` block runs; then :meth:`finish` shows the result."""

    def __init__(self, shell: InteractiveShell, source: str, *, quiet: bool = False) -> None:
        self._shell = shell
        self._source = source
        self._stats: QueryStats | None = None
        self._said = ""
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._display_id: str | None = None
        self._thread: threading.Thread | None = None
        if not quiet and (is_notebook(shell) or is_terminal(shell)):
            self._thread = threading.Thread(target=in_this_cell(self._follow), name="progress", daemon=True)

    def watch(self, stats: QueryStats) -> None:
        """Take the figures to show; may come from any thread and at any time."""
        self._stats = stats

    def say(self, text: str) -> None:
        """Take a sentence to show as the state, for work that is no query."""
        self._said = text

    def line(self) -> str:
        """The state as one line."""
        stats = self._stats
        parts = [
            self._source,
            self._said or _state(stats),
            figures.duration(time.monotonic() - self._started),
        ]
        if stats is not None:
            if stats.scanned:
                parts.append(f"{figures.size(stats.scanned)} scanned")
            if stats.rows:
                parts.append(figures.count(stats.rows, "row"))
            if stats.query_id:
                parts.append(f"query {stats.query_id}")
        return " · ".join(parts)

    def finish(self, data: Bundle | None) -> None:
        """Show ``data`` where the progress was; None leaves nothing but, in a notebook, how it ended."""
        if self._display_id is None:
            if data is not None:
                show(self._shell, data)
            return
        if data is None:
            text = f"{self._source} · ended after {figures.duration(time.monotonic() - self._started)}"
            data = {"text/plain": text, "text/html": f"<small>{text}</small>"}
        show(self._shell, data, display_id=self._display_id, update=True)
        self._display_id = None

    def __enter__(self) -> Progress:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if error is not None:
            self.finish(None)

    def _follow(self) -> None:
        if self._ended.wait(DELAY):
            return
        if is_notebook(self._shell):
            self._follow_in_notebook()
        else:
            self._follow_in_terminal()

    def _follow_in_notebook(self) -> None:
        display_id = uuid.uuid4().hex
        while True:
            update = self._display_id is not None
            show(self._shell, self._bundle(), display_id=display_id, update=update)
            self._display_id = display_id
            if self._ended.wait(INTERVAL):
                return

    def _follow_in_terminal(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        spinner: Any = Spinner("dots", text=self.line())
        with Live(spinner, console=Console(), refresh_per_second=4, transient=True):
            while not self._ended.wait(INTERVAL):
                spinner.update(text=self.line())

    def _bundle(self) -> Bundle:
        from stupiddb.display.tables import escaped

        line = self.line()
        return {"text/plain": line, "text/html": f"<small>⏳ {escaped(line)}</small>"}


def _state(stats: QueryStats | None) -> str:
    return "reading" if stats is not None and stats.rows else "running"
