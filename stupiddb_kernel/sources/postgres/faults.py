"""PostgreSQL's errors as stupiddb's: the one border where libpq, ADBC and psycopg end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from stupiddb_kernel.config.secrets import Credentials
from stupiddb_kernel.errors import (
    AuthenticationFailed,
    InexactValue,
    PermissionDenied,
    QueryFailed,
    QueryTimeout,
    SourceError,
    SourceUnreachable,
    Throttled,
)
from stupiddb_kernel.sources.reading import ConnectionLost
from stupiddb_kernel.sources.relational import scrub

_NOISE = re.compile(
    r"^(?:[A-Z_]+: )?(?:\[libpq\] )?(?:Failed to (?:prepare query|execute query|connect): |"
    r"Execution error \[\w+\]: |could not begin COPY: )*(?:\[libpq\] )?"
)
_LEVEL = re.compile(r"(?:ERROR|FATAL|PANIC):\s+")
_TAIL = re.compile(r"\n\nQuery was: .*|\. SQLSTATE: \w{5}\s*$", re.DOTALL)
_LOST = re.compile(
    r"no connection to the server|server closed the connection|connection (?:not open|is closed)"
    r"|terminating connection|SSL (?:SYSCALL error|error: unexpected eof)|could not receive data"
    r"|connection timed out|Connection reset|Broken pipe|connection is lost|consuming input failed",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"password authentication failed|no password supplied|authentication failed|role \".*\" does not exist"
    r"|no pg_hba\.conf entry|PAM authentication|is not permitted to log in|SCRAM|IAM",
    re.IGNORECASE,
)
_STARTING = re.compile(
    r"database system is (?:starting up|shutting down|in recovery)|not yet accepting", re.I
)


class Starting(SourceUnreachable):
    """The server answers, but is just starting or stopping; it may take a connection in a moment."""


def connecting(error: Exception, source: str, credentials: Credentials) -> SourceError:
    """What a failed attempt to connect means."""
    text = clean(scrub(str(error), credentials))
    place = f"{credentials.host}:{credentials.port}"
    code = getattr(error, "sqlstate", None) or ""
    if _STARTING.search(text) or code == "57P03":
        return Starting(f"the server at {place} is starting or stopping: {text}", source=source)
    if code.startswith("28") or _LOGIN.search(text):
        return AuthenticationFailed(
            f"{place} refused the login of {credentials.username!r}: {text}",
            source=source,
            hint=_login_hint(text),
        )
    if code == "53300" or "too many" in text or "remaining connection slots" in text:
        return Throttled(
            f"{place} takes no more connections: {text}",
            source=source,
            hint="lower pool_max, close idle clients, or put RDS Proxy in front",
        )
    if re.search(r'database ".*" does not exist', text):
        return SourceUnreachable(f"{place}: {text}", source=source, hint="correct database in its table")
    return SourceUnreachable(f"can't connect to {place}: {text}", source=source, hint=_reach_hint(text))


def running(
    error: Exception,
    source: str,
    *,
    sql: str,
    origin: Callable[[int], int | None] = lambda _: None,
    timeout: float | None = None,
    elapsed: float = 0.0,
) -> SourceError:
    """What a failed statement means.

    ``origin`` maps the server's 0-based character offset to one in ``sql``. A statement that ended
    after ``timeout`` seconds was stopped by the statement timeout: the server's message is localized, and
    past the first row there is no SQLSTATE, but both are told by time.
    """
    text = clean(str(error))
    code = getattr(error, "sqlstate", None) or ""
    position = _position(error, origin)
    late = timeout is not None and elapsed >= timeout * 0.98
    if code.startswith("08") or code in ("57P01", "57P02", "57P03") or _LOST.search(text):
        return ConnectionLost(
            f"the connection was lost: {text}", source=source, hint="run it again; the next read reconnects"
        )
    if code == "57014" or (not code and "canceling statement" in text) or (not code and late):
        if late:
            return QueryTimeout(
                f"stopped after {timeout:g} s, the statement timeout",
                source=source,
                sql=sql,
                hint="raise statement_timeout_seconds or the timeout of this read, or ask for less",
            )
        return QueryFailed(f"the statement was cancelled in the server: {text}", source=source, sql=sql)
    if code == "42501":
        return PermissionDenied(text, source=source, hint="ask for GRANT SELECT on it")
    if code == "25006":
        return QueryFailed(
            text,
            source=source,
            sql=sql,
            position=position,
            hint="stupiddb only reads, in a READ ONLY transaction",
        )
    if "would overflow when converting" in text:
        return InexactValue(
            f"an interval is too long for Arrow: {text}", source=source, hint="cast the column to text"
        )
    return QueryFailed(text, source=source, sql=sql, position=position, hint=_detail(error, "HINT"))


def clean(text: str) -> str:
    """The server's sentence without the driver's wrapping, LINE and caret."""
    text = _TAIL.sub("", text)
    text = _NOISE.sub("", text, count=1)
    text = _LEVEL.sub("", text, count=1)
    kept = [line for line in text.splitlines() if not re.match(r"LINE \d+:|\s*\^\s*$", line)]
    lines: list[str] = []
    for line in kept:
        if re.match(r"(?:HINT|CONTEXT):", line):
            break
        if line.strip():
            lines.append(line.strip())
    return "; ".join(lines) or type(text).__name__


def _details(error: Exception) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in getattr(error, "details", None) or []:
        name = key.decode() if isinstance(key, bytes) else str(key)
        found[name.removeprefix("PG_DIAG_")] = (
            value.decode(errors="replace") if isinstance(value, bytes) else value
        )
    diagnostics: Any = getattr(error, "diag", None)  # psycopg's
    if diagnostics is not None:
        if diagnostics.statement_position:
            found["STATEMENT_POSITION"] = diagnostics.statement_position
        if diagnostics.message_hint:
            found["MESSAGE_HINT"] = diagnostics.message_hint
    return found


def _detail(error: Exception, name: str) -> str | None:
    hint = _details(error).get(f"MESSAGE_{name}")
    if hint is None and (match := re.search(rf"^{name}:\s*(.+)$", str(error), re.MULTILINE)):
        hint = match.group(1)
    return hint


def _position(error: Exception, origin: Callable[[int], int | None]) -> int | None:
    """PostgreSQL counts characters from 1."""
    given = _details(error).get("STATEMENT_POSITION")
    return origin(int(given) - 1) if given and given.isdigit() else None


def _login_hint(text: str) -> str:
    if "pg_hba" in text:
        return "the server takes no login from here, or only over TLS: try ssl_mode = 'require'"
    return "check username_env and password_env, or the secret; with auth = 'iam' the role rds_iam"


def _reach_hint(text: str) -> str:
    lowered = text.lower()
    if "certificate" in lowered or ("host name" in lowered and "does not match" in lowered):
        return "check ssl_ca (RDS: global-bundle.pem) and that host is the name in the certificate"
    if "ssl" in lowered:
        return "the server has no TLS or refuses it: check ssl_mode"
    if "translate host name" in lowered or "name or service" in lowered:
        return "check host, and that this machine resolves it (VPN, VPC DNS)"
    return "check host, port, security group and VPN; is the server running?"
