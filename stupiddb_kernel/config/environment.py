"""What the environment configures: the variables that are honoured and the key each of them sets.

The environment wins over the file, key by key, as in twelve-factor applications. Passwords are never
read here: a variable that holds one is *named* by the setting it leads to. Standard library only.

=========================================  ==========================================================
variable                                   key
=========================================  ==========================================================
``STUPIDDB__AWS__ATHENA__WORKGROUP`` …     any key: ``aws.athena.workgroup``; the value as in TOML
``AWS_REGION``, ``AWS_DEFAULT_REGION``     ``aws.region``
``AWS_PROFILE``                            ``aws.profile`` (where the file sets one; else AWS's chain)
``S3_BUCKET_NAME``, ``S3_RAW_PREFIX``,     ``lake.bucket``, ``lake.raw_prefix``,
``S3_STAGING_PREFIX``,                     ``lake.staging_prefix``,
``S3_ARCHIVE_PREFIX``                      ``lake.archive_prefix``
``USE_REDSHIFT``                           ``aws.redshift.enabled``; must be true for the variables
                                           alone, without ``[aws.redshift]``, to make a source
``REDSHIFT_HOST``, ``_PORT``, ``_USER``,   ``aws.redshift.host``, ``port``, ``username``,
``_DATABASE``, ``_SCHEMA``                 ``database``, ``schema``
``REDSHIFT_PASSWORD``                      ``aws.redshift.password_env`` names it
``AURORA_SECRET_ARN``, ``AURORA_DB_NAME``  ``aws.aurora.secret``, ``database``
``AURORA_CLUSTER_ARN``                     ``aws.aurora.region``, from the ARN
``DATABASE_URL``                           ``sources.database.url_env`` names it
``DATABASE_SECRET_ARN``                    ``sources.database.secret``
``DATABASE_S3_BUCKET``                     ``store.s3_bucket``
``DATABASE_S3_KEY``                        ``store.s3_key``
``ENVIRONMENT``, ``NODE_ENV``              ``environment``
=========================================  ==========================================================

A variable that is set to nothing counts as not set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stupiddb_kernel.config.file import Key

PREFIX = "STUPIDDB__"

_PLAIN: dict[str, tuple[str, ...]] = {  # where two set one key, the later one wins
    "AWS_DEFAULT_REGION": ("aws", "region"),
    "AWS_REGION": ("aws", "region"),
    "S3_BUCKET_NAME": ("lake", "bucket"),
    "S3_RAW_PREFIX": ("lake", "raw_prefix"),
    "S3_STAGING_PREFIX": ("lake", "staging_prefix"),
    "S3_ARCHIVE_PREFIX": ("lake", "archive_prefix"),
    "DATABASE_S3_BUCKET": ("store", "s3_bucket"),
    "DATABASE_S3_KEY": ("store", "s3_key"),
    "NODE_ENV": ("environment",),
    "ENVIRONMENT": ("environment",),
}
_REDSHIFT = {
    "REDSHIFT_HOST": "host",
    "REDSHIFT_PORT": "port",
    "REDSHIFT_USER": "username",
    "REDSHIFT_DATABASE": "database",
    "REDSHIFT_SCHEMA": "schema",
}
_SCHEMES = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mysql2": "mysql",
    "mariadb": "mysql",
    "redshift": "redshift",
}
URL_EXAMPLE = "postgresql://user:password@host:5432/database"


@dataclass(frozen=True)
class Override:
    """A key that a variable sets; ``value`` is never a password."""

    key: tuple[str, ...]
    value: Any
    variable: str


def overrides(environ: Mapping[str, str], tables: Mapping[str, Any]) -> list[Override]:
    """What the environment sets over the file's ``tables``, weakest first."""
    present = {name: value for name, value in environ.items() if value.strip()}
    aws = tables.get("aws")
    aws = aws if isinstance(aws, Mapping) else {}
    found = [Override(key, present[name], name) for name, key in _PLAIN.items() if name in present]
    if "profile" in aws and "AWS_PROFILE" in present:
        found.append(Override(("aws", "profile"), present["AWS_PROFILE"], "AWS_PROFILE"))
    found += _redshift(present, aws)
    found += _aurora(present, aws)
    found += _database(present, tables)
    found += _named(present)
    return found


def merge(tables: Mapping[str, Any], found: list[Override]) -> dict[str, Any]:
    """The file's tables with the overrides set in them; neither argument is changed."""
    merged = {key: merge(value, []) if isinstance(value, Mapping) else value for key, value in tables.items()}
    for override in found:
        table = merged
        for part in override.key[:-1]:
            inner = table.get(part)
            table[part] = inner if isinstance(inner, dict) else {}
            table = table[part]
        table[override.key[-1]] = override.value
    return merged


