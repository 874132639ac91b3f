"""A StupiddbError for people: what failed, the SQL with the place marked, what to do next.

A failed cell shows :func:`to_text` in place of a traceback; :func:`to_html` is for panels that stand
in a cell that did not fail. A traceback, where it is asked for, never shows variables: they hold secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stupiddb.display.tables import STYLE, escaped, visible
from stupiddb_kernel.errors import QueryFailed, StupiddbError

if TYPE_CHECKING:
    from types import TracebackType

_CONTEXT = 2
_LONGEST_LINE = 110
_COLOURS = {
    "kind": "\x1b[1;31m",
    "mark": "\x1b[1;31m",
    "dim": "\x1b[2m",
    "hint": "\x1b[36m",
    "end": "\x1b[0m",
}


def to_text(error: StupiddbError, *, colour: bool = True) -> str:
    """The error as lines of text; with ``colour``, ANSI codes that every front end understands."""
    paint = _COLOURS if colour else dict.fromkeys(_COLOURS, "")
    lines = [f"{paint['kind']}{type(error).__name__}{paint['end']}: {_message(error)}"]
    for number, text, caret in excerpt(error):
        lines.append(f"{paint['dim']}{number:>4} │{paint['end']} {text}")
        if caret is not None:
            lines.append(f"{paint['dim']}     │{paint['end']} {' ' * caret}{paint['mark']}^{paint['end']}")
    if error.hint:
        lines.append(f"{paint['hint']}hint:{paint['end']} {_lines(error.hint)}")
    query_id = getattr(error, "query_id", None)
    if query_id:
        lines.append(f"{paint['dim']}query {visible(query_id)}{paint['end']}")
    return "\n".join(lines)


def to_html(error: StupiddbError) -> str:
    """The error as a panel of HTML."""
    rows = []
    for number, text, caret in excerpt(error):
        marked = escaped(text)
        if caret is not None:
            marked = f"{escaped(text[:caret])}<mark>{escaped(text[caret : caret + 1] or ' ')}</mark>"
            marked += escaped(text[caret + 1 :])
        rows.append(f"<span style='opacity:.5'>{number:>4} </span>{marked}")
    code = f"<pre style='margin:4px 0'>{chr(10).join(rows)}</pre>" if rows else ""
    hint = f"<div><b>hint:</b> {_html_lines(error.hint)}</div>" if error.hint else ""
    return (
        f"{STYLE}<div class='stupiddb-failure' style='border-left:3px solid #c0392b;padding:4px 10px'>"
        f"<b style='color:#c0392b'>{type(error).__name__}</b>: {_html_lines(error.message)}{code}{hint}</div>"
    )


def excerpt(error: StupiddbError) -> list[tuple[int, str, int | None]]:
    """The lines of SQL around the error's position: number, text, and the column of the caret or None."""
    if not isinstance(error, QueryFailed) or not error.sql or error.position is None:
        return []
    position = min(max(error.position, 0), len(error.sql))
    lines = error.sql.split("\n")
    failing = error.sql.count("\n", 0, position)
    column = position - (error.sql.rfind("\n", 0, position) + 1)
    found: list[tuple[int, str, int | None]] = []
    for index in range(max(failing - _CONTEXT, 0), min(failing + _CONTEXT + 1, len(lines))):
        text = lines[index].rstrip("\r").replace("\t", " ")
        caret = column if index == failing else None
        if len(text) > _LONGEST_LINE:
            text, caret = _clip(text, caret)
        caret = len(visible(text[:caret])) if caret is not None else None
        found.append((index + 1, visible(text), caret))
    return found


def traceback_lines(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, offset: int | None
) -> list[str]:
    """The full traceback in IPython's own style, without the values of variables."""
    from IPython.core.ultratb import FormattedTB

    lines: list[str] = FormattedTB(mode="Context").structured_traceback(kind, error, trace, tb_offset=offset)
    return lines


def _clip(text: str, caret: int | None) -> tuple[str, int | None]:
    """A long line cut to a window around the caret."""
    if caret is None:
        return text[: _LONGEST_LINE - 1] + "…", None
    start = max(0, min(caret - _LONGEST_LINE // 2, len(text) - _LONGEST_LINE))
    window = text[start : start + _LONGEST_LINE]
    caret -= start
    if start:
        window = "…" + window[1:]
    if start + _LONGEST_LINE < len(text):
        window = window[:-1] + "…"
    return window, caret


def _message(error: StupiddbError) -> str:
    return _lines(error.message)


def _lines(text: str) -> str:
    return "\n".join(visible(line) for line in text.split("\n"))


def _html_lines(text: str) -> str:
    return "<br>".join(escaped(line) for line in text.split("\n"))
