"""PostgreSQL's types as Arrow's and Ibis's, exactly; what has no exact form comes as PostgreSQL's own text.

==============================  ==========================  =============================================
PostgreSQL                      Arrow                       rule
==============================  ==========================  =============================================
boolean                         bool
smallint, integer, bigint       int16, int32, int64
oid                             int64                       the driver would wrap it at 2**31
real, double precision          float32, float64            NaN and infinities included
numeric(p, s), p ≤ 38           decimal128(p, s)            NaN or Infinity is refused (InexactValue)
numeric(p, s), 38 < p ≤ 76      decimal256(p, s)
numeric, no precision           decimal128(38, s)           s as the first rows need it; see ``Unscaled``
money                           decimal128(19, 2)
text, varchar, name, "char"     string
char(n)                         string                      padded to n, as PostgreSQL sends it
bytea                           binary
date                            date32                      infinity is refused
time                            time64[us]                  24:00:00 is refused
timestamp, timestamptz          timestamp[us] (UTC)         infinity is refused, also years past 294246
interval                        month_day_nano_interval     too long for nanoseconds is refused
uuid                            arrow.uuid
json, jsonb                     arrow.json                  the server's text: 1.10 stays 1.10
one-dimensional arrays of them  list                        more dimensions are refused
void                            null
everything else                 string                      ``::text``: enum, inet, ranges, bit, xml, timetz,
                                                            composite, geometric, tsvector, hstore …
==============================  ==========================  =============================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from stupiddb_kernel.errors import InexactValue

_MICROSECONDS_A_DAY = 86_400_000_000
# PostgreSQL's first timestamp and date, 4713-11-24 BC: what lies before it is a wrapped infinity.
_FIRST_MICROSECOND = -210_866_803_200_000_000
_FIRST_DAY = -2_440_588

_DIRECT: dict[str, tuple[pa.DataType, str]] = {
    "bool": (pa.bool_(), "boolean"),
    "int2": (pa.int16(), "int16"),
    "int4": (pa.int32(), "int32"),
    "int8": (pa.int64(), "int64"),
    "float4": (pa.float32(), "float32"),
    "float8": (pa.float64(), "float64"),
    "text": (pa.string(), "string"),
    "varchar": (pa.string(), "string"),
    "bpchar": (pa.string(), "string"),
    "name": (pa.string(), "string"),
    "bytea": (pa.binary(), "binary"),
    "date": (pa.date32(), "date"),
    "time": (pa.time64("us"), "time"),
    "timestamp": (pa.timestamp("us"), "timestamp(6)"),
    "timestamptz": (pa.timestamp("us", "UTC"), "timestamp('UTC', 6)"),
    "interval": (pa.month_day_nano_interval(), "interval('us')"),
    "uuid": (pa.uuid(), "uuid"),
    "json": (pa.json_(), "json"),
    "jsonb": (pa.json_(), "json"),
}
# Arrays of json stay text: Arrow's json has no list form that DuckDB takes.
_ARRAYS = frozenset(_DIRECT) - {"json", "jsonb", "interval"}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one column is asked for and turned into its exact Arrow type.

    ``expression`` is formatted with the quoted column. ``guard`` is a boolean SQL expression that is true
    for a value which the driver would get wrong. ``unscaled`` columns get their type from the first rows.
    """

    name: str
    native: str
    type: pa.DataType
    expression: str = "{}"
    guard: str | None = None
    restore: Callable[[pa.Array, ColumnPlan], pa.Array] = lambda array, _: _storage(array)
    unscaled: bool = False

    @property
    def direct(self) -> bool:
        """Whether the driver's own reading is the exact one, up to checks on this side."""
        return self.expression == "{}" and self.guard is None


