"""Every error stupiddb raises on purpose, drawn once.

::

    StupiddbError
    ├── UsageError               a flag, name or argument the user typed is not known or not possible
    ├── ConfigurationError       stupiddb.toml or the environment is wrong; lists every problem
    ├── SecretError              a secret reference can't be resolved
    ├── SourceError              something about one store; carries the source's name
    │   ├── SourceUnreachable    no connection: network, DNS, server down, TLS refused
    │   ├── AuthenticationFailed the store answered and refused the credentials
    │   ├── PermissionDenied     authenticated, but this object or action is not allowed
    │   ├── QueryFailed          the store refused or failed the statement; carries SQL and position
    │   │   ├── QueryTimeout     stopped after the configured time
    │   │   ├── QueryCancelled   stopped by the user
    │   │   └── ScanLimitExceeded  would scan, or scanned, more bytes than allowed
    │   ├── Throttled            the service asked to slow down and retries were used up
    │   ├── InexactValue         a value could not be delivered exactly, so the read was refused
    │   └── UnsupportedOperation the store can't do this at all
    ├── UnsafeStatement          SQL that the safety rules refuse before it is sent
    ├── UnknownName              a table, column, source … that the catalog does not hold
    ├── StoreError               the local DuckDB file
    │   └── StoreLocked          another process holds it
    ├── LocalStackError          the embedded demo stack
    └── JobError                 a notebook run

A driver's own exceptions are translated at the border of its source folder (``raise … from exc``),
so nothing above ``sources`` ever sees one. A message says what failed with which value and what was
found; ``hint`` says what to do next. Neither may hold a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class StupiddbError(Exception):
    """Base of the tree: a message for people and, where there is one, the next step."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(StupiddbError):
    """A flag, name or argument the user typed is not known or not possible here."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a configuration: where, what was found, what is allowed."""

    key: str
    found: str
    allowed: str
    line: int | None = None
    """1-based line of the key in the file, where it is known."""

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line else ""
        return f"{self.key}{where}: found {self.found}; allowed: {self.allowed}"


class ConfigurationError(StupiddbError):
    """The configuration is wrong; ``problems`` holds all of it, not just the first."""

    def __init__(self, message: str, problems: Sequence[Problem] = (), *, hint: str | None = None) -> None:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(message + lines, hint=hint)
        self.problems = tuple(problems)


class SecretError(StupiddbError):
    """A reference to a secret can't be resolved; names the reference, never the value."""


class SourceError(StupiddbError):
    """Something went wrong in one store, named by ``source``."""

    def __init__(self, message: str, *, source: str, hint: str | None = None) -> None:
        super().__init__(f"{source}: {message}", hint=hint)
        self.source = source


class SourceUnreachable(SourceError):
    """No connection to the store: network, DNS, server down, or TLS refused."""


class AuthenticationFailed(SourceError):
    """The store answered and refused the credentials."""


class PermissionDenied(SourceError):
    """The credentials are good, but this object or action is not allowed to them."""


class QueryFailed(SourceError):
    """The store refused or failed a statement.

    ``position`` is the 0-based character offset in ``sql`` that the store complained about.
    """

    def __init__(
        self,
        message: str,
        *,
        source: str,
        sql: str | None = None,
        position: int | None = None,
        query_id: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, source=source, hint=hint)
        self.sql = sql
        self.position = position
        self.query_id = query_id
        self.scanned: int | None = None
        """Bytes scanned until then, where scans are billed."""
        self.dollars: float | None = None


class QueryTimeout(QueryFailed):
    """The statement ran longer than the configured timeout and was stopped."""


class QueryCancelled(QueryFailed):
    """The user stopped the statement; nothing is left running in the store."""


class ScanLimitExceeded(QueryFailed):
    """The statement would scan, or did scan, more bytes than allowed."""


class Throttled(SourceError):
    """The service asked to slow down and the retries were used up."""


class InexactValue(SourceError):
    """A value could not be delivered exactly; a wrong value is worse than none."""


class UnsupportedOperation(SourceError):
    """The store can't do this at all."""


class UnsafeStatement(StupiddbError):
    """SQL that the safety rules refuse before anything is sent."""


class UnknownName(StupiddbError):
    """A name the catalog does not hold; suggests the nearest ones it does."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str | None = None) -> None:
        known = sorted(known)
        self.name = name
        self.suggestions = tuple(nearest(name, known))
        if hint is None:
            if self.suggestions:
                hint = "did you mean " + " or ".join(repr(s) for s in self.suggestions) + "?"
            elif known:
                shown = ", ".join(known[:10]) + (f" … ({len(known)} in all)" if len(known) > 10 else "")
                hint = f"known: {shown}"
        super().__init__(f"no {kind} named {name!r}", hint=hint)


class StoreError(StupiddbError):
    """The local DuckDB file can't be used."""


class StoreLocked(StoreError):
    """Another process holds the local DuckDB file; the message says which."""


class LocalStackError(StupiddbError):
    """The embedded demo stack could not be set up or has died."""


class JobError(StupiddbError):
    """A notebook run failed."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names most like ``name``, best first, ignoring case; empty if none is near."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    return [by_folded[match] for match in difflib.get_close_matches(name.casefold(), by_folded, count, 0.6)]
