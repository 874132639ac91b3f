"""The typed settings every other part is handed: what can be configured, its defaults and its limits.

This module owns the *shape*. Where the values come from (``stupiddb.toml``, the environment,
secrets) is ``config.loading``. Models are frozen and refuse unknown keys. No field ever holds a
secret: passwords are *named* (``password_env``, ``secret``) and resolved at connect time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

VariableName = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
"""Name of an environment variable, in capitals, so that a password put here by mistake is noticed."""
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]$")]
S3Location = Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9](/.*)?$")]


def _not_allowed(found: object, allowed: str) -> PydanticCustomError:
    """A cross-field rule that was broken, in a form that ``config.loading`` can list."""
    return PydanticCustomError("rule", "{allowed}", {"found": repr(found), "allowed": allowed})


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


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
    output_location: S3Location | None = None
    """``s3://bucket/prefix/`` for results; None for a workgroup with managed results or its own location."""
    max_scan_bytes: Annotated[int, Field(gt=0)] | None = 10 * 1024**3
    timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    dollars_per_tb: Annotated[float, Field(ge=0)] = 5.0
    """Price of 10**12 scanned bytes; us-east-1's list price by default."""


class RelationalSettings(SourceSettings):
    """What PostgreSQL and MySQL have in common."""

    host: str = ""
    """Empty only where ``secret`` or ``url_env`` gives it."""
    port: Annotated[int, Field(ge=1, le=65535)]
    database: str = ""
    """Empty only where ``secret`` or ``url_env`` gives it."""
    username: str | None = None
    username_env: VariableName | None = None
    password_env: VariableName | None = None
    url_env: VariableName | None = None
    """Variable that holds ``postgresql://user:password@host:port/database``, read at connect time."""
    secret: str | None = None
    """ARN or name of a Secrets Manager secret in the RDS JSON format; may also give host, port, dbname."""
    auth: Literal["password", "iam"] = "password"
    """``iam``: a fresh RDS authentication token per connection; TLS is then required."""
    region: str | None = None
    pool_min: Annotated[int, Field(ge=0)] = 1
    pool_max: Annotated[int, Field(ge=1, validate_default=True)] = 5
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    statement_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    ssl_mode: Annotated[
        Literal["disable", "prefer", "require", "verify-ca", "verify-full"], Field(validate_default=True)
    ] = "prefer"
    ssl_ca: Path | None = None
    rds_proxy: bool = False
    """The host is an RDS Proxy endpoint: no session state may be pinned."""
    mappings: tuple[MappingSettings, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _iam_means_tls(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("auth") == "iam" and "ssl_mode" not in data:
            return {**data, "ssl_mode": "require"}
        return data

    @field_validator("pool_max")
    @classmethod
    def _pool_max_holds_pool_min(cls, pool_max: int, info: ValidationInfo) -> int:
        pool_min = info.data.get("pool_min", 0)
        if pool_max < pool_min:
            raise _not_allowed(pool_max, f"at least pool_min, which is {pool_min}")
        return pool_max

    @field_validator("ssl_mode")
    @classmethod
    def _iam_needs_tls(cls, ssl_mode: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "iam" and ssl_mode in ("disable", "prefer"):
            raise _not_allowed(ssl_mode, 'with auth = "iam": "require", "verify-ca" or "verify-full"')
        return ssl_mode


class PostgresSettings(RelationalSettings):
    """``[aws.aurora]``/``[aws.rds]`` with ``engine = "postgresql"``."""

    kind: Literal["postgres"] = "postgres"
    port: Annotated[int, Field(ge=1, le=65535)] = 5432


class MysqlSettings(RelationalSettings):
    """``[aws.aurora]``/``[aws.rds]`` with ``engine = "mysql"``."""

    kind: Literal["mysql"] = "mysql"
    port: Annotated[int, Field(ge=1, le=65535)] = 3306


class RedshiftSettings(RelationalSettings):
    """``[aws.redshift]`` or the ``REDSHIFT_*`` variables."""

    kind: Literal["redshift"] = "redshift"
    port: Annotated[int, Field(ge=1, le=65535)] = 5439
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
    sync_key: Annotated[str | None, Field(validate_default=True)] = None

    @field_validator("sync_key")
    @classmethod
    def _incremental_needs_a_key(cls, sync_key: str | None, info: ValidationInfo) -> str | None:
        if sync_key is None and info.data.get("sync_mode") == "incremental":
            raise _not_allowed(
                None,
                'with sync_mode = "incremental": the column that grows with each change, as "updated_at"',
            )
        return sync_key


class S3PrefixSettings(_Settings):
    """``[[aws.s3.sources]]``: one prefix whose files are tables."""

    bucket: BucketName
    prefix: str = ""
    pattern: str = "**/*.parquet"
    event_type_from_path: bool = False
    """``events/Login/2025-06-12.parquet``: the first folder below the prefix is the event type."""
    read_only: bool = False
    name: str | None = None
    """The database's name in the catalog; by default the last part of the prefix, or the bucket."""

    @field_validator("prefix")
    @classmethod
    def _prefix_stays_inside(cls, prefix: str) -> str:
        if prefix.startswith("/") or ".." in prefix.split("/") or "\0" in prefix:
            raise _not_allowed(prefix, 'a key prefix as "events/": no leading "/", no ".."')
        return prefix


class S3Settings(SourceSettings):
    """``[aws.s3]``: Parquet read directly, without Athena."""

    kind: Literal["s3"] = "s3"
    region: str | None = None
    endpoint_url: str | None = None
    sources: tuple[S3PrefixSettings, ...] = ()


class DuckdbSettings(SourceSettings):
    """``[store]``: the local DuckDB file.

    A ``[store]`` table without a ``path`` means ``stupiddb.duckdb`` beside the configuration file; no
    ``[store]`` at all, or ``path = ":memory:"``, means a store that ends with the session.
    """

    kind: Literal["duckdb"] = "duckdb"
    path: Path | None = None
    """None: an in-memory store that ends with the session."""
    memory_limit: str | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    temp_directory: Path | None = None
    s3_bucket: BucketName | None = None
    """Where the file is pulled from and pushed to; ``DATABASE_S3_BUCKET``."""
    s3_key: str | None = None
    """``DATABASE_S3_KEY``; with a bucket and no key: ``databases/k9_api_<environment>.db``."""


class LakeSettings(_Settings):
    """``[lake]`` or the ``S3_*`` variables: the bucket of the zones raw, staging and archive."""

    bucket: BucketName | None = None
    raw_prefix: str = "raw/"
    staging_prefix: str = "staging/"
    archive_prefix: str = "archive/"
    region: str | None = None
    endpoint_url: str | None = None


class GraphSettings(_Settings):
    """``[graph]``: the local knowledge graph built from the mappings and events."""

    retention_days: Annotated[int, Field(ge=1)] = 30
    """How many days of events are kept locally; what is older is asked from Athena."""


class JobsSettings(_Settings):
    """``[jobs]``: notebooks run unattended."""

    directory: Path | None = None
    """Where executed notebooks and reports go; None means ``stupiddb-runs`` beside the configuration."""
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    retries: Annotated[int, Field(ge=0)] = 0


class CatalogSettings(_Settings):
    """``[catalog]``: the cache of what the sources hold."""

    cache_directory: Path | None = None
    """None: the user's own cache folder."""
    max_age_seconds: Annotated[float, Field(ge=0)] = 3600.0
    """Older than this, the cached catalog of a source is read again in the background."""
    deadline_seconds: Annotated[float, Field(gt=0)] = 20.0
    """How long a listing waits for one source before it goes on without it."""


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
    lake: LakeSettings = LakeSettings()
    graph: GraphSettings = GraphSettings()
    jobs: JobsSettings = JobsSettings()
    environment: str | None = None
    """``ENVIRONMENT`` (or ``NODE_ENV``): dev, staging, prod …"""
    disabled: tuple[str, ...] = ()
    """Names of sources that are configured with ``enabled = false``."""
    path: Path | None = None
    """The ``stupiddb.toml`` this was read from."""
    origins: Annotated[dict[str, str], Field(repr=False)] = {}
    """Key path -> where its value came from (``stupiddb.toml, line 12``, ``AWS_REGION``); else a default."""
