"""Notebooks run unattended: executed by papermill, reported as HTML."""

from __future__ import annotations

from stupiddb_kernel.jobs.notebook import Run, run_notebook
from stupiddb_kernel.jobs.report import write_report

__all__ = ["Run", "run_notebook", "write_report"]
