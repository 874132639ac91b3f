"""AthenaSource: Glue's tables, read through Athena within a cap, with every byte and dollar told."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from stupiddb_kernel.config.settings import AthenaSettings
from stupiddb_kernel.errors import PermissionDenied, UnknownName, UsageError
from stupiddb_kernel.sources.athena.execution import Queries, Throttle
from stupiddb_kernel.sources.athena.files import Files
from stupiddb_kernel.sources.athena.glue import Glue, GlueTable
from stupiddb_kernel.sources.athena.run import Run
from stupiddb_kernel.sources.athena.statement import Statement
from stupiddb_kernel.sources.athena.workgroup import Workgroup
from stupiddb_kernel.sources.base import (
    Capabilities,
    Check,
    ReadOptions,
    Source,
    SourceContext,
    Statistics,
    Table,
    TableName,
)
from stupiddb_kernel.sources.result import Result, interruptible

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends import BaseBackend

_WORKGROUP_SECONDS = 300.0
PREVIEW_SCAN_BYTES = 100 * 10**6
"""What a preview may scan where it can't read a file directly."""


class AthenaSource(Source[AthenaSettings]):
    """Athena over a data catalog.

    Every read is capped by ``max_scan_bytes`` and ends in the store when it is interrupted, too slow or
    over the cap. ``statistics`` and ``preview`` read Glue and single Parquet files, never a billed scan.
    """

    kind: ClassVar[str] = "athena"
    dialect: ClassVar[str] = "athena"
    capabilities: ClassVar[Capabilities] = Capabilities(billed_by_scan=True, partitions=True)

    def __init__(self, settings: AthenaSettings, context: SourceContext) -> None:
        super().__init__(settings, context)
        self._lock = threading.RLock()
        self._backend: BaseBackend | None = None
        self._workgroup: tuple[float, Workgroup | None] | None = None
        self._throttle = Throttle(settings.name)
        self._files = Files(self)

    # Looking

    def databases(self) -> list[str]:
        """The configured ones, else every one of the catalog."""
        if self.settings.databases:
            return sorted(self.settings.databases)
        return self.glue().databases()

    def tables(self, database: str) -> list[Table]:
        """Tables and views with columns, partition keys, comments, location and the figures Glue notes."""
        if self.settings.databases and database not in self.settings.databases:
            raise UnknownName(f"database in {self.name}", database, self.settings.databases)
        return [each.table for each in self.glue().tables(database)]

    def statistics(self, name: TableName) -> Statistics:
        """From Glue's partitions, S3's listing and Parquet footers; nothing is scanned or billed."""
        return self._files.statistics(self.describe(name))

    def describe(self, name: TableName) -> GlueTable:
        """A table as the catalog holds it. Raises UnknownName."""
        return self.glue().table(name)

    # Reading

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        """Run one statement; blocks until Athena has finished it, and then streams the result.

        A SELECT is read by UNLOAD to Parquet unless it is ordered or an aggregate (see
        ``statement``). ``dry_run`` gives Athena's free EXPLAIN. ``stats`` counts every query it took.
        """
        options = options or ReadOptions()
        statement = Statement.of(sql, parameters, options.limit)
        self.refuse_disabled()
        run = Run(self, statement, options)
        try:
            return interruptible(run.start, run.stop)
        except BaseException:
            run.stop()
            run.discard()
            raise

    def preview(self, name: TableName, limit: int = 100) -> Result:
        """Rows of the table's first files, straight from S3; a capped query for views and other formats."""
        described = self.describe(name)
        direct = self._files.preview(described, limit)
        if direct is not None:
            return direct
        cap = min(PREVIEW_SCAN_BYTES, self.settings.max_scan_bytes or PREVIEW_SCAN_BYTES)
        return self.query(
            f"SELECT * FROM {quote(name.database)}.{quote(name.table)} LIMIT {int(limit)}",
            options=ReadOptions(max_scan_bytes=cap, limit=limit),
        )

    def ibis(self) -> BaseBackend:
        """Ibis's Athena backend, whose reads go through ``query``: capped, counted, exact."""
        from stupiddb_kernel.sources.athena.backend import connect

        with self._lock:
            if self._backend is None:
                self._backend = connect(self)
            return self._backend

    def table(self, name: TableName) -> ir.Table:
        """A table as a lazy Ibis expression. Raises UnknownName."""
        self.describe(name)
        return self.ibis().table(name.table, database=(self.settings.catalog, name.database))

    # Diagnosing

    def check(self) -> Sequence[Check]:
        """Credentials, workgroup, output location, Glue and the cutoff."""
        from stupiddb_kernel.sources.athena.check import check

        return check(self)

    def set_cutoff(self, size: int) -> None:
        """Make the workgroup itself stop every query above ``size`` bytes; for all who use it.

        Raises UsageError below Athena's least cutoff, PermissionDenied without athena:UpdateWorkGroup.
        """
        if size < 10_000_000:
            raise UsageError(f"a cutoff of {size:,} bytes is too low", hint="Athena's least is 10,000,000")
        self._throttle.call(
            f"set the cutoff of workgroup {self.settings.workgroup}",
            self.athena().update_work_group,
            WorkGroup=self.settings.workgroup,
            ConfigurationUpdates={"BytesScannedCutoffPerQuery": size},
        )
        self._workgroup = None

    def close(self) -> None:
        """Forget the backend and what was cached."""
        with self._lock:
            self._backend = None
            self._workgroup = None
            self._files = Files(self)

    # What the parts of this folder share

    def athena(self) -> Any:
        """The boto3 client of Athena; ``Throttle`` does the waiting where Athena asks for it."""
        return self.context.aws.client(
            "athena", region=self.settings.region, endpoint_url=self.settings.endpoint_url, attempts=2
        )

    def s3(self) -> Any:
        """The boto3 client of S3, in Athena's region."""
        return self.context.aws.client("s3", region=self.settings.region)

    def glue(self) -> Glue:
        """The data catalog."""
        client = self.context.aws.client("glue", region=self.settings.region)
        return Glue(client, self.athena(), self.name, self.settings.catalog)

    def queries(self) -> Queries:
        """Starts and watches queries."""
        return Queries(self.athena(), self.name, self._throttle)

    def workgroup(self) -> Workgroup | None:
        """The workgroup, read at most every five minutes; None if reading it is not permitted."""
        with self._lock:
            known = self._workgroup
            if known is not None and time.monotonic() - known[0] < _WORKGROUP_SECONDS:
                return known[1]
            try:
                group = Workgroup.read(self.athena(), self.name, self.settings.workgroup)
            except PermissionDenied:
                group = None
            self._workgroup = (time.monotonic(), group)
            return group

    def refuse_disabled(self) -> None:
        """Raise PermissionDenied if the workgroup is switched off."""
        group = self.workgroup()
        if group is not None and not group.enabled:
            self._workgroup = None
            raise PermissionDenied(
                f"the workgroup {group.name} is disabled",
                source=self.name,
                hint="enable it, or set another `workgroup` in [aws.athena]",
            )

    def client_output_location(self) -> str | None:
        """Where results go as far as we decide it: not with managed results or an enforced location."""
        group = self.workgroup()
        if group is not None and (group.managed or (group.enforced and group.output_location)):
            return None
        return self.settings.output_location

    def unload_location(self) -> str | None:
        """Where UNLOAD may write; None means results can only be read as text."""
        group = self.workgroup()
        if group is not None and group.enforced and group.output_location:
            return group.output_location
        return self.settings.output_location or (group.output_location if group else None)


def quote(name: str) -> str:
    """An identifier in Athena's SQL."""
    return '"' + name.replace('"', '""') + '"'
