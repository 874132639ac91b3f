"""An Answer in a cell: a table that pages where a person looks on, always HTML and text, and the footer.

Registered for ``Answer`` alone: an Ibis expression keeps its own representation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stupiddb.display import tables
from stupiddb.display.front import Bundle, is_live
from stupiddb_kernel import figures

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from stupiddb_kernel.session import Answer

HTML_ROWS = 20
TEXT_ROWS = 20


def bundle(answer: Answer, shell: InteractiveShell) -> Bundle:
    """The MIME bundle of an answer: only the rows that are shown are read from the local store."""
    page = answer.expression.limit(HTML_ROWS).to_pyarrow()
    found = tables.grid(page)
    short = tables.Grid(found.names, found.types, found.numeric, found.rows[:TEXT_ROWS])
    footer = footer_of(answer)
    rows = answer.stats.rows
    data: Bundle = {
        "text/plain": tables.to_text(short, caption=first_of(len(short.rows), rows), footer=footer),
        "text/html": tables.to_html(found, caption=first_of(len(found.rows), rows), footer=footer),
    }
    if is_live(shell):
        data = {**_widget(answer, footer, shell), **data}
    return data


def footer_of(answer: Answer) -> str:
    """The one line under a result."""
    return figures.footer(answer.stats, name=answer.name, truncated=answer.truncated)


def footer_bundle(answer: Answer) -> Bundle:
    """The footer alone, for a result that was assigned and not shown."""
    footer = footer_of(answer)
    return {"text/plain": footer, "text/html": f"<small>{tables.escaped(footer)}</small>"}


def first_of(shown: int, rows: int) -> str:
    """``first 50 of 1,234 rows`` where not all are shown, else nothing."""
    return f"first {shown:,} of {figures.count(rows, 'row')}" if shown < rows else ""


def _widget(answer: Answer, footer: str, shell: InteractiveShell) -> Bundle:
    from stupiddb.display.front import keep
    from stupiddb.widgets.table import ResultTable

    table = ResultTable(
        answer.expression,
        footer=footer,
        more=answer.truncated,
        label=f"Result of {answer.stats.source}" + (f", {answer.name}" if answer.name else ""),
    )
    return keep(shell, table)
