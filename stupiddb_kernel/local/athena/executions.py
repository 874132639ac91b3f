"""The life of a query: QUEUED -> RUNNING -> SUCCEEDED, FAILED or CANCELLED; its history and its reuse."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.local.athena.clients import Caller
from stupiddb_kernel.local.athena.errors import (
    InvalidRequest,
    QueryError,
    QueryStopped,
    ScanCutoffReached,
    TooManyRequests,
)
from stupiddb_kernel.local.athena.meter import Meter
from stupiddb_kernel.local.athena.statements import Statement
from stupiddb_kernel.local.athena.workgroups import ENGINE

if TYPE_CHECKING:
    from stupiddb_kernel.local.athena.results import Result

log = logging.getLogger(__name__)

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"
ENDED = (SUCCEEDED, FAILED, CANCELLED)
HISTORY = 10_000
"""Finished queries remembered; on AWS it is 45 days."""
KEPT_BYTES = 2_000_000_000
"""Result rows kept for GetQueryResults; the oldest go first, their CSV files in S3 stay."""
ACTIVE, WAITING = 20, 200
"""Queries that run at once, and that wait; one more is refused."""


@dataclass
class Execution:
    """One query and all that GetQueryExecution says of it."""

    id: str
    caller: Caller
    text: str
    statement: Statement
    workgroup: str
    database: str
    catalog: str
    result_configuration: dict[str, Any]
    parameters: list[str]
    managed: bool
    reuse_minutes: int | None
    meter: Meter
    submitted: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: str = QUEUED
    completed: datetime | None = None
    reason: str | None = None
    error: QueryError | None = None
    result: Result | None = None
    output: str | None = None
    manifest: str | None = None
    update_count: int | None = None
    reused: bool = False
    scanned: int = 0
    running_since: float | None = None
    planned_since: float | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    interrupt: Callable[[], None] | None = None
    _born: float = field(default_factory=time.monotonic)
    _done: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> bool:
        """QUEUED -> RUNNING; False if it was stopped before."""
        with self._lock:
            if self.state != QUEUED:
                return False
            self.state, self.running_since = RUNNING, time.monotonic()
            return True

    def finish(self, state: str, reason: str | None = None, error: QueryError | None = None) -> bool:
        """Enter an end state; False if it already is in one."""
        with self._lock:
            if self.state in ENDED:
                return False
            self.scanned = 0 if self.reused else self.meter.bytes
            self.reason, self.error = reason, error
            self.completed, self._done = datetime.now(UTC), time.monotonic()
            self.state = state
            return True

    @property
    def times(self) -> dict[str, int]:
        """Queue, planning, engine and total time in milliseconds."""
        done = self._done or time.monotonic()
        started = self.running_since or done
        planned = self.planned_since or started
        return {
            "QueryQueueTimeInMillis": _millis(started - self._born),
            "QueryPlanningTimeInMillis": _millis(planned - started),
            "EngineExecutionTimeInMillis": _millis(done - started),
            "TotalExecutionTimeInMillis": _millis(done - self._born),
            "ServiceProcessingTimeInMillis": 0,
            "ServicePreProcessingTimeInMillis": 0,
        }

    def document(self) -> dict[str, Any]:
        """As GetQueryExecution answers."""
        with self._lock:
            status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted.timestamp()}
            if self.completed:
                status["CompletionDateTime"] = self.completed.timestamp()
            if self.reason:
                status["StateChangeReason"] = self.reason
            if self.error:
                status["AthenaError"] = {
                    "ErrorCategory": self.error.category,
                    "ErrorType": self.error.type,
                    "Retryable": False,
                    "ErrorMessage": self.error.reason,
                }
            scanned = self.scanned if self.state in ENDED else self.meter.bytes
            statistics: dict[str, Any] = {
                **self.times,
                "DataScannedInBytes": scanned,
                "ResultReuseInformation": {"ReusedPreviousResult": self.reused},
            }
            if self.manifest:
                statistics["DataManifestLocation"] = self.manifest
            return {
                "QueryExecutionId": self.id,
                "Query": self.text,
                "StatementType": self.statement.type,
                "SubstatementType": self.statement.kind,
                "QueryExecutionContext": {"Database": self.database, "Catalog": self.catalog},
                "WorkGroup": self.workgroup,
                "EngineVersion": ENGINE,
                "Status": status,
                "Statistics": statistics,
                "ResultConfiguration": {
                    **self.result_configuration,
                    **({"OutputLocation": self.output} if self.output else {}),
                },
                "ResultReuseConfiguration": {
                    "ResultReuseByAgeConfiguration": {
                        "Enabled": self.reuse_minutes is not None,
                        **({"MaxAgeInMinutes": self.reuse_minutes} if self.reuse_minutes is not None else {}),
                    }
                },
                **({"ManagedQueryResultsConfiguration": {"Enabled": True}} if self.managed else {}),
                **({"ExecutionParameters": self.parameters} if self.parameters else {}),
            }


def _millis(seconds: float) -> int:
    return max(0, round(seconds * 1000))


class Executions:
    """The queries of one region: starts them, stops them, remembers them."""

    def __init__(
        self, run: Callable[[Execution], None], active: int = ACTIVE, waiting: int = WAITING
    ) -> None:
        self._run = run
        self._limit = active + waiting
        self._pool = ThreadPoolExecutor(active, thread_name_prefix="query")
        self._all: OrderedDict[str, Execution] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._unfinished = 0
        self._lock = threading.Lock()

    def start(self, execution: Execution, token: str | None, fingerprint: str) -> str:
        """Queue a query; the same token with the same request gives the query it started before.

        Raises:
            InvalidRequest: the token came with another request.
            TooManyRequests: too many queries run and wait.
        """
        with self._lock:
            if token and (known := self._tokens.get(token)):
                if known[1] != fingerprint:
                    raise InvalidRequest("Idempotent parameters do not match", "INVALID_INPUT")
                return known[0]
            if self._unfinished >= self._limit:
                raise TooManyRequests(
                    "You have exceeded the limit for the number of queries you can run concurrently. "
                    "Please reduce "
                    "the number of concurrent queries submitted by this account.",
                    Reason="CONCURRENT_QUERY_LIMIT_EXCEEDED",
                )
            self._unfinished += 1
            self._all[execution.id] = execution
            if token:
                self._tokens[token] = (execution.id, fingerprint)
            self._forget()
        self._pool.submit(self._work, execution)
        return execution.id

    def get(self, query_id: str) -> Execution:
        """A query by id.

        Raises:
            InvalidRequest: unknown, or forgotten.
        """
        found = self._all.get(query_id)
        if found is None:
            raise InvalidRequest(f"QueryExecution {query_id} was not found")
        return found

    def of_workgroup(self, workgroup: str) -> list[Execution]:
        """The queries of a workgroup, newest first."""
        with self._lock:
            return [e for e in reversed(self._all.values()) if e.workgroup == workgroup]

    def stop(self, execution: Execution) -> None:
        """Cancel a query; an ended one stays as it is."""
        execution.meter.stop()
        if execution.finish(CANCELLED, "Query cancelled by user"):
            threading.Thread(target=_insist, args=(execution,), daemon=True).start()

    def close(self) -> None:
        """Stop everything."""
        for execution in list(self._all.values()):
            if execution.state not in ENDED:
                self.stop(execution)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def reusable(self, like: Execution) -> Execution | None:
        """An earlier result of the same text, parameters and context that is young enough and still there."""
        if like.reuse_minutes is None or like.statement.kind != "SELECT":
            return None
        oldest = datetime.now(UTC) - timedelta(minutes=like.reuse_minutes)
        with self._lock:
            for earlier in reversed(self._all.values()):
                same = (
                    earlier.text,
                    earlier.parameters,
                    earlier.database,
                    earlier.catalog,
                    earlier.workgroup,
                ) == (
                    like.text,
                    like.parameters,
                    like.database,
                    like.catalog,
                    like.workgroup,
                )
                if earlier is like or not same or earlier.state != SUCCEEDED or earlier.reused:
                    continue
                if earlier.completed and earlier.completed >= oldest and earlier.result is not None:
                    return earlier
        return None

    def _work(self, execution: Execution) -> None:
        try:
            if execution.begin():
                self._run(execution)
                execution.meter.settle()
                execution.finish(SUCCEEDED)
        except QueryStopped:
            execution.finish(CANCELLED, "Query cancelled by user")
        except ScanCutoffReached as error:
            execution.meter.settle()
            execution.finish(CANCELLED, str(error))
        except QueryError as error:
            execution.meter.settle()
            execution.finish(FAILED, error.reason, error)
        except Exception:
            log.exception("query %s failed inside the stand-in: %s", execution.id, execution.text)
            fault = QueryError(
                "GENERIC_INTERNAL_ERROR", "Query engine had an internal error; see the stand-in's log"
            )
            execution.finish(FAILED, fault.reason, fault)
        finally:
            execution.interrupt = None
            execution.ended.set()
            with self._lock:
                self._unfinished -= 1

    def _forget(self) -> None:
        """Drop what is beyond the history's limits; called with the lock held."""
        while len(self._tokens) > HISTORY:
            self._tokens.popitem(last=False)
        if len(self._all) > HISTORY:
            for query_id in [e.id for e in self._all.values() if e.state in ENDED][
                : len(self._all) - HISTORY
            ]:
                _clear(self._all.pop(query_id))
        kept = sum(e.result.bytes for e in self._all.values() if e.result is not None and not e.reused)
        for execution in list(self._all.values()):
            if kept <= KEPT_BYTES:
                break
            if execution.result is not None and not execution.reused:
                kept -= execution.result.bytes
                _clear(execution)


def _clear(execution: Execution) -> None:
    if execution.result is not None and execution.result.file is not None and not execution.reused:
        execution.result.file.unlink(missing_ok=True)
    execution.result = None


def _insist(execution: Execution) -> None:
    """Interrupt until the worker has let go: an interrupt between two steps of the engine is lost."""
    while not execution.ended.wait(0.05):
        if (interrupt := execution.interrupt) is not None:
            interrupt()


def new_id() -> str:
    """A query's id."""
    return str(uuid.uuid4())
