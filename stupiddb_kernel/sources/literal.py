"""A Python value as an SQL literal, exact to the last bit, for stores that can't bind on the server.

Where a driver binds nothing (MySQL through connectorx), or binding would give up streaming (PostgreSQL's
COPY takes no parameters), a bound value becomes a *typed literal*. No text of a value ever meets the
server's escape rules: they differ with ``sql_mode`` and ``standard_conforming_strings``, so text is
written in a form that has none (hexadecimal on MySQL, doubled quotes in ``E''`` on PostgreSQL).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

from stupiddb_kernel.errors import UsageError
from stupiddb_kernel.sources.binding import Placeholder, check, placeholders, rewrite

_ALLOWED = "None, bool, int, float, Decimal, str, bytes, date, time, datetime, UUID, or a list of one of them"
_EMPTY_SET = {"mysql": "SELECT NULL FROM DUAL WHERE FALSE"}
_ARRAY_TYPES = {
    bool: "boolean",
    int: "bigint",
    float: "double precision",
    Decimal: "numeric",
    str: "text",
    bytes: "bytea",
    date: "date",
    time: "time",
    datetime: "timestamp",
    UUID: "uuid",
}


def inline(sql: str, parameters: Mapping[str, object] | None, dialect: str) -> str:
    """``sql`` with every ``:name`` replaced by the literal of its value.

    Raises UsageError for missing and unused parameters and for values that have no literal.
    """
    found = placeholders(sql, dialect)
    check(found, parameters)
    render = Renderer(parameters, dialect)
    return rewrite(sql, render.place(found), render) if found else sql


class Renderer:
    """Renders placeholders as literals of ``parameters``, each once; give it to ``binding.rewrite``."""

    def __init__(self, parameters: Mapping[str, object] | None, dialect: str) -> None:
        self._parameters = parameters or {}
        self._dialect = dialect
        self._rendered: dict[tuple[str | bool, ...], str] = {}

    def place(self, found: Sequence[Placeholder]) -> list[Placeholder]:
        """What of the text is to be replaced: more than the ``:name`` where a value needs it.

        PostgreSQL takes a subquery's NULL for text, which equals no number: only an array literal takes the
        type of what it is compared with, so there an empty list replaces the whole ``IN ( … )``.
        """
        if self._dialect != "postgres":
            return list(found)
        return [
            placeholder.widened() if self._is_empty(placeholder) else placeholder for placeholder in found
        ]

    def _is_empty(self, placeholder: Placeholder) -> bool:
        value = self._parameters[placeholder.name]
        return placeholder.alone and is_list(value) and not items_of(value)

    def __call__(self, placeholder: Placeholder) -> str:
        """The literal that stands for a placeholder. Raises UsageError that names it."""
        key = (
            placeholder.name,
            placeholder.in_list,
            placeholder.alone,
            placeholder.whole,
            placeholder.negated,
            placeholder.in_any,
        )
        if key not in self._rendered:
            value = self._parameters[placeholder.name]
            try:
                self._rendered[key] = self._render(placeholder, value)
            except UsageError as error:
                message = f"the value of :{placeholder.name} can't be bound: {error.message}"
                raise UsageError(message, hint=error.hint) from error
        return self._rendered[key]

    def _render(self, placeholder: Placeholder, value: object) -> str:
        if placeholder.whole:
            return "<> ALL ('{}')" if placeholder.negated else "= ANY ('{}')"
        if placeholder.in_any and is_list(value) and self._dialect in ("postgres", "redshift"):
            return _string(_array_text(items_of(value)), "postgres")
        if not placeholder.in_list or not is_list(value):
            return literal(value, self._dialect)
        items = [literal(item, self._dialect) for item in items_of(value)]
        if items:
            return ", ".join(items)
        if placeholder.alone:  # x IN () is no SQL; nothing is in an empty set, and everything not in it
            return _EMPTY_SET.get(self._dialect, "SELECT NULL WHERE FALSE")
        raise UsageError("it is an empty list beside other items", hint="put the list alone into IN ( )")


def literal(value: object, dialect: str) -> str:
    """The literal of one value in ``dialect``: postgres, redshift, mysql, trino, athena or duckdb.

    A list is an array; MySQL has none, so there it is an error. Aware datetimes keep their instant.
    Raises UsageError for a value that the dialect can't hold.
    """
    dialect = {"redshift": "postgres", "athena": "trino"}.get(dialect, dialect)
    value = _plain(value)
    if value is None:
        return "NULL"
    if is_list(value):
        return _array(items_of(value), dialect)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return _integer(value, dialect)
    if isinstance(value, float):
        return _float(value, dialect)
    if isinstance(value, Decimal):
        return _decimal(value, dialect)
    if isinstance(value, str):
        return _string(value, dialect)
    if isinstance(value, bytes | bytearray | memoryview):
        return _binary(bytes(value), dialect)
    if isinstance(value, datetime):
        return _datetime(value, dialect)
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, time):
        return _time(value, dialect)
    if isinstance(value, UUID):
        return _string(str(value), dialect) if dialect == "mysql" else f"CAST('{value}' AS UUID)"
    raise UsageError(f"it is a {type(value).__name__}", hint=f"allowed: {_ALLOWED}")


def is_list(value: object) -> bool:
    """Whether a value is bound as several: a list, tuple, set, or an array of numpy, pandas or Arrow."""
    if isinstance(value, list | tuple | set | frozenset):
        return True
    return hasattr(value, "tolist") and hasattr(value, "__len__") and getattr(value, "ndim", 1) == 1


def items_of(value: object) -> list[object]:
    """The items of a list value; sets are sorted, so that the same values give the same text."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "to_pylist"):
        return list(value.to_pylist())
    if hasattr(value, "tolist"):
        return list(value.tolist())
    return list(value) if isinstance(value, Sequence) else []


