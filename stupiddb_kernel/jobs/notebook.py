"""One notebook, executed in a kernel of its own, with its outcome and report beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stupiddb_kernel.errors import JobError
from stupiddb_kernel.jobs.report import write_report


@dataclass(frozen=True)
class Run:
    """A finished run: the executed notebook, its HTML report, and the seconds it took."""

    notebook: Path
    executed: Path
    report: Path
    seconds: float
    cells: int


def run_notebook(
    notebook: Path,
    folder: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    working_directory: Path | None = None,
    progress_bar: bool = True,
) -> Run:
    """Execute a notebook into ``folder``/NAME.ipynb and write NAME.html beside it.

    Both appear whole or not at all. A cell that fails raises JobError naming the cell and its error;
    the notebook up to there and its report are kept. The kernel inherits this process's environment,
    so secrets are passed that way and never as parameters, which papermill stores in the notebook.
    """
    from papermill import PapermillExecutionError, execute_notebook
    from traitlets.config import Config

    if not notebook.is_file():
        raise JobError(f"there is no notebook {notebook}", hint="name an .ipynb file")
    folder.mkdir(parents=True, exist_ok=True)
    executed, report = folder / notebook.name, folder / f"{notebook.stem}.html"
    partial = folder / f".{notebook.stem}.{os.getpid()}.partial.ipynb"
    started = time.monotonic()
    failure: PapermillExecutionError | None = None
    try:
        document = execute_notebook(
            str(notebook),
            str(partial),
            parameters=dict(parameters or {}),
            cwd=str(working_directory or notebook.parent),
            progress_bar=progress_bar,
            # Unix sockets: nobody else on the machine can reach the kernel
            config=Config({"KernelManager": {"transport": "ipc"}}),
        )
        cells = len(document.cells)
    except PapermillExecutionError as error:
        failure = error
        cells = error.cell_index + 1
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(executed)
    write_report(executed, report)
    if failure is not None:
        raise JobError(
            f"{notebook.name} failed in cell {failure.cell_index + 1}: {failure.ename}: {failure.evalue}",
            hint=f"the run up to there is in {executed} and {report}",
        ) from failure
    return Run(notebook, executed, report, time.monotonic() - started, cells)
