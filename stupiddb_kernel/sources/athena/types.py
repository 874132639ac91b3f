"""Hive's type names, as Glue holds them, and Arrow types as Hive would name them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa

from stupiddb_kernel.errors import UnsupportedOperation

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt

_PLAIN = {
    "boolean": "boolean",
    "tinyint": "int8",
    "smallint": "int16",
    "int": "int32",
    "integer": "int32",
    "bigint": "int64",
    "float": "float32",
    "real": "float32",
    "double": "float64",
    "string": "string",
    "varchar": "string",
    "char": "string",
    "binary": "binary",
    "varbinary": "binary",
    "date": "date",
    "timestamp": "timestamp(6)",
    "timestamptz": "timestamp('UTC', 6)",
    "timestamp with time zone": "timestamp('UTC', 6)",
    "time": "time",
    "uuid": "uuid",
    "json": "json",
}
_ARROW = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.uint8(): "smallint",
    pa.int16(): "smallint",
    pa.uint16(): "int",
    pa.int32(): "int",
    pa.uint32(): "bigint",
    pa.int64(): "bigint",
    pa.float16(): "float",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "string",
    pa.large_string(): "string",
    pa.binary(): "binary",
    pa.large_binary(): "binary",
    pa.date32(): "date",
    pa.date64(): "date",
}


@lru_cache(maxsize=4096)
def ibis_type(native: str) -> str:
    """Ibis's name of a Hive or Trino type such as ``array<struct<a:int,b:string>>``.

    What no Ibis type stands for is ``unknown``: the column is shown, and is read as Athena gives it.
    """
    text = native.strip().lower()
    for opening, closing in (("<", ">"), ("(", ")")):
        head, separator, rest = text.partition(opening)
        head = head.strip()
        if separator and rest.endswith(closing) and head in ("array", "map", "struct", "row"):
            return _nested(head, rest[:-1])
    name, separator, rest = text.partition("(")
    name = name.strip()
    if name == "decimal":
        precision, _, scale = rest.rstrip(")").partition(",") if separator else ("10", "", "0")
        return f"decimal({precision.strip()}, {scale.strip() or '0'})"
    if separator and ")" in rest:  # timestamp(3) with time zone
        name = f"{name}{rest[rest.index(')') + 1 :]}"
    return _PLAIN.get(name, "unknown")


def ibis_dtype(name: str) -> dt.DataType:
    """The Ibis type of a name that ``ibis_type`` gave; Ibis itself can't read ``unknown``."""
    import ibis.expr.datatypes as dt

    return dt.unknown if name == "unknown" else dt.dtype(name)


def _nested(head: str, inner: str) -> str:
    if head == "array":
        return _known(f"array<{ibis_type(inner)}>")
    parts = _split(inner)
    if head == "map":
        return _known(f"map<{ibis_type(parts[0])}, {ibis_type(parts[1])}>" if len(parts) == 2 else "unknown")
    fields = []
    for part in parts:
        name, separator, kind = part.strip().partition(":" if head == "struct" else " ")
        if not separator:
            return "unknown"
        fields.append(f"{name.strip()}: {ibis_type(kind)}")
    return _known(f"struct<{', '.join(fields)}>")


def _known(text: str) -> str:
    """A nested type is unknown if one of its parts is."""
    return "unknown" if re.search(r"(?<![\w:])unknown\b(?!:)", text) else text


def _split(text: str) -> list[str]:
    """Split at commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        if character in "<(":
            depth += 1
        elif character in ">)":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def hive_type(kind: pa.DataType, *, column: str, source: str) -> str:
    """The Hive type that reads a Parquet column of an Arrow type. Raises UnsupportedOperation."""
    types = pa.types
    if types.is_dictionary(kind):
        return hive_type(kind.value_type, column=column, source=source)
    if kind in _ARROW:
        return _ARROW[kind]
    if types.is_decimal(kind) and kind.precision <= 38:
        return f"decimal({kind.precision},{kind.scale})"
    if types.is_timestamp(kind):
        return "timestamp"
    if types.is_fixed_size_binary(kind):
        return "binary"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return f"array<{hive_type(kind.value_type, column=column, source=source)}>"
    if types.is_map(kind):
        key = hive_type(kind.key_type, column=column, source=source)
        return f"map<{key},{hive_type(kind.item_type, column=column, source=source)}>"
    if types.is_struct(kind) and kind.num_fields:
        inner = ",".join(
            f"{field.name}:{hive_type(field.type, column=column, source=source)}" for field in kind
        )
        return f"struct<{inner}>"
    raise UnsupportedOperation(
        f"column {column!r} is {kind}, which Athena has no type for",
        source=source,
        hint="rewrite the files with another type, or leave the column out with `columns`",
    )
