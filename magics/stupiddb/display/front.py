"""What the front end in front of this shell can show, and messages to it from any thread."""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

Bundle = dict[str, Any]


def is_notebook(shell: InteractiveShell) -> bool:
    """Whether it is a Jupyter kernel, so that HTML is shown and displays can be updated."""
    return getattr(shell, "kernel", None) is not None


def is_live(shell: InteractiveShell) -> bool:
    """Whether a person sits before a notebook, so that widgets work.

    papermill, nbclient and nbconvert run cells too, but say that nobody can answer a prompt. What they
    save is read without a kernel, and nbconvert would prefer a widget that can't run to the HTML table.
    """
    return is_notebook(shell) and bool(getattr(shell.kernel, "_allow_stdin", False))


def is_terminal(shell: InteractiveShell) -> bool:
    """Whether text goes straight to a terminal that can redraw a line."""
    return not is_notebook(shell) and sys.stdout.isatty()


def has_colour(shell: InteractiveShell) -> bool:
    """Whether ANSI colours are shown as colours."""
    return str(getattr(shell, "colors", "")).lower() != "nocolor" and (
        is_notebook(shell) or sys.stdout.isatty()
    )


def show(
    shell: InteractiveShell, data: Bundle, *, display_id: str | None = None, update: bool = False
) -> None:
    """Publish a MIME bundle as an output of the running cell, or update the one called ``display_id``."""
    transient = {"display_id": display_id} if display_id else {}
    shell.display_pub.publish(data, {}, transient=transient, update=update)


def in_this_cell(work: Callable[[], None]) -> Callable[[], None]:
    """``work`` for another thread, so that what it shows belongs to the cell that is running now."""
    context = contextvars.copy_context()
    return lambda: context.run(work)


def keep(shell: InteractiveShell, widget: Any) -> Bundle:
    """The bundle that shows ``widget``, which lives until its cell is run again.

    A widget stays alive as long as its kernel, and with it the rows it shows; what the same cell showed
    before can't be seen any more.
    """
    from stupiddb.extension import of

    extension = of(shell)
    if extension is not None:
        extension.keep(widget, _cell_id(shell))
    made = widget._repr_mimebundle_()
    return dict(made[0] if isinstance(made, tuple) else made or {})


def _cell_id(shell: InteractiveShell) -> str | None:
    """The id of the running cell, which JupyterLab sends along."""
    get_parent = getattr(shell, "get_parent", None)
    parent = get_parent() if get_parent is not None else None
    found: str | None = (parent or {}).get("metadata", {}).get("cellId")
    return found
