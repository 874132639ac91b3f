"""Secrets that were written out where only their name belongs: found, refused, never repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stupiddb_kernel.config.file import Key

_PASSWORD = frozenset(
    {
        "password",
        "passwd",
        "pwd",
        "pass",
    }
)
_AWS = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "access_key",
        "access_key_id",
        "secret_key",
        "secret_access_key",
        "session_token",
    }
)
_OTHER = frozenset(
    {
        "token",
        "auth_token",
        "api_key",
        "apikey",
        "credentials",
        "private_key",
        "secret_value",
    }
)
_URL_WITH_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/\s:@]*:[^/\s@]+@")
_AWS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")

_NAME_IT = (
    'password_env = "NAME_OF_A_VARIABLE" that holds it, secret = "name or ARN in Secrets Manager", '
    'or auth = "iam"'
)
_USE_THE_CHAIN = (
    'no AWS keys in the file: the standard AWS chain is used (environment, profile = "…", SSO, role)'
)
_NAME_THE_URL = 'url_env = "NAME_OF_A_VARIABLE" that holds the URL, or host, database and password_env'


def secrets(tables: Mapping[str, Any], key: Key = ()) -> Iterator[tuple[Key, str]]:
    """Each key at which a secret stands written out, with the way to do it right."""
    for name, value in tables.items():
        place = (*key, name)
        folded = name.casefold().replace("-", "_")
        if isinstance(value, Mapping):
            yield from secrets(value, place)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                if isinstance(inner, Mapping):
                    yield from secrets(inner, (*place, index))
        elif folded in _AWS:
            yield place, _USE_THE_CHAIN
        elif folded in _PASSWORD or folded in _OTHER:
            yield place, _NAME_IT
        elif isinstance(value, str) and _URL_WITH_PASSWORD.search(value):
            yield place, _NAME_THE_URL
        elif isinstance(value, str) and _AWS_KEY.search(value):
            yield place, _USE_THE_CHAIN


def may_be_secret(key: Key, value: Any) -> bool:
    """Whether a value should be kept out of messages: by its key's name or by what it looks like."""
    name = next((part for part in reversed(key) if isinstance(part, str)), "").casefold()
    if any(word in name for word in ("password", "passwd", "pwd", "secret", "token", "credential", "_env")):
        return True
    text = value if isinstance(value, str) else ""
    return bool(_URL_WITH_PASSWORD.search(text) or _AWS_KEY.search(text))