def _plain(value: object) -> object:
    """Scalars of numpy, Arrow and pandas as the Python value they hold."""
    if hasattr(value, "to_pydatetime"):
        if getattr(value, "nanosecond", 0):
            raise UsageError(
                "it has nanoseconds, which the store would lose", hint="round it to microseconds"
            )
        return None if value != value else value.to_pydatetime()
    if hasattr(value, "as_py"):
        return value.as_py()
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    return value


def _integer(value: int, dialect: str) -> str:
    digits = str(value)
    limit = {"postgres": 131_072, "mysql": 65}.get(dialect, 38)
    if -(2**63) <= value < 2**63:
        if value == -(2**63) and dialect == "trino":
            return "(-9223372036854775807 - 1)"  # read as the negation of a number that is too large
        return f"({digits})" if value < 0 else digits  # "--5" would be a comment
    if len(digits.lstrip("-")) > limit:
        raise UsageError(f"it has {len(digits.lstrip('-'))} digits; {dialect} holds {limit}")
    if dialect == "trino":
        return f"DECIMAL '{digits}'"
    return f"({digits})" if value < 0 else digits


def _float(value: float, dialect: str) -> str:
    if math.isfinite(value):
        text = repr(value)
        if dialect == "mysql":  # only a number with an exponent is a double there, and not a decimal
            text = text if "e" in text else f"{text}e0"
            return f"({text})" if text.startswith("-") else text
        if dialect == "trino":
            return f"DOUBLE '{text}'"
        return f"CAST('{text}' AS DOUBLE PRECISION)" if dialect == "postgres" else f"CAST('{text}' AS DOUBLE)"
    if dialect == "mysql":
        raise UsageError(f"it is {value}, which MySQL can't hold")
    if dialect == "trino":
        name = "nan()" if math.isnan(value) else "infinity()"
        return f"(-{name})" if value < 0 else name
    name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return f"CAST('{name}' AS DOUBLE PRECISION)" if dialect == "postgres" else f"CAST('{name}' AS DOUBLE)"


def _decimal(value: Decimal, dialect: str) -> str:
    if not value.is_finite():
        if dialect != "postgres" or value.is_snan():
            raise UsageError(f"it is {value}, which {dialect} can't hold as a decimal")
        name = "NaN" if value.is_nan() else "Infinity" if value > 0 else "-Infinity"
        return f"CAST('{name}' AS NUMERIC)"
    text = format(value, "f")
    if dialect == "postgres":
        return f"CAST('{text}' AS NUMERIC)"
    whole, _, fraction = text.lstrip("-").partition(".")
    scale = len(fraction)
    precision = max(len(whole.lstrip("0")) + scale, 1)
    most_digits, most_scale = (65, 38) if dialect == "mysql" else (38, 38)
    if precision > most_digits or scale > most_scale:
        raise UsageError(
            f"it has {precision} digits, {scale} of them after the point; {dialect} holds "
            f"{most_digits} and {most_scale}"
        )
    if dialect == "trino":
        return f"DECIMAL '{text}'"
    # As a string in a cast: a bare number of many digits is a double to some parsers.
    return f"CAST('{text}' AS DECIMAL({precision}, {scale}))"


