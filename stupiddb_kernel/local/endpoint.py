"""The process of the Athena endpoint, ``stupiddb_kernel.local.athena``."""

from __future__ import annotations

import os
import sys

from stupiddb_kernel.local.ministack import answers
from stupiddb_kernel.local.ports import LOOPBACK
from stupiddb_kernel.local.processes import Command, Processes
from stupiddb_kernel.local.workspace import Workspace

NAME = "athena"
_INHERITED = ("LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")
"""What this interpreter may need to find its libraries and packages, and so the same one does again."""


def start(
    processes: Processes, workspace: Workspace, aws_endpoint: str, port: int, environment: dict[str, str]
) -> str:
    """A new endpoint over the S3 and Glue of ``aws_endpoint``; its URL."""
    folder = workspace.private / NAME
    folder.mkdir(mode=0o700)
    (folder / "athena.log").symlink_to(workspace.log(NAME))  # its own log, to be kept like the others'
    command = Command(
        NAME,
        [
            sys.executable, "-P", "-m", "stupiddb_kernel.local.athena", "--port", str(port),
            "--s3-endpoint", aws_endpoint, "--glue-endpoint", aws_endpoint, "--folder", folder,
        ],
        folder,
        workspace.log(NAME),
        {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "TZ": "UTC"}
        | {name: os.environ[name] for name in _INHERITED if name in os.environ}
        | environment,
    )  # fmt: skip
    endpoint = f"http://{LOOPBACK}:{port}"
    processes.start(command)
    processes.wait_ready(command, lambda: answers(f"{endpoint}/_stupiddb/ready"))
    return endpoint
