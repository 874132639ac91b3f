"""A table whose columns stay packed until somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from stupiddb_kernel.sources.base import Column, Statistics, Table, TableName


class PackedTable(Table):
    """A ``Table`` like any other; ten thousand of them cost no more than their names."""

    __slots__ = ("_columns", "_unpack")
    _columns: tuple[Column, ...] | None
    _unpack: Callable[[], tuple[Column, ...]]

    def __init__(
        self,
        name: TableName,
        columns: tuple[Column, ...] = (),
        kind: Literal["table", "view", "external"] = "table",
        comment: str | None = None,
        statistics: Statistics = Statistics(),  # noqa: B008 - frozen
        location: str | None = None,
        *,
        unpack: Callable[[], tuple[Column, ...]] | None = None,
    ) -> None:
        values = {"name": name, "kind": kind, "comment": comment, "statistics": statistics}
        for field, value in (values | {"location": location, "_unpack": unpack}).items():
            object.__setattr__(self, field, value)
        object.__setattr__(self, "_columns", None if unpack else columns)

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, partition columns among them."""
        if self._columns is None:
            object.__setattr__(self, "_columns", self._unpack())
        return self._columns or ()
