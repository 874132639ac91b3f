"""Values as the text Athena prints: in the CSV file and in GetQueryResults alike.

Doubles look as Java prints them (``1.0E7``), timestamps have milliseconds, arrays are ``[1, 2]``, maps
``{k=v}``, rows ``{x=1, y=abc}``, binary is hex with spaces; NULL is None outside and ``null`` inside.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_PLAIN_LOW, _PLAIN_HIGH = 1e-3, 1e7
"""Java writes doubles outside of this range with an exponent."""


def text_column(column: pa.Array) -> pa.Array:
    """A whole column as strings, by Arrow where Arrow prints as Athena does."""
    kind = column.type
    if (
        pa.types.is_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_date(kind)
    ):
        return column.cast(pa.string())
    if pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return _timestamps(column)
    if pa.types.is_float64(kind) and _all_plain(column):
        plain = column.cast(pa.string())
        return pc.if_else(pc.match_substring(plain, "."), plain, pc.binary_join_element_wise(plain, ".0", ""))
    if pa.types.is_decimal(kind) and 0 <= kind.scale <= 6:
        return column.cast(pa.string())
    return pa.array([text(value, kind) for value in column.to_pylist()], pa.string())


def _timestamps(column: pa.Array) -> pa.Array:
    zone = column.type.tz
    local = column.cast(pa.timestamp("us", zone)).cast(pa.timestamp("ms", zone), safe=False)
    printed = pc.strftime(local, format="%Y-%m-%d %H:%M:%S")
    return printed if zone is None else pc.binary_join_element_wise(printed, zone, " ")


def _all_plain(column: pa.Array) -> bool:
    size = pc.abs(column)
    plain = pc.or_(
        pc.equal(column, 0.0), pc.and_(pc.greater_equal(size, _PLAIN_LOW), pc.less(size, _PLAIN_HIGH))
    )
    return bool(pc.all(plain, min_count=0).as_py())


def text(value: Any, kind: pa.DataType) -> str | None:
    """One value as a string; None stays None."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        entries = value.items() if isinstance(value, dict) else value
        return (
            "{"
            + ", ".join(f"{_inner(k, kind.key_type)}={_inner(v, kind.item_type)}" for k, v in entries)
            + "}"
        )
    if pa.types.is_struct(kind):
        return (
            "{" + ", ".join(f"{field.name}={_inner(value[field.name], field.type)}" for field in kind) + "}"
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "[" + ", ".join(_inner(item, kind.value_type) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _single(value) if pa.types.is_float32(kind) else _double(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex(" ")
    return _temporal(value)


def _temporal(value: Any) -> str:
    if isinstance(value, dt.datetime):
        moment = f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}"
        return moment if value.tzinfo is None else f"{moment} UTC"
    if isinstance(value, dt.time):
        return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}"
    if isinstance(value, pa.MonthDayNano):
        if value.months and not value.days and not value.nanoseconds:
            sign, months = "-" if value.months < 0 else "", abs(value.months)
            return f"{sign}{months // 12}-{months % 12}"
        total = (value.months * 30 + value.days) * 86_400_000 + value.nanoseconds // 1_000_000
        sign, rest = "-" if total < 0 else "", abs(total)
        days, rest = divmod(rest, 86_400_000)
        hours, rest = divmod(rest, 3_600_000)
        minutes, rest = divmod(rest, 60_000)
        return f"{sign}{days} {hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
    return str(value)


def _inner(value: Any, kind: pa.DataType) -> str:
    printed = text(value, kind)
    return "null" if printed is None else printed


def _double(value: float) -> str:
    return _java(value, repr(value))


def _single(value: float) -> str:
    for digits in range(1, 10):
        short = f"{value:.{digits}g}"
        if not math.isfinite(value) or struct.pack("f", float(short)) == struct.pack("f", value):
            return _java(value, repr(float(short)))
    return _java(value, repr(value))


def _java(value: float, shortest: str) -> str:
    """``Double.toString`` from the shortest digits that read back as the same number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    size = abs(value)
    if size == 0 or _PLAIN_LOW <= size < _PLAIN_HIGH:
        return shortest
    sign, digits, exponent = Decimal(shortest).as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - finite, checked above
    places = "".join(map(str, digits)).rstrip("0") or "0"
    power = exponent + len(digits) - 1
    return f"{'-' if sign else ''}{places[0]}.{places[1:] or '0'}E{power}"
