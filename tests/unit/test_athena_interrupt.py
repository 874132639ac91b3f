"""Ctrl-C is raised only after the work it ends has ended: nothing may go on running, or costing, unseen."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from stupiddb_kernel.sources.result import interruptible


def test_work_has_always_ended_when_the_interrupt_arrives(full: bool) -> None:
    for _ in range(1_000 if full else 100):
        stop, ended = threading.Event(), threading.Event()

        def work(stop: threading.Event = stop, ended: threading.Event = ended) -> None:
            stop.wait(10)
            time.sleep(0.005)  # as long as a store takes to confirm that it has stopped
            ended.set()

        threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            interruptible(work, stop.set)
        assert ended.is_set()
