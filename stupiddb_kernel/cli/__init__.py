"""``stupiddb …``: every command is one call on a session, and has a magic as its twin.

One module a command group; ``main`` turns errors into a message, a hint and an exit status:
0 done, 1 a StupiddbError, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import sys

import click

from stupiddb_kernel.cli.athena import athena
from stupiddb_kernel.cli.catalog import catalog
from stupiddb_kernel.cli.config import config
from stupiddb_kernel.cli.demo import demo
from stupiddb_kernel.cli.doctor import doctor
from stupiddb_kernel.cli.query import query
from stupiddb_kernel.errors import StupiddbError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="stupiddb")
def stupiddb() -> None:
    """Athena, Aurora, RDS, S3 and a local DuckDB as one catalog."""


for command in (demo, catalog, query, config, doctor, athena):
    stupiddb.add_command(command)


def main() -> None:
    """The console script."""
    try:
        stupiddb(standalone_mode=False)
    except StupiddbError as error:
        click.secho(f"error: {error.message}", fg="red", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(130)
