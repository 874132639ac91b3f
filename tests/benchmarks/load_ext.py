"""What ``%load_ext stupiddb`` costs in a running kernel, over bare IPython.

GOAL: at most 0.3 s more than a cell that does nothing, in a fresh kernel with a configuration that names
every kind of source. Each sample is a new kernel: nothing is warm but the file cache. For scale: what
``import ibis`` and ``import pandas`` cost, which many notebooks begin with.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from tests.benchmarks.report import Case, Report, main

KERNELS = 15
PEER_KERNELS = 5
GOAL = 0.3
CONFIGURATION = """
[aws]
region = "ap-southeast-1"

[aws.athena]
database = "analytics"
workgroup = "stupid-db"
output_location = "s3://stupid-db-athena-results/"

[aws.aurora]
engine = "postgresql"
host = "aurora.invalid"
database = "crm"
username_env = "AURORA_USERNAME"
password_env = "AURORA_PASSWORD"

[aws.rds]
engine = "mysql"
host = "rds.invalid"
database = "apired"
username_env = "RDS_USERNAME"
password_env = "RDS_PASSWORD"

[aws.s3]
[[aws.s3.sources]]
bucket = "w88-analytics"
prefix = "events/"
"""


def run() -> Report:
    """Time the cell in many fresh kernels."""
    report = Report("load_ext")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stupiddb.toml").write_text(CONFIGURATION)
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        environment.pop("STUPIDDB_CONFIG", None)
        _sample("%load_ext stupiddb", folder, environment)  # compiles what was never imported before
        loads = [_sample("%load_ext stupiddb", folder, environment) for _ in range(KERNELS)]
        peers = {
            name: statistics.median(_sample(code, folder, environment)[0] for _ in range(PEER_KERNELS))
            for name, code in (("import ibis", "import ibis"), ("import pandas", "import pandas"))
        }
    more = statistics.median(load - bare for load, bare in loads)
    slowest = max(load - bare for load, bare in loads)
    report.add(
        Case("%load_ext stupiddb over a bare cell, median", more, peers, ratio=more, goal=GOAL, better="less")
    )
    report.add(Case(f"the slowest of {KERNELS} kernels", slowest))
    return report


def _sample(code: str, folder: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of ``code`` and of a cell that does nothing, both in one fresh kernel."""
    manager, client = start_new_kernel(
        kernel_name="python3", cwd=folder, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        bare = statistics.median(_run(client, "None") for _ in range(5))
        return _run(client, code), bare
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _run(client: BlockingKernelClient, code: str) -> float:
    begun = time.perf_counter()
    reply = client.execute_interactive(code, timeout=60, allow_stdin=False, output_hook=lambda _: None)
    seconds = time.perf_counter() - begun
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"{code}: {reply['content']['ename']}: {reply['content']['evalue']}")
    return seconds


if __name__ == "__main__":
    main(run)
