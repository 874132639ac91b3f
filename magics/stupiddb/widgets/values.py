"""Exact texts of values: no number, time or byte passes through a type that would round it.

DuckDB itself writes each value, because Python and JSON have no exact form for many of them (64-bit
integers in JavaScript, nanoseconds and years past 9999 in Python, NaN in JSON).
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

from stupiddb_kernel.errors import UsageError

Kind = Literal[
    "integer",
    "decimal",
    "float",
    "boolean",
    "string",
    "date",
    "time",
    "timestamp",
    "interval",
    "binary",
    "uuid",
    "json",
    "list",
    "struct",
    "map",
    "other",
]

_IBIS_KINDS: dict[str, Kind] = {
    "decimal": "decimal",
    "boolean": "boolean",
    "string": "string",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "interval": "interval",
    "binary": "binary",
    "uuid": "uuid",
    "json": "json",
    "array": "list",
    "struct": "struct",
    "map": "map",
}
_DUCKDB_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "integer"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "BIGNUM"), "integer"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "timestamp"),
    **dict.fromkeys(("TIME", "TIME_NS", "TIME WITH TIME ZONE"), "time"),
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "DECIMAL": "decimal",
    "FLOAT": "float",
    "DOUBLE": "float",
    "BOOLEAN": "boolean",
    "VARCHAR": "string",
    "ENUM": "string",
    "DATE": "date",
    "INTERVAL": "interval",
    "BLOB": "binary",
    "UUID": "uuid",
    "JSON": "json",
    "STRUCT": "struct",
    "MAP": "map",
}
_ZONED = re.compile(r"\d\s*(?:[zZ]|[+-]\d{1,2}(?::?\d\d)?|[A-Za-z_]+/[A-Za-z_/]+)$")
_EXAMPLES: dict[Kind, str] = {
    "date": "2013-01-31",
    "time": "12:30:00",
    "timestamp": "2013-01-31 12:30:00",
    "interval": "3 days 12:00:00",
    "uuid": "550e8400-e29b-41d4-a716-446655440000",
}


def kind_of_ibis(name: str) -> Kind:
    """The kind of a type by Ibis's name for it, as the catalog has it."""
    stem = re.split(r"[(<]", name.strip().lstrip("!"), maxsplit=1)[0].lower()
    if re.fullmatch(r"u?int\d+", stem):
        return "integer"
    if re.fullmatch(r"float\d+", stem):
        return "float"
    return _IBIS_KINDS.get(stem, "other")


def kind_of_duckdb(name: str) -> Kind:
    """The kind of a type by DuckDB's name for it."""
    if name.endswith("]"):
        return "list"
    return _DUCKDB_KINDS.get(name.split("(", 1)[0].strip(), "other")


def text_of(column: str, duckdb_type: str) -> str:
    """A SQL expression for the exact text of ``column``, a quoted name; NULL stays NULL."""
    kind = kind_of_duckdb(duckdb_type)
    if kind == "float":
        return (
            f"CASE WHEN isnan({column}) THEN 'NaN' WHEN isinf({column}) THEN"
            f" CASE WHEN {column} > 0 THEN 'Infinity' ELSE '-Infinity' END ELSE CAST({column} AS VARCHAR) END"
        )
    if kind == "binary":
        return f"'0x' || hex({column})"
    if duckdb_type == "TIMESTAMP WITH TIME ZONE":
        # in UTC, whatever zone the connection has
        return (
            f"CASE WHEN isfinite({column}) THEN CAST({column} AT TIME ZONE 'UTC' AS VARCHAR) || '+00'"
            f" ELSE CAST({column} AS VARCHAR) END"
        )
    return f"CAST({column} AS VARCHAR)"


def operand(value: str, duckdb_type: str) -> tuple[str, object]:
    """What a column of a type is compared with: a SQL expression with one ``?``, and its value.

    Raises UsageError for a text that is no value of the type.
    """
    kind = kind_of_duckdb(duckdb_type)
    text = value.strip()
    if kind in ("integer", "decimal"):
        return "?", _number(text)
    if kind == "float":
        try:
            return ("CAST(? AS FLOAT)" if duckdb_type == "FLOAT" else "?"), float(text)
        except ValueError as error:
            raise UsageError(f"{text!r} is not a number") from error
    if kind == "boolean":
        if text.lower() not in ("true", "false", "t", "f", "yes", "no", "1", "0"):
            raise UsageError(f"{text!r} is neither true nor false")
        return "?", text.lower() in ("true", "t", "yes", "1")
    if kind == "binary":
        try:
            return "?", bytes.fromhex(text.removeprefix("0x"))
        except ValueError as error:
            raise UsageError(
                f"{text!r} is not a binary value", hint="write hexadecimal: 0xDEADBEEF"
            ) from error
    if duckdb_type == "TIMESTAMP WITH TIME ZONE" and not _ZONED.search(text.removeprefix(text[:10])):
        return "CAST(? AS TIMESTAMP) AT TIME ZONE 'UTC'", text  # shown in UTC, so meant in UTC
    if kind in _EXAMPLES:
        return f"CAST(? AS {duckdb_type})", text
    return "?", value


def not_a_value(value: str, duckdb_type: str) -> UsageError:
    """The error for a text that DuckDB could not read as a value of the type."""
    kind = kind_of_duckdb(duckdb_type)
    example = _EXAMPLES.get(kind)
    return UsageError(
        f"{value!r} can't be read as {kind}", hint=f"write it like {example}" if example else None
    )


def _number(text: str) -> int | Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"{text!r} is not a number") from error
    if not number.is_finite():
        raise UsageError(f"{text!r} is not a number that this column can hold")
    if number.adjusted() > 38 or len(number.as_tuple().digits) > 39:
        raise UsageError(f"{text!r} has more digits than a column can hold")
    return int(number) if number == number.to_integral_value() else number


def text_of_python(value: object) -> str | None:
    """A value of a profile as text, written as ``text_of`` writes it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return f"0x{value.hex().upper()}"
    if isinstance(value, float):
        if math.isfinite(value):
            return repr(value).removesuffix(".0")
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value)


def text_of_edge(value: float, kind: Kind) -> str:
    """The edge of a histogram's bin; those of dates and times are seconds since 1970."""
    if kind in ("date", "timestamp"):
        try:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
        except OverflowError:
            return f"{value:.6g}"
        return f"{moment:%Y-%m-%d}" if kind == "date" else f"{moment:%Y-%m-%d %H:%M:%S}"
    return f"{value:.6g}"
