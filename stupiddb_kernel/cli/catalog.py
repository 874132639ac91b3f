"""``stupiddb catalog``: what the sources hold, as a tree, one table, a search, or a JSON document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stupiddb_kernel import figures
from stupiddb_kernel.cli.options import open_session, session_options

if TYPE_CHECKING:
    from stupiddb_kernel.session import Session
    from stupiddb_kernel.sources.base import Statistics


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the `external_sources` document.")
@click.option("--search", metavar="TEXT", help="Search names and comments instead.")
@click.option("--refresh", is_flag=True, help="Ask the sources again, whatever the cache holds.")
@session_options
def catalog(
    name: str | None, as_json: bool, search: str | None, refresh: bool, path: Path | None, on_demo: bool
) -> None:
    """Show the tree of sources, databases and tables, or one table: NAME is source.database.table."""
    with open_session(path, on_demo=on_demo) as session:
        if refresh:
            session.catalog.refresh()
        if as_json:
            click.echo(json.dumps(session.external_sources(), indent=2))
        elif search is not None:
            for hit in session.catalog.search(search, 50):
                click.echo(str(hit))
        elif name is not None:
            _show_table(session, name)
        else:
            _show_tree(session)


def _show_tree(session: Session) -> None:
    from rich.console import Console
    from rich.tree import Tree

    root = Tree("catalog", hide_root=True)
    for source in session.catalog.sources():
        label = f"[bold]{source.name}[/] [dim]{source.kind}[/]"
        if source.error:
            root.add(f"{label} [red]unreachable: {source.error}[/]")
            continue
        branch = root.add(label)
        for database in session.catalog.databases(source.name):
            tables = branch.add(database)
            for table in session.catalog.tables(source.name, database):
                tables.add(f"{table.name.table} [dim]{describe_size(table.statistics)}[/]")
    Console(highlight=False).print(root)


def _show_table(session: Session, name: str) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    table = session.catalog.table(session.catalog.resolve(name))
    grid = Grid(
        title=f"{table.name}  {describe_size(table.statistics)}",
        title_justify="left",
    )
    for heading in ("column", "type", "in the store", "comment"):
        grid.add_column(heading)
    for column in table.columns:
        kind = f"{column.type} (partition)" if column.partition else column.type
        grid.add_row(column.name, kind, column.native_type, column.comment or "")
    Console(highlight=False).print(grid)


def describe_size(statistics: Statistics) -> str:
    """``336,776 rows, 12.3 MB``, with ``~`` before estimates; empty for what is unknown."""
    about = "" if statistics.exact else "~"
    parts = []
    if statistics.rows is not None:
        parts.append(about + figures.count(statistics.rows, "row"))
    if statistics.bytes is not None:
        parts.append(about + figures.size(statistics.bytes))
    return ", ".join(parts)
