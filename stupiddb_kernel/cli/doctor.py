"""``stupiddb doctor``: each source tried step by step, and what to do about what fails."""

from __future__ import annotations

from pathlib import Path

import click

from stupiddb_kernel.cli.options import open_session, session_options


@click.command()
@click.argument("names", nargs=-1)
@session_options
@click.pass_context
def doctor(context: click.Context, names: tuple[str, ...], path: Path | None, on_demo: bool) -> None:
    """Try every source, or the NAMES given: reachable, authenticated, permitted, latency, versions.

    The exit status is 1 if anything failed.
    """
    from stupiddb_kernel.catalog.doctor import diagnose

    failed = False
    with open_session(path, on_demo=on_demo) as session:
        chosen = {name: session.sources[name] for name in names or session.sources}
        for name, check in diagnose(chosen):
            failed |= not check.ok
            mark = click.style("ok  ", fg="green") if check.ok else click.style("FAIL", fg="red")
            latency = "" if check.milliseconds is None else f"{check.milliseconds:8.1f} ms"
            click.echo(f"{mark} {name:<12} {check.step:<14} {latency:>11}  {check.detail}")
            if check.advice:
                click.echo(f"     {'':<12} {'':<14} {'':>11}  → {check.advice}")
    if failed:
        context.exit(1)
