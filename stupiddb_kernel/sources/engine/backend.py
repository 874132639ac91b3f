"""The Ibis backend on a hardened DuckDB: files are written and read by Arrow, never by DuckDB itself.

DuckDB's external access is off (see ``hardening``), which also switches off the statements behind
Ibis's ``to_parquet`` and ``read_parquet``. Calls from Python are the user's own code, so they do the
same through pyarrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibis.backends.duckdb import Backend

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


class HardenedBackend(Backend):
    """Ibis on a connection whose configuration is locked."""

    def _post_connect(self, extensions: Any = None) -> None:  # noqa: ARG002 - Ibis passes it
        """Skip what Ibis sets on a new connection: ``harden`` set the same and locked it."""
        self._record_batch_readers_consumed: dict[str, Any] = {}

    def to_pyarrow_batches(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        chunk_size: int = 1_000_000,
        **_: Any,
    ) -> pa.RecordBatchReader:
        """Stream an expression with DuckDB's own Arrow types.

        Ibis puts its types over the same bytes, which turns times and intervals into other ones.
        """
        self._run_pre_execute_hooks(expr)
        sql = self.compile(expr.as_table(), limit=limit, params=params)
        return self.raw_sql(sql).to_arrow_reader(chunk_size)

    def to_parquet(
        self,
        expr: ir.Table,
        /,
        path: str | Path,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write an expression to one Parquet file; ``kwargs`` go to ``pyarrow.parquet.ParquetWriter``."""
        import pyarrow.parquet as pq

        with (
            expr.to_pyarrow_batches(params=params) as batches,
            pq.ParquetWriter(path, batches.schema, **kwargs) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)

    def to_csv(
        self,
        expr: ir.Table,
        /,
        path: str | Path,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        header: bool = True,
        **kwargs: Any,
    ) -> None:
        """Write an expression to one CSV file; ``kwargs`` go to ``pyarrow.csv.WriteOptions``."""
        import pyarrow.csv as csv

        options = csv.WriteOptions(include_header=header, **kwargs)
        with (
            expr.to_pyarrow_batches(params=params) as batches,
            csv.CSVWriter(path, batches.schema, write_options=options) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)

    def read_parquet(self, paths: Any, /, *, table_name: str | None = None, **kwargs: Any) -> ir.Table:
        """A Parquet file, or several of one schema, as a lazy table; ``kwargs`` go to ``dataset``."""
        return self._read("parquet", paths, table_name, kwargs)

    def read_csv(self, paths: Any, /, *, table_name: str | None = None, **kwargs: Any) -> ir.Table:
        """A CSV file, or several of one schema, as a lazy table; ``kwargs`` go to ``dataset``."""
        return self._read("csv", paths, table_name, kwargs)

    def _read(self, form: str, paths: Any, table_name: str | None, options: dict[str, Any]) -> ir.Table:
        import pyarrow.dataset as ds
        from ibis.util import gen_name

        source = [str(path) for path in paths] if isinstance(paths, list | tuple) else str(paths)
        name = table_name or gen_name(f"read_{form}")
        self.con.register(name, ds.dataset(source, format=form, **options))
        return self.table(name)
