"""Credentials that expire under an open filesystem, and credentials that are not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.settings import AwsSettings
from stupiddb_kernel.errors import ConfigurationError


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without any AWS credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return monkeypatch


def expiring(folder: Path) -> str:
    """A credential process that gives other keys, already about to expire, on each call."""
    script = folder / "keys.sh"
    script.write_text(
        f"n=$(cat {folder}/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > {folder}/n\n"
        'printf \'{"Version":1,"AccessKeyId":"KEY%s","SecretAccessKey":"s","SessionToken":"t%s",\' $n $n\n'
        'printf \'"Expiration":"%s"}\' "$(date -u -d "+30 seconds" +%Y-%m-%dT%H:%M:%SZ)"\n',
        encoding="utf-8",
    )
    return f"sh {script}"


def test_a_filesystem_outlives_the_credentials_it_was_made_with(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(
        f"[default]\nregion = eu-west-1\ncredential_process = {expiring(tmp_path)}\n", encoding="utf-8"
    )
    aws = Aws(AwsSettings(endpoint_url="http://127.0.0.1:9"))
    filesystem = aws.filesystem()
    first = filesystem.handler.current()
    second = filesystem.handler.current()
    assert first is not second
    assert aws.filesystem() is filesystem
    assert aws.credentials().access_key != "KEY1"


def test_lasting_credentials_keep_their_filesystem(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("AWS_ACCESS_KEY_ID", "A")
    bare.setenv("AWS_SECRET_ACCESS_KEY", "B")
    handler = Aws(AwsSettings(region="eu-west-1")).filesystem().handler
    assert handler.current() is handler.current()


def test_no_credentials_are_one_clear_error(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no AWS credentials were found") as failed:
        Aws(AwsSettings()).filesystem()
    assert "aws sso login" in (failed.value.hint or "")


def test_an_unknown_profile_is_named(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="nobody"):
        Aws(AwsSettings(profile="nobody")).client("s3")


def test_a_broken_credential_process_says_what_to_do(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\ncredential_process = false\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="can't be renewed"):
        Aws(AwsSettings()).credentials()


def test_endpoints_come_from_the_call_then_the_settings_then_the_environment(
    bare: pytest.MonkeyPatch,
) -> None:
    bare.setenv("AWS_ENDPOINT_URL", "http://all")
    assert Aws(AwsSettings()).endpoint("s3") == "http://all"
    bare.setenv("AWS_ENDPOINT_URL_S3", "http://s3")
    assert Aws(AwsSettings()).endpoint("s3") == "http://s3"
    assert Aws(AwsSettings(endpoint_url="http://file")).endpoint("s3") == "http://file"
    assert Aws(AwsSettings(endpoint_url="http://file")).endpoint("s3", "http://call") == "http://call"
