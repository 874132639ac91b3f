"""Build the wheel, install it alone in an empty environment, and load the extension there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

UV = os.environ.get("UV", "uv")  # set by `uv run`
ROOT = Path(__file__).resolve().parent.parent
SESSION = """
%load_ext stupiddb
held = get_ipython().run_cell_magic("local", "--out numbers", "SELECT 40 + 2 AS n")
assert numbers.n.sum().execute() == 42
from stupiddb.widgets.catalog import CatalogTree
from stupiddb.widgets.table import ResultTable
from stupiddb_kernel.demo import tour
assert tour().is_file()
print("wheel: works")
"""


def run(*command: str | Path, cwd: Path = ROOT, **options: object) -> str:
    """The standard output of a command; fails loudly."""
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Raise SystemExit if the wheel does not stand alone."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(UV, "build", "--wheel", "--out-dir", place)
        (wheel,) = place.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        foreign = [name for name in names if name.split("/")[0] in {"magics", "tests", "notebooks", "binder"}]
        if foreign:
            raise SystemExit(f"the wheel holds what it must not: {foreign}")
        run(UV, "venv", "--quiet", "--python", sys.executable, place / "venv")
        python = place / "venv" / "bin" / "python"
        run(UV, "pip", "install", "--quiet", "--python", python, wheel)
        said = run(python, "-m", "IPython", "--quick", "--no-banner", cwd=place, input=SESSION)
        if "wheel: works" not in said:
            raise SystemExit(f"the extension does not load from the wheel alone:\n{said}")
        sys.stdout.write("wheel: works alone in an empty environment\n")


if __name__ == "__main__":
    main()
