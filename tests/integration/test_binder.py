"""Binder builds from the lock and opens the tour."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_builds_from_the_lock_and_opens_the_tour(tmp_path: Path, full: bool) -> None:
    """With --full it is really built, in a clone and an environment of their own."""
    script = (ROOT / "binder" / "postBuild").read_text()
    assert "--frozen" in script
    assert "/lab/tree/notebooks/tour.ipynb" in script
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)
    assert (ROOT / "binder" / "runtime.txt").read_text().strip() == "python-3.11"
    if not full:
        return
    clone, environment = tmp_path / "clone", tmp_path / "environment"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    venv.create(environment, with_pip=True)
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    built = subprocess.run(
        ["bash", "binder/postBuild"],
        cwd=clone,
        env={**os.environ, "PATH": path, "VIRTUAL_ENV": str(environment)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    settings = environment / "etc" / "jupyter" / "jupyter_server_config.d" / "tour.json"
    opened = json.loads(settings.read_text())["ServerApp"]["default_url"].removeprefix("/lab/tree/")
    assert (clone / opened).is_file()
    kernels = subprocess.run(
        [environment / "bin" / "jupyter", "kernelspec", "list", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "stupiddb" in json.loads(kernels.stdout)["kernelspecs"]
