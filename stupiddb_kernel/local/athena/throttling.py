"""Request quotas like Athena's, and refusals on demand, so that a client's retries can be tried out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from stupiddb_kernel.local.athena.errors import ApiError, TooManyRequests


class Throttled(ApiError):
    """An action over its rate that has no TooManyRequestsException of its own."""

    type = "ThrottlingException"


_TOO_MANY = {"StartQueryExecution", "GetQueryResults"}
"""Actions whose interface names TooManyRequestsException."""


@dataclass(frozen=True)
class Quota:
    """Calls a second, and how many may come at once."""

    rate: float
    burst: int


START, GET = Quota(20, 80), Quota(100, 200)
"""Athena's defaults for Start/StopQueryExecution and for GetQueryExecution/GetQueryResults."""


class _Bucket:
    def __init__(self, quota: Quota) -> None:
        self.quota, self.left, self.at = quota, float(quota.burst), time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self.left = min(self.quota.burst, self.left + (now - self.at) * self.quota.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Throttle:
    """Lets calls pass or refuses them."""

    def __init__(self, start: Quota = START, get: Quota = GET) -> None:
        quotas = {
            "StartQueryExecution": start,
            "StopQueryExecution": start,
            "GetQueryExecution": get,
            "GetQueryResults": get,
        }
        self._buckets = {action: _Bucket(quota) for action, quota in quotas.items()}
        self._ordered: dict[str, int] = {}
        self._lock = threading.Lock()

    def refuse_next(self, action: str, times: int) -> None:
        """Refuse the next calls of an action, whatever the rate."""
        with self._lock:
            self._ordered[action] = times

    def check(self, action: str) -> None:
        """Let the call pass or refuse it.

        Raises:
            TooManyRequests, Throttled: over the rate, or refused on demand.
        """
        with self._lock:
            ordered = self._ordered.get(action, 0)
            if ordered:
                self._ordered[action] = ordered - 1
            elif action not in self._buckets or self._buckets[action].take():
                return
        raise (TooManyRequests if action in _TOO_MANY else Throttled)("Rate exceeded")
