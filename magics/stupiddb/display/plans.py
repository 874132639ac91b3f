"""A dry run as a panel: the statement, what is bound, and the store's own plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stupiddb.display import tables
from stupiddb.display.front import Bundle
from stupiddb_kernel import figures

if TYPE_CHECKING:
    import pyarrow as pa


def bundle(source: str, sql: str, bound: Mapping[str, object], plan: pa.Table) -> Bundle:
    """The MIME bundle of a dry run of ``sql`` on ``source``."""
    heading = f"dry run on {source}, nothing was run"
    values = [f":{name} = {_value(value)}" for name, value in bound.items()]
    text = _plan_text(plan)
    grid = tables.grid(plan)
    plain = [heading, *_indented(sql), *_indented("\n".join(values))]
    plain += _indented(text) if text is not None else [tables.to_text(grid)] if grid.rows else []
    parts = [f"{tables.STYLE}<div><b>{tables.escaped(heading)}</b></div>", _pre(sql)]
    if values:
        parts.append(_pre("\n".join(values)))
    if text is not None:
        parts.append(_pre(text))
    elif grid.rows:
        parts.append(tables.to_html(grid))
    return {"text/plain": "\n".join(part for part in plain if part.strip()), "text/html": "".join(parts)}


def _plan_text(plan: pa.Table) -> str | None:
    """A plan that a store draws as text; None for one that is a table."""
    values = [column.to_pylist() for column in plan.columns]
    drawn = [column for column in values if any(isinstance(value, str) and "\n" in value for value in column)]
    if len(values) == 1:
        drawn = values
    return (
        "\n".join(str(value) for column in drawn for value in column if value is not None) if drawn else None
    )


def _value(value: object) -> str:
    if isinstance(value, list) and len(value) > 5:
        shown = ", ".join(repr(item) for item in value[:5])
        return f"[{shown}, …] ({figures.count(len(value), 'value')})"
    return repr(value) if len(repr(value)) <= tables.LONGEST else repr(value)[: tables.LONGEST] + "…"


def _indented(text: str) -> list[str]:
    return ["  " + tables.visible(line) for line in text.split("\n")]


def _pre(text: str) -> str:
    lines = "\n".join(tables.escaped(line) for line in text.split("\n"))
    return f"<pre style='margin:4px 0 4px 12px'>{lines}</pre>"
