"""MySQL's types as Arrow's and Ibis's, exactly; what connectorx can't read is cast on the server.

==============================  ======================  =================================================
MySQL, MariaDB                  Arrow                   rule
==============================  ======================  =================================================
tinyint … bigint, unsigned      int8 … uint64           tinyint(1) is a number: 7 stays 7
bit(n)                          uint64
year                            int16
float, double                   float32, float64
decimal(p, s), p ≤ 38           decimal128(p, s)        through text above 28 digits or 10 decimals
decimal(p, s), p > 38           decimal256(p, s)
date                            date32                  0000-00-00 and 2020-00-10 are refused
datetime                        timestamp[us]           likewise
timestamp                       timestamp[us, UTC]      sessions run in UTC
time                            time64[us]              negative or over 23:59:59.999999 is refused
char, text, enum, set, uuid …   string
binary, blob                    binary                  binary(n) is padded with zero bytes to n
json                            arrow.json              MySQL's text; MariaDB's json is its longtext
geometry                        binary                  well-known binary, without the SRID
NULL without a type             null
==============================  ======================  =================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stupiddb_kernel.errors import InexactValue
from stupiddb_kernel.sources.mysql.connection import Described

# Codes of columns on the wire: https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
_DECIMAL, _TINY, _SHORT, _LONG, _FLOAT, _DOUBLE, _NULL, _TIMESTAMP, _LONGLONG, _INT24 = range(10)
_DATE, _TIME, _DATETIME, _YEAR, _NEWDATE, _VARCHAR, _BIT = range(10, 17)
_JSON, _NEWDECIMAL, _ENUM, _SET, _TINY_BLOB, _MEDIUM_BLOB, _LONG_BLOB, _BLOB = range(245, 253)
_VAR_STRING, _STRING, _GEOMETRY = range(253, 256)
_UNSIGNED = 32
_BINARY_CHARSET = 63

_INTEGERS = {
    _TINY: (pa.int8(), pa.uint8()),
    _SHORT: (pa.int16(), pa.uint16()),
    _INT24: (pa.int32(), pa.uint32()),
    _LONG: (pa.int32(), pa.uint32()),
    _LONGLONG: (pa.int64(), pa.uint64()),
}
_PLAIN = {
    _YEAR: pa.int16(),
    _FLOAT: pa.float32(),
    _DOUBLE: pa.float64(),
    _DATE: pa.date32(),
    _NEWDATE: pa.date32(),
    _DATETIME: pa.timestamp("us"),
    _TIMESTAMP: pa.timestamp("us", "UTC"),
    _TIME: pa.time64("us"),
    _JSON: pa.json_(),
}
_WIDTHS = {
    _TINY_BLOB: 256,
    _BLOB: 4096,
    _MEDIUM_BLOB: 65_536,
    _LONG_BLOB: 65_536,
    _JSON: 4096,
    _GEOMETRY: 4096,
}
_BATCH_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one column is asked for (``expression``, formatted with its quoted name) and restored."""

    name: str
    type: pa.DataType
    width: int
    expression: str = "{}"
    restore: Callable[[pa.Array, pa.DataType], pa.Array] = lambda array, kind: _cast(array, kind)

    @property
    def direct(self) -> bool:
        """Whether connectorx reads it as it is."""
        return self.expression == "{}"


def column_plan(name: str, column: Described) -> ColumnPlan:
    """The plan for a column as the server describes it."""
    code, width = column.code, _WIDTHS.get(column.code, min(column.length, 4096))
    if code in _INTEGERS:
        return ColumnPlan(name, _INTEGERS[code][bool(column.flags & _UNSIGNED)], 8)
    if code in _PLAIN:
        return ColumnPlan(name, _PLAIN[code], max(8, width if code == _JSON else 8))
    if code in (_NEWDECIMAL, _DECIMAL):
        return _decimal_plan(name, column)
    if code == _BIT:
        return ColumnPlan(name, pa.uint64(), 8, restore=lambda array, _: _bits(array))
    if code == _GEOMETRY:
        return ColumnPlan(name, pa.binary(), width, "ST_AsBinary({})")
    if code == _NULL:
        return ColumnPlan(name, pa.null(), 1, "CAST({} AS CHAR)", lambda array, _: pa.nulls(len(array)))
    binary = column.charset == _BINARY_CHARSET and code not in (_ENUM, _SET)
    return ColumnPlan(name, pa.binary() if binary else pa.string(), width)


