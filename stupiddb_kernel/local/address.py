"""Where a server of the stack listens and how to enter it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stupiddb_kernel.local.ports import LOOPBACK


@dataclass(frozen=True)
class Address:
    """One server; ``password`` is random per start and hidden in every repr."""

    port: int
    username: str
    password: str = field(repr=False)
    database: str
    host: str = LOOPBACK

    def url(self, scheme: str) -> str:
        """``scheme://username:password@host:port/database``; it holds the password."""
        return f"{scheme}://{self.username}:{self.password}@{self.host}:{self.port}/{self.database}"
