"""``%catalog``: everything there is, as a tree; a search; or one table with its columns and some rows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stupiddb.flags import Flag, parse, usage
from stupiddb_kernel.errors import SourceError, UnknownName

if TYPE_CHECKING:
    from stupiddb.extension import Extension
    from stupiddb_kernel.session import Session
    from stupiddb_kernel.sources.base import TableName

FLAGS = (
    Flag("--refresh", "ask the sources again, whatever the cache holds"),
    Flag("--json", "show the `external_sources` document"),
    Flag("--help", "show this text", aliases=("-h",)),
)
HITS = 50
PREVIEW_ROWS = 10
WIDGET_WAIT = 1.0
"""Seconds that the table beside the widget waits for sources; the widget itself waits for none."""


def documentation() -> str:
    """The help of ``%catalog``."""
    return "\n".join(
        [
            "Everything the sources hold, as one tree: sources > databases > tables > columns.",
            "",
            "  %catalog                        the tree, with search, types, sizes, preview and profile",
            "  %catalog events                 search names and comments",
            "  %catalog aurora.crm.members     one table: columns, types, statistics, some rows",
            "",
            "Flags:",
            usage(FLAGS),
        ]
    )


def run(extension: Extension, line: str) -> None:
    """Show the tree, a search or a table. Raises UsageError and the session's errors."""
    parsed = parse(line, FLAGS, "catalog", anywhere=True)
    if parsed.flags.get("help"):
        extension.show_text(documentation())
        return
    session = extension.session
    text = parsed.rest.strip()
    name = _table(session, text)
    if parsed.flags.get("refresh"):
        session.catalog.refresh(name.source if name is not None else None)
    if parsed.flags.get("json"):
        extension.show_text(json.dumps(session.external_sources(), indent=2, ensure_ascii=False))
    elif name is not None:
        _show_table(extension, session, name)
    elif text:
        _show_search(extension, session, text)
    else:
        _show_tree(extension, session)


def _table(session: Session, text: str) -> TableName | None:
    """The table that ``text`` names; None where it is something to search for."""
    dots = text.count(".")
    if dots == 0 or text.endswith(".") or any(char.isspace() for char in text):
        return None
    try:
        name: TableName = session.catalog.resolve(text)
    except UnknownName:
        if dots == 1:
            return None
        raise
    return name


def _show_tree(extension: Extension, session: Session) -> None:
    from stupiddb.display import trees
    from stupiddb.display.front import is_live
    from stupiddb.display.progress import Progress

    live = is_live(extension.shell)
    with Progress(extension.shell, "catalog") as progress:
        progress.say("asking the sources")
        data = trees.bundle(session.catalog, WIDGET_WAIT if live else None)
        if live:
            data = {**_widget(extension, session), **data}
    progress.finish(data)


def _show_search(extension: Extension, session: Session, text: str) -> None:
    from stupiddb.display import trees
    from stupiddb.display.front import show

    show(extension.shell, trees.search_bundle(text, session.catalog.search(text, HITS), HITS))


def _show_table(extension: Extension, session: Session, name: TableName) -> None:
    """Show a table's columns, also where its source can't be reached for figures and rows."""
    from stupiddb.display import trees
    from stupiddb.display.progress import Progress

    table = session.catalog.table(name)
    rows, failure = None, None
    with Progress(extension.shell, name.source) as progress:
        try:
            table = replace(table, statistics=session.catalog.statistics(name))
            with session.catalog.preview(name, PREVIEW_ROWS) as result:
                progress.watch(result.stats)
                rows = result.to_arrow()
        except SourceError as error:
            failure = error
    progress.finish(trees.table_bundle(table, rows))
    if failure is not None:
        extension.show_failure(failure)


def _widget(extension: Extension, session: Session) -> dict[str, Any]:
    from stupiddb.display.front import keep
    from stupiddb.widgets.catalog import CatalogTree

    return keep(extension.shell, CatalogTree(session))
