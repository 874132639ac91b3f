"""Types that DuckDB and Arrow can't hand each other unchanged; they are refused with what to do instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.errors import InexactValue

if TYPE_CHECKING:
    import pyarrow as pa

_CHANGED = {
    "TIME WITH TIME ZONE": "loses its offset",
    "UHUGEINT": "wraps above 127 bits",
    "BIT": "becomes DuckDB's own bytes",
}


def refuse_inexact(description: Iterable[tuple[Any, ...]], *, source: str) -> None:
    """Raise InexactValue for the first column of a cursor's ``description`` that would arrive changed."""
    for name, kind, *_ in description:
        changed = next((each for each in _CHANGED if each in str(kind).upper()), None)
        if changed is not None:
            raise InexactValue(
                f"column {name!r} is {kind}, which {_CHANGED[changed]} on its way to Arrow",
                source=source,
                hint=f"cast it: CAST({name} AS VARCHAR)",
            )


def refuse_unholdable(schema: pa.Schema, *, source: str) -> None:
    """Raise InexactValue for the first column of ``schema`` that DuckDB has no type for."""
    import pyarrow as pa

    for column in schema:
        if pa.types.is_decimal256(column.type):
            raise InexactValue(
                f"column {column.name!r} has {column.type.precision} digits, and the local DuckDB holds 38",
                source=source,
                hint=f"cast it in the statement, to text or to DECIMAL(38, {min(column.type.scale, 38)})",
            )
