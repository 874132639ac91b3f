"""Athena's text results as exact Arrow values, column by column.

GetQueryResults and the CSV result file hold the same text. What text can't say exactly (the elements of
an array, a local time that occurs twice) is refused: InexactValue says how to ask for it instead.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stupiddb_kernel.errors import InexactValue

_INTEGERS = {
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "int": pa.int32(),
    "bigint": pa.int64(),
}
_NESTED = {"array": pa.list_(pa.null()), "map": pa.map_(pa.string(), pa.null()), "row": pa.struct([])}
_INSTANT = pa.timestamp("us", "UTC")
_OFFSET = re.compile(r"[+-]\d\d:\d\d")


@dataclass(frozen=True)
class Cells:
    """How one column's text becomes Arrow values of ``type``."""

    name: str
    native: str
    type: pa.DataType
    decode: Callable[[pa.StringArray], pa.Array]
    source: str

    def convert(self, text: pa.StringArray) -> pa.Array:
        """The values; nulls stay null. Raises InexactValue."""
        if pa.types.is_null(self.type) and text.null_count != len(text):
            raise self.inexact(text, "a column of unknown type holds values")
        if text.null_count == len(text):
            return pa.nulls(len(text), self.type)
        try:
            return self.decode(text)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise self.inexact(text, str(error).splitlines()[0]) from error

    def inexact(self, text: pa.StringArray, why: str) -> InexactValue:
        """The error for this column, with its first value."""
        shown = next((value for value in text.to_pylist() if value is not None), "")
        return InexactValue(
            f"column {self.name!r} ({self.native}) can't be read exactly: {why} (as in {shown[:60]!r})",
            source=self.source,
            hint=_HINTS.get(self.native.split("(")[0], f"cast it: CAST({self.name} AS varchar)"),
        )


_AS_JSON = "write CAST(… AS JSON), or leave out ORDER BY and LIMIT so that it is read as Parquet"
_HINTS = {
    "array": _AS_JSON,
    "map": _AS_JSON,
    "row": _AS_JSON,
    "timestamp with time zone": "ask for the instant: … AT TIME ZONE 'UTC'",
    "timestamp": "round it to microseconds: CAST(… AS timestamp(6))",
}


def cells(columns: Sequence[Mapping[str, Any]], source: str) -> list[Cells]:
    """One decoder for each ``ColumnInfo`` of a ResultSetMetadata."""
    return [_cells(column, source) for column in columns]


def schema(columns: Sequence[Cells]) -> pa.Schema:
    """The Arrow schema of a result; duplicate names are kept as Athena gives them."""
    return pa.schema([pa.field(column.name, column.type) for column in columns])


def batch(columns: Sequence[Cells], texts: Sequence[pa.StringArray]) -> pa.RecordBatch:
    """One batch of converted columns."""
    arrays = [column.convert(text) for column, text in zip(columns, texts, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema(columns))


def _cells(column: Mapping[str, Any], source: str) -> Cells:
    name, native = column["Name"], column["Type"].lower()
    kind, decode = _kind(native.split("(")[0].strip() if "(" in native else native, column)
    if native.startswith("timestamp(") and "zone" in native:
        kind, decode = _INSTANT, _instants
    elif native.startswith("time(") and "zone" in native:
        kind, decode = pa.string(), _same
    return Cells(name, native, kind, decode, source)


def _kind(native: str, column: Mapping[str, Any]) -> tuple[pa.DataType, Callable[[pa.StringArray], pa.Array]]:
    if native in _INTEGERS:
        return _cast(_INTEGERS[native])
    if native in _NESTED:
        return _NESTED[native], _refuse
    if native == "decimal":
        return _cast(pa.decimal128(int(column["Precision"]), int(column["Scale"])))
    plain: dict[str, tuple[pa.DataType, Callable[[pa.StringArray], pa.Array]]] = {
        "boolean": _cast(pa.bool_()),
        "double": _cast(pa.float64()),
        "float": _cast(pa.float32()),
        "real": _cast(pa.float32()),
        "date": _cast(pa.date32()),
        "timestamp": _cast(pa.timestamp("us")),
        "time": (pa.time64("us"), _times),
        "timestamp with time zone": (_INSTANT, _instants),
        "varbinary": (pa.binary(), _bytes),
        "binary": (pa.binary(), _bytes),
        "unknown": (pa.null(), _same),
    }
    # varchar, char, json, uuid, ipaddress, intervals, times with a zone: their text is the exact value
    return plain.get(native, (pa.string(), _same))


def _cast(kind: pa.DataType) -> tuple[pa.DataType, Callable[[pa.StringArray], pa.Array]]:
    return kind, lambda text: pc.cast(text, kind, safe=True)


def _same(text: pa.StringArray) -> pa.Array:
    return text


def _refuse(_: pa.StringArray) -> pa.Array:
    raise ValueError("as text its elements can't be told apart")


def _times(text: pa.StringArray) -> pa.Array:
    """Arrow reads a time only as part of a timestamp."""
    joined = pc.binary_join_element_wise("1970-01-01", text, " ")
    return pc.cast(pc.cast(joined, pa.timestamp("us"), safe=True), pa.time64("us"))


def _bytes(text: pa.StringArray) -> pa.Array:
    """``68 65 6c``, as Athena writes bytes."""
    values = [
        None if value is None else binascii.unhexlify(value.replace(" ", "")) for value in text.to_pylist()
    ]
    return pa.array(values, pa.binary())


def _instants(text: pa.StringArray) -> pa.Array:
    """``2024-01-01 12:00:00.000 Europe/Berlin`` as its instant in UTC."""
    parts = pc.split_pattern(text, " ", max_splits=1, reverse=True)
    local = pc.cast(pc.list_element(parts, 0), pa.timestamp("us"), safe=True)
    zones = pc.list_element(parts, 1)
    result = pa.nulls(len(text), _INSTANT)
    for zone in pc.unique(zones).to_pylist():
        if zone is None:
            continue
        mine = pc.fill_null(pc.equal(zones, zone), False)
        chosen = pc.filter(local, mine)
        aware = pc.assume_timezone(chosen, _zone(zone), ambiguous="raise", nonexistent="raise")
        result = pc.replace_with_mask(result, mine, pc.cast(aware, _INSTANT))
    return result


def _zone(zone: str) -> str:
    if zone in ("UTC", "Z", "GMT") or _OFFSET.fullmatch(zone):
        return "+00:00" if zone in ("UTC", "Z", "GMT") else zone
    return zone
