"""The contract every store is behind: names, tables, capabilities, and a query that streams Arrow.

One folder a store implements :class:`Source`; nothing above this layer knows a driver. The verbs
mean the same everywhere: ``databases``, ``tables``, ``statistics`` look; ``query`` and ``preview``
read; ``ibis`` and ``table`` give lazy expressions; ``check`` diagnoses; ``close`` ends it.
"""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from stupiddb_kernel.errors import UsageError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends import BaseBackend

    from stupiddb_kernel.config.aws import Aws
    from stupiddb_kernel.config.secrets import Secrets
    from stupiddb_kernel.config.settings import SourceSettings
    from stupiddb_kernel.sources.result import Result


@dataclass(frozen=True, order=True, slots=True)
class TableName:
    """``source.database.table``: the one way to name a table anywhere in stupiddb.

    ``database`` is the level between a source and its tables: a Glue database (Athena), a database
    (MySQL), an S3 prefix's name (S3), a schema (DuckDB). On PostgreSQL it is a schema, and the
    default schema ``public`` goes by the configured database's name, as in ``aurora.crm.members``.
    """

    source: str
    database: str
    table: str

    def __str__(self) -> str:
        return f"{self.source}.{self.database}.{self.table}"

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read ``source.database.table``; the table part may itself hold dots."""
        parts = text.split(".", 2)
        if len(parts) != 3 or not all(parts):
            raise UsageError(f"{text!r} does not name a table", hint="write source.database.table")
        return cls(*parts)


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalog shows it: ``type`` is Ibis's name for it, ``native_type`` the store's."""

    name: str
    type: str
    native_type: str
    nullable: bool = True
    comment: str | None = None
    partition: bool = False


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of a table's size. None means unknown; ``exact`` False means an estimate."""

    rows: int | None = None
    bytes: int | None = None
    partitions: int | None = None
    files: int | None = None
    exact: bool = False
    columns: Mapping[str, ColumnStatistics] = field(default_factory=dict)
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What is known of one column's values; ``distinct`` is a count, ``null_fraction`` in 0..1."""

    distinct: float | None = None
    null_fraction: float | None = None
    minimum: Any = None
    maximum: Any = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, view or external table with its columns and cheap statistics."""

    name: TableName
    columns: tuple[Column, ...] = ()
    kind: Literal["table", "view", "external"] = "table"
    comment: str | None = None
    statistics: Statistics = Statistics()
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do; tests and the planner ask this instead of the store's kind."""

    transactions: bool = False
    """Reads run in a read-only transaction."""
    server_cancel: bool = True
    """A running statement can be stopped in the store."""
    billed_by_scan: bool = False
    """Scanned bytes cost money, so a read has a cap."""
    partitions: bool = False
    writes: bool = False
    sql: bool = True
    """Takes SQL of ``dialect``; False: only whole tables and Ibis expressions."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How one read is to be done; None always means the source's own setting."""

    limit: int | None = None
    """At most this many rows are delivered; the store is told where it can be."""
    database: str | None = None
    timeout_seconds: float | None = None
    max_scan_bytes: int | None = None
    batch_rows: int = 65_536
    use_cache: bool = True
    """Athena: result reuse may answer."""
    dry_run: bool = False
    """Send nothing that runs or costs; the store's own explain or estimate where it has one."""
    watch: Callable[[QueryStats], None] | None = field(default=None, compare=False, repr=False)
    """Called once, as early as there are figures and before the store is waited for, with the
    QueryStats that are filled in while it runs; a display can then follow a long statement."""


@dataclass(slots=True)
class QueryStats:
    """What a read did, filled in while it goes; complete when the result is exhausted or closed.

    Times are seconds, sizes bytes. ``scanned`` and ``dollars`` are None where scans are not billed.
    """

    source: str
    sql: str = ""
    query_id: str | None = None
    rows: int = 0
    bytes: int = 0
    """Size of the Arrow data delivered."""
    scanned: int | None = None
    dollars: float | None = None
    queued: float | None = None
    engine: float | None = None
    cache_hit: bool = False
    started: float = field(default_factory=time.monotonic)
    elapsed: float | None = None

    def finish(self) -> None:
        """Fix ``elapsed``; later calls change nothing."""
        if self.elapsed is None:
            self.elapsed = time.monotonic() - self.started


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``stupiddb doctor``: a step that was tried on a source and how it went."""

    step: Literal["configured", "reachable", "authenticated", "permitted", "version", "writable"]
    ok: bool
    detail: str
    milliseconds: float | None = None
    advice: str | None = None


@dataclass(frozen=True)
class SourceContext:
    """What a source is given besides its settings."""

    aws: Aws
    secrets: Secrets


S = TypeVar("S", bound="SourceSettings")


class Source(abc.ABC, Generic[S]):
    """One store. Making one does no I/O; the first use connects. Safe to use from several threads."""

    kind: ClassVar[str]
    dialect: ClassVar[str]
    """sqlglot's name of the SQL it takes."""
    capabilities: ClassVar[Capabilities]

    def __init__(self, settings: S, context: SourceContext) -> None:
        self.settings = settings
        self.context = context

    @property
    def name(self) -> str:
        """The name it goes by in the catalog and as a magic."""
        return self.settings.name

    @abc.abstractmethod
    def databases(self) -> list[str]:
        """Names of the level below the source, sorted."""

    @abc.abstractmethod
    def tables(self, database: str) -> list[Table]:
        """All tables of a database with columns, comments and the statistics that cost no scan, sorted.

        Raises UnknownName for a database that does not exist.
        """

    @abc.abstractmethod
    def statistics(self, name: TableName) -> Statistics:
        """The best statistics to be had without reading data: footers, pg_stats, information_schema."""

    @abc.abstractmethod
    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        """Run one reading statement and stream what it returns.

        ``:name`` in ``sql`` is bound to ``parameters["name"]``: None, bool, int, float, Decimal, str,
        bytes, date, time, datetime, UUID, or a list of one of them, which is an array, or the items where it
        stands inside ``IN (:name)``. Returns once the store has accepted the statement and the schema is
        known. Raises QueryFailed and its kin, InexactValue, UsageError for a missing or unused parameter.
        """

    @abc.abstractmethod
    def preview(self, name: TableName, limit: int = 100) -> Result:
        """Some rows of a table, as cheaply as the store allows; never a billed scan of the whole table."""

    @abc.abstractmethod
    def ibis(self) -> BaseBackend:
        """The store as an Ibis backend, connected."""

    @abc.abstractmethod
    def table(self, name: TableName) -> ir.Table:
        """A table as a lazy Ibis expression on this store's backend. Raises UnknownName."""

    @abc.abstractmethod
    def check(self) -> Sequence[Check]:
        """Try each step a read needs and say how it went; never raises for what it is there to find."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give back connections. A closed source connects again when it is used again."""
