"""What the configuration names must be there from the start: buckets, a database, a workgroup, a secret."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local.address import Address
from stupiddb_kernel.local.configuration import (
    ANALYTICS_BUCKET,
    ARCHIVE_BUCKET,
    GLUE_DATABASE,
    MAX_SCAN_BYTES,
    RDS_SECRET,
    RESULTS_BUCKET,
    WORKGROUP,
)
from stupiddb_kernel.local.ministack import REGION, AwsKeys


class Clients:
    """boto3 clients with the stack's own keys, whatever the environment says; made once, thread-safe."""

    def __init__(self, keys: AwsKeys) -> None:
        self._keys = keys
        self._session: Any = None
        self._made: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def get(self, service: str, endpoint_url: str) -> Any:
        """The client of a service at an endpoint."""
        from botocore.config import Config

        with self._lock:
            if self._session is None:
                self._session = self._make_session()
            if (service, endpoint_url) not in self._made:
                self._made[service, endpoint_url] = self._session.client(
                    service,
                    endpoint_url=endpoint_url,
                    config=Config(s3={"addressing_style": "path"}, max_pool_connections=32, proxies={}),
                )
            return self._made[service, endpoint_url]

    def _make_session(self) -> Any:
        import boto3
        import botocore.session

        # (key in the file, environment variable, default, conversion): the user's profile is not looked for
        core = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        return boto3.Session(
            self._keys.access_key, self._keys.secret_key, region_name=REGION, botocore_session=core
        )


@contextmanager
def translated(work: str) -> Iterator[None]:
    """boto3's errors inside as LocalStackError that names the work."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise LocalStackError(f"{work} failed: {error}", hint="see the log of ministack or athena") from error


def make_buckets(s3: Any) -> None:
    """The buckets of events, archive and Athena's results."""
    for bucket in (ANALYTICS_BUCKET, ARCHIVE_BUCKET, RESULTS_BUCKET):
        s3.create_bucket(Bucket=bucket)


def make_database(glue: Any) -> None:
    """The Glue database that the configuration's Athena looks into."""
    glue.create_database(DatabaseInput={"Name": GLUE_DATABASE, "Description": "Events in S3"})


def make_workgroup(athena: Any) -> None:
    """The workgroup with its own place for results and its own cutoff, which a client may override."""
    athena.create_work_group(
        Name=WORKGROUP,
        Description="The embedded stack's",
        Configuration={
            "ResultConfiguration": {"OutputLocation": f"s3://{RESULTS_BUCKET}/"},
            "EnforceWorkGroupConfiguration": False,
            "BytesScannedCutoffPerQuery": MAX_SCAN_BYTES,
        },
    )


def make_secret(secrets: Any, mysql: Address) -> None:
    """The credentials of RDS, in the JSON format that RDS itself writes."""
    text = {
        "engine": "mysql",
        "host": mysql.host,
        "port": mysql.port,
        "username": mysql.username,
        "password": mysql.password,
        "dbname": mysql.database,
    }
    secrets.create_secret(Name=RDS_SECRET, SecretString=json.dumps(text))
