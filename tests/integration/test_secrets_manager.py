"""Credentials from a real Secrets Manager: its formats, its refusals, its rotation."""

from __future__ import annotations

import json
import logging
import threading
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Secrets
from stupiddb_kernel.config.settings import AwsSettings, MysqlSettings, PostgresSettings
from stupiddb_kernel.errors import SecretError

if TYPE_CHECKING:
    from stupiddb_kernel.local.stack import Stack

SECRET = "hunter2-s3cret"


class Manager:
    """A Secrets Manager that counts how often it is read."""

    def __init__(self, stack: Stack) -> None:
        self.settings = AwsSettings(region="us-east-1", endpoint_url=stack.aws_endpoint)
        self.client: Any = stack.client("secretsmanager")
        self.clock = 0.0

    def put(self, value: str | dict[str, Any] | bytes) -> str:
        name = f"test/{uuid.uuid4().hex}"
        if isinstance(value, bytes):
            self.client.create_secret(Name=name, SecretBinary=value)
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            self.client.create_secret(Name=name, SecretString=text)
        return name

    def rotate(self, name: str, value: dict[str, Any]) -> None:
        self.client.put_secret_value(SecretId=name, SecretString=json.dumps(value))

    def secrets(self) -> tuple[Secrets, list[str]]:
        """Secrets, and the growing list of what was read."""
        aws = Aws(self.settings)
        reads: list[str] = []
        aws.client("secretsmanager").meta.events.register(
            "before-call.secrets-manager.GetSecretValue", lambda **_: reads.append("read")
        )
        return Secrets(aws, clock=lambda: self.clock), reads


@pytest.fixture
def manager(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Manager:
    for name, value in stack.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return Manager(stack)


def rds(password: str = SECRET, **more: Any) -> dict[str, Any]:
    return {
        "username": "admin",
        "password": password,
        "engine": "postgres",
        "host": "cluster.internal",
        "port": 6543,
        "dbname": "crm",
        "dbClusterIdentifier": "cluster",
        **more,
    }


def source(secret: str, **more: Any) -> PostgresSettings:
    return PostgresSettings(**{"name": "aurora", "secret": secret, **more})


def test_a_secret_in_the_rds_format_gives_everything(manager: Manager) -> None:
    found = manager.secrets()[0].credentials(source(manager.put(rds())))
    assert (found.username, found.password.get_secret_value()) == ("admin", SECRET)
    assert (found.host, found.port, found.database) == ("cluster.internal", 6543, "crm")


def test_an_arn_is_as_good_as_a_name(manager: Manager) -> None:
    arn = manager.client.describe_secret(SecretId=manager.put(rds()))["ARN"]
    assert manager.secrets()[0].credentials(source(arn)).username == "admin"


def test_the_settings_address_wins_so_that_a_proxy_can_stand_before_the_cluster(manager: Manager) -> None:
    found = manager.secrets()[0].credentials(
        source(manager.put(rds()), host="proxy", port=5432, database="other")
    )
    assert (found.host, found.port, found.database) == ("proxy", 5432, "other")


@pytest.mark.parametrize("value", [SECRET, SECRET + "\n", SECRET.encode()])
def test_a_secret_may_be_the_password_alone(manager: Manager, value: str | bytes) -> None:
    found = manager.secrets()[0].credentials(source(manager.put(value), host="h", database="d", username="u"))
    assert (found.username, found.password.get_secret_value()) == ("u", SECRET)


def test_a_managed_master_secret_holds_only_user_and_password(manager: Manager) -> None:
    name = manager.put({"username": "master", "password": SECRET})
    found = manager.secrets()[0].credentials(source(name, host="h", database="d"))
    assert (found.username, found.port) == ("master", 5432)
    with pytest.raises(SecretError, match="no host; looked in its table, the secret"):
        manager.secrets()[0].credentials(source(name))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('{"username": "u", "password": "hunter2-s3cret"', "no valid JSON"),
        ('["hunter2-s3cret"]', "is JSON, but no object"),
        ({"username": "u", "pass": SECRET}, "has no password; its keys: pass, username"),
        ({"username": "u", "password": SECRET, "port": "x" + SECRET}, "port that is no number"),
        ({"username": "u", "password": SECRET, "engine": "mysql"}, "is for 'mysql'"),
        (b"\xff\xfe", "holds no text"),
    ],
)
def test_a_malformed_secret_is_told_and_not_shown(manager: Manager, value: Any, told: str) -> None:
    name = manager.put(value)
    with pytest.raises(SecretError, match=told) as caught:
        manager.secrets()[0].credentials(source(name, host="h", database="d"))
    assert name in str(caught.value)
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    while stack.stack and stack.stack[0].filename == __file__:
        stack.stack.pop(0)  # this test's own variables
    assert "s3cret" not in "".join(stack.format())


