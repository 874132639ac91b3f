"""The doctor's look at a PostgreSQL source: each step a read needs, how long it took, what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from stupiddb_kernel.errors import AuthenticationFailed, PermissionDenied, StupiddbError
from stupiddb_kernel.sources.base import Check
from stupiddb_kernel.sources.postgres.connection import Door

_Step = Literal["configured", "reachable", "authenticated", "permitted", "version", "writable"]
_LOOK = """
SELECT version() AS version, current_user AS username, current_database() AS database,
       current_setting('transaction_read_only') AS read_only, pg_is_in_recovery() AS replica,
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls,
       (SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS cipher
"""
_READABLE = """
SELECT count(*) AS tables, count(*) FILTER (WHERE has_table_privilege(c.oid, 'SELECT')) AS readable
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname NOT LIKE 'pg\\_%'
  AND n.nspname <> 'information_schema'
"""


def diagnose(door: Door) -> list[Check]:
    """Every step up to the first that fails."""
    checks: list[Check] = []

    def step(name: _Step, work: Callable[[], Any], detail: Callable[[Any], str]) -> Any:
        start = time.perf_counter()
        try:
            found = work()
        except StupiddbError as error:
            failed = name
            if isinstance(error, AuthenticationFailed):
                checks.append(Check("reachable", True, "the server answers", _since(start)))
                failed = "authenticated"
            elif isinstance(error, PermissionDenied):
                failed = "permitted"
            checks.append(Check(failed, False, error.message, _since(start), error.hint))
            return None
        checks.append(Check(name, True, detail(found), _since(start)))
        return found

    settings = door.settings
    login = step(
        "configured",
        lambda: door.secrets.credentials(settings),
        lambda found: (
            f"{found.username} at {found.host}:{found.port}/{found.database}, TLS {settings.ssl_mode}"
        ),
    )
    if login is None:
        return checks
    connection = step("reachable", door.data, lambda _: f"connected to {login.host}:{login.port}")
    if connection is None:
        return checks
    try:
        [seen] = connection.rows(_LOOK).to_pylist()
        start = time.perf_counter()
        [granted] = connection.rows(_READABLE).to_pylist()
    finally:
        connection.close()
    encrypted = f"{seen['tls']} ({seen['cipher']})" if seen["tls"] else "no TLS"
    checks.append(
        Check(
            "authenticated",
            True,
            f"as {seen['username']}, {encrypted}",
            advice=None
            if seen["tls"] or _is_loopback(login.host)
            else "set ssl_mode = 'verify-full' and ssl_ca",
        )
    )
    some = granted["readable"] > 0 or granted["tables"] == 0
    checks.append(
        Check(
            "permitted",
            some,
            f"{granted['readable']} of {granted['tables']} tables may be read",
            _since(start),
            None if some else f"GRANT SELECT ON ALL TABLES IN SCHEMA … TO {seen['username']}",
        )
    )
    checks.append(Check("version", True, seen["version"].split(" on ")[0]))
    role = "a replica, read-only" if seen["replica"] else "a writer"
    if not seen["replica"] and seen["read_only"] == "on":
        role = "set read-only"
    checks.append(Check("writable", True, f"{role}; stupiddb only reads"))
    return checks


def _since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 1)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith(("127.", "/"))
