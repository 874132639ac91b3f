"""The pool's rules, told with connections that are plain objects."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from stupiddb_kernel.errors import SourceUnreachable
from stupiddb_kernel.sources.pool import Pool, PoolRules


@dataclass(eq=False)
class Wire:
    """A connection that can die or change its role."""

    good: bool = True
    closed: bool = False


@dataclass
class Server:
    """Opens wires and remembers them."""

    opened: list[Wire] = field(default_factory=list)
    down: bool = False

    def open(self) -> Wire:
        if self.down:
            raise SourceUnreachable("down", source="test")
        self.opened.append(Wire())
        return self.opened[-1]

    @staticmethod
    def close(wire: Wire) -> None:
        wire.closed = True

    def pool(self, minimum: int = 0, maximum: int = 2, **rules: float) -> Pool[Wire]:
        given = {"trusted_seconds": 0.0, "wait_seconds": 0.2} | rules
        return Pool(
            "test",
            PoolRules(minimum, maximum, **given),
            open=self.open,
            probe=lambda wire: wire.good,
            close=self.close,
        )


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_making_a_pool_opens_nothing() -> None:
    server = Server()

    assert server.pool(minimum=2).size == 0
    assert server.opened == []


def test_a_connection_is_lent_again() -> None:
    pool = Server().pool()

    first = pool.take()
    pool.give(first)

    assert pool.take() is first


def test_the_minimum_is_kept_warm_once_it_is_used() -> None:
    server = Server()
    pool = server.pool(minimum=2, maximum=3)

    first = pool.take()

    assert eventually(lambda: pool.size == 2)
    pool.give(first, broken=True)
    assert first.closed
    assert eventually(lambda: pool.size == 2)
    pool.close()
    time.sleep(0.05)
    assert all(wire.closed for wire in server.opened)
    assert pool.size == 0


def test_no_more_than_the_maximum_and_a_clear_error_after_waiting() -> None:
    pool = Server().pool(maximum=2)
    taken = [pool.take(), pool.take()]

    with pytest.raises(SourceUnreachable, match="all 2 connections are busy") as busy:
        pool.take()

    assert "pool_max" in (busy.value.hint or "")
    pool.give(taken[0])
    assert pool.take() is taken[0]


def test_who_waits_gets_what_is_given_back() -> None:
    pool = Server().pool(maximum=1, wait_seconds=5.0)
    first = pool.take()
    threading.Timer(0.1, pool.give, [first]).start()

    assert pool.take() is first


def test_waiting_ends_when_it_is_abandoned() -> None:
    pool = Server().pool(maximum=1, wait_seconds=60.0)
    pool.take()
    gone = threading.Event()
    threading.Timer(0.1, gone.set).start()
    started = time.monotonic()

    with pytest.raises(SourceUnreachable):
        pool.take(abandoned=gone.is_set)

    assert time.monotonic() - started < 5


def test_what_fails_its_probe_is_replaced() -> None:
    pool = Server().pool()
    first = pool.take()
    pool.give(first)
    first.good = False

    second = pool.take()

    assert second is not first
    assert first.closed


def test_a_connection_used_a_moment_ago_is_trusted() -> None:
    pool = Server().pool(trusted_seconds=60.0)
    first = pool.take()
    pool.give(first)
    first.good = False

    assert pool.take() is first


def test_an_old_connection_is_not_lent_again() -> None:
    pool = Server().pool(lifetime_seconds=0.0)
    first = pool.take()
    pool.give(first)

    assert first.closed
    assert pool.take() is not first


def test_clearing_ends_the_idle_now_and_the_lent_when_they_come_back() -> None:
    pool = Server().pool()
    idle, lent = pool.take(), pool.take()
    pool.give(idle)

    pool.clear()

    assert idle.closed
    assert not lent.closed
    pool.give(lent)
    assert lent.closed


def test_a_failed_opening_leaves_room_for_the_next() -> None:
    server = Server(down=True)
    pool = server.pool(maximum=1)

    for _ in range(3):
        with pytest.raises(SourceUnreachable, match="down"):
            pool.take()
    server.down = False

    assert pool.take() in server.opened


def test_a_block_that_raises_gives_its_connection_away() -> None:
    pool = Server().pool()

    with pytest.raises(ZeroDivisionError), pool.lend() as wire:
        _ = 1 / 0

    assert wire.closed
    with pool.lend() as wire:
        pass
    assert pool.idle == 1


def test_many_threads_never_share_a_connection() -> None:
    server = Server()
    pool = server.pool(maximum=3, wait_seconds=30.0)
    using: set[int] = set()
    shared: list[int] = []

    def work() -> None:
        for _ in range(50):
            with pool.lend() as wire:
                if id(wire) in using:
                    shared.append(id(wire))
                using.add(id(wire))
                time.sleep(0.0002)
                using.discard(id(wire))

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not shared
    assert len(server.opened) <= 3
