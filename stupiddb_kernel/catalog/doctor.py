"""Each source tried step by step, all at the same time, the answers as they come."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.catalog import threads
from stupiddb_kernel.errors import StupiddbError
from stupiddb_kernel.sources.base import Check

if TYPE_CHECKING:
    from rich.table import Table as Grid

    from stupiddb_kernel.sources.base import Source


def diagnose(sources: Mapping[str, Source[Any]], deadline: float = 60.0) -> Iterator[tuple[str, Check]]:
    """Name of the source and a check, for every check of every source, in the order they are done.

    A source that has not answered after ``deadline`` seconds is reported as not reachable and left.
    """
    answers: queue.SimpleQueue[tuple[str, Sequence[Check]]] = queue.SimpleQueue()

    def run(name: str) -> None:
        try:
            checks: Sequence[Check] = sources[name].check()
        except StupiddbError as error:
            checks = [Check("configured", False, error.message, advice=error.hint)]
        except Exception as error:  # noqa: BLE001 - a diagnosis tells what is wrong, whatever it is
            checks = [Check("configured", False, f"{type(error).__name__}: {error}")]
        answers.put((name, checks))

    waiting = list(sources)
    until = time.monotonic() + deadline
    for name in waiting:
        threads.start(partial(run, name), f"doctor {name}")
    while waiting:
        try:
            name, checks = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        waiting.remove(name)
        for check in checks:
            yield name, check
    for name in waiting:
        yield (
            name,
            Check(
                "reachable",
                False,
                f"no answer within {deadline:g} s",
                milliseconds=deadline * 1000,
                advice="check host, port, VPN and security groups",
            ),
        )


def grid(results: Iterable[tuple[str, Check]]) -> Grid:
    """The checks as a rich table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("", "source", "step", "took", "what was found"):
        table.add_column(heading, justify="right" if heading == "took" else "left", overflow="fold")
    for name, check in results:
        mark = Text("ok", "green") if check.ok else Text("FAIL", "bold red")
        took = "" if check.milliseconds is None else f"{check.milliseconds:,.0f} ms"
        found = Text(check.detail)
        if check.advice:
            found.append(f"\n→ {check.advice}", "yellow" if not check.ok else "dim")
        table.add_row(mark, name, check.step, took, found)
    return table
