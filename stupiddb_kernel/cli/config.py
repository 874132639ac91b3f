"""``stupiddb config``: what is configured, and from where."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.argument("path", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(path: Path | None) -> None:
    """Check PATH, or the stupiddb.toml found from here upwards, and say what is configured by what.

    Lists every problem at once. Secrets are shown as set or missing, never their values.
    """
    from stupiddb_kernel.config.loading import describe, load

    click.echo(describe(load(path)))
