"""Rows as a table that needs nothing running: escaped HTML for notebooks, aligned text for terminals.

The fallback under every interactive view, and what GitHub, nbconvert and a terminal show. No value
can break out of its cell: HTML is escaped, control characters are shown as their codes.
"""

from __future__ import annotations

import datetime as dt
import html
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST = 120
"""Characters of a value that are shown; the rest is cut off with an ellipsis."""
_NULL = "NULL"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}

# Two classes deep: notebooks align every cell of rendered HTML right, by a rule of one class.
STYLE = (
    "<style>"
    ".stupiddb-table{border-collapse:collapse;font-size:12px;font-variant-numeric:tabular-nums}"
    ".stupiddb-scroll .stupiddb-table{margin:0}"
    ".stupiddb-scroll .stupiddb-table th,.stupiddb-scroll .stupiddb-table td"
    "{padding:2px 8px;text-align:left;white-space:pre;"
    "border-bottom:1px solid rgba(128,128,128,.25)}"
    ".stupiddb-scroll .stupiddb-table .n{text-align:right}"
    ".stupiddb-table th small{font-weight:400;opacity:.6;display:block}"
    ".stupiddb-null{opacity:.5;font-style:italic}"
    ".stupiddb-scroll{overflow-x:auto}"
    ".stupiddb-foot{font-size:11px;opacity:.75;padding:3px 0}"
    "</style>"
)


@dataclass(frozen=True)
class Grid:
    """The cells of a table as text: None is a NULL; ``numeric`` says which columns are aligned right."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str | None, ...], ...]


def grid(table: pa.Table) -> Grid:
    """The cells of an Arrow table, each cut to what can be shown."""
    import pyarrow as pa

    numeric = tuple(
        pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        for field in table.schema
    )
    columns = [
        [None if value is None else cell(value) for value in _values(column)] for column in table.columns
    ]
    rows = tuple(zip(*columns, strict=True)) if columns else ()
    return Grid(tuple(table.schema.names), tuple(str(f.type) for f in table.schema), numeric, rows)


def cell(value: Any) -> str:
    """One value as text, at most ``LONGEST`` characters."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = value
    elif isinstance(value, float):
        text = repr(value).removesuffix(".0") if abs(value) < 1e15 else repr(value)
    elif isinstance(value, bytes | bytearray | memoryview):
        text = "\\x" + bytes(value[: LONGEST // 2 + 1]).hex()
    elif isinstance(value, dt.datetime | dt.date | dt.time):
        text = value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    elif isinstance(value, Decimal):
        text = format(value, "f") if abs(value.adjusted()) < 60 else str(value)
    elif isinstance(value, list | tuple | dict):
        text = json.dumps(value, default=_in_json, ensure_ascii=False)
    else:
        text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def to_html(found: Grid, *, caption: str = "", footer: str = "") -> str:
    """The table as HTML that carries its own style; ``caption`` and ``footer`` are plain text."""
    head = "".join(
        f'<th scope="col"{_aligned(number)}>{escaped(name)}<small>{escaped(kind)}</small></th>'
        for name, kind, number in zip(found.names, found.types, found.numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_html_cell, row, found.numeric))}</tr>" for row in found.rows)
    parts = [STYLE, '<div class="stupiddb-scroll"><table class="stupiddb-table">']
    parts += [f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"]
    parts += [f'<div class="stupiddb-foot">{escaped(line)}</div>' for line in (caption, footer) if line]
    return "".join(parts)


def to_text(found: Grid, *, width: int = 120, caption: str = "", footer: str = "") -> str:
    """The table as aligned text of at most ``width`` columns; what does not fit is counted below."""
    cells = [[visible(_NULL if value is None else value) for value in row] for row in found.rows]
    names = [visible(name) for name in found.names]
    widths = [
        min(max([_width(name), *(_width(row[index]) for row in cells)]), 40)
        for index, name in enumerate(names)
    ]
    shown, total = 0, 0
    while shown < len(widths) and (shown == 0 or total + widths[shown] + 2 <= width):
        total += widths[shown] + 2
        shown += 1
    lines = [_line(names, widths[:shown], found.numeric), "  ".join("─" * size for size in widths[:shown])]
    lines += [_line(row, widths[:shown], found.numeric) for row in cells]
    if shown < len(names):
        rest = len(names) - shown
        noun = "column" if rest == 1 else "columns"
        lines.append(f"… {rest} more {noun}: {_fit(', '.join(names[shown:]), width - 20)}")
    return "\n".join([*lines, *(line for line in (caption, visible(footer)) if line)])


def escaped(text: str) -> str:
    """Text for HTML, with characters that can't be seen shown as their codes."""
    return html.escape(visible(text), quote=True)


def visible(text: str) -> str:
    """Text with control and direction characters shown as codes: nothing can steer a terminal."""
    return _CONTROL.sub(lambda found: _NAMED.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


def _values(column: Any) -> list[Any]:
    """Python values; nanoseconds and other values Python has no type for come as Arrow writes them."""
    import pyarrow as pa

    kind = column.type
    nanoseconds = (pa.types.is_timestamp(kind) or pa.types.is_time64(kind)) and kind.unit == "ns"
    if nanoseconds or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        column = column.cast(pa.string()) if nanoseconds else column
        if not nanoseconds:
            return [None if not value.is_valid else str(value) for value in column]
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        values = [None if not value.is_valid else _as_written(value) for value in column]
    return values


def _as_written(value: Any) -> str:
    """A value Python can't hold, such as a date in the year 20000."""
    import pyarrow as pa

    try:
        return str(value.cast(pa.string()).as_py())
    except pa.ArrowException:
        return f"{value.type}: {value.cast(pa.int64()).as_py()}"


def _in_json(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return "\\x" + bytes(value).hex()
    return str(value)


def _aligned(number: bool) -> str:
    return ' class="n"' if number else ""


def _html_cell(value: str | None, number: bool) -> str:
    shown = f'<span class="stupiddb-null">{_NULL}</span>' if value is None else escaped(value)
    return f"<td{_aligned(number)}>{shown}</td>"


def _width(text: str) -> int:
    """How many terminal columns a text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _fit(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    kept = ""
    for char in text:
        if _width(kept + char) > width - 1:
            break
        kept += char
    return kept + "…"


def _line(values: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = []
    for value, width, number in zip(values, widths, numeric, strict=False):
        text = _fit(value, width)
        padding = " " * (width - _width(text))
        parts.append(padding + text if number else text + padding)
    return "  ".join(parts).rstrip()
