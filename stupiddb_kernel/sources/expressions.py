"""Ibis backends whose rows come through their source: exact, fast, cancellable.

Ibis's own way to the rows of PostgreSQL and MySQL is slow and wrong in places (intervals lose their
fractions, decimals their digits, nothing streams). Here Ibis compiles; the source reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from stupiddb_kernel.sources.result import Result


class ExactReads:
    """Put in front of an Ibis backend; ``read`` runs SQL that is already complete and streams it."""

    read: Callable[[str], Result]

    def to_pyarrow_batches(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **_: Any,
    ) -> pa.RecordBatchReader:
        """Stream the rows; close the reader early and the statement stops in the store."""
        result, schema = self._start(expr, params, limit)
        wanted = _arrow_schema(result.schema, schema)

        def batches() -> Any:
            for batch in result:
                yield _conform(batch, wanted)

        return pa.RecordBatchReader.from_batches(wanted, batches())

    def to_pyarrow(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **_: Any,
    ) -> pa.Table | pa.ChunkedArray | pa.Scalar:
        """All rows in memory: a table, a column or one value, as the expression is."""
        import ibis.expr.types as ir

        table = self.to_pyarrow_batches(expr, params=params, limit=limit).read_all()
        if isinstance(expr, ir.Table):
            return table
        column = table.column(0)
        return column if isinstance(expr, ir.Column) else column[0]

    def execute(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **_: Any,
    ) -> Any:
        """All rows as pandas: a DataFrame, a Series or one value, as the expression is."""
        import ibis.expr.types as ir
        from ibis.formats.pandas import PandasData

        table = self.to_pyarrow_batches(expr, params=params, limit=limit).read_all()
        frame = table.to_pandas()
        for name, kind in expr.as_table().schema().items():
            if table.schema.field(name).type == _arrow_type(kind):  # else Ibis's type is the narrower one
                frame[name] = PandasData.convert_column(frame[name], kind)
        if isinstance(expr, ir.Table):
            return frame
        return frame.iloc[:, 0] if isinstance(expr, ir.Column) else frame.iat[0, 0]

    def _start(self, expr: ir.Expr, params: Any, limit: Any) -> tuple[Result, Any]:
        backend: Any = self
        backend._run_pre_execute_hooks(expr)
        table = expr.as_table()
        return self.read(backend.compile(table, params=params, limit=limit)), table.schema()


def _arrow_schema(found: pa.Schema, schema: Any) -> pa.Schema:
    """The expression's schema, but for types that Ibis gives Arrow too narrowly to be exact.

    It takes a year for a uint8, an interval for one unit, a numeric without precision for (38, 9).
    """
    fields = []
    for field, (name, kind) in zip(found, schema.items(), strict=True):
        wanted = _arrow_type(kind)
        narrow = (
            wanted is None
            or pa.types.is_integer(field.type)
            or pa.types.is_interval(field.type)
            or (pa.types.is_decimal(field.type) and getattr(kind, "precision", 0) is None)
        )
        fields.append(pa.field(name, field.type if narrow else wanted))
    return pa.schema(fields)


def _arrow_type(kind: Any) -> pa.DataType | None:
    """Ibis's own choice of an Arrow type; None where it has none (geometry)."""
    from ibis.formats.pyarrow import PyArrowType

    try:
        return PyArrowType.from_ibis(kind)
    except (KeyError, TypeError, NotImplementedError):
        return None


def _conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [_cast(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if isinstance(column.type, pa.UuidType) and pa.types.is_string(kind):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], kind)
    if pa.types.is_list(kind) and pa.types.is_string(column.type):  # MySQL's SET
        return pc.if_else(pc.equal(column, ""), pa.scalar([], kind), pc.split_pattern(column, ","))
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    return column.cast(kind)
