"""What an Athena query costs: https://aws.amazon.com/athena/pricing/

Billed by bytes scanned, rounded up to the next megabyte, at least 10 MB a query. DDL, utility
statements and failed queries are free, as is a result that was reused; a cancelled query is billed for
what it had scanned. A megabyte here is 10**6 bytes, as in Athena's own cutoff (10 MB = 10,000,000).
"""

from __future__ import annotations

from stupiddb_kernel.sources.athena.execution import Execution
from stupiddb_kernel.sources.base import QueryStats

MEGABYTE = 10**6
MINIMUM = 10 * MEGABYTE
_TERABYTE = 10**12


def billed_bytes(execution: Execution) -> int:
    """The bytes that a finished query is charged for."""
    scanned = execution.scanned
    if execution.state == "FAILED" or execution.reused:
        return 0
    if execution.statement_type != "DML" and not scanned:
        return 0
    if execution.state == "CANCELLED" and not scanned:
        return 0
    return max(MINIMUM, -(-scanned // MEGABYTE) * MEGABYTE)


def dollars(execution: Execution, per_tb: float) -> float:
    """What a finished query costs at ``per_tb`` dollars for 10**12 bytes."""
    return billed_bytes(execution) / _TERABYTE * per_tb


def add(stats: QueryStats, execution: Execution, per_tb: float) -> None:
    """Count a finished query in the figures of a read, which may take more than one."""
    stats.query_id = execution.id
    stats.scanned = (stats.scanned or 0) + execution.scanned
    stats.dollars = (stats.dollars or 0.0) + dollars(execution, per_tb)
    stats.queued = (stats.queued or 0.0) + execution.queued
    stats.engine = (stats.engine or 0.0) + execution.engine
    stats.cache_hit = execution.reused
