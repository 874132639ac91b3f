"""``stupiddb athena``: tables over Parquet that is already in S3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from stupiddb_kernel.cli.options import open_session, session_options

if TYPE_CHECKING:
    from stupiddb_kernel.sources.athena import AthenaSource


@click.group()
def athena() -> None:
    """Manage Athena's tables."""


@athena.command()
@click.argument("location", metavar="s3://BUCKET/PREFIX/")
@click.argument("table")
@click.option("--source", default="athena", show_default=True, help="The configured Athena source.")
@click.option("--database", help="The Glue database; by default the source's own.")
@click.option(
    "--partitions",
    metavar="PATTERN",
    help="Where partition values stand in the path: {event_type}/dt={dt}. Default: name=value folders.",
)
@click.option("--dry-run", is_flag=True, help="Print the DDL and the partitions, change nothing.")
@session_options
def register(
    location: str,
    table: str,
    source: str,
    database: str | None,
    partitions: str | None,
    dry_run: bool,
    path: Path | None,
    on_demo: bool,
) -> None:
    """Register the Parquet files below a prefix as TABLE: schema from their footers, partitions added.

    Running it again adds only what is new.
    """
    from stupiddb_kernel.sources.athena.register import register as run

    with open_session(path, on_demo=on_demo) as session:
        registration = run(
            cast("AthenaSource", session.sources[source]),
            location=location,
            database=database,
            table=table,
            partitions=partitions,
            dry_run=dry_run,
        )
        click.echo(str(registration))
