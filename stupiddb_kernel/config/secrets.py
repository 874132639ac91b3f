"""Credentials of relational sources, resolved from where the settings say, never stored in them.

The places, strongest first: the URL in ``url_env``; the Secrets Manager secret in ``secret`` (RDS's JSON,
or the plain password); ``username_env`` and ``password_env``; with ``auth = "iam"`` the password is a
fresh RDS token. An address in the settings wins over one in a secret, so that a proxy can stand before
the cluster that the secret names.

Plain text lives only inside expressions here: no frame that can raise holds a secret in a local, so not
even a traceback with locals shows one.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import SecretStr

from stupiddb_kernel.config import environment
from stupiddb_kernel.config.names import ENGINES
from stupiddb_kernel.errors import SecretError

if TYPE_CHECKING:
    from stupiddb_kernel.config.aws import Aws
    from stupiddb_kernel.config.settings import RelationalSettings

_log = logging.getLogger(__name__)

_ADVICE = {
    "ResourceNotFoundException": "check the name or ARN, the region and the account",
    "AccessDeniedException": "allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key",
    "DecryptionFailure": "allow kms:Decrypt on the key it is encrypted with",
    "InvalidRequestException": "it may be scheduled for deletion: restore it, or name another one",
    "ExpiredTokenException": "the AWS credentials have expired: sign in again, as with `aws sso login`",
    "UnrecognizedClientException": "the AWS credentials are not valid: sign in again, or check the profile",
}


class _Unpicklable:
    """Refuses to be pickled or copied out of the process."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds secrets and can't be pickled")


@dataclass(frozen=True)
class Credentials(_Unpicklable):
    """How to reach and enter a relational store; ``password`` is hidden in every repr."""

    username: str
    password: SecretStr
    host: str
    port: int
    database: str


@dataclass(frozen=True)
class _Said(_Unpicklable):
    """What one place said; None where it said nothing."""

    username: str | None = None
    password: SecretStr | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    engine: str | None = None


