"""The same three tables in every store, loaded by the store's own tools, never by our code."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stupiddb_kernel.session import Session
from stupiddb_kernel.sources.base import Source, TableName

STORES = ("athena", "aurora", "rds", "s3", "local")
BIG = 100_000

ITEMS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "name": pa.array(["plain", 'it\'s; -- "quoted"', "größe 😀", None]),
        "price": pa.array(
            [Decimal("1.10"), Decimal("-0.01"), Decimal("99999999.99"), None], pa.decimal128(10, 2)
        ),
        "score": pa.array([0.1, -1e300, 1e-300, None], pa.float64()),
        "day": pa.array([date(2013, 1, 1), date(1969, 12, 31), date(2100, 2, 28), None]),
        "at": pa.array(
            [
                datetime(2013, 1, 1, 10),
                datetime(1969, 12, 31, 23, 59, 59, 123000),
                datetime(2100, 1, 1),
                None,
            ],
            pa.timestamp("ms"),
        ),
    }
)
EMPTY = ITEMS.slice(0, 0)
NUMBERS = pa.table(
    {"id": pa.array(range(BIG), pa.int64()), "text": pa.array([f"row {number}" for number in range(BIG)])}
)
TABLES = {"items": ITEMS, "nothing": EMPTY, "numbers": NUMBERS}


@dataclass(frozen=True)
class Store:
    """A source and the database its contract tables are in."""

    source: Source[Any]
    database: str

    def table(self, name: str) -> TableName:
        """The catalog's name of one of the three tables."""
        return TableName(self.source.name, self.database, name)

    def sql(self, name: str) -> str:
        """How SQL on this store writes it."""
        return f"{'public' if self.source.kind == 'postgres' else self.database}.{name}"


@pytest.fixture(scope="module")
def session(stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session on the embedded stack whose stores all hold the contract tables.

    Of the module, not the run: the environment it sets would reach every later test.
    """
    folder = tmp_path_factory.mktemp("contract")
    bucket = _load_s3(stack)
    _load_athena(stack, bucket)
    _load_postgres(stack)
    _load_mysql(stack)
    configuration = folder / "stupiddb.toml"
    text = stack.configuration()
    text += f'\n[[aws.s3.sources]]\nbucket = "{bucket}"\nprefix = "contract/"\nname = "contract"\n'
    text += "event_type_from_path = true\n"
    configuration.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in stack.environment().items():
            environment.setenv(name, value)
        with Session(configuration) as running:
            _load_local(running)
            yield running


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, session: Session) -> Store:
    """Every store in turn."""
    source = session.sources[request.param]
    databases = {
        "athena": "contract",
        "aurora": "aviation",
        "rds": "contract",
        "s3": "contract",
        "local": "main",
    }
    return Store(source, databases[request.param])


def _load_s3(stack: Any) -> str:
    client = stack.client("s3")
    client.create_bucket(Bucket="contract-tables")
    for name, table in TABLES.items():
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        client.put_object(
            Bucket="contract-tables", Key=f"contract/{name}/part-0.parquet", Body=buffer.getvalue()
        )
    return "contract-tables"


def _load_athena(stack: Any, bucket: str) -> None:
    types = {"id": "bigint", "name": "string", "text": "string", "price": "decimal(10,2)", "score": "double"}
    types |= {"day": "date", "at": "timestamp"}
    client = stack.client("glue")
    client.create_database(DatabaseInput={"Name": "contract"})
    for name, table in TABLES.items():
        client.create_table(
            DatabaseName="contract",
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"classification": "parquet"},
                "StorageDescriptor": {
                    "Columns": [{"Name": column, "Type": types[column]} for column in table.column_names],
                    "Location": f"s3://{bucket}/contract/{name}/",
                    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                    "SerdeInfo": {
                        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                    },
                },
                "PartitionKeys": [],
            },
        )


def _load_postgres(stack: Any) -> None:
    import psycopg

    types = {"id": "bigint PRIMARY KEY", "name": "text", "text": "text", "price": "numeric(10,2)"}
    types |= {"score": "double precision", "day": "date", "at": "timestamp"}
    address = stack.postgres
    with psycopg.connect(
        host=address.host,
        port=address.port,
        user=address.username,
        password=address.password,
        dbname=address.database,
        autocommit=True,
    ) as connection:
        for name, table in TABLES.items():
            columns = ", ".join(f'"{column}" {types[column]}' for column in table.column_names)
            connection.execute(f"CREATE TABLE {name} ({columns})")
            with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                for row in table.to_pylist():
                    copy.write_row(list(row.values()))
        connection.execute("ANALYZE")


def _load_mysql(stack: Any) -> None:
    import pymysql

    types = {"id": "bigint PRIMARY KEY", "name": "text", "text": "text", "price": "decimal(10,2)"}
    types |= {"score": "double", "day": "date", "at": "datetime(3)"}
    address = stack.mysql
    connection = pymysql.connect(
        host=address.host,
        port=address.port,
        user=address.username,
        password=address.password,
        charset="utf8mb4",
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE contract CHARACTER SET utf8mb4")
        for name, table in TABLES.items():
            columns = ", ".join(f"`{column}` {types[column]}" for column in table.column_names)
            cursor.execute(f"CREATE TABLE contract.{name} ({columns})")
            marks = ", ".join(["%s"] * table.num_columns)
            rows = [list(row.values()) for row in table.to_pylist()]
            if rows:
                cursor.executemany(f"INSERT INTO contract.{name} VALUES ({marks})", rows)
            cursor.execute(f"ANALYZE TABLE contract.{name}")


def _load_local(session: Session) -> None:
    for name, table in TABLES.items():
        session.local.write(TableName("local", "main", name), table.to_reader(), mode="replace")
