"""What every benchmark shares: cases with a ratio and a goal, shown as a table or as one JSON object.

A benchmark module defines ``GOAL`` in its docstring, a ``run() -> Report`` and ends with
``if __name__ == "__main__": main(run)``. ``python -m tests.benchmarks`` runs them all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Case:
    """One measured thing. ``ratio`` is what ``goal`` is compared with.

    ``better``: "more" means ratio ≥ goal is met (how many times faster than a peer), "less" means ≤
    (seconds, or how many times the cost of a peer). Without a goal it is a figure for the record.
    """

    case: str
    ours: float
    peers: dict[str, float] = field(default_factory=dict)
    unit: str = "s"
    ratio: float | None = None
    goal: float | None = None
    better: str = "more"

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None if there is none."""
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio >= self.goal if self.better == "more" else self.ratio <= self.goal


@dataclass
class Report:
    """All cases of one benchmark."""

    benchmark: str
    results: list[Case] = field(default_factory=list)

    def add(self, case: Case) -> None:
        """Record a case and say so on stderr, since a benchmark takes a while."""
        self.results.append(case)
        print(line(case), file=sys.stderr, flush=True)

    def as_json(self) -> dict[str, object]:
        """``{"benchmark", "results": [{"case", "ours", "peers", "unit", "ratio", "goal", "met"}]}``."""
        rows = [asdict(case) | {"met": case.met} for case in self.results]
        return {"benchmark": self.benchmark, "results": rows}


def line(case: Case) -> str:
    """One case for people: ours, each peer, the ratio and whether the goal is met."""
    peers = "  ".join(f"{name} {value:.4g}" for name, value in case.peers.items())
    text = f"{case.case:<44} ours {case.ours:.4g} {case.unit}"
    if peers:
        text += f"  ({peers})"
    if case.ratio is not None:
        text += f"  ratio {case.ratio:.2f}"
    if case.goal is not None:
        sign = "≥" if case.better == "more" else "≤"
        text += f"  goal {sign} {case.goal:g}  {'met' if case.met else 'NOT MET'}"
    return text


def measure(work: Callable[[], object], repeat: int = 3) -> float:
    """The median wall time in seconds of ``repeat`` calls."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(run: Callable[[], Report]) -> None:
    """The command line of one benchmark: a table, or with ``--json`` one object on stdout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    report = run()
    if arguments.json:
        print(json.dumps(report.as_json()))
    else:
        print("\n".join(line(case) for case in report.results))
