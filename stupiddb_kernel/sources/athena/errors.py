"""The border where Athena's refusals and failures become errors of our tree, with the place in the SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stupiddb_kernel.errors import PermissionDenied, QueryFailed, QueryTimeout, ScanLimitExceeded, SourceError
from stupiddb_kernel.sources.objects.errors import code_of, message_of

_PLACE = re.compile(r"\bline (\d+):(\d+):? ?")
_DENIED = re.compile(
    r"access ?denied|insufficient permissions|permission_denied|not authorized", re.IGNORECASE
)
_CUTOFF = re.compile(r"bytes scanned limit was exceeded|bytes scanned cutoff", re.IGNORECASE)
_EXHAUSTED = re.compile(r"exhausted resources|exceeded_memory_limit", re.IGNORECASE)
_TIMED_OUT = re.compile(r"query timed? ?out|query timeout", re.IGNORECASE)
_NOT_UNLOADABLE = re.compile(
    r"unsupported (hive )?type|unsupported trino column type|column name not specified|column type is unknown"
    r"|specified more than once|duplicate column|column names? (must be|are not) unique|COLUMN_TYPE_UNKNOWN"
    r"|DUPLICATE_COLUMN_NAME|MISSING_COLUMN_NAME|unload.*(unsupported|not supported)"
    r"|HIVE_COLUMN_ORDER_MISMATCH|HIVE_PATH_ALREADY_EXISTS",
    re.IGNORECASE,
)

Position = Callable[[int, int], "int | None"]
"""From Athena's 1-based line and column to a 0-based offset in the SQL as it was typed."""


@contextmanager
def refusals(source: str, sql: str, position: Position) -> Iterator[None]:
    """Around StartQueryExecution, which already refuses SQL that does not parse."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if code_of(error) != "InvalidRequestException":
            raise
        text = message_of(error)
        if "workgroup" in text.lower() and not _PLACE.search(text):
            raise SourceError(text, source=source, hint="check `workgroup` in [aws.athena]") from error
        if "output location" in text.lower() or "outputlocation" in text.lower():
            raise SourceError(
                text,
                source=source,
                hint="set output_location in [aws.athena], or use a workgroup that has one",
            ) from error
        raise failure(text, source=source, sql=sql, position=position) from error


def failure(
    reason: str,
    *,
    source: str,
    sql: str,
    position: Position,
    query_id: str | None = None,
    retryable: bool = False,
) -> SourceError:
    """The error for what Athena says of a query that failed or was refused."""
    place = _PLACE.search(reason)
    offset = position(int(place[1]), int(place[2])) if place else None
    if place and offset is not None:  # what was sent has other lines than what was typed
        line, column = sql.count("\n", 0, offset) + 1, offset - (sql.rfind("\n", 0, offset) + 1) + 1
        reason = reason[: place.start()] + f"line {line}:{column}: " + reason[place.end() :]
    where: dict[str, Any] = {"source": source, "sql": sql, "query_id": query_id}
    if _CUTOFF.search(reason):
        return ScanLimitExceeded(
            f"the workgroup's cutoff stopped the query: {reason}",
            **where,
            hint="filter on partition columns and select fewer columns, or raise the workgroup's cutoff",
        )
    if _TIMED_OUT.search(reason):
        return QueryTimeout(reason, **where, hint="read less, or ask for a longer DML timeout quota")
    if _DENIED.search(reason) and offset is None:
        return PermissionDenied(
            reason, source=source, hint="Athena acts with your permissions in S3 and Glue"
        )
    hint = "Athena says that trying again may help" if retryable else None
    if _EXHAUSTED.search(reason):
        hint = "read less at once: filter, select fewer columns, avoid ORDER BY and large DISTINCT"
    return QueryFailed(reason, **where, position=offset, hint=hint)


def refuses_unload(error: SourceError) -> bool:
    """Whether a failure is about UNLOAD's limits (names, types) and not about the statement itself."""
    return isinstance(error, QueryFailed) and bool(_NOT_UNLOADABLE.search(error.message))


def bytes_text(size: float) -> str:
    """A size for people, in the decimal units that Athena bills."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.2f} TB"