def url_settings(url: str) -> dict[str, Any] | None:
    """What a database URL says besides its password: kind, host, port, database, username, ssl_mode.

    None if its scheme is no store that is known here. Raises ValueError for a URL that can't be read;
    the message does not repeat it.
    """
    from urllib.parse import parse_qs, unquote, urlsplit

    scheme = url.partition("://")[0].partition("+")[0].strip().lower()
    if "://" not in url or scheme not in _SCHEMES:
        return None
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = parts.hostname
    except ValueError:
        parts = None
    if parts is None:
        raise ValueError("not a database URL")
    query = parse_qs(parts.query)
    ssl_mode = next((query[name][0] for name in ("sslmode", "ssl-mode", "ssl_mode") if name in query), None)
    given = {
        "kind": _SCHEMES[scheme],
        "host": host or "localhost",
        "port": port,
        "database": unquote(parts.path.lstrip("/")) or None,
        "username": unquote(parts.username) if parts.username else None,
        "ssl_mode": _ssl_mode(ssl_mode) if ssl_mode else None,
        "ssl_ca": next((query[name][0] for name in ("sslrootcert", "ssl-ca") if name in query), None),
    }
    return {key: value for key, value in given.items() if value is not None}


def url_password(url: str) -> str:
    """The password in a database URL; empty if it holds none."""
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url.strip()).password or "")


def _ssl_mode(text: str) -> str:
    """libpq's and MySQL's names for how TLS is used, as one vocabulary."""
    known = {
        "allow": "prefer",
        "disabled": "disable",
        "preferred": "prefer",
        "required": "require",
        "verify_ca": "verify-ca",
        "verify_identity": "verify-full",
    }
    return known.get(text.lower(), text.lower())


def is_true(text: object) -> bool:
    """Whether a switch says yes."""
    return text is True or str(text).strip().lower() in ("true", "1", "yes", "on", "y", "t")


def _redshift(present: Mapping[str, str], aws: Mapping[str, Any]) -> Iterator[Override]:
    switch = present.get("USE_REDSHIFT")
    if "redshift" not in aws and not is_true(switch):
        return
    for variable, key in _REDSHIFT.items():
        if variable in present:
            yield Override(("aws", "redshift", key), present[variable], variable)
    if "REDSHIFT_PASSWORD" in present:
        yield Override(("aws", "redshift", "password_env"), "REDSHIFT_PASSWORD", "REDSHIFT_PASSWORD")
    if switch is not None:
        yield Override(("aws", "redshift", "enabled"), switch, "USE_REDSHIFT")


def _aurora(present: Mapping[str, str], aws: Mapping[str, Any]) -> Iterator[Override]:
    table = aws.get("aurora")
    if table is None and "AURORA_SECRET_ARN" not in present:
        return
    known = table if isinstance(table, Mapping) else {}
    if "AURORA_SECRET_ARN" in present:
        if "engine" not in known:
            yield Override(("aws", "aurora", "engine"), "postgresql", "AURORA_SECRET_ARN")
        yield Override(("aws", "aurora", "secret"), present["AURORA_SECRET_ARN"], "AURORA_SECRET_ARN")
    if "AURORA_DB_NAME" in present:
        yield Override(("aws", "aurora", "database"), present["AURORA_DB_NAME"], "AURORA_DB_NAME")
    for variable in ("AURORA_SECRET_ARN", "AURORA_CLUSTER_ARN"):
        region = region_of(present.get(variable, ""))
        if region:
            yield Override(("aws", "aurora", "region"), region, variable)


def _database(present: Mapping[str, str], tables: Mapping[str, Any]) -> Iterator[Override]:
    sources = tables.get("sources")
    table = sources.get("database") if isinstance(sources, Mapping) else None
    known = table if isinstance(table, Mapping) else {}
    key = ("sources", "database")
    arn = present.get("DATABASE_SECRET_ARN")
    if arn:
        if "kind" not in known and "engine" not in known:
            yield Override((*key, "kind"), "postgres", "DATABASE_SECRET_ARN")
        yield Override((*key, "secret"), arn, "DATABASE_SECRET_ARN")
        if region_of(arn):
            yield Override((*key, "region"), region_of(arn), "DATABASE_SECRET_ARN")
    if _speaks_to_us(present.get("DATABASE_URL", "")):
        yield Override((*key, "url_env"), "DATABASE_URL", "DATABASE_URL")


def _speaks_to_us(url: str) -> bool:
    """Whether a ``DATABASE_URL`` is one of a store that is known here; others belong to other programs."""
    return url.partition("://")[0].partition("+")[0].strip().lower() in _SCHEMES and "://" in url


def region_of(arn: str) -> str | None:
    """The region in an ARN; None for text that is no ARN."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 and parts[0] == "arn" and parts[3] else None


def _named(present: Mapping[str, str]) -> Iterator[Override]:
    for variable in sorted(present):
        key = tuple(part.lower() for part in variable.removeprefix(PREFIX).split("__"))
        if variable.startswith(PREFIX) and all(key):
            yield Override(key, _value(present[variable]), variable)


def _value(text: str) -> Any:
    """A variable's text as TOML reads it, and as a plain string where it is no TOML."""
    import tomllib

    if "\n" in text:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def origins(found: list[Override]) -> dict[Key, str]:
    """Key -> variable, for the error messages and ``stupiddb config check``."""
    return {override.key: override.variable for override in found}
