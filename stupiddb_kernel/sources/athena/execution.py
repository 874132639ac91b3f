"""One query in Athena: started exactly once, watched, and stopped for good when it has to be."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stupiddb_kernel.errors import SourceError, Throttled, UsageError
from stupiddb_kernel.sources.athena.errors import Position, refusals
from stupiddb_kernel.sources.objects.errors import THROTTLES, code_of, translated

MAX_QUERY_BYTES = 262_144
_FIRST_WAIT, _LONGEST_WAIT, _GROWTH = 0.05, 1.0, 1.4
_STOP_SECONDS = 60.0
_TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Execution:
    """What GetQueryExecution says of a query. Times are seconds."""

    id: str
    state: str
    reason: str = ""
    retryable: bool = False
    statement_type: str = "DML"
    output_location: str | None = None
    manifest_location: str | None = None
    scanned: int = 0
    engine: float = 0.0
    queued: float = 0.0
    reused: bool = False
    managed: bool = False

    @property
    def finished(self) -> bool:
        """Whether its state is final."""
        return self.state in _TERMINAL


@dataclass(frozen=True)
class Request:
    """What is asked of StartQueryExecution."""

    sql: str
    database: str
    catalog: str
    workgroup: str
    output_location: str | None = None
    parameters: tuple[str, ...] = ()
    reuse_minutes: int | None = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Makes a retried start the same query: it never runs, or costs, twice."""

    def arguments(self) -> dict[str, Any]:
        """As boto3 takes it."""
        arguments: dict[str, Any] = {
            "QueryString": self.sql,
            "ClientRequestToken": self.token,
            "QueryExecutionContext": {"Database": self.database, "Catalog": self.catalog},
            "WorkGroup": self.workgroup,
        }
        if self.output_location:
            arguments["ResultConfiguration"] = {"OutputLocation": self.output_location}
        if self.parameters:
            arguments["ExecutionParameters"] = list(self.parameters)
        if self.reuse_minutes:
            arguments["ResultReuseConfiguration"] = {
                "ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": self.reuse_minutes}
            }
        return arguments


class Throttle:
    """Retries calls that the service asked to slow down: full jitter, growing, at most ``seconds`` in all.

    Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(
        self, source: str, *, seconds: float = 60.0, first: float = 0.2, longest: float = 8.0
    ) -> None:
        self._source = source
        self._seconds = seconds
        self._first = first
        self._longest = longest
        self.retries = 0

    def call(
        self,
        action: str,
        operation: Callable[..., Any],
        stopped: threading.Event | None = None,
        **arguments: Any,
    ) -> Any:
        """What ``operation`` returns. Raises Throttled once the time is used up."""
        from botocore.exceptions import ClientError

        end = time.monotonic() + self._seconds
        attempt = 0
        while True:
            try:
                with translated(self._source, action):
                    try:
                        return operation(**arguments)
                    except ClientError as error:
                        if code_of(error) not in THROTTLES or (stopped is not None and stopped.is_set()):
                            raise
                        wait = random.uniform(0, min(self._longest, self._first * 2**attempt))  # noqa: S311
                        if time.monotonic() + wait > end:
                            raise
            except Throttled as error:
                raise Throttled(
                    f"{error.message.removeprefix(f'{self._source}: ')} (after {attempt + 1} attempts "
                    f"in {self._seconds:g} s)",
                    source=self._source,
                    hint="fewer queries at once, or ask AWS for a higher quota",
                ) from error
            attempt += 1
            self.retries += 1
            if stopped is not None:
                stopped.wait(wait)
            else:
                time.sleep(wait)


class Queries:
    """Starts, watches and stops queries through one boto3 client."""

    def __init__(self, client: Any, source: str, throttle: Throttle | None = None) -> None:
        self._client = client
        self._source = source
        self.throttle = throttle or Throttle(source)

    def start(
        self, request: Request, typed: str, position: Position, stopped: threading.Event | None = None
    ) -> str:
        """Start a query and return its id; ``typed`` is the SQL to show in an error."""
        size = len(request.sql.encode())
        if size > MAX_QUERY_BYTES:
            raise UsageError(
                f"the statement has {size:,} bytes; Athena takes at most {MAX_QUERY_BYTES:,}",
                hint="put long lists of values into a table and join it",
            )

        def begin(**arguments: Any) -> Any:
            with refusals(self._source, typed, position):
                return self._client.start_query_execution(**arguments)

        answer = self.throttle.call("start a query", begin, stopped, **request.arguments())
        return str(answer["QueryExecutionId"])

    def state(self, query_id: str, stopped: threading.Event | None = None) -> Execution:
        """What is known of a query now."""
        answer = self.throttle.call(
            f"ask after query {query_id}",
            self._client.get_query_execution,
            stopped,
            QueryExecutionId=query_id,
        )
        return _execution(answer["QueryExecution"])

    def watch(self, query_id: str, stopped: threading.Event, check: Callable[[Execution], None]) -> Execution:
        """Poll until the query has finished or ``stopped`` is set; ``check`` may raise to end the watch.

        Waits grow from 50 ms to 1 s, each a little random, so that many watchers don't poll in step.
        """
        wait = _FIRST_WAIT
        while True:
            execution = self.state(query_id, stopped)
            if execution.finished or stopped.is_set():
                return execution
            check(execution)
            stopped.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            wait = min(_LONGEST_WAIT, wait * _GROWTH)

    def stop(self, query_id: str) -> Execution:
        """Stop a query and see to it that it has stopped; its final figures.

        Raises SourceError if it still runs after a minute.
        """
        self.throttle.call(
            f"stop query {query_id}", self._client.stop_query_execution, QueryExecutionId=query_id
        )
        end, wait = time.monotonic() + _STOP_SECONDS, _FIRST_WAIT
        while True:
            execution = self.state(query_id)
            if execution.finished:
                return execution
            if time.monotonic() > end:
                raise SourceError(
                    f"query {query_id} was told to stop and is still {execution.state}",
                    source=self._source,
                    hint=f"aws athena stop-query-execution --query-execution-id {query_id}",
                )
            time.sleep(wait)
            wait = min(_LONGEST_WAIT, wait * _GROWTH)


def _execution(data: Mapping[str, Any]) -> Execution:
    status, statistics = data["Status"], data.get("Statistics", {})
    error = status.get("AthenaError", {})
    reuse = statistics.get("ResultReuseInformation", {})
    managed = data.get("ManagedQueryResultsConfiguration", {})
    queued = statistics.get("QueryQueueTimeInMillis", 0) + statistics.get(
        "ServicePreProcessingTimeInMillis", 0
    )
    return Execution(
        id=data["QueryExecutionId"],
        state=status["State"],
        reason=status.get("StateChangeReason") or error.get("ErrorMessage") or "",
        retryable=bool(error.get("Retryable", False)),
        statement_type=data.get("StatementType", "DML"),
        output_location=data.get("ResultConfiguration", {}).get("OutputLocation"),
        manifest_location=statistics.get("DataManifestLocation"),
        scanned=int(statistics.get("DataScannedInBytes", 0)),
        engine=statistics.get("EngineExecutionTimeInMillis", 0) / 1000,
        queued=queued / 1000,
        reused=bool(reuse.get("ReusedPreviousResult", False)),
        managed=bool(managed.get("Enabled", False)),
    )
