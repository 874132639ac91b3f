"""The boto3 clients of one caller: the same account and region as the request that came in."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

CONNECTIONS = 32
"""Open connections to S3 per caller: the scans of several queries share them."""


@dataclass(frozen=True)
class Caller:
    """Who called, read from the request's signature; the stand-in checks no secret."""

    access_key: str
    region: str


@dataclass(frozen=True)
class Endpoints:
    """Where the local S3 and Glue listen."""

    s3: str
    glue: str


class Clients:
    """Makes and keeps the S3 and Glue clients of every caller."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._made: dict[tuple[Caller, str], Any] = {}
        self._lock = threading.Lock()

    def s3(self, caller: Caller) -> Any:
        """The caller's S3 client."""
        return self._client(caller, "s3", self._endpoints.s3)

    def glue(self, caller: Caller) -> Any:
        """The caller's Glue client."""
        return self._client(caller, "glue", self._endpoints.glue)

    def _client(self, caller: Caller, service: str, endpoint: str) -> Any:
        import boto3
        from botocore.config import Config

        with self._lock:
            if (caller, service) not in self._made:
                session = boto3.session.Session(
                    aws_access_key_id=caller.access_key,
                    aws_secret_access_key="stupiddb-stand-in",  # noqa: S106 - the local S3 checks no secret
                    region_name=caller.region,
                )
                config = Config(
                    s3={"addressing_style": "path"},
                    max_pool_connections=CONNECTIONS,
                    connect_timeout=5,
                    read_timeout=30,
                    retries={"mode": "standard", "max_attempts": 3},
                )
                self._made[caller, service] = session.client(service, endpoint_url=endpoint, config=config)
            return self._made[caller, service]
