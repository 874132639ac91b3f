"""MySQL's errors as stupiddb's: the one border where PyMySQL, connectorx and mysqlclient end."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
    UnsupportedOperation,
)
from stupiddb_kernel.sources import binding
from stupiddb_kernel.sources.mysql.process import WorkerFailed
from stupiddb_kernel.sources.reading import ConnectionLost
from stupiddb_kernel.sources.relational import scrub

# https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html and client-error-reference.html
_REFUSED_LOGIN = {1045, 1130, 1251, 1698, 1820, 1862, 2059, 2061, 3118, 3159, 3955}
_DENIED = {1044, 1142, 1143, 1227, 1370, 1410}
_BUSY = {1040, 1129, 1203, 1226}
_LOST = {1053, 1077, 1079, 1152, 1153, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2055, 4031}
_TIMED_OUT = {1969, 3024}
_INTERRUPTED = 1317
_READ_ONLY = {1290, 1792, 1836}
_NO_DATABASE = 1049
_SYNTAX = 1064
_RUST = re.compile(r"ERROR (\d+) \((\w+)\): (.*?)(?: \}|$)", re.DOTALL)
_NEAR = re.compile(r"near '(.*)' at line (\d+)\s*$", re.DOTALL)
# What Rust's driver says of it; "bytes remaining" when the server went in the middle of a row.
_BROKEN = re.compile(
    r"IoError|Broken pipe|[Cc]onnection (?:reset|refused)|Server disconnected|timed out"
    r"|bytes remaining on stream"
)
_NAMED = re.compile(
    r"[Uu]nknown (?:column|table) '([^']+)'|[Tt]able '([^']+)' doesn't exist|Column '([^']+)' in"
)


@dataclass(frozen=True)
class _Said:
    code: int
    text: str


def connecting(error: Exception, source: str, credentials: Credentials) -> SourceError:
    """What a failed attempt to connect means."""
    said = _said(error)
    text, place = scrub(said.text, credentials), f"{credentials.host}:{credentials.port}"
    if said.code in _REFUSED_LOGIN:
        return AuthenticationFailed(
            f"{place} refused the login of {credentials.username!r}: {text}",
            source=source,
            hint="check username_env and password_env, or the secret, and that the user may come from this "
            "host; with auth = 'iam' the user must be identified with AWSAuthenticationPlugin",
        )
    if said.code in _BUSY:
        return Throttled(
            f"{place} takes no more connections: {text}",
            source=source,
            hint="lower pool_max, close idle clients, or put RDS Proxy in front",
        )
    if said.code == _NO_DATABASE:
        return SourceUnreachable(f"{place}: {text}", source=source, hint="correct database in its table")
    if said.code == 1044:
        return PermissionDenied(
            f"{place}: {text}", source=source, hint="ask for GRANT SELECT on the database"
        )
    if "certificate" in text.lower() or "hostname mismatch" in text.lower():
        hint = "check ssl_ca (RDS: global-bundle.pem) and that host is the name in the certificate"
    elif "ssl" in text.lower():
        hint = "the server has no TLS or refuses it: check ssl_mode"
    elif "name or service" in text.lower() or "getaddrinfo" in text.lower():
        hint = "check host, and that this machine resolves it (VPN, VPC DNS)"
    else:
        hint = "check host, port, security group and VPN; is the server running?"
    return SourceUnreachable(f"can't connect to {place}: {text}", source=source, hint=hint)


def running(
    error: Exception, source: str, *, sql: str, sent: str | None = None, timeout: float | None = None
) -> SourceError:
    """What a failed statement means; ``sent`` is the text the server saw if it differs from ``sql``."""
    if isinstance(error, SourceError):
        return error
    said = _said(error)
    if said.code in _TIMED_OUT:
        return QueryTimeout(
            f"stopped after {timeout:g} s, the statement timeout" if timeout else said.text,
            source=source,
            sql=sql,
            hint="raise statement_timeout_seconds or the timeout of this read, or ask for less",
        )
    if said.code in _LOST or (said.code == 0 and _is_network(error)):
        return lost(said.text, source)
    if said.code == _INTERRUPTED:
        return QueryFailed("the statement was killed in the server", source=source, sql=sql)
    if said.code in _DENIED:
        return PermissionDenied(said.text, source=source, hint="ask for GRANT SELECT on it")
    if said.code in _READ_ONLY:
        return QueryFailed(
            said.text, source=source, sql=sql, hint="stupiddb only reads, in a READ ONLY transaction"
        )
    if isinstance(error, WorkerFailed) and said.code == 0:
        return _of_connectorx(error, source)
    hint = None
    if said.code == 1295:
        hint = "the server can't prepare this kind of statement: ask INFORMATION_SCHEMA instead"
    return QueryFailed(said.text, source=source, sql=sql, position=_position(said, sql, sent), hint=hint)


def lost(why: str, source: str) -> ConnectionLost:
    """The connection broke under a statement."""
    return ConnectionLost(
        f"the connection was lost: {why}", source=source, hint="run it again; the next read reconnects"
    )


def _said(error: Exception) -> _Said:
    """Code and text, whoever raised it."""
    if isinstance(error, WorkerFailed):
        found = _RUST.search(str(error))
        return _Said(int(found.group(1)), found.group(3)) if found else _Said(0, str(error))
    if len(error.args) >= 2 and isinstance(error.args[0], int):
        return _Said(error.args[0], str(error.args[1]))
    return _Said(0, str(error) or type(error).__name__)


def _is_network(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, OSError | EOFError) or bool(_BROKEN.search(text))


def _of_connectorx(error: WorkerFailed, source: str) -> SourceError:
    value = re.search(r"Couldn't convert the value `(.*?)` to a desired type", str(error), re.DOTALL)
    if value:
        return InexactValue(
            f"the value {value.group(1)} has no exact form in Arrow",
            source=source,
            hint="zero dates and times outside a day: NULLIF(column, …), or CAST(column AS CHAR)",
        )
    if error.kind == "gone":
        return QueryFailed(str(error), source=source, hint="run it again; the next read starts another")
    return UnsupportedOperation(f"the driver can't read this: {str(error)[:500]}", source=source)


def _position(said: _Said, sql: str, sent: str | None) -> int | None:
    """Where in ``sql`` the trouble is: MySQL quotes the text that follows it, or names it."""
    if sent is not None and sent != sql:
        return _of_name(said, sql)
    near = _NEAR.search(said.text)
    if said.code == _SYNTAX and near:
        line = int(near.group(2)) - 1
        start = sum(len(part) + 1 for part in sql.split("\n")[:line])
        found = sql.find(near.group(1), start) if near.group(1) else len(sql)
        return found if found >= 0 else None
    return _of_name(said, sql)


def _of_name(said: _Said, sql: str) -> int | None:
    """The one place where the name in the message stands, if it is one."""
    named = _NAMED.search(said.text)
    if not named:
        return None
    name = next(filter(None, named.groups())).split(".")[-1]
    places = [
        token.start
        for token in binding.tokenize(sql, "mysql")
        if token.text.strip("`").lower() == name.lower()
    ]
    return places[0] if len(places) == 1 else None
