"""What the catalog shows: plain values for the tree, the search, previews and profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from stupiddb_kernel.sources.base import Statistics, TableName

State = Literal["ok", "unreachable", "loading", "unread"]


@dataclass(frozen=True)
class SourceNode:
    """A source in the tree and how it is doing.

    ``unread``: nobody has needed it yet. ``unreachable`` with counts: what is shown is from the cache, as
    old as ``age_seconds`` says.
    """

    name: str
    kind: str
    state: State
    error: str | None = None
    advice: str | None = None
    age_seconds: float | None = None
    databases: int | None = None
    tables: int | None = None
    columns: int | None = None
    failed_databases: tuple[str, ...] = ()
    """Databases whose tables could not be listed, with the reason: ``sales: permission denied``."""


@dataclass(frozen=True)
class Hit:
    """One thing that a search found: ``path`` is ``source.database.table.column``, as far as it goes."""

    path: str
    kind: Literal["source", "database", "table", "column"]
    match: Literal["exact", "prefix", "word", "substring", "comment", "fuzzy"]
    table: TableName | None = None
    column: str | None = None
    type: str | None = None
    comment: str | None = None

    def __str__(self) -> str:
        return "  ".join(part for part in (self.path, self.type, self.comment) if part)


@dataclass(frozen=True)
class ColumnProfile:
    """What is known of a column's values. Fractions are 0..1; None means unknown."""

    name: str
    type: str
    null_fraction: float | None = None
    distinct: int | None = None
    minimum: Any = None
    maximum: Any = None
    top: tuple[tuple[Any, int], ...] = ()
    """The most frequent values of the rows that were read, with how often each came."""
    histogram: tuple[tuple[float, float, int], ...] = ()
    """Of numbers and times: lower edge, upper edge, count. Times are seconds since 1970."""
    basis: str = ""
    """Where the figures come from: ``exact``, ``estimate``, or ``of the first 1,000 rows``."""


@dataclass(frozen=True)
class Profile:
    """A table's columns, each with what statistics and a bounded sample tell; never a billed scan."""

    name: TableName
    statistics: Statistics
    columns: tuple[ColumnProfile, ...]
    sampled_rows: int
    basis: str
    """``exact`` if the sample is the whole table, else ``of the first N rows`` or ``estimate``."""
