"""The ``stupiddb.toml`` and the environment that point stupiddb at a running stack."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from stupiddb_kernel.local.address import Address
from stupiddb_kernel.local.ministack import REGION, AwsKeys
from stupiddb_kernel.local.ports import LOOPBACK

ANALYTICS_BUCKET = "stupiddb-analytics"
ARCHIVE_BUCKET = "stupiddb-archive"
RESULTS_BUCKET = "stupiddb-athena-results"
GLUE_DATABASE = "analytics"
WORKGROUP = "stupid-db"
MAX_SCAN_BYTES = 10 * 1024**3
RDS_SECRET = "stupiddb/rds"  # noqa: S105 - the secret's name


def aws_environment(
    keys: AwsKeys, aws_endpoint: str, config_file: Path, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The variables of the standard AWS chain.

    What is ``inherited`` of the user's own AWS set-up is overridden: nothing meant for the stack may reach
    the real AWS, and no proxy is asked for the way to loopback.
    """
    variables = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_PROFILE": "default",
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(config_file),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    variables |= {name: aws_endpoint for name in inherited if name.startswith("AWS_ENDPOINT_URL_")}
    variables |= {name: "" for name in ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN") if name in inherited}
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in inherited.get(name, "").split(",") if host and host != LOOPBACK]
        variables[name] = ",".join([*hosts, LOOPBACK])
    return variables


def toml(
    *,
    aws_endpoint: str | None,
    athena_endpoint: str | None,
    postgres: Address | None,
    mysql: Address | None,
    folder: Path,
) -> str:
    """The text of a ``stupiddb.toml`` with the tables of the services that run; it holds no secret.

    ``folder`` takes the local store and the catalog's cache.
    """
    parts = ["# The embedded stack: real servers on loopback that stand in for AWS.\n"]
    if aws_endpoint:
        parts.append(_aws(aws_endpoint))
    if athena_endpoint:
        parts.append(_athena(athena_endpoint))
    if postgres:
        parts.append(_aurora(postgres))
    if mysql:
        parts.append(_rds(mysql, secret=aws_endpoint is not None))
    if aws_endpoint:
        parts.append(_s3())
    parts.append(
        f"[store]\npath = {_text(folder / 'stupiddb.duckdb')}\n\n"
        f"[catalog]\ncache_directory = {_text(folder / 'catalog')}\n"
    )
    return "\n".join(parts)


def _text(value: object) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(str(value), ensure_ascii=False)


def _aws(endpoint: str) -> str:
    return f"""[aws]
region = {_text(REGION)}
endpoint_url = {_text(endpoint)}
"""


def _athena(endpoint: str) -> str:
    return f"""[aws.athena]
enabled = true
region = {_text(REGION)}
endpoint_url = {_text(endpoint)}
database = {_text(GLUE_DATABASE)}
workgroup = {_text(WORKGROUP)}
output_location = "s3://{RESULTS_BUCKET}/"
max_scan_bytes = {MAX_SCAN_BYTES}  # 10 GB
timeout_seconds = 300
"""


def _aurora(address: Address) -> str:
    return f"""[aws.aurora]
enabled = true
engine = "postgresql"
host = {_text(address.host)}
port = {address.port}
database = {_text(address.database)}
username_env = "AURORA_USERNAME"
password_env = "AURORA_PASSWORD"
pool_min = 1
pool_max = 10
ssl_mode = "disable"  # the bundled PostgreSQL is built without TLS; loopback only
"""


def _rds(address: Address, *, secret: bool) -> str:
    credentials = (
        f"secret = {_text(RDS_SECRET)}  # in Secrets Manager"
        if secret
        else 'username_env = "RDS_USERNAME"\npassword_env = "RDS_PASSWORD"'
    )
    return f"""[aws.rds]
enabled = true
engine = "mysql"
host = {_text(address.host)}
port = {address.port}
database = {_text(address.database)}
{credentials}
pool_min = 1
pool_max = 5
ssl_mode = "disable"
"""


def _s3() -> str:
    return f"""[aws.s3]
region = {_text(REGION)}

[[aws.s3.sources]]
name = "events"
bucket = {_text(ANALYTICS_BUCKET)}
prefix = "events/"
pattern = "**/*.parquet"
event_type_from_path = true

[[aws.s3.sources]]
name = "historical"
bucket = {_text(ARCHIVE_BUCKET)}
prefix = "historical/"
read_only = true

[[aws.s3.sources]]
name = "results"
bucket = {_text(ARCHIVE_BUCKET)}
prefix = "results/"
"""
