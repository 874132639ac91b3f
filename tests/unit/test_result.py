"""A running read: streams, stops, cuts, and never leaves its worker or its store behind."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from stupiddb_kernel.errors import QueryCancelled
from stupiddb_kernel.sources.base import QueryStats
from stupiddb_kernel.sources.result import Result, interruptible

SCHEMA = pa.schema([("n", pa.int64())])


def batches(count: int, size: int = 10) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        yield pa.record_batch([pa.array([number] * size, pa.int64())], schema=SCHEMA)


class Store:
    """A read that counts what is asked of it."""

    def __init__(self) -> None:
        self.cancels = 0
        self.closes = 0
        self.stop = threading.Event()

    def cancel(self) -> None:
        self.cancels += 1
        self.stop.set()

    def close(self) -> None:
        self.closes += 1

    def result(self, source: Iterator[pa.RecordBatch], limit: int | None = None) -> Result:
        return Result(SCHEMA, source, QueryStats("x"), cancel=self.cancel, close=self.close, limit=limit)

    def hang(self) -> Iterator[pa.RecordBatch]:
        yield from batches(1)
        self.stop.wait(30)
        raise RuntimeError("stopped by the store")


def test_reads_everything_and_closes_once() -> None:
    store = Store()
    result = store.result(batches(100))
    assert result.to_arrow().num_rows == 1000
    result.close()
    assert (store.cancels, store.closes) == (0, 1)
    assert result.stats.rows == 1000
    assert result.stats.bytes == 8000
    assert result.stats.elapsed is not None


@pytest.mark.parametrize("limit", [0, 1, 10, 15, 1000, 2000])
def test_cuts_at_the_limit(limit: int) -> None:
    store = Store()
    assert store.result(batches(100), limit).to_arrow().num_rows == min(limit, 1000)
    assert store.closes == 1


def test_stops_the_store_when_the_limit_leaves_rows_unread() -> None:
    store = Store()
    store.result(batches(1000), 5).to_arrow()
    assert store.cancels == 1


def test_passes_on_what_the_driver_raised() -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from batches(2)
        raise ValueError("the wire broke")

    store = Store()
    result = store.result(broken())
    with pytest.raises(ValueError, match="the wire broke"):
        list(result)
    assert isinstance(result.error, ValueError)
    assert store.closes == 1


def test_cancel_reaches_a_consumer_that_waits() -> None:
    store = Store()
    result = store.result(store.hang())
    threading.Timer(0.2, result.cancel).start()
    with pytest.raises(QueryCancelled):
        list(result)
    assert (store.cancels, store.closes) == (1, 1)


def test_ctrl_c_reaches_a_consumer_that_waits() -> None:
    store = Store()
    threading.Timer(0.2, _thread.interrupt_main).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(store.result(store.hang()))
    assert time.monotonic() - started < 5
    assert (store.cancels, store.closes) == (1, 1)


def test_leaving_early_cancels_and_ends_the_worker() -> None:
    store = Store()
    before = threading.active_count()
    with store.result(batches(10_000)) as result:
        next(iter(result))
    assert (store.cancels, store.closes) == (1, 1)
    assert threading.active_count() == before


def test_never_read_at_all_is_closed_too() -> None:
    store = Store()
    store.result(batches(1)).close()
    assert (store.cancels, store.closes) == (1, 1)


def test_reads_ahead_only_a_little() -> None:
    pulled: list[int] = []

    def counting() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches(1000)):
            pulled.append(number)
            yield batch

    store = Store()
    result = store.result(counting())
    next(iter(result))
    time.sleep(0.3)
    assert len(pulled) < 10
    result.close()


def test_interruptible_work_returns_or_raises_as_it_did() -> None:
    assert interruptible(lambda: 7, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0, lambda: None)


def test_interruptible_work_is_ended_by_ctrl_c() -> None:
    stop = threading.Event()
    threading.Timer(0.2, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        interruptible(lambda: stop.wait(30), stop.set)
    assert stop.is_set()