def column_plan(name: str, native: str, modifier: int) -> ColumnPlan:
    """The plan for a column of PostgreSQL's type ``native`` (pg_type.typname) and its type modifier."""
    if native == "numeric":
        return _numeric_plan(name, modifier)
    if native in _DIRECT:
        return ColumnPlan(name, native, _DIRECT[native][0], restore=_checked(native))
    if native in ("oid", "xid8"):
        cast = "{}::int8" if native == "oid" else "{}::text::int8"
        return ColumnPlan(name, native, pa.int64(), cast)
    if native == "money":
        return ColumnPlan(name, native, pa.decimal128(19, 2), "{}::numeric::text", restore=_decimals)
    if native == "void":
        return ColumnPlan(name, native, pa.null(), restore=lambda array, _: pa.nulls(len(array)))
    if native.startswith("_") and native[1:] in _ARRAYS:
        item = native[1:]
        kind = pa.list_(_DIRECT[item][0])
        return ColumnPlan(name, native, kind, guard="array_ndims({}) > 1", restore=_checked_items(item))
    if native == "_numeric" and (shape := numeric_shape(modifier)):
        kind = pa.list_(_decimal_type(*shape))
        return ColumnPlan(name, native, kind, "{}::text[]", "array_ndims({}) > 1", _decimal_items)
    if native.startswith("_"):
        return ColumnPlan(name, native, pa.list_(pa.string()), "{}::text[]", "array_ndims({}) > 1")
    return ColumnPlan(name, native, pa.string(), "{}::text")


def ibis_name(native: str, modifier: int) -> str:
    """Ibis's name of a type, as the catalog shows it."""
    if native == "numeric":
        shape = numeric_shape(modifier)
        return f"decimal({shape[0]}, {shape[1]})" if shape and shape[0] <= 76 else "decimal"
    if native in _DIRECT:
        return _DIRECT[native][1]
    if native in ("oid", "xid8"):
        return "int64"
    if native == "money":
        return "decimal(19, 2)"
    if native.startswith("_"):
        item = native[1:]
        known = item in _ARRAYS or (item == "numeric" and numeric_shape(modifier))
        return f"array<{ibis_name(item, modifier) if known else 'string'}>"
    return "string"


def numeric_shape(modifier: int) -> tuple[int, int] | None:
    """Precision and scale in a numeric's type modifier, as src/backend/utils/adt/numeric.c packs them.

    A scale above the precision widens the precision, a negative one adds the zeros it stands for, since
    Arrow's consumers know neither. None if the type has no precision.
    """
    if modifier < 4:
        return None
    packed = modifier - 4
    precision = (packed >> 16) & 0xFFFF
    scale = ((packed & 0x7FF) ^ 1024) - 1024
    if scale < 0:
        return precision - scale, 0
    return max(precision, scale), scale


def _numeric_plan(name: str, modifier: int) -> ColumnPlan:
    shape = numeric_shape(modifier)
    if shape is None:
        kind = pa.decimal128(38, 9)  # replaced once the first rows are seen
        return ColumnPlan(name, "numeric", kind, "{}::text", restore=_decimals, unscaled=True)
    if shape[0] > 76:
        return ColumnPlan(name, "numeric", pa.string(), "{}::text")
    return ColumnPlan(name, "numeric", _decimal_type(*shape), "{}::text", restore=_decimals)


def _decimal_type(precision: int, scale: int) -> pa.DataType:
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def unscaled_type(texts: pa.Array, *, complete: bool) -> pa.DataType:
    """The decimal type of a numeric without precision, from the texts of its first rows.

    If these are all rows the scale is just what they need. Otherwise later rows may need more: a column
    that has fractions gets up to 16 more digits behind the point, as far as 38 digits in all allow with
    4 more in front. A later value that doesn't fit is refused, not rounded.
    """
    whole = scale = 0
    values = texts.drop_null()
    if len(values):
        digits = pc.replace_substring_regex(values, r"^-", "")
        parts = pc.split_pattern(digits, ".", max_splits=1)
        fronts = pc.utf8_length(pc.list_element(parts, 0))
        whole = pc.max(fronts).as_py()
        pointed = parts.filter(pc.equal(pc.list_value_length(parts), 2))
        if len(pointed):
            fractions = pc.utf8_rtrim(pc.list_element(pointed, 1), "0")
            scale = pc.max(pc.utf8_length(fractions)).as_py()
    if not complete and scale:
        scale = max(scale, min(scale + 16, 38 - whole - 4))
    if whole + scale > 38:
        return pa.decimal256(min(76, max(whole + scale, 39)), scale) if whole + scale <= 76 else pa.string()
    return pa.decimal128(38, scale)


