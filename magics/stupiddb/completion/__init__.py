"""Completion in cells and lines of our magics, as a matcher of IPython's second kind.

It never does I/O, never waits and never raises: names come from the catalog's memory, and the first
use starts a thread that fills it. Inside one of our cells it speaks alone, as Python's names mean
nothing in SQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stupiddb.completion import candidates, places

if TYPE_CHECKING:
    from stupiddb.extension import Extension

MOST = 300
Result = dict[str, Any]


class Silence(Sequence[Any]):
    """No completion that yet counts as one: only for a result with some does IPython quiet other matchers."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)


def matches(extension: Extension, context: Any) -> Result:
    """What IPython asks a matcher for: the completions at the cursor, best first."""
    nothing: Result = {"completions": [], "suppress": False}
    try:
        place = places.find(extension, context.full_text, context.cursor_line, context.cursor_position)
        if place is None:
            return nothing
        found, fragment = candidates.at(extension, place)
    except Exception:  # noqa: BLE001 - a completion that fails must not disturb who is typing
        return nothing
    return _result(found, fragment)


def _result(found: list[candidates.Candidate], fragment: str) -> Result:
    from IPython.core.completer import SimpleCompletion

    unique: dict[str, Any] = {}
    for candidate in found:
        if len(unique) >= MOST:
            break
        unique.setdefault(candidate.text, SimpleCompletion(candidate.text, type=candidate.kind))
    return {
        "completions": list(unique.values()) or Silence(),
        "matched_fragment": fragment,
        "suppress": True,
        "ordered": True,
    }
