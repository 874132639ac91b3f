"""The one place that makes AWS clients and S3 filesystems, so that region and endpoint are decided once.

Credentials come from the standard chain alone, and they may expire while a notebook is open (SSO, an
assumed role, an instance profile). boto3 clients refresh them for every request; a pyarrow filesystem
is frozen with those it was made with, so the one given here opens each file with current ones.
"""

from __future__ import annotations

import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.errors import ConfigurationError

if TYPE_CHECKING:
    import boto3
    from pyarrow.fs import FileSystem, S3FileSystem

    from stupiddb_kernel.config.settings import AwsSettings

_NO_CREDENTIALS = (
    "give them by the AWS chain: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile in ~/.aws "
    "(`profile` in [aws] or AWS_PROFILE), `aws sso login`, or an instance or task role"
)


class Aws:
    """Clients that share one boto3 session; made on first use and kept. Safe to use from several threads.

    ``endpoint_url`` and ``region`` may be given per client and win over ``[aws]``, which wins over the
    environment.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self.settings = settings
        self._clients: dict[tuple[str, str | None, str | None, int], Any] = {}
        self._filesystems: dict[tuple[str, str | None], FileSystem] = {}
        self._lock = threading.RLock()

    @cached_property
    def session(self) -> boto3.Session:
        """The boto3 session behind every client. Raises ConfigurationError for an unknown profile."""
        import boto3
        from botocore.exceptions import ProfileNotFound

        try:
            return boto3.Session(profile_name=self.settings.profile, region_name=self.settings.region)
        except ProfileNotFound as error:
            raise ConfigurationError(
                str(error), hint="`aws configure list-profiles` shows those there are"
            ) from error

    def region(self, override: str | None = None) -> str:
        """The region that a client is made for."""
        return override or self.settings.region or self.session.region_name or "us-east-1"

    def endpoint(self, service: str, override: str | None = None) -> str | None:
        """The endpoint of ``service`` if it is not AWS's own: override, ``[aws]``, then the environment."""
        variable = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
        return (
            override
            or self.settings.endpoint_url
            or os.environ.get(variable)
            or os.environ.get("AWS_ENDPOINT_URL")
            or None
        )

    def client(
        self,
        service: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        attempts: int = 5,
    ) -> Any:
        """A thread-safe boto3 client of ``service``; the same one for the same arguments.

        ``attempts`` is how often botocore itself tries a call; few where the caller retries.
        """
        from botocore.config import Config

        key = (service, region, endpoint_url, attempts)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self.session.client(
                    service,
                    region_name=self.region(region),
                    endpoint_url=endpoint_url or self.settings.endpoint_url,
                    config=Config(
                        connect_timeout=10,
                        read_timeout=60,
                        max_pool_connections=64,
                        retries={"mode": "standard", "max_attempts": attempts},
                        s3={"addressing_style": "path"} if self.endpoint("s3", endpoint_url) else None,
                        user_agent_extra="stupiddb",
                    ),
                )
            return self._clients[key]

    def credentials(self) -> Any:
        """Current frozen credentials, refreshed if they were about to expire.

        Raises ConfigurationError if the chain has none or can't renew them.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            credentials = self.session.get_credentials()
            frozen = None if credentials is None else credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise ConfigurationError(
                f"the AWS credentials can't be renewed: {error}", hint="run `aws sso login` or renew the role"
            ) from error
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise ConfigurationError("no AWS credentials were found", hint=_NO_CREDENTIALS)
        return frozen

    def filesystem(self, *, region: str | None = None, endpoint_url: str | None = None) -> FileSystem:
        """A pyarrow S3 filesystem with the same credentials, region and endpoint as the clients.

        It may be kept for as long as the session lasts: every file is opened with credentials that are
        current then. Raises ConfigurationError if there are none.
        """
        from pyarrow.fs import PyFileSystem

        from stupiddb_kernel.config.refreshing import RefreshingHandler

        key = (self.region(region), self.endpoint("s3", endpoint_url))
        with self._lock:
            self.credentials()
            if key not in self._filesystems:
                handler = RefreshingHandler(self.credentials, lambda frozen: self._frozen(frozen, *key))
                self._filesystems[key] = PyFileSystem(handler)
            return self._filesystems[key]

    def _frozen(self, credentials: Any, region: str, endpoint: str | None) -> S3FileSystem:
        """A plain filesystem for one set of credentials.

        pyarrow's constructor ignores ``AWS_ENDPOINT_URL``, so the endpoint is passed on here.
        """
        from pyarrow.fs import S3FileSystem

        options: dict[str, Any] = {
            "region": region,
            "connect_timeout": 10,
            "request_timeout": 60,
            "access_key": credentials.access_key,
            "secret_key": credentials.secret_key,
        }
        if credentials.token:
            options["session_token"] = credentials.token
        if endpoint:
            options["endpoint_override"] = endpoint
            options["scheme"] = endpoint.split("://", 1)[0]
        return S3FileSystem(**options)
