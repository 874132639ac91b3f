"""The one place that makes AWS clients and S3 filesystems, so that region and endpoint are decided once."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from pyarrow.fs import S3FileSystem

    from stupiddb_kernel.config.settings import AwsSettings


class Aws:
    """Clients that share one boto3 session; made on first use and kept.

    Credentials come from the standard chain alone. ``endpoint_url`` and ``region`` may be given per
    client and win over ``[aws]``, which wins over the environment.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self.settings = settings
        self._clients: dict[tuple[str, str | None, str | None], Any] = {}
        self._lock = threading.Lock()

    @cached_property
    def session(self) -> boto3.Session:
        """The boto3 session behind every client."""
        import boto3

        return boto3.Session(profile_name=self.settings.profile, region_name=self.settings.region)

    def region(self, override: str | None = None) -> str:
        """The region that a client is made for."""
        return override or self.settings.region or self.session.region_name or "us-east-1"

    def client(self, service: str, *, region: str | None = None, endpoint_url: str | None = None) -> Any:
        """A thread-safe boto3 client of ``service``; the same one for the same arguments."""
        from botocore.config import Config

        key = (service, region, endpoint_url)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self.session.client(
                    service,
                    region_name=self.region(region),
                    endpoint_url=endpoint_url or self.settings.endpoint_url,
                    config=Config(
                        connect_timeout=10,
                        read_timeout=60,
                        max_pool_connections=32,
                        retries={"mode": "standard", "max_attempts": 5},
                        s3={"addressing_style": "path"} if self._is_stand_in(endpoint_url) else None,
                        user_agent_extra="stupiddb",
                    ),
                )
            return self._clients[key]

    def filesystem(self, *, region: str | None = None, endpoint_url: str | None = None) -> S3FileSystem:
        """A pyarrow S3 filesystem with the same credentials, region and endpoint as the clients.

        pyarrow's constructor ignores ``AWS_ENDPOINT_URL``, so the endpoint is passed on here.
        """
        from pyarrow.fs import S3FileSystem

        endpoint = (
            endpoint_url
            or self.settings.endpoint_url
            or os.environ.get("AWS_ENDPOINT_URL_S3")
            or os.environ.get("AWS_ENDPOINT_URL")
        )
        options: dict[str, Any] = {
            "region": self.region(region),
            "connect_timeout": 10,
            "request_timeout": 60,
        }
        if endpoint:
            options["endpoint_override"] = endpoint
            options["scheme"] = endpoint.split("://", 1)[0]
        credentials = self.session.get_credentials()
        if credentials is not None:
            frozen = credentials.get_frozen_credentials()
            options["access_key"] = frozen.access_key
            options["secret_key"] = frozen.secret_key
            if frozen.token:
                options["session_token"] = frozen.token
        return S3FileSystem(**options)

    def _is_stand_in(self, endpoint_url: str | None) -> bool:
        return bool(endpoint_url or self.settings.endpoint_url)
