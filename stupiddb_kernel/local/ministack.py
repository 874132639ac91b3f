"""ministack, which stands in for S3, Glue, Secrets Manager, CloudWatch, Scheduler and CloudFormation."""

from __future__ import annotations

import os
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from stupiddb_kernel.local.ports import LOOPBACK
from stupiddb_kernel.local.processes import Command, Processes
from stupiddb_kernel.local.workspace import Workspace

NAME = "ministack"
REGION = "us-east-1"

# What stupiddb uses. All else stays off, above all what runs code or containers: Lambda, ECS, RDS …
_SERVICES = (
    "s3", "glue", "secretsmanager", "sts", "iam", "kms", "ssm", "logs", "monitoring", "events", "scheduler",
    "cloudformation", "tagging",
)  # fmt: skip


@dataclass(frozen=True)
class AwsKeys:
    """The access key that the stand-in was started with; random per start."""

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def random(cls) -> AwsKeys:
        """New ones, of AWS's own length and alphabet."""
        return cls("".join(secrets.choice("123456789") for _ in range(12)), secrets.token_urlsafe(30))


def start(processes: Processes, workspace: Workspace, python: Path, port: int, keys: AwsKeys) -> str:
    """A new, empty stand-in; its endpoint URL. Everything it holds is in memory or in the private folder."""
    folder = workspace.private / NAME
    folder.mkdir(mode=0o700)
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "TZ": "UTC",
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "SERVICES": ",".join(_SERVICES),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "COGNITO_EMAIL_ENABLED": "false",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "AUTH": "false",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "DOCKER_HOST": f"unix://{folder}/no-docker",
        "LOG_LEVEL": "WARNING",
    }
    command = Command(NAME, [python, "-I", "-m", "ministack"], folder, workspace.log(NAME), environment)
    endpoint = f"http://{LOOPBACK}:{port}"
    processes.start(command)
    processes.wait_ready(command, lambda: answers(f"{endpoint}/_ministack/ready"))
    return endpoint


def answers(url: str) -> bool:
    """Whether a GET of this loopback URL gives 200; no proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
