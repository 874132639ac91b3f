"""Free loopback ports."""

from __future__ import annotations

import random
import socket

from stupiddb_kernel.errors import LocalStackError

LOOPBACK = "127.0.0.1"

# Below Linux's ephemeral range (32768 …), so that no outgoing connection takes a port between our looking
# and the server's listening; drawn at random, so that stacks that start together draw different ones.
_RANGE = range(18_000, 32_000)
_TRIES = 1_000


def free_ports(count: int) -> list[int]:
    """So many different TCP ports that are free on loopback right now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_RANGE, _TRIES):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        found.append(port)
    if len(found) < count:
        raise LocalStackError(f"no {count} free ports on {LOOPBACK} in {_RANGE.start} … {_RANGE.stop - 1}")
    return found


def accepts(port: int) -> bool:
    """Whether something takes connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0
