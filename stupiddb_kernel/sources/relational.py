"""What every relational store needs before its driver comes in: login, TLS, names, kinds of statement."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from stupiddb_kernel.config.secrets import Credentials, Secrets
from stupiddb_kernel.config.settings import RelationalSettings
from stupiddb_kernel.errors import AuthenticationFailed, ConfigurationError, Problem, UnsafeStatement

T = TypeVar("T")

READING = ("SELECT", "WITH", "VALUES", "TABLE")
"""First words of statements that return rows and can stand in parentheses."""
_COMMANDS = re.compile(
    "ABORT|ALTER|ANALYZE|BACKUP|BEGIN|BINLOG|CACHE|CALL|CHANGE|CHECK|CHECKPOINT|CHECKSUM|CLOSE|CLUSTER|COMMENT|"
    "COMMIT|COPY|CREATE|DEALLOCATE|DECLARE|DELETE|DISCARD|DO|DROP|END|EXECUTE|FETCH|FLUSH|GRANT|HANDLER|IMPORT|"
    "INSERT|INSTALL|KILL|LISTEN|LOAD|LOCK|MERGE|MOVE|NOTIFY|OPTIMIZE|PREPARE|PURGE|REASSIGN|REFRESH|REINDEX|"
    "RELEASE|RENAME|REPAIR|REPLACE|RESET|RESTART|REVOKE|ROLLBACK|SAVEPOINT|SECURITY|SET|SHUTDOWN|SIGNAL|START|"
    "STOP|TRUNCATE|UNINSTALL|UNLISTEN|UNLOCK|UPDATE|USE|VACUUM|XA"
)


def log_in(secrets: Secrets, settings: RelationalSettings, connect: Callable[[Credentials], T]) -> T:
    """``connect`` with the current credentials; once more with re-read ones if they were refused.

    So a password that was rotated a moment ago is survived, while a wrong one is not tried for ever.
    """
    try:
        return connect(secrets.credentials(settings))
    except AuthenticationFailed:
        if not secrets.forget(settings):
            raise
    return connect(secrets.credentials(settings))


def scrub(text: str, credentials: Credentials | None) -> str:
    """A driver's message without the password, whatever the driver put into it."""
    text = re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
    password = credentials.password.get_secret_value() if credentials else ""
    return text.replace(password, "***") if len(password) >= 4 else text


def certificate_authorities(settings: RelationalSettings) -> Path | None:
    """The file of authorities to verify the server with; None where it isn't verified.

    That is ``ssl_ca``, else the operating system's. Raises ConfigurationError if there is none.
    """
    if settings.ssl_mode not in ("verify-ca", "verify-full"):
        return None
    if settings.ssl_ca is not None:
        if not settings.ssl_ca.is_file():
            raise ConfigurationError(
                f"{settings.name}: the certificate authority can't be read",
                [Problem("ssl_ca", str(settings.ssl_ca), "a readable PEM file")],
            )
        return settings.ssl_ca
    known = ssl.get_default_verify_paths()
    for candidate in (known.cafile, known.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    raise ConfigurationError(
        f"{settings.name}: ssl_mode = {settings.ssl_mode!r} needs a certificate authority",
        [Problem("ssl_ca", "nothing", "the file to verify with, as RDS's global-bundle.pem")],
    )


def unique_names(names: Iterable[str]) -> list[str]:
    """Column names made unique: the second ``a`` becomes ``a_2``, passing over names already there."""
    names = list(names)
    taken, result = set(names), []
    seen: set[str] = set()
    for name in names:
        new, number = name, 2
        while new in seen or (new != name and new in taken):
            new, number = f"{name}_{number}", number + 1
        seen.add(new)
        result.append(new)
    return result


def refuse_commands(word: str, showing: Iterable[str]) -> None:
    """Raise UnsafeStatement for a first word that is known to do something else than read.

    An unknown one may be a misspelt SELECT: the server says so best, with the position, and
    ``refuse_unless_reading`` follows before anything runs.
    """
    if _COMMANDS.fullmatch(word):
        refuse_unless_reading(word, showing)


def refuse_unless_reading(word: str, showing: Iterable[str]) -> None:
    """Raise UnsafeStatement unless a statement's first word is one that reads."""
    allowed = (*READING, *showing)
    if word not in allowed:
        raise UnsafeStatement(
            f"a statement that begins with {word or 'no word'} is not run",
            hint=f"stupiddb only reads: {', '.join(allowed)}",
        )
