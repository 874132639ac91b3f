"""The doctor's look at a MySQL source: each step a read needs, how long it took, what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import pymysql

from stupiddb_kernel.errors import AuthenticationFailed, PermissionDenied, StupiddbError
from stupiddb_kernel.sources.base import Check
from stupiddb_kernel.sources.mysql import faults
from stupiddb_kernel.sources.mysql.connection import Door, Link

_Step = Literal["configured", "reachable", "authenticated", "permitted", "version", "writable"]
_READABLE = """
SELECT count(*) AS readable FROM information_schema.tables
WHERE table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')
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
            if isinstance(error, AuthenticationFailed | PermissionDenied):
                checks.append(Check("reachable", True, "the server answers", _since(start)))
                failed = "authenticated" if isinstance(error, AuthenticationFailed) else "permitted"
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
    link: Link | None = step("reachable", door.link, lambda _: f"connected to {login.host}:{login.port}")
    if link is None:
        return checks
    try:
        checks += _look(link, login.host, settings.name)
    finally:
        link.close()
    return checks


def _look(link: Link, host: str, source: str) -> list[Check]:
    try:
        [who] = link.rows("SELECT current_user() AS username, version() AS version")
        tls = {row["Variable_name"]: row["Value"] for row in link.rows("SHOW STATUS LIKE 'Ssl_%'")}
        start = time.perf_counter()
        [granted] = link.rows(_READABLE)
    except (pymysql.Error, OSError) as error:
        fault = faults.running(error, source, sql="")
        return [Check("permitted", False, fault.message, advice=fault.hint)]
    cipher = tls.get("Ssl_cipher")
    encrypted = f"{tls.get('Ssl_version')} ({cipher})" if cipher else "no TLS"
    local = host in ("localhost", "::1") or host.startswith(("127.", "/"))
    advice = None if cipher or local else "set ssl_mode = 'verify-full' and ssl_ca"
    role = "read-only, as a replica is" if link.read_only else "a writer"
    return [
        Check("authenticated", True, f"as {who['username']}, {encrypted}", advice=advice),
        Check("permitted", True, f"{granted['readable']} tables may be read", _since(start)),
        Check("version", True, who["version"] if link.is_mariadb else f"MySQL {who['version']}"),
        Check("writable", True, f"{role}; stupiddb only reads"),
    ]


def _since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 1)
