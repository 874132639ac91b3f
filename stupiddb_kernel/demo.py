"""The demo: the embedded stack with its real data, and a ``stupiddb.toml`` that points at it.

Everything here is a stand-in that runs on this machine's loopback; nothing talks to AWS.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import LocalStackError

if TYPE_CHECKING:
    from types import TracebackType

    from stupiddb_kernel.local.stack import Stack

_RECENT = "Flights out of New York City in the last 30 days of 2013; the history is athena.analytics.flights"
RUNNING = "STUPIDDB_DEMO"
"""Names the configuration of a demo that is already running, for the processes under it."""


class Demo:
    """A running demo. ``configuration`` is its ``stupiddb.toml``; stop it, or use it as a context manager."""

    def __init__(self, stack: Stack, configuration: Path, *, temporary: bool) -> None:
        self.stack = stack
        self.configuration = configuration
        self._temporary = temporary

    @classmethod
    def start(cls, folder: Path | None = None, *, progress: Callable[[str], None] = lambda _: None) -> Demo:
        """Start the servers, load the data, write the configuration below ``folder``.

        The environment of this process gets what the configuration names: credentials of the stand-ins.
        ``folder`` None: a private temporary one that goes with the demo. Raises LocalStackError.
        """
        from stupiddb_kernel.local import flights
        from stupiddb_kernel.local.stack import Stack
        from stupiddb_kernel.session import Session
        from stupiddb_kernel.sources.base import TableName

        place = folder or Path(tempfile.mkdtemp(prefix="stupiddb-demo-"))
        place.mkdir(parents=True, exist_ok=True)
        stack = Stack.start(place, progress=progress)
        try:
            configuration = place / "stupiddb.toml"
            configuration.write_text(stack.configuration(), encoding="utf-8")
            os.environ.update(stack.environment())
            flights.load(stack, progress)
            progress("local store: the last 30 days of flights")
            with Session(configuration) as session:
                name = TableName(session.local.name, "main", "flights")
                session.local.write(name, flights.recent_flights(), mode="replace", comment=_RECENT)
            os.environ[RUNNING] = os.environ["STUPIDDB_CONFIG"] = str(configuration)
        except BaseException:
            stack.stop()
            raise
        return cls(stack, configuration, temporary=folder is None)

    def stop(self) -> None:
        """End the servers and remove their private folders."""
        if os.environ.get(RUNNING) == str(self.configuration):
            del os.environ[RUNNING], os.environ["STUPIDDB_CONFIG"]
        self.stack.stop()
        self.configuration.unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self.configuration.parent, ignore_errors=True)

    def __enter__(self) -> Demo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def running() -> Path | None:
    """The configuration of a demo this process runs under, if its file still exists."""
    path = os.environ.get(RUNNING)
    return Path(path) if path and Path(path).is_file() else None


def prepare_stack(*, progress: Callable[[str], None] = lambda _: None) -> None:
    """Install the servers that are missing, and start each once to see that it runs here."""
    from stupiddb_kernel.local.stack import Stack

    with tempfile.TemporaryDirectory(prefix="stupiddb-demo-") as folder:
        Stack.start(folder, progress=progress).stop()


def tour() -> Path:
    """The tour notebook: beside the package where it was installed, else in the source tree."""
    package = Path(__file__).parent
    for candidate in (package / "notebooks" / "tour.ipynb", package.parent / "notebooks" / "tour.ipynb"):
        if candidate.is_file():
            return candidate
    raise LocalStackError(
        f"the tour notebook is not in {package}", hint="reinstall stupiddb, or run from its source tree"
    )