@dataclass
class _Memory:
    """What is remembered of one reference; guarded by its own lock, so that others don't wait."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    text: SecretStr | None = None
    read_at: float = 0.0
    handed: int | None = None
    """Salted hash of what was handed out last, to see a change without keeping the value."""
    asked_again_at: float | None = None
    changed_at: float | None = None


class Secrets(_Unpicklable):
    """Resolves credentials; keeps what Secrets Manager answered for ``ttl_seconds`` or until ``forget``.

    After a refused login Secrets Manager is asked again at most every ``reread_seconds`` for one secret,
    however often a wrong password is tried. Safe to use from several threads.
    """

    def __init__(
        self,
        aws: Aws,
        *,
        environ: Mapping[str, str] = os.environ,
        ttl_seconds: float = 3600.0,
        reread_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.aws = aws
        self._environ = environ
        self._ttl = ttl_seconds
        self._reread = reread_seconds
        self._clock = clock
        self._memories: dict[str, _Memory] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._memories)} references>"

    def credentials(self, settings: RelationalSettings) -> Credentials:
        """From ``url_env``, Secrets Manager, ``*_env`` variables or a fresh IAM token. Raises SecretError."""
        memory = self._memory(settings)
        with memory.lock:
            said = self._said(settings, memory)
            credentials = self._complete(settings, said)
            memory.handed = _fingerprint(settings, said, credentials)
        return self._with_token(settings, credentials) if settings.auth == "iam" else credentials

    def forget(self, settings: RelationalSettings) -> bool:
        """Drop the cached secret after a refused login; True if a re-read may give another one.

        Call it once for each refused login and try again only if it is True: a rotated password is then
        survived, and a wrong one asks Secrets Manager at most once in ``reread_seconds``.
        """
        memory = self._memory(settings)
        with memory.lock:
            now = self._clock()
            if memory.asked_again_at is not None and now - memory.asked_again_at < self._reread:
                return memory.changed_at is not None and now - memory.changed_at < self._reread
            memory.asked_again_at = now
            if settings.auth == "iam" or memory.handed is None:
                memory.text = None
                return True
            memory.text = None
            try:
                said = self._said(settings, memory)
                credentials = self._complete(settings, said)
            except SecretError:
                return True  # the next credentials() says what is wrong
            changed = _fingerprint(settings, said, credentials) != memory.handed
            if changed:
                memory.changed_at = now
            elif not settings.secret:
                memory.asked_again_at = None  # the environment costs nothing to look at again
            return changed

    def _memory(self, settings: RelationalSettings) -> _Memory:
        with self._lock:
            return self._memories.setdefault(_reference(settings), _Memory())

    def _said(self, settings: RelationalSettings, memory: _Memory) -> _Said:
        if settings.url_env:
            return self._from_url(settings, settings.url_env)
        if settings.secret:
            return self._from_secret(settings, settings.secret, memory)
        password = None
        if settings.password_env:
            self._require(settings, "password_env", settings.password_env)
            password = SecretStr(self._environ[settings.password_env])
        return _Said(password=password)

    def _complete(self, settings: RelationalSettings, said: _Said) -> Credentials:
        username = said.username or settings.username
        if not username and settings.username_env:
            self._require(settings, "username_env", settings.username_env)
            username = self._environ[settings.username_env]
        if not username:
            raise SecretError(
                f"{settings.name}: no user name; looked in {_places(settings)}",
                hint="set username or username_env in its table",
            )
        host = settings.host or said.host
        database = settings.database or said.database
        for what, value in (("host", host), ("database", database)):
            if not value:
                raise SecretError(
                    f"{settings.name}: no {what}; looked in {_places(settings)}",
                    hint=f"set {what} in its table",
                )
        port = settings.port if "port" in settings.model_fields_set else said.port or settings.port
        return Credentials(username, said.password or SecretStr(""), host or "", port, database or "")

    def _with_token(self, settings: RelationalSettings, credentials: Credentials) -> Credentials:
        """The same with an RDS authentication token, valid for 15 minutes, as password."""
        from botocore.exceptions import BotoCoreError, ClientError

        region = self.aws.region(settings.region)
        try:
            client = self.aws.client("rds", region=settings.region)
            with _unlogged():
                token = SecretStr(
                    client.generate_db_auth_token(
                        DBHostname=credentials.host,
                        Port=credentials.port,
                        DBUsername=credentials.username,
                        Region=region,
                    )
                )
        except (BotoCoreError, ClientError) as error:
            raise SecretError(
                f"{settings.name}: no IAM token for {credentials.username!r} in {region}: {error}",
                hint="AWS credentials are needed: environment, profile, SSO or role",
            ) from error
        return replace(credentials, password=token)

    def _require(self, settings: RelationalSettings, key: str, variable: str) -> None:
        if variable not in self._environ:
            raise SecretError(
                f"{settings.name}: the environment variable {variable} ({key}) is not set",
                hint=f"set it before the notebook or job starts, or in a cell: %env {variable}=…",
            )

    def _from_url(self, settings: RelationalSettings, variable: str) -> _Said:
        self._require(settings, "url_env", variable)
        said = _url(self._environ[variable])
        if said is None:
            raise SecretError(
                f"{settings.name}: the environment variable {variable} (url_env) holds no database URL",
                hint=f"it reads as {environment.URL_EXAMPLE}",
            )
        return self._checked(settings, said, f"the environment variable {variable}")

    def _from_secret(self, settings: RelationalSettings, reference: str, memory: _Memory) -> _Said:
        now = self._clock()
        if memory.text is None or now - memory.read_at >= self._ttl:
            try:
                memory.text = self._fetch(settings, reference)
                memory.read_at = now
            except SecretError as error:
                if memory.text is None:
                    raise
                _log.warning("%s; the value read before is used on", error.message)
                memory.read_at = now - self._ttl + 60.0
        said = _parse(memory.text)
        if isinstance(said, str):
            raise SecretError(
                f"{settings.name}: the secret {reference!r} {said}",
                hint='it reads as {"username": …, "password": …, "host": …, "port": …, "dbname": …}, '
                "or is the password alone",
            )
        return self._checked(settings, said, f"the secret {reference!r}")

    def _checked(self, settings: RelationalSettings, said: _Said, place: str) -> _Said:
        kind = getattr(settings, "kind", None)
        if said.engine and ENGINES.get(said.engine, said.engine) != kind:
            raise SecretError(
                f"{settings.name}: {place} is for {said.engine!r}, but the source is {kind!r}",
                hint="name the right one, or set the source's engine or kind",
            )
        return said

    def _fetch(self, settings: RelationalSettings, reference: str) -> SecretStr:
        """The secret's current version from Secrets Manager."""
        from botocore.exceptions import BotoCoreError, ClientError

        region = environment.region_of(reference) or settings.region
        where = f"{settings.name}: the secret {reference!r} in Secrets Manager, {self.aws.region(region)},"
        try:
            client = self.aws.client("secretsmanager", region=region)
            with _unlogged():
                text = _text(client.get_secret_value(SecretId=reference, VersionStage="AWSCURRENT"))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            said = error.response.get("Error", {}).get("Message", "")
            raise SecretError(f"{where} can't be read: {code}: {said}", hint=_ADVICE.get(code)) from error
        except BotoCoreError as error:
            raise SecretError(
                f"{where} can't be read: {error}",
                hint="check the network, the region and the AWS credentials",
            ) from error
        if text is None:
            raise SecretError(f"{where} holds no text", hint="store it as SecretString")
        return text


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep what botocore logs at DEBUG level in this thread, bodies and signatures, out of every log."""
    thread = threading.get_ident()

    def is_other(record: logging.LogRecord) -> bool:
        return record.thread != thread

    loggers = [logging.getLogger(name) for name in ("botocore.parsers", "botocore.auth", "botocore.signers")]
    for logger in loggers:
        logger.addFilter(is_other)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_other)


def _reference(settings: RelationalSettings) -> str:
    """One memory for each secret; sources with names of variables have one of their own."""
    return f"{settings.secret} {settings.region}" if settings.secret else f"source {settings.name}"


def _fingerprint(settings: RelationalSettings, said: _Said, credentials: Credentials) -> int:
    """Salted by the process, so it gives nothing away; the same for all sources that share a secret."""
    username = said.username if settings.secret else credentials.username
    return hash((username, credentials.password.get_secret_value()))


def _text(answer: Mapping[str, Any]) -> SecretStr | None:
    if "SecretString" in answer:
        return SecretStr(answer["SecretString"])
    try:
        return SecretStr(answer["SecretBinary"].decode())
    except (KeyError, UnicodeDecodeError):
        return None


def _url(url: str) -> _Said | None:
    try:
        given = environment.url_settings(url)
        password = environment.url_password(url)
    except ValueError:
        return None
    if given is None:
        return None
    return _Said(
        given.get("username"),
        SecretStr(password),
        given.get("host"),
        given.get("port"),
        given.get("database"),
        given["kind"],
    )


def _parse(text: SecretStr) -> _Said | str:
    """A secret's text; a sentence of what is wrong with it instead of an exception that would hold it."""
    if not text.get_secret_value().lstrip().startswith(("{", "[")):
        return _Said(password=SecretStr(text.get_secret_value().rstrip("\r\n")))
    try:
        given = json.loads(text.get_secret_value())
    except ValueError:
        return "is no valid JSON, though it starts like JSON"
    if not isinstance(given, dict):
        return "is JSON, but no object"
    if not isinstance(given.get("password"), str):
        return f"has no password; its keys: {', '.join(sorted(map(str, given))) or 'none'}"
    port = given.get("port")
    if port is not None and not str(port).isdecimal():
        return "has a port that is no number"

    def one(*names: str) -> str | None:
        return next((str(given[name]) for name in names if given.get(name)), None)

    return _Said(
        one("username", "user"),
        SecretStr(given["password"]),
        one("host"),
        int(port) if port is not None else None,
        one("dbname", "database"),
        one("engine"),
    )


def _places(settings: RelationalSettings) -> str:
    """The places that the settings name, for an error message."""
    places = ["its table"]
    places += [f"the secret {settings.secret!r}"] if settings.secret else []
    for name in ("url_env", "username_env"):
        variable = getattr(settings, name)
        places += [f"the environment variable {variable}"] if variable else []
    return ", ".join(places)