def test_a_missing_secret_is_named_with_where_it_was_looked_for(manager: Manager) -> None:
    with pytest.raises(SecretError) as caught:
        manager.secrets()[0].credentials(source("prod/nowhere"))
    assert "'prod/nowhere' in Secrets Manager, us-east-1" in caught.value.message
    assert "ResourceNotFoundException" in caught.value.message
    assert caught.value.hint == "check the name or ARN, the region and the account"


def test_a_secrets_manager_that_is_not_there_is_told(manager: Manager) -> None:
    aws = Aws(AwsSettings(region="us-east-1", endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(SecretError, match="can't be read: Could not connect"):
        Secrets(aws).credentials(source("x"))


def test_a_secret_is_read_once_for_many_connections_and_threads(manager: Manager) -> None:
    holder, reads = manager.secrets()
    settings = source(manager.put(rds()))
    barrier = threading.Barrier(16)

    def connect(_: int) -> str:
        barrier.wait()
        return holder.credentials(settings).password.get_secret_value()

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(connect, range(16))) == {SECRET}
    assert len(reads) == 1


def test_a_secret_is_read_again_after_its_time(manager: Manager) -> None:
    holder, reads = manager.secrets()
    settings = source(manager.put(rds()))
    holder.credentials(settings)
    manager.clock += 3599
    holder.credentials(settings)
    assert len(reads) == 1
    manager.clock += 2
    holder.credentials(settings)
    assert len(reads) == 2


def test_a_rotation_is_survived(manager: Manager) -> None:
    holder, reads = manager.secrets()
    name = manager.put(rds("old"))
    settings = source(name)
    assert holder.credentials(settings).password.get_secret_value() == "old"
    manager.rotate(name, rds("new"))
    assert holder.credentials(settings).password.get_secret_value() == "old", "cached until it is refused"
    assert holder.forget(settings)
    assert holder.credentials(settings).password.get_secret_value() == "new"
    assert len(reads) == 2


def test_all_connections_that_failed_in_a_rotation_may_try_again(manager: Manager) -> None:
    holder, reads = manager.secrets()
    name = manager.put(rds("old"))
    holder.credentials(source(name))
    manager.rotate(name, rds("new"))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: holder.forget(source(name)), range(8))) == {True}
    assert len(reads) == 2


def test_a_wrong_password_does_not_hammer_secrets_manager(manager: Manager) -> None:
    holder, reads = manager.secrets()
    settings = source(manager.put(rds()))
    holder.credentials(settings)
    for _ in range(1000):
        assert not holder.forget(settings)
        holder.credentials(settings)
        manager.clock += 0.05
    assert len(reads) <= 1 + 50 / 10 + 1


def test_the_value_read_before_serves_while_secrets_manager_is_away(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    holder, _ = manager.secrets()
    name = manager.put(rds())
    holder.credentials(source(name))
    manager.client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    manager.clock += 4000
    assert holder.credentials(source(name)).password.get_secret_value() == SECRET
    assert "the value read before is used on" in caplog.text


def test_sources_that_share_a_secret_share_its_reading(manager: Manager) -> None:
    holder, reads = manager.secrets()
    name = manager.put(rds())
    holder.credentials(source(name))
    holder.credentials(source(name, name="other", host="replica"))
    assert len(reads) == 1
    with pytest.raises(SecretError, match="is for 'postgres', but the source is 'mysql'"):
        holder.credentials(MysqlSettings(name="rds", secret=name))


def test_no_log_holds_the_secret_whatever_the_level(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    name = manager.put(rds())
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    manager.secrets()[0].credentials(source(name))
    assert "GetSecretValue" in caplog.text, "botocore's own log was on"
    assert SECRET not in caplog.text