def with_type(plan: ColumnPlan, kind: pa.DataType) -> ColumnPlan:
    """The plan of a numeric without precision, now that its type is known."""
    return replace(plan, type=kind)


def restore_batch(batch: pa.RecordBatch, plans: Sequence[ColumnPlan], source: str) -> pa.RecordBatch:
    """The driver's batch, whose guards stand behind the columns, in its exact types.

    Raises InexactValue for the first column with a value that has no exact form.
    """
    guard = len(plans)
    arrays = []
    for index, plan in enumerate(plans):
        if plan.guard is not None:
            if pc.any(batch.column(guard)).as_py():
                _refuse(source, plan, "an array of more than one dimension", "cast it to text, or unnest it")
            guard += 1
        try:
            arrays.append(plan.restore(batch.column(index), plan))
        except _Refused as refused:
            _refuse(source, plan, refused.what, refused.advice)
    schema = pa.schema([(plan.name, plan.type) for plan in plans])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Refused(Exception):
    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


def _refuse(source: str, plan: ColumnPlan, what: str, advice: str) -> NoReturn:
    raise InexactValue(
        f"the column {plan.name!r} ({plan.native}) holds {what}, which has no exact form in Arrow",
        source=source,
        hint=advice,
    )


def _storage(array: pa.Array) -> pa.Array:
    """Opaque extension arrays as what they hold; Arrow's own uuid and json as they are."""
    if isinstance(array.type, pa.OpaqueType):
        return array.storage
    return array


def _checked(native: str) -> Callable[[pa.Array, ColumnPlan], pa.Array]:
    def restore(array: pa.Array, _: ColumnPlan) -> pa.Array:
        _check_range(array, native)
        return array

    return restore if native in ("date", "time", "timestamp", "timestamptz") else lambda array, _: array


def _checked_items(item: str) -> Callable[[pa.Array, ColumnPlan], pa.Array]:
    def restore(array: pa.Array, plan: ColumnPlan) -> pa.Array:
        values = array.flatten()
        _check_range(values, item)
        return array if array.type == plan.type else array.cast(plan.type)

    return restore


def _check_range(array: pa.Array, native: str) -> None:
    if native == "date":
        least = pc.min(array.cast(pa.int32())).as_py()
        if least is not None and least < _FIRST_DAY:
            raise _Refused("an infinite date", "NULLIF(column, 'infinity'), or cast it to text")
    elif native in ("timestamp", "timestamptz"):
        least = pc.min(array.cast(pa.int64())).as_py()
        if least is not None and least < _FIRST_MICROSECOND:
            raise _Refused("an infinite timestamp", "NULLIF(column, 'infinity'), or cast it to text")
    elif native == "time":
        most = pc.max(array.cast(pa.int64())).as_py()
        if most is not None and most >= _MICROSECONDS_A_DAY:
            raise _Refused("the time 24:00:00", "cast it to text or interval")


def _decimals(array: pa.Array, plan: ColumnPlan) -> pa.Array:
    return _to_decimal(_storage(array), plan.type)


def _decimal_items(array: pa.Array, plan: ColumnPlan) -> pa.Array:
    values = _to_decimal(array.values, plan.type.value_type)
    return pa.ListArray.from_arrays(array.offsets, values, plan.type, mask=array.is_null())


def _to_decimal(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return texts
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid as error:
        special = texts.filter(pc.match_substring_regex(texts, "[NI]"))
        if len(special):
            raise _Refused(f"{special[0].as_py()}", "cast it to double precision or text") from error
        raise _Refused(
            f"a value that doesn't fit {kind}", "cast it to numeric(p, s) with the scale you need"
        ) from error
