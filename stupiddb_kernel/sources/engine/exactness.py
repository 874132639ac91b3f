"""Types whose values DuckDB changes when it hands them to Arrow; reading them is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stupiddb_kernel.errors import InexactValue

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
