"""The Ibis backend over datasets in S3; what it writes to local files goes through pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibis.backends.duckdb import Backend

if TYPE_CHECKING:
    import ibis.expr.types as ir


class DatasetBackend(Backend):
    """Ibis on a hardened ``Engine``, whose locked configuration it leaves alone."""

    def _post_connect(self, extensions: Sequence[str] | None = None) -> None:  # noqa: ARG002 - Ibis's own
        """Skip what Ibis sets on a new connection: ``Engine`` set the same and locked it."""
        self._record_batch_readers_consumed: dict[str, Any] = {}

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
