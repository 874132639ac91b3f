"""Where the cursor is: on the line of a magic, in its SQL, or somewhere that is not ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stupiddb.extension import Extension

_CELL = re.compile(r"\s*%%(\w+)(?=\s|$)")
_LINE = re.compile(r"\s*(?:[\w.,\s]*=\s*)?%(\w+)[ \t]")


@dataclass(frozen=True)
class Place:
    """The cursor in the arguments of ``magic``: ``text`` up to ``position`` is what comes before it.

    ``is_flags`` says whether flags may stand in ``text``; otherwise it is the body of a cell.
    """

    magic: str
    text: str
    position: int
    is_flags: bool

    @property
    def before(self) -> str:
        """What stands before the cursor."""
        return self.text[: self.position]


def find(extension: Extension, text: str, line: int, column: int) -> Place | None:
    """The place of the cursor in a cell's ``text``; None where it is not in one of our magics."""
    lines = text.split("\n")
    first = next((index for index, content in enumerate(lines) if content.strip()), None)
    if first is None or line >= len(lines):
        return None
    cell = _CELL.match(lines[first])
    if cell is not None and first <= line:
        if not extension.has_magic("cell", cell[1]):
            return None
        if line == first:
            return _on_line(cell, lines[line], column)
        body = lines[first + 1 :]
        position = sum(len(content) + 1 for content in lines[first + 1 : line]) + column
        return Place(cell[1], "\n".join(body), position, False)
    found = _LINE.match(lines[line])
    if found is None or not extension.has_magic("line", found[1]):
        return None
    return _on_line(found, lines[line], column)


def _on_line(magic: re.Match[str], line: str, column: int) -> Place | None:
    if column <= magic.end(1):
        return None  # in the magic's own name, which IPython completes
    start = magic.end(1)
    return Place(magic[1], line[start:], column - start, True)
