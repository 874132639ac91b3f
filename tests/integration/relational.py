"""Sources on the embedded PostgreSQL and MariaDB, made with any settings a test needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pymysql

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Secrets
from stupiddb_kernel.config.settings import AwsSettings, MysqlSettings, PostgresSettings
from stupiddb_kernel.local.address import Address
from stupiddb_kernel.sources.base import ReadOptions, SourceContext
from stupiddb_kernel.sources.mysql import MysqlSource
from stupiddb_kernel.sources.postgres import PostgresSource


def context(address: Address, **environ: str) -> SourceContext:
    """Credentials from an environment of the test's own."""
    aws = Aws(AwsSettings(region="us-east-1"))
    known = {"DB_USER": address.username, "DB_PASSWORD": address.password}
    return SourceContext(aws, Secrets(aws, environ=known | environ))


@contextmanager
def postgres(
    address: Address, environ: dict[str, str] | None = None, **settings: Any
) -> Iterator[PostgresSource]:
    """A PostgreSQL source named ``pg``, closed at the end."""
    given = {"host": address.host, "port": address.port, "database": address.database} | settings
    shape = PostgresSettings(name="pg", username_env="DB_USER", password_env="DB_PASSWORD", **given)
    source = PostgresSource(shape, context(address, **(environ or {})))
    with closing(source):
        yield source


@contextmanager
def mysql(address: Address, environ: dict[str, str] | None = None, **settings: Any) -> Iterator[MysqlSource]:
    """A MySQL source named ``my``, closed at the end."""
    given = {"host": address.host, "port": address.port, "database": address.database} | settings
    shape = MysqlSettings(name="my", username_env="DB_USER", password_env="DB_PASSWORD", **given)
    source = MysqlSource(shape, context(address, **(environ or {})))
    with closing(source):
        yield source


def rows(
    source: Any, sql: str, parameters: dict[str, Any] | None = None, **options: Any
) -> list[dict[str, Any]]:
    """All rows of a statement."""
    found: list[dict[str, Any]] = source.query(sql, parameters, ReadOptions(**options)).to_arrow().to_pylist()
    return found


def value(source: Any, sql: str, parameters: dict[str, Any] | None = None, **options: Any) -> Any:
    """The one value of a statement."""
    [row] = rows(source, sql, parameters, **options)
    [only] = row.values()
    return only


def postgres_admin(address: Address) -> psycopg.Connection[Any]:
    """The server's own client, for what a test sets up."""
    return psycopg.connect(
        host=address.host,
        port=address.port,
        user=address.username,
        password=address.password,
        dbname=address.database,
        autocommit=True,
    )


def mysql_admin(address: Address) -> pymysql.Connection[Any]:
    """The server's own client, for what a test sets up."""
    return pymysql.connect(
        host=address.host,
        port=address.port,
        user=address.username,
        password=address.password,
        database=address.database,
        charset="utf8mb4",
        autocommit=True,
    )
