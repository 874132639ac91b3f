"""The catalog without a widget: the tree, a search's hits and one table, as HTML and text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from stupiddb.display import tables
from stupiddb.display.front import Bundle
from stupiddb.display.tables import Grid, escaped, visible
from stupiddb_kernel import figures
from stupiddb_kernel.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from stupiddb_kernel.catalog import Catalog, SourceNode
    from stupiddb_kernel.sources.base import Table

MOST_TABLES = 200
"""Tables shown of one database; a search finds the rest."""


def bundle(catalog: Catalog, wait: float | None = None) -> Bundle:
    """The whole tree: sources, databases, tables with their sizes; what can't be read says why.

    ``wait`` is the most seconds to wait for sources of which nothing is known; None: as configured.
    """
    text: list[str] = []
    parts = [tables.STYLE, "<div class='stupiddb-tree'>"]
    for source in catalog.sources(wait):
        notes = list(_notes(source))
        text += [f"{source.name} ({source.kind})", *(f"  ! {visible(note)}" for note in notes)]
        parts.append(f"<details open><summary><b>{escaped(source.name)}</b> {escaped(source.kind)}</summary>")
        parts += [f"<div style='margin-left:16px'>⚠ {escaped(note)}</div>" for note in notes]
        for database, found in _databases(catalog, source):
            text += [f"  {visible(database)}", *_text_tables(found)]
            parts += [_summary(database, found), *_html_tables(found), "</details>"]
        parts.append("</details>")
    return {"text/plain": "\n".join(text) or "no sources", "text/html": "".join([*parts, "</div>"])}


def search_bundle(text: str, hits: Sequence[Any], most: int) -> Bundle:
    """What a search for ``text`` found."""
    lines = [str(hit) for hit in hits]
    heading = f"{figures.count(len(lines), 'match', 'matches')} for {text!r}"
    if len(lines) >= most:
        heading = f"first {heading}"
    items = "".join(f"<li><code>{escaped(line)}</code></li>" for line in lines)
    return {
        "text/plain": "\n".join([heading, *("  " + visible(line) for line in lines)]),
        "text/html": f"<div>{escaped(heading)}<ul>{items}</ul></div>",
    }


def table_bundle(table: Table, rows: pa.Table | None) -> Bundle:
    """One table: what it is, its columns, and some of its rows where they could be read."""
    heading = " · ".join(_facts(table))
    columns = _columns(table)
    text = [visible(heading), tables.to_text(columns)]
    parts = [f"<div><b>{escaped(heading)}</b></div>{tables.to_html(columns)}"]
    if rows is not None:
        found = tables.grid(rows)
        caption = f"first {figures.count(len(found.rows), 'row')}" if found.rows else "no rows"
        text.append(tables.to_text(found, caption=caption))
        parts.append(f"<div style='margin-top:8px'></div>{tables.to_html(found, caption=caption)}")
    return {"text/plain": "\n\n".join(text), "text/html": "".join(parts)}


def describe_size(table: Table) -> str:
    """``336,776 rows, 12 MB``; ``~`` marks an estimate, nothing what is unknown."""
    statistics = table.statistics
    about = "" if statistics.exact else "~"
    parts = []
    if statistics.rows is not None:
        parts.append(about + figures.count(statistics.rows, "row"))
    if statistics.bytes is not None:
        parts.append(about + figures.size(statistics.bytes))
    return ", ".join(parts)


def _notes(source: SourceNode) -> Iterator[str]:
    """What is wrong with a source, and how old what is shown of it is."""
    if source.state == "loading":
        yield "has not answered yet"
    if source.error:
        yield source.error + (f" ({source.advice})" if source.advice else "")
        if source.databases is not None and source.age_seconds is not None:
            yield f"shown as it was {figures.duration(source.age_seconds)} ago"
    yield from source.failed_databases


def _databases(catalog: Catalog, source: SourceNode) -> Iterator[tuple[str, Sequence[Table]]]:
    """The databases of a source that can be listed, with their tables."""
    if source.databases is None:
        return
    for database in catalog.databases(source.name, 0):
        try:
            yield database, catalog.tables(source.name, database, 0)
        except SourceError:
            continue  # among the source's failed databases, with the reason


def _facts(table: Table) -> Iterator[str]:
    yield str(table.name)
    yield table.kind
    if size := describe_size(table):
        yield size
    if table.statistics.partitions:
        yield figures.count(table.statistics.partitions, "partition")
    if table.statistics.files:
        yield figures.count(table.statistics.files, "file")
    if table.location:
        yield table.location
    if table.comment:
        yield table.comment


def _columns(table: Table) -> Grid:
    """The columns of a table; what is known of none of them is left out."""
    known = table.statistics.columns
    rows = []
    for column in table.columns:
        facts = known.get(column.name)
        kind = f"{column.type} (partition)" if column.partition else column.type
        distinct = "" if facts is None or facts.distinct is None else f"{facts.distinct:,.0f}"
        nulls = "" if facts is None or facts.null_fraction is None else f"{facts.null_fraction:.1%}"
        required = "" if column.nullable else " not null"
        rows.append((column.name, kind + required, column.native_type, distinct, nulls, column.comment or ""))
    names = ("column", "type", "in the store", "distinct", "null", "comment")
    numeric = (False, False, False, True, True, False)
    kept = [index for index in range(len(names)) if index < 2 or any(row[index] for row in rows)]
    return Grid(
        tuple(names[index] for index in kept),
        ("",) * len(kept),
        tuple(numeric[index] for index in kept),
        tuple(tuple(row[index] for index in kept) for row in rows),
    )


def _text_tables(found: Sequence[Table]) -> Iterator[str]:
    for table in islice(found, MOST_TABLES):
        yield f"    {visible(table.name.table)}  {describe_size(table)}".rstrip()
    if len(found) > MOST_TABLES:
        yield f"    … {len(found) - MOST_TABLES:,} more: %catalog TEXT searches"


def _html_tables(found: Sequence[Table]) -> Iterator[str]:
    for table in islice(found, MOST_TABLES):
        columns = ", ".join(f"{column.name} {column.type}" for column in islice(table.columns, 100))
        yield (
            f"<details style='margin-left:32px'><summary>{escaped(table.name.table)} "
            f"<small>{escaped(describe_size(table))}</small></summary>"
            f"<div style='margin-left:16px'><code>{escaped(columns)}</code></div></details>"
        )
    if len(found) > MOST_TABLES:
        rest = f"… {len(found) - MOST_TABLES:,} more: %catalog TEXT searches"
        yield f"<div style='margin-left:32px'>{rest}</div>"


def _summary(database: str, found: Sequence[Table]) -> str:
    is_open = " open" if len(found) <= 30 else ""
    return (
        f"<details{is_open} style='margin-left:16px'><summary>{escaped(database)} "
        f"<small>{figures.count(len(found), 'table')}</small></summary>"
    )
