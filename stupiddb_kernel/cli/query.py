"""``stupiddb query``: one statement on one source, printed or written to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stupiddb_kernel import figures
from stupiddb_kernel.cli.options import open_session, session_options

if TYPE_CHECKING:
    from stupiddb_kernel.sources.result import Result


@click.command()
@click.argument("source")
@click.argument("sql")
@click.option(
    "--param",
    "-p",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Bind :NAME; a JSON value, else text.",
)
@click.option("--limit", type=click.IntRange(min=0), help="Deliver at most this many rows.")
@click.option("--database", help="The database that bare table names are in.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Stop the statement after this time.")
@click.option("--max-scan", metavar="SIZE", help="Refuse to scan more, such as 5GB (Athena).")
@click.option("--no-cache", is_flag=True, help="Don't let Athena answer from an earlier result.")
@click.option("--dry-run", is_flag=True, help="Explain instead of running.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), default="table")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
@session_options
def query(
    source: str,
    sql: str,
    params: tuple[str, ...],
    limit: int | None,
    database: str | None,
    timeout: float | None,
    max_scan: str | None,
    no_cache: bool,
    dry_run: bool,
    form: str,
    output: Path | None,
    path: Path | None,
    on_demo: bool,
) -> None:
    """Run SQL (or - for standard input) on SOURCE. A line with its cost goes to standard error."""
    from stupiddb_kernel.sources.base import ReadOptions
    from stupiddb_kernel.sources.sizes import parse_size

    if form == "parquet" and output is None:
        raise click.UsageError("--format parquet needs --output FILE")
    options = ReadOptions(
        limit=limit,
        database=database,
        timeout_seconds=timeout,
        max_scan_bytes=parse_size(max_scan) if max_scan is not None else None,
        use_cache=not no_cache,
        dry_run=dry_run,
    )
    text = sys.stdin.read() if sql == "-" else sql
    with open_session(path, on_demo=on_demo) as session:
        with session.read(source, text, dict(map(_parse_parameter, params)), options) as result:
            _deliver(result, form, output)
        click.echo(figures.footer(result.stats), err=True)


def _parse_parameter(text: str) -> tuple[str, Any]:
    import json

    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.UsageError(f"--param {text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _deliver(result: Result, form: str, output: Path | None) -> None:
    """Stream ``result`` out; a file appears whole or not at all."""
    import contextlib

    if output is None:
        _write(result, form, sys.stdout.buffer)
        return
    partial = output.with_name(f".{output.name}.partial")
    try:
        with partial.open("wb") as target:
            _write(result, form, target)
        partial.replace(output)
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()


def _write(result: Result, form: str, target: Any) -> None:
    if form == "parquet":
        import pyarrow.parquet as pq

        with pq.ParquetWriter(target, result.schema) as writer:
            for batch in result:
                writer.write_batch(batch)
    elif form == "csv":
        import pyarrow.csv as csv

        with csv.CSVWriter(target, result.schema) as writer:
            for batch in result:
                writer.write_batch(batch)
    elif form == "json":
        import json

        for batch in result:
            for row in batch.to_pylist():
                target.write(json.dumps(row, default=str).encode() + b"\n")
    else:
        _print_table(result)


def _print_table(result: Result, shown: int = 50) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid()
    for name in result.schema.names:
        grid.add_column(name)
    rows = 0
    for batch in result:
        for row in batch.slice(0, max(0, shown - rows)).to_pylist():
            grid.add_row(*("" if value is None else str(value) for value in row.values()))
        rows += batch.num_rows
    Console(highlight=False).print(grid)
    if rows > shown:
        click.echo(f"first {shown} of {rows:,} rows; --output FILE or --format csv gives all", err=True)
