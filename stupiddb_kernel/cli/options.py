"""What commands share: which session they run on, and how sizes are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from stupiddb_kernel.session import Session

Command = TypeVar("Command", bound="Callable[..., Any]")


def session_options(command: Command) -> Command:
    """``--config`` and ``--demo``, passed on to ``open_session``."""
    command = click.option(
        "--demo", "on_demo", is_flag=True, help="Run on the embedded demo stack, started for this command."
    )(command)
    return click.option(
        "--config",
        "path",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The stupiddb.toml to use; by default it is looked for from here upwards.",
    )(command)


@contextmanager
def open_session(path: Path | None, *, on_demo: bool) -> Iterator[Session]:
    """The session a command runs on.

    Where nothing is configured, neither a file nor the environment, there is nothing to look at: the
    embedded demo stack is started instead, and that is said on standard error.
    """
    from stupiddb_kernel.demo import Demo
    from stupiddb_kernel.session import Session

    if not on_demo:
        session = Session(path)
        if path is not None or session.settings.path is not None or session.settings.sources:
            with session:
                yield session
            return
        session.close()
        click.secho(
            "no stupiddb.toml here or above, and nothing in the environment: using the embedded demo stack",
            fg="yellow",
            err=True,
        )
    with (
        Demo.start(progress=lambda step: click.echo(f"  {step}", err=True)) as running,
        Session(running.configuration) as session,
    ):
        yield session
