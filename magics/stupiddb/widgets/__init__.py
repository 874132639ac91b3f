"""The widgets, one a file: ``catalog`` and ``table``. Importing this package imports neither.

A widget is a Python class here, a TypeScript file in ``magics/frontend/src`` and its bundle in
``static``. ``requests`` is the line between the two ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stupiddb.widgets.catalog import CatalogTree
    from stupiddb.widgets.table import ResultTable

__all__ = ["CatalogTree", "ResultTable"]

_HOMES = {"CatalogTree": "catalog", "ResultTable": "table"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"stupiddb.widgets.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
