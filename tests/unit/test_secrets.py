"""Credentials come from where the settings say, and from nowhere do they get out."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from typing import Any

import pytest

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Credentials, Secrets
from stupiddb_kernel.config.settings import AwsSettings, MysqlSettings, PostgresSettings
from stupiddb_kernel.errors import SecretError

SECRET = "hunter2-s3cret"


def postgres(**changed: Any) -> PostgresSettings:
    return PostgresSettings(**{"name": "aurora", "host": "h", "database": "crm", **changed})


def secrets(**environ: str) -> Secrets:
    return Secrets(Aws(AwsSettings(region="eu-west-1")), environ=environ)


def test_user_and_password_come_from_the_named_variables() -> None:
    found = secrets(AURORA_USERNAME="reader", AURORA_PASSWORD=SECRET).credentials(
        postgres(username_env="AURORA_USERNAME", password_env="AURORA_PASSWORD")
    )
    assert (found.username, found.password.get_secret_value()) == ("reader", SECRET)
    assert (found.host, found.port, found.database) == ("h", 5432, "crm")


def test_an_empty_password_is_one() -> None:
    found = secrets(P="").credentials(postgres(username="u", password_env="P"))
    assert found.password.get_secret_value() == ""


def test_a_url_gives_everything_and_the_settings_win_over_its_address() -> None:
    environ = {"DATABASE_URL": f"postgresql://user:{SECRET}%40@db.internal:6543/trivia"}
    found = secrets(**environ).credentials(PostgresSettings(name="database", url_env="DATABASE_URL"))
    assert (found.username, found.host, found.port, found.database) == ("user", "db.internal", 6543, "trivia")
    assert found.password.get_secret_value() == SECRET + "@"
    proxied = secrets(**environ).credentials(postgres(url_env="DATABASE_URL", port=1234))
    assert (proxied.host, proxied.port) == ("h", 1234)


@pytest.mark.parametrize(
    ("settings", "environ", "told"),
    [
        (postgres(username="u", password_env="NOT_THERE"), {}, "NOT_THERE (password_env) is not set"),
        (
            postgres(username_env="NOBODY", password_env="P"),
            {"P": SECRET},
            "NOBODY (username_env) is not set",
        ),
        (postgres(password_env="P"), {"P": SECRET}, "no user name; looked in its table"),
        (postgres(url_env="U"), {}, "U (url_env) is not set"),
        (postgres(url_env="U"), {"U": f"nonsense {SECRET}"}, "U (url_env) holds no database URL"),
        (postgres(url_env="U"), {"U": f"postgresql://u:{SECRET}@h:port/d"}, "holds no database URL"),
        (postgres(url_env="U"), {"U": f"postgresql://u:{SECRET}@[::1/d"}, "holds no database URL"),
        (
            postgres(url_env="U"),
            {"U": f"mysql://u:{SECRET}@h/d"},
            "is for 'mysql', but the source is 'postgres'",
        ),
        (
            PostgresSettings(name="x", url_env="U"),
            {"U": f"postgresql://u:{SECRET}@h"},
            "no database; looked in its table, the environment variable U",
        ),
    ],
)
def test_what_is_missing_is_named_and_no_secret_is(
    settings: PostgresSettings, environ: dict[str, str], told: str
) -> None:
    with pytest.raises(SecretError) as caught:
        secrets(**environ).credentials(settings)
    assert told in str(caught.value)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    ours = [line for line in shown if "environ = " not in line]  # this test's own variable
    assert SECRET not in "".join(ours).replace(repr(environ), "")


def test_credentials_do_not_show_copy_or_pickle() -> None:
    holder = secrets(P=SECRET)
    found = holder.credentials(postgres(username="u", password_env="P"))
    for text in (repr(found), str(found), f"{found}", repr(holder), repr(vars(found))):
        assert SECRET not in text
    for thing in (found, holder):
        with pytest.raises(TypeError, match="can't be pickled"):
            pickle.dumps(thing)
        with pytest.raises(TypeError, match="can't be pickled"):
            copy.deepcopy(thing)


def test_forget_is_true_only_when_a_variable_changed() -> None:
    environ = {"P": "old"}
    holder = Secrets(Aws(AwsSettings()), environ=environ)
    settings = postgres(username="u", password_env="P")
    assert holder.forget(settings), "nothing was handed out, so a first read may help"
    holder = Secrets(Aws(AwsSettings()), environ=environ)
    holder.credentials(settings)
    assert not holder.forget(settings)
    environ["P"] = "new"
    assert holder.forget(settings)
    assert holder.credentials(settings).password.get_secret_value() == "new"


def test_a_token_is_made_anew_for_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    settings = postgres(username="iam_user", auth="iam", host="c.eu-west-1.rds.amazonaws.com")
    found = secrets().credentials(settings)
    token = found.password.get_secret_value()
    assert token.startswith("c.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=iam_user")
    assert "X-Amz-Expires=900" in token
    assert settings.ssl_mode == "require"
    assert SECRET not in token


def test_no_aws_credentials_for_a_token_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(SecretError, match="no IAM token for 'u' in eu-west-1: Unable to locate credentials"):
        secrets().credentials(postgres(username="u", auth="iam"))


def test_a_token_is_in_no_log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    found = secrets().credentials(postgres(username="u", auth="iam"))
    signature = found.password.get_secret_value().rpartition("X-Amz-Signature=")[2]
    assert len(signature) == 64
    assert signature not in caplog.text
    assert SECRET not in caplog.text


def test_mysql_is_the_same() -> None:
    found = secrets(U=f"mysql://u:{SECRET}@h/weather").credentials(MysqlSettings(name="rds", url_env="U"))
    assert (found.port, found.database) == (3306, "weather")
    assert isinstance(found, Credentials)
