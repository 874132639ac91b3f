"""A bounded pool of connections: some kept warm, none trusted that has changed its role or died.

It knows no driver: it is given functions that open, probe and close a connection. Used by every
relational source, so that they share one set of rules.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stupiddb_kernel.errors import SourceUnreachable

_log = logging.getLogger(__name__)
C = TypeVar("C")


@dataclass(frozen=True)
class PoolRules:
    """How many connections, and for how long. Times are seconds.

    ``minimum`` are kept open once the pool has been used; what is idle above it for ``idle_seconds`` is
    closed. One that has been idle for ``trusted_seconds`` is probed before it is handed out again. None
    lives longer than ``lifetime_seconds``, so that a moved endpoint or a rotated password takes hold.
    ``wait_seconds`` is how long a caller waits for a free one when all are busy.
    """

    minimum: int
    maximum: int
    wait_seconds: float = 30.0
    trusted_seconds: float = 0.5
    idle_seconds: float = 300.0
    lifetime_seconds: float = 1800.0


@dataclass(slots=True)
class _Member(Generic[C]):
    connection: C
    generation: int
    opened: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)


class Pool(Generic[C]):
    """Lends connections to threads. Making one opens nothing; the first ``take`` does."""

    def __init__(
        self,
        source: str,
        rules: PoolRules,
        *,
        open: Callable[[], C],  # noqa: A002 - the word for it
        probe: Callable[[C], bool],
        close: Callable[[C], None],
    ) -> None:
        """``probe`` says whether an idle connection is still good; it may raise, which means no."""
        self._source = source
        self._rules = rules
        self._open, self._probe, self._close = open, probe, close
        self._idle: list[_Member[C]] = []
        self._lent: dict[int, _Member[C]] = {}
        self._opening = 0
        self._generation = 0
        self._warming = False
        self._in_use = False
        self._free = threading.Condition()

    @property
    def size(self) -> int:
        """Connections that are open or being opened."""
        with self._free:
            return self._count()

    @property
    def idle(self) -> int:
        """Connections waiting to be lent."""
        with self._free:
            return len(self._idle)

    def take(self, wait_seconds: float | None = None, abandoned: Callable[[], bool] = lambda: False) -> C:
        """Borrow a connection; ``give`` it back. Waiting ends early when ``abandoned`` says so.

        Raises what opening raises, and SourceUnreachable if all stay busy.
        """
        self._in_use = True
        patience = self._rules.wait_seconds if wait_seconds is None else wait_seconds
        deadline = time.monotonic() + patience
        while True:
            member = self._claim(deadline, patience, abandoned)
            if member is None:
                return self._open_one().connection
            if not self._is_current(member):
                self._discard(member)
            elif self._is_good(member):
                self._warm()
                return member.connection
            else:
                self._discard(member)
                self.clear()  # whatever ended this one (a restart, a failover) ended the others

    def give(self, connection: C, *, broken: bool = False) -> None:
        """Return a borrowed connection; ``broken`` ones are closed and not lent again."""
        with self._free:
            member = self._lent.pop(id(connection), None)
            keep = member is not None and not broken and self._is_current(member)
            if member is not None and keep:
                member.used = time.monotonic()
                self._idle.append(member)
            stale = self._overdue()
            self._free.notify()
        if not keep:
            self._shut(connection)
            self._warm()
        for old in stale:
            self._shut(old.connection)

    @contextlib.contextmanager
    def lend(self) -> Iterator[C]:
        """``take`` and ``give``; the connection counts as broken if the block raises."""
        connection = self.take()
        try:
            yield connection
        except BaseException:
            self.give(connection, broken=True)
            raise
        self.give(connection)

    def clear(self) -> None:
        """Close every idle connection, and every lent one when it comes back; the pool stays usable."""
        with self._free:
            self._generation += 1
            idle, self._idle = self._idle, []
            self._free.notify_all()
        for member in idle:
            self._shut(member.connection)

    def close(self) -> None:
        """``clear``, and keep nothing warm until the next ``take``."""
        self._in_use = False
        self.clear()

    def _count(self) -> int:
        return len(self._idle) + len(self._lent) + self._opening

    def _claim(self, deadline: float, patience: float, abandoned: Callable[[], bool]) -> _Member[C] | None:
        """An idle member, now lent; None for the right to open a new one."""
        with self._free:
            while True:
                if self._idle:
                    member = self._idle.pop()  # the latest used is the likeliest to be alive
                    self._lent[id(member.connection)] = member
                    return member
                if self._count() < self._rules.maximum:
                    self._opening += 1
                    return None
                left = deadline - time.monotonic()
                if left <= 0 or abandoned():
                    raise SourceUnreachable(
                        f"all {self._rules.maximum} connections are busy, and none became free "
                        f"within {patience:g} s",
                        source=self._source,
                        hint="close or finish other results, or raise pool_max",
                    )
                self._free.wait(min(left, 0.2))

    def _open_one(self) -> _Member[C]:
        """Open a connection with the right that ``_claim`` gave, and lend it."""
        try:
            generation = self._generation
            member = _Member(self._open(), generation)
        except BaseException:
            with self._free:
                self._opening -= 1
                self._free.notify()
            raise
        with self._free:
            self._opening -= 1
            self._lent[id(member.connection)] = member
        self._warm()
        return member

    def _is_current(self, member: _Member[C]) -> bool:
        young = time.monotonic() - member.opened <= self._rules.lifetime_seconds
        return young and member.generation == self._generation

    def _is_good(self, member: _Member[C]) -> bool:
        if time.monotonic() - member.used < self._rules.trusted_seconds:
            return True
        try:
            return self._probe(member.connection)
        except Exception as error:  # noqa: BLE001 - any failure of a probe means the same: not usable
            _log.debug("%s: dropped an idle connection: %s", self._source, type(error).__name__)
            return False

    def _discard(self, member: _Member[C]) -> None:
        with self._free:
            self._lent.pop(id(member.connection), None)
            self._free.notify()
        self._shut(member.connection)

    def _overdue(self) -> list[_Member[C]]:
        """Idle members to close: those above the minimum that nobody has wanted for long."""
        now = time.monotonic()
        surplus = self._count() - self._rules.minimum
        overdue = [m for m in self._idle if now - m.used > self._rules.idle_seconds][: max(surplus, 0)]
        self._idle = [m for m in self._idle if m not in overdue]
        return overdue

    def _warm(self) -> None:
        """Bring the pool up to its minimum in the background; a failure there is the next caller's to see."""
        with self._free:
            if self._warming or not self._in_use or self._count() >= self._rules.minimum:
                return
            self._warming = True
        threading.Thread(target=self._fill, name=f"warm {self._source}", daemon=True).start()

    def _fill(self) -> None:
        try:
            while True:
                with self._free:
                    if not self._in_use or self._count() >= self._rules.minimum:
                        return
                    self._opening += 1
                self.give(self._open_one().connection)
        except Exception as error:  # noqa: BLE001 - nobody waits for a spare connection
            _log.debug("%s: can't keep connections warm: %s", self._source, type(error).__name__)
        finally:
            with self._free:
                self._warming = False

    def _shut(self, connection: C) -> None:
        try:
            self._close(connection)
        except Exception as error:  # noqa: BLE001 - it is being thrown away
            _log.debug("%s: closing a connection failed: %s", self._source, type(error).__name__)
