"""Ibis's Athena backend, with our reader under it.

Ibis compiles; what it runs goes through ``AthenaSource.query``: within the cap, counted, stoppable, with
exact values, and with the endpoint and credentials of all other clients. (PyAthena's Arrow cursor makes a
filesystem of its own that knows no endpoint and whose credentials expire.) PyAthena stays for Ibis's own
statements, such as CREATE TABLE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.schema as sch
from ibis.backends.athena import Backend
from ibis.formats.pyarrow import PyArrowSchema

from stupiddb_kernel.errors import UnknownName
from stupiddb_kernel.sources.athena.types import ibis_dtype
from stupiddb_kernel.sources.base import ReadOptions, TableName

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa

    from stupiddb_kernel.sources.athena.source import AthenaSource


class AthenaBackend(Backend):
    """Made by ``connect``."""

    source: AthenaSource

    @property
    def current_catalog(self) -> str:
        """As configured; no query is run."""
        return self.source.settings.catalog

    @property
    def current_database(self) -> str:
        """As configured; no query is run."""
        return self.source.settings.database

    def list_catalogs(self, *, like: str | None = None) -> list[str]:
        """The one configured."""
        return list(self._filter_with_like([self.current_catalog], like))

    def list_databases(
        self,
        like: str | None = None,
        catalog: str | None = None,  # noqa: ARG002 - there is one catalog a source
    ) -> list[str]:
        """What the source lists."""
        return list(self._filter_with_like(self.source.databases(), like))

    def list_tables(
        self, *, like: str | None = None, database: tuple[str, str] | str | None = None
    ) -> list[str]:
        """What the catalog lists for a database."""
        where = self._to_sqlglot_table(database).db or self.current_database
        names = [table.name.table for table in self.source.tables(where)]
        return list(self._filter_with_like(names, like))

    def get_schema(
        self,
        table_name: str,
        *,
        catalog: str | None = None,  # noqa: ARG002 - there is one catalog a source
        database: str | None = None,
    ) -> sch.Schema:
        """Columns and partition keys, from the catalog."""
        name = TableName(self.source.name, database or self.current_database, table_name)
        try:
            columns = self.source.describe(name).table.columns
        except UnknownName as error:
            raise ibis.common.exceptions.TableNotFound(str(error)) from error
        return sch.Schema({column.name: ibis_dtype(column.type) for column in columns})

    def to_pyarrow_batches(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        chunk_size: int = 65_536,
        **_: Any,
    ) -> pa.RecordBatchReader:
        """Batches as they arrive, in the types that Ibis promises."""
        import pyarrow as pa

        table = expr.as_table()
        self._run_pre_execute_hooks(table)
        sql = self.compile(table, limit=limit, params=params)
        wanted = table.schema().to_pyarrow()
        result = self.source.query(sql, options=ReadOptions(batch_rows=chunk_size))

        def batches() -> Any:
            for batch in result:
                if not batch.num_rows:
                    continue
                yield pa.RecordBatch.from_arrays(
                    [column.cast(field.type) for column, field in zip(batch.columns, wanted, strict=True)],
                    schema=wanted,
                )

        return pa.RecordBatchReader.from_batches(wanted, batches())

    def to_pyarrow(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **_: Any,
    ) -> Any:
        """All rows as an Arrow table, column or scalar."""
        return expr.__pyarrow_result__(self.to_pyarrow_batches(expr, params=params, limit=limit).read_all())

    def execute(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **_: Any,
    ) -> pd.DataFrame | pd.Series | Any:
        """All rows as pandas gives them."""
        from ibis.formats.pandas import PandasData

        table = expr.as_table()
        arrow = self.to_pyarrow_batches(expr, params=params, limit=limit).read_all()
        frame = arrow.to_pandas(timestamp_as_object=True)
        frame.columns = list(table.schema().names)
        return expr.__pandas_result__(PandasData.convert_table(frame, table.schema()))

    def _get_schema_using_query(self, query: str) -> sch.Schema:
        """The schema of some SQL, from a run without a row (Ibis itself would create a view)."""
        result = self.source.query(f"SELECT * FROM (\n{query}\n) LIMIT 0")
        with result:
            return PyArrowSchema.to_ibis(result.schema)


def connect(source: AthenaSource) -> AthenaBackend:
    """The backend of a source; makes no request."""
    import pyathena

    settings, aws = source.settings, source.context.aws
    backend = AthenaBackend()
    backend.source = source
    backend._can_reconnect = False
    backend._s3_staging_dir = (source.unload_location() or "").rstrip("/")
    backend.con = pyathena.connect(
        s3_staging_dir=source.client_output_location() or "",
        work_group=settings.workgroup,
        region_name=aws.region(settings.region),
        schema_name=settings.database,
        catalog_name=settings.catalog,
        session=aws.session,
        endpoint_url=aws.endpoint("athena", settings.endpoint_url),
    )
    return backend
