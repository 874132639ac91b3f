"""Background work that nobody has to wait for, not even the interpreter when it ends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def start(work: Callable[[], None], name: str) -> threading.Thread:
    """Run ``work`` in a daemon thread: a store that hangs must not keep a kernel from ending."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def for_each(items: Iterable[T], work: Callable[[T], None], *, at_once: int, name: str) -> None:
    """Call ``work`` with every item, some at a time, and return when all are done; it may not raise."""
    waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
    count = 0
    for item in items:
        waiting.put(item)
        count += 1

    def run() -> None:
        while True:
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            work(item)

    threads = [start(run, f"{name} {index}") for index in range(min(at_once, count))]
    for thread in threads:
        thread.join()
