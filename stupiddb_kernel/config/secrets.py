"""Credentials of relational sources, resolved from where the settings say, never stored in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from stupiddb_kernel.config.aws import Aws
    from stupiddb_kernel.config.settings import RelationalSettings


@dataclass(frozen=True)
class Credentials:
    """How to reach and enter a relational store; ``password`` is hidden in every repr."""

    username: str
    password: SecretStr
    host: str
    port: int
    database: str


class Secrets:
    """Resolves credentials and caches what Secrets Manager answered until ``forget``."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    def credentials(self, settings: RelationalSettings) -> Credentials:
        """From ``*_env`` variables, Secrets Manager, or a fresh IAM token. Raises SecretError."""
        raise NotImplementedError

    def forget(self, settings: RelationalSettings) -> bool:
        """Drop the cached secret after a refused login; True if a re-read may give another one."""
        raise NotImplementedError