def _string(value: str, dialect: str) -> str:
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            "it holds half of a surrogate pair, which is no text", hint="clean it first"
        ) from error
    if dialect == "mysql":
        return f"_utf8mb4 X'{encoded.hex()}'"
    if "\0" in value and dialect in ("postgres", "duckdb"):
        if dialect == "postgres":
            raise UsageError("it holds a NUL character, which PostgreSQL's text can't hold")
        return "(" + " || chr(0) || ".join(_string(part, dialect) for part in value.split("\0")) + ")"
    quoted = value.replace("'", "''")
    if dialect == "postgres" and "\\" in value:
        escaped = quoted.replace("\\", "\\\\")
        return f"E'{escaped}'"
    return f"'{quoted}'"


def _binary(value: bytes, dialect: str) -> str:
    if dialect == "postgres":
        return f"decode('{value.hex()}', 'hex')"
    if dialect == "duckdb":
        return f"unhex('{value.hex()}')"
    return f"X'{value.hex()}'"


def _datetime(value: datetime, dialect: str) -> str:
    if value.tzinfo is None:
        text = value.isoformat(" ", "microseconds" if value.microsecond else "seconds")
        return f"TIMESTAMP '{text}'"
    text = (
        value.astimezone(UTC)
        .replace(tzinfo=None)
        .isoformat(" ", "microseconds" if value.microsecond else "seconds")
    )
    if dialect == "mysql":  # sessions run in UTC, so a TIMESTAMP compares as this instant
        return f"TIMESTAMP '{text}'"
    if dialect == "trino":
        return f"TIMESTAMP '{text} UTC'"
    return f"CAST('{text}+00' AS TIMESTAMPTZ)"


def _time(value: time, dialect: str) -> str:
    text = value.replace(tzinfo=None).isoformat()
    if value.tzinfo is None:
        return f"TIME '{text}'"
    offset = value.utcoffset()
    if dialect != "postgres" or offset is None:
        raise UsageError("it is a time with a zone", hint="bind a datetime, or a time without a zone")
    return f"CAST('{value.isoformat()}' AS TIMETZ)"


def _array(items: list[object], dialect: str) -> str:
    if dialect == "mysql":
        raise UsageError("it is a list, and MySQL has no arrays", hint="write … IN (:name)")
    items = [_plain(item) for item in items]
    kind = _common_kind(items)
    if dialect == "trino":
        return f"ARRAY[{', '.join(literal(item, dialect) for item in items)}]"
    if dialect == "duckdb":
        return f"[{', '.join(literal(item, dialect) for item in items)}]"
    aware = kind is datetime and all(item.tzinfo for item in items if isinstance(item, datetime))
    name = "timestamptz" if aware else _ARRAY_TYPES.get(kind, "text")
    if kind is int and any(isinstance(item, int) and not -(2**63) <= item < 2**63 for item in items):
        name = "numeric"
    return f"CAST({_string(_array_text(items), dialect)} AS {name}[])"


def _array_text(items: list[object]) -> str:
    """PostgreSQL's text of an array: it reads 100,000 keys of it far faster than as many expressions."""
    items = [_plain(item) for item in items]
    _common_kind(items)
    return "{" + ",".join(map(_array_item, items)) + "}"


def _common_kind(items: list[object]) -> type:
    """The one type of the items, which int may share with float and Decimal where that is exact."""
    order = (bool, int, float, Decimal, str, bytes, datetime, date, time, UUID)
    kinds: set[type] = set()
    for item in items:
        kind = next((kind for kind in order if isinstance(item, kind)), type(item))
        if item is not None:
            kinds.add(kind)
    if not kinds:
        return str
    if len(kinds) == 1 and kinds <= set(order):
        return kinds.pop()
    if kinds == {int, Decimal}:
        return Decimal
    if kinds == {int, float} and all(float(item) == item for item in items if isinstance(item, int)):
        return float
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise UsageError(f"it is a list of {names}", hint=f"allowed: {_ALLOWED}")


def _array_item(item: object) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, bool):
        return "t" if item else "f"
    if isinstance(item, float):
        return repr(item).replace("inf", "Infinity").replace("nan", "NaN")
    if isinstance(item, bytes):
        return f'"\\\\x{item.hex()}"'
    if isinstance(item, int | Decimal | UUID):
        return str(item)
    text = item.isoformat() if isinstance(item, date | time) else str(item)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
