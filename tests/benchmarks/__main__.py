"""``python -m tests.benchmarks``: list the benchmarks (``--list``), run all of them or the named ones.

Each runs in a process of its own, so that none warms or burdens another.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import tests.benchmarks
from tests.benchmarks.report import Case, line

_SHARED = {"__main__", "report"}


def names() -> list[str]:
    """The benchmarks there are: every module here that is not shared code and not private."""
    found = pkgutil.iter_modules(tests.benchmarks.__path__)
    return sorted(
        module.name for module in found if module.name not in _SHARED and not module.name.startswith("_")
    )


def main() -> int:
    """Run and show; the exit code is 1 if a benchmark failed to run, not if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="name", choices=[[], *names()], help=", ".join(names()))
    parser.add_argument("--list", action="store_true", help="name the benchmarks and stop")
    parser.add_argument("--json", action="store_true", help="print one JSON list of reports")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(names()))
        return 0
    reports, failed = [], []
    for name in arguments.names or names():
        if not arguments.json:
            print(f"{name}:", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"tests.benchmarks.{name}", "--json"],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=sys.stderr if arguments.json else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            failed.append(name)
            print(f"  failed with exit code {done.returncode}\n{done.stderr or ''}", file=sys.stderr)
            continue
        reports.append(json.loads(done.stdout.splitlines()[-1]))
        if not arguments.json:
            for row in reports[-1]["results"]:
                known = {key: value for key, value in row.items() if key in Case.__dataclass_fields__}
                print("  " + line(Case(**known)), flush=True)
    if arguments.json:
        print(json.dumps(reports))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