def batch_rows(plans: Sequence[ColumnPlan], wanted: int) -> int:
    """Rows a batch, so that one stays near 64 MiB whatever the columns may hold."""
    return max(1, min(wanted, _BATCH_BYTES // max(1, sum(plan.width for plan in plans))))


def restore_batch(batch: pa.RecordBatch, plans: Sequence[ColumnPlan], source: str) -> pa.RecordBatch:
    """connectorx's batch in its exact types. Raises InexactValue naming the column."""
    arrays = []
    for plan, array in zip(plans, batch.columns, strict=True):
        try:
            arrays.append(plan.restore(array, plan.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InexactValue(
                f"the column {plan.name!r} came as {array.type} and can't be made {plan.type} exactly",
                source=source,
                hint="cast the column to char in the statement",
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([(plan.name, plan.type) for plan in plans]))


def ibis_name(native: str, data_type: str) -> str:
    """Ibis's name of a type, from information_schema's column_type and data_type."""
    unsigned = "unsigned" in native
    integers = {"tinyint": 8, "smallint": 16, "mediumint": 32, "int": 32, "bigint": 64}
    if data_type in integers:
        return f"{'u' if unsigned else ''}int{integers[data_type]}"
    if data_type in ("decimal", "numeric"):
        shape = re.search(r"\((\d+)(?:,\s*(\d+))?\)", native)
        return f"decimal({shape.group(1)}, {shape.group(2) or 0})" if shape else "decimal(10, 0)"
    if data_type in ("datetime", "timestamp"):
        digits = re.search(r"\((\d)\)", native)
        scale = digits.group(1) if digits else "0"
        return f"timestamp('UTC', {scale})" if data_type == "timestamp" else f"timestamp({scale})"
    fixed = {
        "float": "float32",
        "double": "float64",
        "bit": "uint64",
        "year": "int16",
        "date": "date",
        "time": "time",
        "json": "json",
    }
    if data_type in fixed:
        return fixed[data_type]
    if "blob" in data_type or "binary" in data_type or data_type in _GEOMETRIES:
        return "binary"
    return "string"


_GEOMETRIES = frozenset(
    f"{prefix}{shape}" for prefix in ("", "multi") for shape in ("point", "linestring", "polygon")
) | {"geometry", "geometrycollection", "geomcollection"}


def _decimal_plan(name: str, column: Described) -> ColumnPlan:
    scale = column.decimals
    # The described length counts the sign and the point.
    precision = column.length - (0 if column.flags & _UNSIGNED else 1) - (1 if scale else 0)
    precision = max(precision, scale, 1)
    kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    if precision <= 28 and scale <= 10:  # what connectorx holds a decimal in, and delivers it as
        return ColumnPlan(name, kind, 16)
    return ColumnPlan(name, kind, 32, "CAST({} AS CHAR)")


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, array.cast(kind.storage_type))
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return array.cast(pa.timestamp(kind.unit, array.type.tz)).view(kind)  # sessions run in UTC
    return array.cast(kind)


def _bits(array: pa.Array) -> pa.Array:
    """Big-endian bytes, all of one length, as numbers."""
    values = array.drop_null()
    result = np.zeros(len(array), np.uint64)
    if len(values):
        width = len(values[0].as_py())
        joined = b"".join(values.to_pylist())
        digits = np.frombuffer(joined, np.uint8).reshape(len(values), width).astype(np.uint64)
        places = np.uint64(8) * np.arange(width - 1, -1, -1, dtype=np.uint64)
        result[array.is_valid().to_numpy(zero_copy_only=False)] = (digits << places).sum(1, dtype=np.uint64)
    return pa.array(result, pa.uint64(), mask=array.is_null().to_numpy(zero_copy_only=False))
