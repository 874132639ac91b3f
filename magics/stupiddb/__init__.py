"""The IPython extension ``%load_ext stupiddb``, and the engine's public names, each loaded on first use.

This module alone owns what ``import stupiddb`` costs: nothing but itself. ``load_ipython_extension``
adds the magics; ``Session`` and the rest come from :mod:`stupiddb_kernel` when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from stupiddb_kernel.config.settings import Settings
    from stupiddb_kernel.errors import StupiddbError
    from stupiddb_kernel.session import Answer, Session
    from stupiddb_kernel.sources.base import QueryStats, ReadOptions, TableName

_HOMES = {
    "Answer": "stupiddb_kernel.session",
    "QueryStats": "stupiddb_kernel.sources.base",
    "ReadOptions": "stupiddb_kernel.sources.base",
    "Session": "stupiddb_kernel.session",
    "Settings": "stupiddb_kernel.config.settings",
    "StupiddbError": "stupiddb_kernel.errors",
    "TableName": "stupiddb_kernel.sources.base",
}

__all__ = [
    "Answer",
    "QueryStats",
    "ReadOptions",
    "Session",
    "Settings",
    "StupiddbError",
    "TableName",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics, completion and error display to ``shell``; what ``%load_ext stupiddb`` calls."""
    from stupiddb.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take back everything that was added and close the session; what ``%unload_ext stupiddb`` calls."""
    from stupiddb.extension import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
