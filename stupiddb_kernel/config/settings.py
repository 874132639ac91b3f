"""The typed settings every other part is handed: what can be configured, its defaults and its limits.

This module owns the *shape*. Where the values come from (``stupiddb.toml``, the environment,
secrets) is ``config.loading``. Models are frozen and refuse unknown keys. No field ever holds a
secret: passwords are *named* (``password_env``, ``secret``) and resolved at connect time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class AwsSettings(_Settings):
    """``[aws]``: what all AWS clients share; each service table may override it.

    Credentials are never here: they come from the standard AWS chain.
    """

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    """For stand-ins and VPC endpoints; AWS's own ``AWS_ENDPOINT_URL[_SERVICE]`` work as well."""


class SourceSettings(_Settings):
    """What every source has: a name (the magic's name) and a switch."""

    name: str
    enabled: bool = True


class AthenaSettings(SourceSettings):
    """``[aws.athena]``: Athena over the Glue catalog."""

    kind: Literal["athena"] = "athena"
    region: str | None = None
    endpoint_url: str | None = None
    catalog: str = "AwsDataCatalog"
    database: str = "default"
    databases: tuple[str, ...] = ()
    """Databases shown in the catalog; empty means every one that Glue lists."""
    workgroup: str = "primary"
    output_location: str | None = None
    """``s3://bucket/prefix/`` for results; None for a workgroup with managed results or its own location."""
    max_scan_bytes: Annotated[int, Field(gt=0)] | None = 10 * 1024**3
    timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    dollars_per_tb: Annotated[float, Field(ge=0)] = 5.0
    """Price of 10**12 scanned bytes; us-east-1's list price by default."""


class RelationalSettings(SourceSettings):
    """What PostgreSQL and MySQL have in common."""

    host: str
    port: int
    database: str
    username: str | None = None
    username_env: str | None = None
    password_env: str | None = None
    secret: str | None = None
    """ARN or name of a Secrets Manager secret in the RDS JSON format; may also give host, port, dbname."""
    auth: Literal["password", "iam"] = "password"
    """``iam``: a fresh RDS authentication token per connection; TLS is then required."""
    region: str | None = None
    pool_min: Annotated[int, Field(ge=0)] = 1
    pool_max: Annotated[int, Field(ge=1)] = 5
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    statement_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    ssl_ca: Path | None = None
    rds_proxy: bool = False
    """The host is an RDS Proxy endpoint: no session state may be pinned."""
    mappings: tuple[MappingSettings, ...] = ()


class PostgresSettings(RelationalSettings):
    """``[aws.aurora]``/``[aws.rds]`` with ``engine = "postgresql"``."""

    kind: Literal["postgres"] = "postgres"
    port: int = 5432


class MysqlSettings(RelationalSettings):
    """``[aws.aurora]``/``[aws.rds]`` with ``engine = "mysql"``."""

    kind: Literal["mysql"] = "mysql"
    port: int = 3306


class RedshiftSettings(RelationalSettings):
    """``[aws.redshift]`` or the ``REDSHIFT_*`` variables."""

    kind: Literal["redshift"] = "redshift"
    port: int = 5439
    schema_name: Annotated[str, Field(alias="schema")] = "public"
    iam_role: str | None = None


class PropertySettings(_Settings):
    """One column of a table becoming one property of an entity."""

    column: str
    property: str


class MappingSettings(_Settings):
    """``[[aws.aurora.mappings]]``: a table whose rows enrich entities of the graph."""

    table: str
    entity_type: str
    key_column: str
    properties: tuple[PropertySettings, ...] = ()
    sync_mode: Literal["full", "incremental", "on_demand"] = "full"
    sync_key: str | None = None


class S3PrefixSettings(_Settings):
    """``[[aws.s3.sources]]``: one prefix whose files are tables."""

    bucket: str
    prefix: str = ""
    pattern: str = "**/*.parquet"
    event_type_from_path: bool = False
    """``events/Login/2025-06-12.parquet``: the first folder below the prefix is the event type."""
    read_only: bool = False
    name: str | None = None
    """The database's name in the catalog; by default the last part of the prefix, or the bucket."""


class S3Settings(SourceSettings):
    """``[aws.s3]``: Parquet read directly, without Athena."""

    kind: Literal["s3"] = "s3"
    region: str | None = None
    endpoint_url: str | None = None
    sources: tuple[S3PrefixSettings, ...] = ()


class DuckdbSettings(SourceSettings):
    """``[store]``: the local DuckDB file."""

    kind: Literal["duckdb"] = "duckdb"
    path: Path | None = None
    """None: an in-memory store that ends with the session."""
    memory_limit: str | None = None
    threads: int | None = None
    temp_directory: Path | None = None


class CatalogSettings(_Settings):
    """``[catalog]``: the cache of what the sources hold."""

    cache_directory: Path | None = None
    max_age_seconds: float = 3600.0


AnySource = Annotated[
    AthenaSettings | PostgresSettings | MysqlSettings | RedshiftSettings | S3Settings | DuckdbSettings,
    Field(discriminator="kind"),
]


class Settings(_Settings):
    """Everything configured, whatever it came from. ``sources`` holds the enabled ones, in file order."""

    aws: AwsSettings = AwsSettings()
    sources: tuple[AnySource, ...] = ()
    store: DuckdbSettings = DuckdbSettings(name="local")
    catalog: CatalogSettings = CatalogSettings()
    path: Path | None = None
    """The ``stupiddb.toml`` this was read from."""
