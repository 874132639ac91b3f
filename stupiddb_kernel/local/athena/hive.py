"""Column types: Hive's names (in Glue), Trino's names (in results), and their Arrow counterparts.

``timestamp`` is Athena's ``timestamp(3)``: milliseconds, without a zone, carried as Arrow microseconds
because DuckDB's functions take those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stupiddb_kernel.local.athena.errors import QueryError

if TYPE_CHECKING:
    import pyarrow as pa

_SIMPLE = {
    "boolean": "bool_",
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
    "date": "date32",
}
_HIVE = {
    "bool": "boolean",
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    "float": "float",
    "double": "double",
    "string": "string",
    "large_string": "string",
    "binary": "binary",
    "large_binary": "binary",
    "date32[day]": "date",
}
_TRINO = {"int": "integer", "float": "real", "string": "varchar", "binary": "varbinary"}
_WORD = re.compile(r"\s*([A-Za-z_@$][\w@$ \-]*?|`[^`]+`)\s*(?=[<>(),:]|$)")


def arrow_type(text: str) -> pa.DataType:
    """The Arrow type of a Hive type such as ``array<struct<a:int,b:decimal(10,2)>>``.

    Raises:
        QueryError: a type this stand-in does not know.
    """
    try:
        found, rest = _parse(text.strip(), text)
    except (ValueError, RecursionError) as error:  # a part that should be there is not, or is no number
        raise QueryError("HIVE_INVALID_METADATA", f"Unknown column type '{text}'") from error
    if rest.strip():
        raise QueryError("HIVE_INVALID_METADATA", f"Unknown column type '{text}'")
    return found


def _parse(text: str, whole: str) -> tuple[pa.DataType, str]:
    import pyarrow as pa

    if not (match := _WORD.match(text)):
        raise QueryError("HIVE_INVALID_METADATA", f"Unknown column type '{whole}'")
    name, rest = match.group(1).lower(), text[match.end() :].lstrip()
    arguments: list[int] = []
    if rest.startswith("("):
        inner, rest = rest[1:].split(")", 1)
        arguments = [int(part) for part in inner.split(",")]
    if name == "decimal":
        precision, scale = ([*arguments, 0] if arguments else [10, 0])[:2]
        return pa.decimal128(precision, scale), rest
    if name == "timestamp":
        return pa.timestamp("us"), rest
    if name in _SIMPLE:
        return getattr(pa, _SIMPLE[name])(), rest
    if not rest.startswith("<"):
        raise QueryError("HIVE_INVALID_METADATA", f"Unknown column type '{whole}'")
    rest = rest[1:]
    if name == "array":
        item, rest = _parse(rest, whole)
        return pa.list_(item), _close(rest, whole)
    if name == "map":
        key, rest = _parse(rest, whole)
        value, rest = _parse(rest.lstrip().removeprefix(","), whole)
        return pa.map_(key, value), _close(rest, whole)
    if name == "struct":
        fields = []
        while not rest.lstrip().startswith(">"):
            label, rest = rest.lstrip().removeprefix(",").split(":", 1)
            item, rest = _parse(rest, whole)
            fields.append(pa.field(label.strip().strip("`").lower(), item))
        return pa.struct(fields), _close(rest, whole)
    raise QueryError("HIVE_INVALID_METADATA", f"Unknown column type '{whole}'")


def _close(rest: str, whole: str) -> str:
    rest = rest.lstrip()
    if not rest.startswith(">"):
        raise QueryError("HIVE_INVALID_METADATA", f"Unknown column type '{whole}'")
    return rest[1:]


def hive_type(kind: pa.DataType) -> str:
    """The Hive name of an Arrow type, for tables and files that are written.

    Raises:
        QueryError: a type that Hive tables can't hold, such as a timestamp with time zone.
    """
    import pyarrow.types as at

    if at.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if at.is_timestamp(kind) and kind.tz is None:
        return "timestamp"
    if at.is_map(kind):
        return f"map<{hive_type(kind.key_type)},{hive_type(kind.item_type)}>"
    if at.is_list(kind) or at.is_large_list(kind):
        return f"array<{hive_type(kind.value_type)}>"
    if at.is_struct(kind):
        return f"struct<{','.join(f'{field.name}:{hive_type(field.type)}' for field in kind)}>"
    if str(kind) in _HIVE:
        return _HIVE[str(kind)]
    raise QueryError("NOT_SUPPORTED", f"Unsupported Hive type: {trino_type(kind)}")


def trino_type(kind: pa.DataType) -> str:
    """The full Trino name of an Arrow type, such as ``array(varchar)``."""
    import pyarrow.types as at

    if at.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if at.is_timestamp(kind):
        return "timestamp(3)" if kind.tz is None else "timestamp(3) with time zone"
    if at.is_time(kind):
        return "time(3)"
    if at.is_map(kind):
        return f"map({trino_type(kind.key_type)}, {trino_type(kind.item_type)})"
    if at.is_list(kind) or at.is_large_list(kind):
        return f"array({trino_type(kind.value_type)})"
    if at.is_struct(kind):
        return f"row({', '.join(f'{field.name} {trino_type(field.type)}' for field in kind)})"
    if at.is_interval(kind) or at.is_duration(kind):
        return "interval day to second"
    if at.is_null(kind):
        return "unknown"
    name = _HIVE.get(str(kind), str(kind))
    return _TRINO.get(name, name)


def column_type(kind: pa.DataType) -> tuple[str, int, int]:
    """What ResultSetMetadata says of a column: Athena's short type name, precision and scale."""
    import pyarrow.types as at

    full = trino_type(kind)
    if at.is_decimal(kind):
        return "decimal", kind.precision, kind.scale
    if at.is_timestamp(kind):
        return full.replace("(3)", ""), 3, 0
    if at.is_time(kind):
        return "time", 3, 0
    short = full.split("(", 1)[0]
    if short == "real":
        return "float", 17, 0
    digits = {"boolean": 0, "tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "double": 17}
    precision = digits.get(
        short, 2147483647 if short == "varchar" else 1073741824 if short == "varbinary" else 0
    )
    return short, precision, 0


def trino_name(text: str) -> str:
    """The Trino name of a Hive type text, for information_schema and DESCRIBE of views."""
    return trino_type(arrow_type(text)).replace("timestamp(3)", "timestamp")


def leaves(kind: pa.DataType) -> Iterator[pa.DataType]:
    """Every scalar type inside a type."""
    if kind.num_fields == 0:
        yield kind
        return
    for index in range(kind.num_fields):
        yield from leaves(kind.field(index).type)
