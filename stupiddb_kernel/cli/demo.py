"""``stupiddb demo``: the embedded stack with real data, and the tour on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stupiddb_kernel.demo import Demo
    from stupiddb_kernel.jobs import Run


@click.command()
@click.option(
    "--lab", is_flag=True, help="Keep the stack up and open JupyterLab on the tour; Ctrl-C ends both."
)
@click.option(
    "--prepare", is_flag=True, help="Only install the servers that are missing, and see them start."
)
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("stupiddb-out"),
    show_default=True,
    help="Where the executed notebook and its report go; with --lab, where the notebook is edited.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="JupyterLab's port; 0 takes a free one."
)
@click.option("--browser/--no-browser", default=True, help="Open a browser on JupyterLab.")
def demo(lab: bool, prepare: bool, folder: Path, port: int, browser: bool) -> None:
    """Show everything on this machine: real servers that stand in for AWS, the flights of 2013, a tour.

    Starts PostgreSQL, MariaDB, Redis, S3 with Glue, and an Athena endpoint on loopback, loads the data,
    runs notebooks/tour.ipynb and writes it with an HTML report. Stops what it started.
    """
    from stupiddb_kernel.demo import Demo, prepare_stack, tour

    started = time.monotonic()

    def say(step: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f} s  {step}", err=True)

    if prepare:
        prepare_stack(progress=say)
        return
    notebook = tour()
    with Demo.start(progress=say) as running:
        if lab:
            _open_lab(notebook, folder, port, browser=browser)
            return
        from stupiddb_kernel.jobs import run_notebook

        say(f"running {notebook.name}")
        run = run_notebook(notebook, folder)
        summary = _summarize(running, run, time.monotonic() - started)
    click.echo(summary)


def _open_lab(notebook: Path, folder: Path, port: int, *, browser: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / notebook.name
    if not copy.exists():
        shutil.copyfile(notebook, copy)
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--port={port}"]
    command += [f"--ServerApp.root_dir={folder.resolve()}", f"--LabApp.default_url=/lab/tree/{copy.name}"]
    # the demo asks nothing of the network, so JupyterLab is not to ask for news either
    command += ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # containers run as root; the server listens on loopback only
    click.echo("JupyterLab is starting; press Ctrl-C twice to end it and the demo stack", err=True)
    process = subprocess.Popen(command)
    while True:
        try:
            process.wait()
            return
        except KeyboardInterrupt:  # JupyterLab got it too, and asks whether to stop
            continue


def _summarize(running: Demo, run: Run, seconds: float) -> str:
    from stupiddb_kernel.session import Session

    with Session(running.configuration) as session:
        document = session.external_sources()["external_sources"]
    lines = [f"stupiddb demo: {run.cells} cells in {seconds:.0f} s, on stand-ins for AWS on this machine", ""]
    lines += [
        f"  {name:<12}{_describe(entry)}" for name, entry in document.items() if isinstance(entry, dict)
    ]
    lines += [
        f"  {'s3':<12}{entry['bucket']}/{entry['prefix']}: {entry['file_count']:,} files"
        for entry in document.get("s3_sources", [])
    ]
    lines += [
        "",
        f"  notebook    {run.executed}",
        f"  report      {run.report}",
        "",
        "  next: `stupiddb demo --lab` opens the tour in JupyterLab",
    ]
    return "\n".join(lines)


def _describe(entry: dict[str, Any]) -> str:
    if entry.get("error"):
        return f"unreachable: {entry['error']}"
    return f"{entry.get('database')}: {', '.join(entry.get('tables', []))}"
